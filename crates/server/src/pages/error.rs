//! Errors as people see them: a page instead of a problem, where somebody goes to a page with a browser.
//!
//! Programs get problems (RFC 9457) everywhere, and paths that are for programs answer browsers with problems, too. The page
//! says what a person can do about it; what an operator can do stands in the problem.

use admit_core::check::answer::REQUEST_ID;
use askama::Template;
use axum::body::Body;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};

use super::text::Words;
use super::{Frame, asset, page};
use crate::http::problem::Told;

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The errors that pages have words of their own for, by their code; others are said by their status.
pub const KEYS: [&str; 19] = [
    "body_too_large",
    "cross_site",
    "insecure_transport",
    "invalid_redirect",
    "invalid_request_uri",
    "method_not_allowed",
    "misdirected_request",
    "not_found",
    "overloaded",
    "registration_closed",
    "request_timeout",
    "stale_flow",
    "stale_form",
    "stale_session",
    "too_many_attempts",
    "unknown_client",
    "other_ours",
    "other_yours",
    "unavailable",
];

/// Paths that are for programs.
const FOR_PROGRAMS: [&str; 8] =
    ["/v1/", "/check/", "/.well-known/", "/.admit/", "/oauth/", "/demo/", asset::FOLDER, "/metrics"];
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// What people open below those.
const FOR_PEOPLE: [&str; 2] = ["/oauth/authorize", "/oauth/logout"];

/// Somebody who goes to a page, and what he reads.
pub struct Reader(&'static Words);

impl Reader {
    /// Who asks this way, where it is a person.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let is_page = is_page(request.uri().path());
        (is_page && navigates(request.method(), request.headers())).then(|| Self(Words::wanted(request.headers())))
    }

    /// The page in place of a problem; anything else stays as it is.
    pub fn read(&self, response: Response<Body>) -> Response<Body> {
        let Some(Told(code)) = response.extensions().get::<Told>().copied() else { return response };
        let status = response.status();
        let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let shown = self.page(status, code, id);
        let (mut told, _) = response.into_parts();
        told.headers.remove(CONTENT_LENGTH);
        for name in [CONTENT_TYPE, CONTENT_SECURITY_POLICY] {
            if let Some(value) = shown.headers().get(&name) {
                told.headers.insert(name, value.clone());
            }
        }
        Response::from_parts(told, shown.into_body())
    }

    fn page(&self, status: StatusCode, code: &str, id: String) -> Response<Body> {
        let words = self.0;
        let key = key(status, code);
        let frame = Frame::new(words);
        let say = |part: &str| words.say(&format!("error.{key}.{part}"));
        page(status, &ErrorPage { frame, status: status.as_u16(), title: say("title"), text: say("text"), id })
    }
}

/// Under what a page says an error.
fn key(status: StatusCode, code: &str) -> &'static str {
    let known = KEYS.iter().find(|key| **key == code).copied();
    known.unwrap_or(if status.is_server_error() { "other_ours" } else { "other_yours" })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    title: &'static str,
    text: &'static str,
    id: String,
}

/// Whether a path is for people, at the server's own issuer or below a realm's.
fn is_page(path: &str) -> bool {
    let below = path.strip_prefix("/realms/").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    let path = below.unwrap_or(path);
    let is_below = |folder: &&str| path.starts_with(*folder) || path == folder.trim_end_matches('/');
    FOR_PEOPLE.contains(&path) || !(FOR_PROGRAMS.iter().any(is_below) || PROBES.contains(&path))
}

/// A browser on the way to a page, which can show one.
fn navigates(method: &Method, headers: &HeaderMap) -> bool {
    let accepts =
        headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).flat_map(|line| line.split(','));
    let mut types = accepts.map(|range| range.split(';').next().unwrap_or_default().trim());
    let wants_html = types.any(|kind| kind.eq_ignore_ascii_case("text/html"));
    match headers.get(&SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate" && wants_html,
        None => wants_html && matches!(*method, Method::GET | Method::HEAD | Method::POST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_programs_is_told_from_what_is_for_people() {
        for path in
            ["/", "/login", "/nothing", "/realms/shop/login", "/realms/shop", "/oauth/authorize", "/account", "/v2"]
        {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "/v1",
            "/v1/docs",
            "/check/nginx",
            "/realms/shop/check/nginx",
            "/.well-known/jwks.json",
            "/realms/shop/.well-known/jwks.json",
            "/oauth/token",
            "/healthz",
            "/assets/x.css",
            "/demo/orders",
            "/metrics",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }

    #[test]
    fn a_page_is_for_who_can_show_one() {
        let asks = |method: Method, lines: &[(&'static str, &'static str)]| {
            let line = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            navigates(&method, &lines.iter().map(line).collect())
        };
        let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        assert!(asks(Method::GET, &[html]) && asks(Method::POST, &[html]));
        assert!(asks(Method::POST, &[html, ("sec-fetch-mode", "navigate")]));
        assert!(!asks(Method::GET, &[html, ("sec-fetch-mode", "cors")]));
        assert!(!asks(Method::GET, &[("accept", "*/*")]) && !asks(Method::GET, &[]));
        assert!(!asks(Method::GET, &[("accept", "application/json")]) && !asks(Method::DELETE, &[html]));
    }

    #[test]
    fn an_error_without_words_of_its_own_is_said_by_its_status() {
        assert_eq!(key(StatusCode::NOT_FOUND, "not_found"), "not_found");
        assert_eq!(key(StatusCode::IM_A_TEAPOT, "teapot"), "other_yours");
        assert_eq!(key(StatusCode::BAD_GATEWAY, "teapot"), "other_ours");
    }
}
