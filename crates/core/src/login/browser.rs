//! What a browser says of a request: whether it comes from the same place, and whether a person is on the way to a page.
//!
//! A cookie goes wherever its host is asked, whoever made the browser ask. So it acts on what changes something, and opens
//! a connection that stays, only where the browser itself says that the page behind it is of the same origin, or one that
//! is listed (Fetch Metadata; RFC 6454). What a script can set is never asked.

use http::header::{ACCEPT, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderName, Method};

use crate::check::code::Reason;
use crate::check::host::Host;
use crate::check::request::Request;
use crate::policy::cors::Cors;

static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// Whether a cookie may act with this request.
pub fn judge(request: &Request<'_>, cors: Option<&Cors>) -> Result<(), Reason> {
    if !needs_proof(request) || is_same_origin(request) || is_listed(request.headers, cors) {
        return Ok(());
    }
    Err(Reason::NotSameOrigin)
}

/// A person goes to a page, and may be led elsewhere. Not where something was to be done: that cannot be taken along.
pub fn is_navigation(request: &Request<'_>) -> bool {
    if request.method != Method::GET {
        return false;
    }
    match request.headers.get(&SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => request.headers.get_all(ACCEPT).iter().any(|accept| {
            let types = accept.to_str().unwrap_or_default().split(',');
            types.map(|part| part.split(';').next().unwrap_or_default().trim()).any(|part| part == "text/html")
        }),
    }
}

/// Whether a person may be on the way to a page of its own: not a picture, a frame or a script, as far as the browser says.
pub fn may_be_navigation(headers: &HeaderMap) -> bool {
    let is = |name: &HeaderName, wanted: &str| headers.get(name).is_none_or(|said| said == wanted);
    is(&SEC_FETCH_MODE, "navigate") && is(&SEC_FETCH_DEST, "document")
}

/// Whether the page behind the request is of the same origin, or there is none: an address that was typed. The scheme and the
/// port of an `Origin` are compared where those of the request are known: proxies leave out what they changed.
pub fn is_same_origin(request: &Request<'_>) -> bool {
    match request.headers.get(&SEC_FETCH_SITE) {
        Some(site) => site == "same-origin" || site == "none",
        None => request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).is_some_and(|origin| {
            let Some((scheme, authority)) = origin.split_once("://") else { return false };
            let is_scheme = match request.https {
                Some(true) => scheme == "https",
                Some(false) => scheme == "http",
                None => matches!(scheme, "https" | "http"),
            };
            let is_port = request.port.is_none_or(|port| port_of(scheme, authority) == Some(port));
            is_scheme && is_port && Host::parse(authority).is_ok_and(|host| host == request.host)
        }),
    }
}

/// The port of an origin, which is not said where the scheme says it (RFC 6454 §6.1).
fn port_of(scheme: &str, authority: &str) -> Option<u16> {
    let by_scheme = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.starts_with('[') || name.ends_with(']') => port.parse().ok(),
        _ => Some(by_scheme),
    }
}

/// What changes something, and a connection that goes on being used after it was judged.
fn needs_proof(request: &Request<'_>) -> bool {
    let is_safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    let headers = request.headers;
    // Some gateways keep `Upgrade` to themselves: the other two say it as well.
    let upgrades = headers.contains_key(UPGRADE)
        || headers.contains_key(&SEC_WEBSOCKET_KEY)
        || headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "websocket");
    !is_safe || upgrades
}

fn is_listed(headers: &HeaderMap, cors: Option<&Cors>) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.zip(cors).is_some_and(|(origin, cors)| cors.lets_act(origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    use crate::check::address::TrustedProxies;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn judged(method: &str, lines: &[(&'static str, &str)]) -> Result<(), Reason> {
        let headers = headers(lines);
        let cors =
            crate::policy::cors::RawCors { origins: vec!["https://app.test".to_owned()], credentials: Some(true) };
        judge(&Request::direct(method, "https://shop.test/x", &headers, None).unwrap(), cors.resolve().ok().as_ref())
    }

    #[test]
    fn what_changes_something_needs_the_browser_s_word() {
        let foreign = ("sec-fetch-site", "cross-site");
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(judged(method, &[foreign]), Ok(()), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "MERGE"] {
            for bad in [&[][..], &[foreign], &[("sec-fetch-site", "same-site")], &[("origin", "null")]] {
                assert_eq!(judged(method, bad), Err(Reason::NotSameOrigin), "{method} {bad:?}");
            }
            for good in ["same-origin", "none"] {
                assert_eq!(judged(method, &[("sec-fetch-site", good)]), Ok(()), "{method} {good}");
            }
        }
    }

    #[test]
    fn an_origin_counts_where_the_browser_says_nothing_else() {
        for good in ["https://shop.test", "https://app.test"] {
            assert_eq!(judged("POST", &[("origin", good)]), Ok(()), "{good}");
        }
        for bad in
            ["http://shop.test", "https://shop.test.evil.test", "https://evil.test", "shop.test", "https://app.test:8"]
        {
            assert_eq!(judged("POST", &[("origin", bad)]), Err(Reason::NotSameOrigin), "{bad}");
        }
        let both = |origin: &'static str| [("origin", origin), ("sec-fetch-site", "same-site")];
        assert_eq!(judged("POST", &both("https://shop.test")), Err(Reason::NotSameOrigin), "the browser knows better");
        assert_eq!(judged("POST", &both("https://app.test")), Ok(()), "listed, with credentials");
    }

    #[test]
    fn se_04_an_origin_on_another_port_is_another_where_the_request_names_one() {
        let is_same = |host: &str, origin: &str| {
            let headers = headers(&[("host", host), ("origin", origin)]);
            let (uri, peer) = (http::Uri::from_static("/login"), std::net::IpAddr::from([127, 0, 0, 1]));
            is_same_origin(&Request::own(Method::POST, &uri, &headers, peer, &TrustedProxies::default()).unwrap())
        };
        for (host, good) in [
            ("shop.test:8443", "https://shop.test:8443"),
            ("shop.test:443", "https://shop.test"),
            ("shop.test:80", "http://shop.test"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("[::1]:80", "http://[::1]"),
            ("shop.test", "https://shop.test:8443"),
        ] {
            assert!(is_same(host, good), "{host} {good}");
        }
        for (host, bad) in [
            ("shop.test:8443", "https://shop.test"),
            ("shop.test:8443", "https://shop.test:8444"),
            ("shop.test:443", "http://shop.test"),
            ("shop.test:80", "https://shop.test"),
            ("[::1]:8080", "http://[::1]"),
        ] {
            assert!(!is_same(host, bad), "{host} {bad}");
        }
    }

    #[test]
    fn a_connection_that_stays_needs_it_too() {
        for line in [("upgrade", "websocket"), ("sec-websocket-key", "x"), ("sec-fetch-mode", "websocket")] {
            assert_eq!(judged("GET", &[line]), Err(Reason::NotSameOrigin), "{line:?}");
            assert_eq!(judged("GET", &[line, ("origin", "https://shop.test")]), Ok(()));
            assert_eq!(judged("GET", &[line, ("origin", "https://evil.test")]), Err(Reason::NotSameOrigin));
        }
    }

    #[test]
    fn only_who_goes_to_a_page_is_led_elsewhere() {
        let navigates = |method: &str, lines: &[(&'static str, &str)]| {
            let headers = headers(lines);
            is_navigation(&Request::direct(method, "https://shop.test/x", &headers, None).unwrap())
        };
        assert!(navigates("GET", &[("sec-fetch-mode", "navigate")]));
        assert!(navigates("GET", &[("accept", "text/html,application/xhtml+xml;q=0.9")]));
        assert!(navigates("GET", &[("accept", "application/xml, text/html;q=0.9")]));
        assert!(!navigates("GET", &[("sec-fetch-mode", "cors"), ("accept", "text/html")]));
        assert!(!navigates("GET", &[("accept", "application/json")]));
        assert!(!navigates("GET", &[]));
        assert!(!navigates("POST", &[("sec-fetch-mode", "navigate")]));
    }
}
