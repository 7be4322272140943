//! `/check/forward` (aliases `/check/caddy`, `/check/traefik`): forward authentication with a full answer.

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, Verdict};
use admit_core::check::host::Host;
use admit_core::check::request::Request;
use axum::body::Body;
use http::{HeaderMap, Response};

use super::policies::RealmPolicy;
use super::{Called, Door, Question, conclude, pipeline, render};
use crate::app::App;
use crate::authn::basic::Asked;
use crate::login::site;

/// Judges what `X-Forwarded-Method/Proto/Host/Uri/For` describe.
pub fn answer(
    app: &App,
    called: Called<'_>,
    headers: &HeaderMap,
    peer: IpAddr,
    asked: Option<&Asked>,
) -> Result<Response<Body>, Box<Question>> {
    let config = app.config.load();
    let request = Request::from_forwarded(headers, peer, &config.trusted_proxies);
    judged(app, Door::Forward, called, request, peer, asked)
}

/// What every gateway's dialect comes to.
pub fn judged(
    app: &App,
    door: Door,
    called: Called<'_>,
    request: Result<Request<'_>, Reason>,
    peer: IpAddr,
    asked: Option<&Asked>,
) -> Result<Response<Body>, Box<Question>> {
    let now = app.now();
    let named = called.realm.unwrap_or(admit_core::realm::DEFAULT);
    if let Err(reason @ Reason::PeerNotTrusted) = request {
        // A stranger learns nothing of realms and pushes no record out of the ring.
        let decision = Decision::of(app.request_id(now), Verdict::Refused(reason));
        app.metrics.decided(door, &decision);
        return Ok(render::untrusted(app, named, &decision, peer));
    }
    let policy = match policy_of(app, called, request.as_ref().ok()) {
        Ok(Some(policy)) => policy,
        // A realm that is not there has no rules.
        Ok(None) => {
            let refused = conclude::refuse(app, None, Reason::NothingMatched, door, now);
            return Ok(render::nowhere(app, named, &refused.decision));
        }
        Err(reason) => {
            return Ok(render::refused(app, named, &conclude::refuse(app, None, reason, door, now).decision));
        }
    };
    let named = policy.realm.name.as_str();
    let request = match request {
        Ok(request) => request,
        Err(reason) => {
            let refused = conclude::refuse(app, Some(&policy), reason, door, now);
            return Ok(render::refused(app, named, &refused.decision));
        }
    };
    let judged = pipeline::run(app, &policy, &request, door, asked, now);
    if let Some(question) = judged.question {
        return Err(question);
    }
    let rule = judged.rule.map(|found| found.rule);
    if judged.decision.is_admitted() {
        return Ok(render::admitted(&policy, rule, &request, &judged.decision));
    }
    let mut response = render::refused_by(app, &policy, rule, &judged.decision);
    if let Some(invitation) = site::invite(app, &policy, rule, &request, &judged.decision, now) {
        render::invite(&mut response, invitation);
    }
    Ok(response)
}

/// The rules to judge by: those of the realm that the path names, else of the one whose own host was called, else of
/// `default`. A gateway that passes its client's host on lets the client choose that host, and then it is also the one
/// that the request is for: such a host selects nothing.
fn policy_of(app: &App, called: Called<'_>, request: Option<&Request<'_>>) -> Result<Option<Arc<RealmPolicy>>, Reason> {
    let may_select = called.realm.is_none() && !app.dev && app.directory.has_hosts();
    let host = called.authority.filter(|_| may_select).and_then(|authority| Host::parse(authority).ok());
    let Some((host, _)) = host.zip(request).filter(|(host, request)| *host != request.host) else {
        return app.policies.named(app, called.realm);
    };
    match app.directory.of_host(host.as_str(), &app.store).map_err(|_| Reason::StoreUnavailable)? {
        Some(realm) => app.policies.of(app, realm),
        None => app.policies.named(app, None),
    }
}
