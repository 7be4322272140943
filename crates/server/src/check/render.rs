//! From a decision to the answer that a gateway understands.

use std::net::IpAddr;

use admit_core::check::address;
use admit_core::check::answer::{self, REQUEST_ID};
use admit_core::check::code::Code;
use admit_core::check::decision::Decision;
use admit_core::check::request::Request;
use admit_core::credential;
use admit_core::policy::rule::Rule;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use ipnet::IpNet;

use super::policies::RealmPolicy;
use crate::app::App;
use crate::http::problem;
use crate::login::site::Invitation;
use crate::oauth::resource;

/// Where a person signs in: the complete address.
const LOGIN: HeaderName = HeaderName::from_static("admit-login");
/// The true status, where the gateway knows fewer.
const STATUS: HeaderName = HeaderName::from_static("admit-status");
/// The code of a refusal, for gateways that replace the body.
pub const CODE: HeaderName = HeaderName::from_static("admit-code");
const NO_ID: HeaderValue = HeaderValue::from_static("");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Admitted: 200 with the identity headers, each of them always.
pub fn admitted(
    realm: &RealmPolicy,
    rule: Option<&Rule>,
    request: &Request<'_>,
    decision: &Decision,
) -> Response<Body> {
    let accept = rule.map(Rule::accept).unwrap_or_default();
    let upstream = credential::strip_credentials(request.headers, &accept).unwrap_or_default();
    let mut headers = answer::admission(decision, &realm.realm.name, &upstream);
    for (name, value) in &decision.cors {
        headers.append(name, value.clone());
    }
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers;
    response
}

/// A peer that is no trusted proxy is told the line that would make it one.
pub fn untrusted(app: &App, realm: &str, decision: &Decision, peer: IpAddr) -> Response<Body> {
    let peer = IpNet::from(address::unified(peer));
    let line = format!("Add the gateway to admit.toml: trusted_proxies = [\"{peer}\"]");
    refusal(app, realm, None, decision, Some(&line))
}

/// The gateway called for a realm that is not there: nothing keeps that refusal for `admit why`, so it says so itself.
pub fn nowhere(app: &App, realm: &str, decision: &Decision) -> Response<Body> {
    let detail = "There is no realm of the name that the gateway's URL has. Next: admit realm list";
    refusal(app, realm, None, decision, Some(detail))
}

/// Refused, in full: status, challenge and an RFC 9457 body.
pub fn refused(app: &App, realm: &str, decision: &Decision) -> Response<Body> {
    refusal(app, realm, None, decision, None)
}

/// The same where a rule says what to come with; a challenge says where to learn who issues it (RFC 9728 §5.1).
pub fn refused_by(app: &App, realm: &RealmPolicy, rule: Option<&Rule>, decision: &Decision) -> Response<Body> {
    let mut response = refusal(app, realm.realm.name.as_str(), rule, decision, None);
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|challenge| challenge.to_str().ok());
    let bearer = challenge.filter(|challenge| challenge.starts_with("Bearer "));
    if let Some((challenge, document)) = bearer.zip(resource::pointer(app, realm, rule)) {
        let (bearer, other) = challenge.split_at(challenge.find(", Basic ").unwrap_or(challenge.len()));
        let challenge = HeaderValue::try_from(format!("{bearer}, resource_metadata=\"{document}\"{other}"));
        if let Ok(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

fn refusal(app: &App, realm: &str, rule: Option<&Rule>, decision: &Decision, detail: Option<&str>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    say(&mut headers, decision);
    let told = decision.told();
    if decision.status() == 204 {
        return respond(StatusCode::NO_CONTENT, headers, Bytes::new());
    }
    headers.insert(CODE, HeaderValue::from_static(told.as_str()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(challenge) = challenge(realm, rule, decision) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = decision.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let body = problem::decision_body(&app.config.load().public_url, decision, detail);
    respond(StatusCode::from_u16(told.status()).unwrap_or(StatusCode::FORBIDDEN), headers, body)
}

/// Who could cure the refusal by signing in is told where.
pub fn invite(response: &mut Response<Body>, invitation: Invitation) {
    let headers = response.headers_mut();
    headers.insert(LOGIN, invitation.login);
    if let Some(cookie) = invitation.cookie {
        headers.insert(SET_COOKIE, cookie);
    }
}

/// nginx knows 200, 401 and 403 only: the true figure goes into `Admit-Status`.
pub fn for_nginx(mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    if !matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED) {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    if status != StatusCode::OK {
        response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
    }
    response
}

fn respond(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What every refusal carries.
fn say(headers: &mut HeaderMap, decision: &Decision) {
    headers.insert(REQUEST_ID, HeaderValue::try_from(decision.request_id.to_string()).unwrap_or(NO_ID));
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.extend(answer::limit_fields(decision));
    for (name, value) in &decision.cors {
        headers.append(name, value.clone());
    }
}

/// What to come with: Bearer, and Basic (RFC 7617 §2.1) where the rule takes it. In one line, for some gateways pass on only
/// the first.
fn challenge(realm: &str, rule: Option<&Rule>, decision: &Decision) -> Option<HeaderValue> {
    let is_asked_who = decision.told().status() == 401;
    let basic = || format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
    let text = match rule.filter(|rule| is_asked_who && rule.takes_basic()) {
        Some(rule) if rule.takes_only_basic() => basic(),
        Some(_) => format!("{}, {}", bearer(realm, decision)?, basic()),
        None => bearer(realm, decision)?,
    };
    HeaderValue::from_str(&text).ok()
}

/// The Bearer challenge (RFC 6750 §3): no error where nothing was sent.
fn bearer(realm: &str, decision: &Decision) -> Option<String> {
    let told = decision.told();
    Some(match told {
        Code::MissingCredential => format!("Bearer realm=\"{realm}\""),
        Code::InsufficientScope => {
            let scopes: Vec<_> = decision.missing_scopes.iter().map(|scope| scope.as_str()).collect();
            format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "))
        }
        _ if told.status() == 401 => {
            format!("Bearer realm=\"{realm}\", error=\"invalid_token\", error_description=\"{}\"", told.sentence())
        }
        _ => return None,
    })
}
