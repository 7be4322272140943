//! Tests of the original request: the dialects, what is refused, what is ignored.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const NGINX: &[(&str, &str)] = &[
    ("X-Original-Method", "GET"),
    ("X-Original-URI", "/orders/42?page=2"),
    ("X-Forwarded-Host", "shop.test"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-For", "203.0.113.9"),
];
const CADDY: &[(&str, &str)] = &[
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Uri", "/orders/42?page=2"),
    ("X-Forwarded-Host", "shop.test"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-For", "203.0.113.9"),
];

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// The lines with some replaced; an empty value takes a line away.
fn with<'a>(lines: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> HeaderMap {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| changed.eq_ignore_ascii_case(name));
    let kept = lines.iter().filter(|(name, _)| !is_changed(name));
    map(&kept.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect::<Vec<_>>())
}

fn peer() -> IpAddr {
    "127.0.0.1".parse().unwrap()
}

fn trusted() -> TrustedProxies {
    TrustedProxies::new(["127.0.0.1/32".parse().unwrap()])
}

fn original(headers: &HeaderMap) -> Result<Request<'_>, Reason> {
    Request::from_original(headers, peer(), &trusted())
}

fn forwarded(headers: &HeaderMap) -> Result<Request<'_>, Reason> {
    Request::from_forwarded(headers, peer(), &trusted())
}

/// Why nginx's request with these changes is refused.
fn refused(changes: &[(&str, &str)]) -> Option<Reason> {
    original(&with(NGINX, changes)).err()
}

proptest! {
    #[test]
    fn any_headers_are_read_or_refused(
        method in "[ -~é]{0,8}", uri in "(https?://|/)?[ -~é]{0,40}", host in "[ -~é]{0,20}", proto in "[ -~]{0,6}|http|https",
    ) {
        let headers = map(&[("x-original-method", &method), ("x-original-uri", &uri), ("x-forwarded-host", &host), ("x-forwarded-proto", &proto)]);
        if let Ok(request) = original(&headers) {
            let _ = (request.query_names(), request.preflight(), request.is_plain_http());
            prop_assert_eq!(request.method.as_str(), &method);
        }
        let _ = Request::direct(&method, &uri, &headers, None);
    }

    #[test]
    fn query_names_are_few_short_and_printable(query in "[ -~é%&=]{0,200}") {
        let headers = map(&[]);
        let request = Request { query: Some(&query), ..Request::direct("GET", "https://shop.test/", &headers, None).unwrap() };
        let names = request.query_names();
        prop_assert!(names.len() <= QUERY_NAMES_MAX);
        prop_assert!(names.iter().all(|name| name.chars().count() <= QUERY_NAME_MAX && !name.chars().any(is_unprintable)));
    }
}

#[test]
fn both_dialects_say_the_same() {
    let (nginx, caddy) = (map(NGINX), map(CADDY));
    for request in [original(&nginx).unwrap(), forwarded(&caddy).unwrap()] {
        assert_eq!(
            (request.method.as_str(), request.host.as_str(), request.path.as_str()),
            ("GET", "shop.test", "/orders/42")
        );
        assert_eq!((request.query, request.https), (Some("page=2"), Some(true)));
        assert_eq!(request.client_ip, Some("203.0.113.9".parse().unwrap()));
    }
}

#[test]
fn fa_01_the_other_dialect_and_stray_headers_are_ignored() {
    let spoofs = [
        ("Forwarded", "for=10.0.0.1;host=evil.test;proto=http"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Port", "80"),
        ("X-Rewrite-URL", "/public"),
        ("X-Original-URL", "/public"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Real-IP", "10.0.0.1"),
    ];
    let nginx =
        with(NGINX, &[&spoofs[..], &[("X-Forwarded-Method", "DELETE"), ("X-Forwarded-Uri", "/public/../x")]].concat());
    let caddy =
        with(CADDY, &[&spoofs[..], &[("X-Original-Method", "DELETE"), ("X-Original-URI", "/public/../x")]].concat());
    for request in [original(&nginx).unwrap(), forwarded(&caddy).unwrap()] {
        assert_eq!(
            (request.method.as_str(), request.host.as_str(), request.path.as_str()),
            ("GET", "shop.test", "/orders/42")
        );
        assert_eq!(request.client_ip, Some("203.0.113.9".parse().unwrap()));
    }
    assert_eq!(
        original(&map(CADDY)).err(),
        Some(Reason::OriginalRequestMissing),
        "the dialects do not stand in for one another"
    );
    assert_eq!(forwarded(&map(NGINX)).err(), Some(Reason::OriginalRequestMissing));
}

#[test]
fn fa_01_a_peer_that_is_no_trusted_proxy_says_nothing() {
    let headers = map(NGINX);
    for (peer, proxies) in [("203.0.113.1", trusted()), ("127.0.0.1", TrustedProxies::default())] {
        let peer = peer.parse().unwrap();
        assert_eq!(Request::from_original(&headers, peer, &proxies).err(), Some(Reason::PeerNotTrusted));
        assert_eq!(Request::from_forwarded(&headers, peer, &proxies).err(), Some(Reason::PeerNotTrusted));
    }
}

#[test]
fn what_is_missing_is_not_guessed() {
    for name in ["X-Original-Method", "X-Original-URI", "X-Forwarded-Host"] {
        assert_eq!(refused(&[(name, "")]), Some(Reason::OriginalRequestMissing), "{name}");
        let mut headers = map(NGINX);
        headers.insert(HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap(), HeaderValue::from_static(""));
        assert_eq!(original(&headers).err(), Some(Reason::OriginalRequestMissing), "{name} is empty");
    }
    let headers = with(NGINX, &[("X-Forwarded-Proto", ""), ("X-Forwarded-For", "")]);
    let request = original(&headers).unwrap();
    assert_eq!((request.https, request.client_ip), (None, Some(peer())));
}

#[test]
fn fa_02_doubles_and_aliases_are_refused() {
    assert_eq!(refused(&[("X_Original_URI", "/public")]), Some(Reason::AliasHeader));
    assert_eq!(refused(&[("Admit.Subject", "usr_1")]), Some(Reason::AliasHeader));
    assert_eq!(refused(&[("X-Original-URI", "/a"), ("X-Original-URI", "/b")]), Some(Reason::DoubledHeader));
    assert_eq!(refused(&[("Admit-Subject", "usr_1")]), None, "the proper spelling is overwritten by the answer");
}

#[test]
fn fa_07_methods_are_kept_exactly() {
    for method in ["GET", "get", "GETX", "PROPFIND", "M-SEARCH"] {
        assert_eq!(original(&with(NGINX, &[("X-Original-Method", method)])).unwrap().method.as_str(), method);
    }
    for method in ["G/ET", "GET,POST", "(GET)", "GET:"] {
        assert_eq!(refused(&[("X-Original-Method", method)]), Some(Reason::BadMethod), "{method}");
    }
    assert_eq!(refused(&[("X-Original-Method", "GET X")]), Some(Reason::UnreadableHeader));
    assert_eq!(refused(&[("X-Original-Method", &"M".repeat(METHOD_MAX))]), None);
    assert_eq!(refused(&[("X-Original-Method", &"M".repeat(METHOD_MAX + 1))]), Some(Reason::BadMethod));
}

#[test]
fn fa_08_one_host_or_none() {
    for host in ["SHOP.test", "shop.test.", "shop.test:8443"] {
        assert_eq!(original(&with(NGINX, &[("X-Forwarded-Host", host)])).unwrap().host.as_str(), "shop.test");
    }
    for (host, reason) in [
        ("shop.test,evil.test", Reason::BadHost),
        ("shop.test, evil.test", Reason::UnreadableHeader),
        ("user@shop.test", Reason::BadHost),
        ("café.test", Reason::UnreadableHeader),
    ] {
        assert_eq!(refused(&[("X-Forwarded-Host", host)]), Some(reason), "{host}");
    }
    let absolute = with(NGINX, &[("X-Original-URI", "HTTP://Shop.Test:80?x=1")]);
    let request = original(&absolute).unwrap();
    assert_eq!((request.path.as_str(), request.query, request.https), ("/", Some("x=1"), Some(true)));
    for (uri, reason) in [
        ("http://evil.test/orders", Reason::HostConflict),
        ("https://shop.test@evil.test/", Reason::BadHost),
        ("http:///orders", Reason::BadHost),
        ("ftp://shop.test/", Reason::PathNotAbsolute),
        ("shop.test:443", Reason::PathNotAbsolute),
        ("*", Reason::PathNotAbsolute),
        ("//evil.test/orders", Reason::PathEmptySegment),
    ] {
        assert_eq!(refused(&[("X-Original-URI", uri)]), Some(reason), "{uri}");
    }
}

#[test]
fn fa_04_only_the_path_is_judged() {
    let headers = with(NGINX, &[("X-Original-URI", "/public?x=/admin/../%2f;&y=//")]);
    let request = original(&headers).unwrap();
    assert_eq!((request.path.as_str(), request.query), ("/public", Some("x=/admin/../%2f;&y=//")));
    assert_eq!(refused(&[("X-Original-URI", "/admin/..%2fpublic")]), Some(Reason::PathDotSegment));
    assert_eq!(refused(&[("X-Original-URI", "/admin#?x")]), Some(Reason::PathFragment));
    assert_eq!(refused(&[("X-Original-URI", "/public?x#/admin")]), Some(Reason::PathFragment));
    assert_eq!(refused(&[("X-Original-URI", "/café")]), Some(Reason::UnreadableHeader));
}

#[test]
fn limits_hold_at_their_edge() {
    let uri = |length: usize| format!("/?{}", "a".repeat(length - 2));
    assert_eq!(refused(&[("X-Original-URI", &uri(URI_MAX))]), None);
    assert_eq!(refused(&[("X-Original-URI", &uri(URI_MAX + 1))]), Some(Reason::PathTooLong));
    assert_eq!(refused(&[("Origin", &"o".repeat(ORIGIN_MAX))]), None);
    assert_eq!(refused(&[("Origin", &"o".repeat(ORIGIN_MAX + 1))]), Some(Reason::UnreadableHeader));
    let headers = map(&[]);
    let query: Vec<_> = (0..=QUERY_NAMES_MAX).map(|number| format!("p{number}=v")).collect();
    let url = format!("https://shop.test/?{}", query.join("&"));
    assert_eq!(Request::direct("GET", &url, &headers, None).unwrap().query_names().len(), QUERY_NAMES_MAX);
}

#[test]
fn the_protocol_is_one_of_four_words() {
    for (proto, https) in [("https", true), ("HTTPS", true), ("wss", true), ("http", false), ("ws", false)] {
        assert_eq!(original(&with(NGINX, &[("X-Forwarded-Proto", proto)])).unwrap().https, Some(https), "{proto}");
    }
    for proto in ["ftp", "https,http", "on"] {
        assert_eq!(refused(&[("X-Forwarded-Proto", proto)]), Some(Reason::BadForwardedProto), "{proto}");
    }
}

#[test]
fn plain_http_is_what_crossed_a_network_in_the_clear() {
    for (proto, client, expected) in [
        ("http", "203.0.113.9", true),
        ("http", "127.0.0.1", false),
        ("http", "::1", false),
        ("https", "203.0.113.9", false),
        ("", "203.0.113.9", false),
    ] {
        let headers = with(NGINX, &[("X-Forwarded-Proto", proto), ("X-Forwarded-For", client)]);
        assert_eq!(original(&headers).unwrap().is_plain_http(), expected, "{proto} {client}");
    }
    let headers = map(&[]);
    for (url, expected) in
        [("http://shop.test/", true), ("http://localhost:3000/", false), ("https://shop.test/", false)]
    {
        assert_eq!(Request::direct("GET", url, &headers, None).unwrap().is_plain_http(), expected, "{url}");
    }
}

#[test]
fn browsers_show_themselves() {
    for (name, expected) in
        [("Sec-Fetch-Mode", true), ("Sec-Fetch-Site", true), ("Origin", true), ("User-Agent", false)]
    {
        assert_eq!(original(&with(NGINX, &[(name, "cors")])).unwrap().from_browser(), expected, "{name}");
    }
}

#[test]
fn fa_06_a_preflight_is_options_with_both_headers() {
    let ask =
        [("X-Original-Method", "OPTIONS"), ("Origin", "https://app.test"), ("Access-Control-Request-Method", "PUT")];
    let asked = |changes: &[(&'static str, &'static str)]| {
        original(&with(NGINX, &[&ask[..], changes].concat()))
            .unwrap()
            .preflight()
            .map(|it| (it.origin.to_owned(), it.method))
    };
    assert_eq!(asked(&[]), Some(("https://app.test".to_owned(), Method::PUT)));
    for without in [0, 1, 2] {
        let changes: Vec<_> =
            ask.iter().enumerate().filter(|(place, _)| *place != without).map(|(_, line)| *line).collect();
        assert_eq!(original(&with(NGINX, &changes)).unwrap().preflight(), None);
    }
    let spaced = with(NGINX, &[ask[0], ask[1], ("Access-Control-Request-Method", "P/T")]);
    assert_eq!(original(&spaced).unwrap().preflight(), None);
}

#[test]
fn a_caller_describes_a_request_by_its_url() {
    let headers = map(&[("X-Forwarded-For", "10.0.0.1"), ("X-Original-URI", "/public")]);
    let ip = "::ffff:203.0.113.9".parse().ok();
    let request = Request::direct("POST", "https://Shop.test:8443/orders?x", &headers, ip).unwrap();
    assert_eq!((request.host.as_str(), request.path.as_str(), request.query), ("shop.test", "/orders", Some("x")));
    assert_eq!((request.https, request.client_ip), (Some(true), "203.0.113.9".parse().ok()));
    for (method, url, reason) in [
        ("GET", "/orders", Reason::OriginalRequestMissing),
        ("GET", "", Reason::PathNotAbsolute),
        ("GET", "shop.test/orders", Reason::PathNotAbsolute),
        ("GET", "file:///etc/passwd", Reason::PathNotAbsolute),
        ("GET", "https://caf\u{e9}.test/", Reason::BadHost),
        ("GET", "https://shop.test\\@evil.test/", Reason::BadHost),
        ("GET", "https://shop.test/?a b", Reason::PathControl),
        ("GET", "https://shop.test/?caf\u{e9}", Reason::PathNotUtf8),
        ("GET", "https://shop.test#x", Reason::PathNotAbsolute),
        ("G T", "https://shop.test/", Reason::BadMethod),
        ("", "https://shop.test/", Reason::BadMethod),
    ] {
        assert_eq!(Request::direct(method, url, &headers, None).err(), Some(reason), "{method} {url}");
    }
    let headers = map(&[("X_Api_Key", "x")]);
    assert_eq!(Request::direct("GET", "https://shop.test/", &headers, None).err(), Some(Reason::AliasHeader));
}

#[test]
fn admit_s_own_requests_go_by_the_host_header() {
    let own = |uri: &str, lines: &[(&str, &str)], peer: &str| {
        let (uri, headers) = (uri.parse::<Uri>().unwrap(), map(lines));
        let request = Request::own(Method::GET, &uri, &headers, peer.parse().unwrap(), &trusted())?;
        Ok((
            request.host.to_string(),
            request.path.as_str().to_owned(),
            request.https,
            request.client_ip.unwrap().to_string(),
        ))
    };
    let forwards = [
        ("Host", "Auth.test:8420"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-For", "203.0.113.9"),
    ];
    let seen = |https, ip: &str| Ok(("auth.test".to_owned(), "/v1/keys".to_owned(), https, ip.to_owned()));
    assert_eq!(own("/v1/keys?x", &forwards, "127.0.0.1"), seen(Some(false), "203.0.113.9"));
    assert_eq!(
        own("/v1/keys?x", &forwards, "198.51.100.1"),
        seen(None, "198.51.100.1"),
        "a stranger's word does not count"
    );
    assert_eq!(own("http://auth.test/v1/keys", &[("Host", "auth.test")], "198.51.100.1"), seen(None, "198.51.100.1"));
    assert_eq!(own("http://evil.test/v1/keys", &[("Host", "auth.test")], "127.0.0.1"), Err(Reason::HostConflict));
    assert_eq!(
        own("/v1/keys", &[("Host", "auth.test"), ("Host", "auth.test")], "127.0.0.1"),
        Err(Reason::DoubledHeader)
    );
    assert_eq!(own("/v1/keys", &[], "127.0.0.1"), Err(Reason::OriginalRequestMissing));
    assert_eq!(own("/v1//keys", &[("Host", "auth.test")], "127.0.0.1"), Err(Reason::PathEmptySegment));
}

#[test]
fn ak_04_nothing_that_may_be_secret_is_recorded() {
    let key = secret::write("admit", &[7; 32]).expose().to_owned();
    let url = format!("https://shop.test/orders?api%5fkey={key}&{key}&x&a%00b=1&&=2");
    let headers = map(&[("Authorization", &format!("Bearer {key}"))]);
    let request = Request::direct("GET", &url, &headers, None).unwrap();
    assert_eq!(request.query_names(), ["api_key", "…", "x", "a\u{fffd}b", ""]);
    assert!(!format!("{request:?}").contains(&key));
}
