//! `/check/forward` (aliases `/check/caddy`, `/check/traefik`): forward authentication with a full answer.

use std::net::IpAddr;

use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, Verdict};
use admit_core::check::request::Request;
use axum::body::Body;
use http::{HeaderMap, Response};

use super::{Door, pipeline, render};
use crate::app::App;

/// Judges what `X-Forwarded-Method/Proto/Host/Uri/For` describe.
pub fn answer(app: &App, realm: Option<&str>, headers: &HeaderMap, peer: IpAddr) -> Response<Body> {
    let config = app.config.load();
    let request = Request::from_forwarded(headers, peer, &config.trusted_proxies);
    judged(app, Door::Forward, realm, request, peer)
}

/// What every gateway's dialect comes to.
pub fn judged(
    app: &App,
    door: Door,
    realm: Option<&str>,
    request: Result<Request<'_>, Reason>,
    peer: IpAddr,
) -> Response<Body> {
    let now = app.now();
    let named = realm.unwrap_or(admit_core::realm::DEFAULT);
    if let Err(reason @ Reason::PeerNotTrusted) = request {
        // A stranger learns nothing of realms and pushes no record out of the ring.
        let decision = Decision::of(app.request_id(now), Verdict::Refused(reason));
        app.metrics.decided(door, &decision);
        return render::untrusted(app, named, &decision, peer);
    }
    let policy = match app.policies.named(app, realm) {
        Ok(Some(policy)) => policy,
        // A realm that is not there has no rules.
        Ok(None) => {
            return render::refused(
                app,
                named,
                &pipeline::refuse(app, None, Reason::NothingMatched, door, now).decision,
            );
        }
        Err(reason) => return render::refused(app, named, &pipeline::refuse(app, None, reason, door, now).decision),
    };
    let request = match request {
        Ok(request) => request,
        Err(reason) => {
            return render::refused(app, named, &pipeline::refuse(app, Some(&policy), reason, door, now).decision);
        }
    };
    let judged = pipeline::run(app, &policy, &request, door, now);
    if judged.decision.is_admitted() {
        return render::admitted(&policy, judged.rule.map(|found| found.rule), &request, &judged.decision);
    }
    render::refused(app, named, &judged.decision)
}
