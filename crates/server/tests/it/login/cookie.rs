//! A cookie as a credential: where it counts, and when it stands back.

use admit_core::check::code::Reason;
use serde_json::json;

use super::{REALM, Shop, admitted, cookie_of, nobody};

#[tokio::test]
async fn se_13_what_cannot_be_read_is_no_session() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    let (text, good) = (begun.secret.expose(), cookie_of(&begun));
    let wrong_sum = format!("{}{}", &text[..text.len() - 1], if text.ends_with('0') { '1' } else { '0' });
    let huge = "x".repeat(9_000);
    for bad in ["", "{}", "null", "=", "%00", "a b", "\u{e9}", "admit_ss_", "\"\"", wrong_sum.as_str(), huge.as_str()] {
        let cookie = format!("admit.default={bad}");
        let reply = shop.ask("GET", &cookie).await;
        assert_eq!((reply.status, reply.code()), nobody(), "{bad:.40}");
        assert!(shop.of_request(&cookie).is_none(), "{bad:.40}");
    }
    for doubled in [format!("{good}; {good}"), format!("{good}; admit.default=x"), format!("admit.default=; {good}")] {
        let reply = shop.ask("GET", &doubled).await;
        assert_eq!((reply.status, reply.code()), nobody(), "one of two was planted: {doubled:.20}");
    }
    assert_eq!(shop.opens(&begun).await, admitted());
}

#[tokio::test]
async fn a_cookie_counts_at_the_issuer_s_host_under_its_own_name_only() {
    let shop = Shop::new().await;
    shop.app
        .rule(json!({"name": "elsewhere", "match": {"host": "shop.test", "path": "/orders/**"}, "require": {"scopes": ["orders:read"]}}))
        .await;
    let begun = shop.begin(None).await;
    let text = begun.secret.expose();
    let at = |host: &'static str, cookie: String| {
        let shop = &shop;
        async move {
            let headers = [
                ("x-original-method", "GET"),
                ("x-original-uri", "/orders/1"),
                ("x-forwarded-host", host),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-for", "127.0.0.1"),
                ("cookie", cookie.as_str()),
            ];
            let reply = shop.app.send("GET", "/check/nginx", &headers, None).await;
            (reply.status, reply.code())
        }
    };
    assert_eq!(at("127.0.0.1", cookie_of(&begun)).await, admitted());
    assert_eq!(at("shop.test", cookie_of(&begun)).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::OtherHost), "another host has it from nobody but a thief");
    assert_eq!(at("shop.test", format!("admit-site.default={text}")).await, nobody());
    for name in
        ["admit-site.default", "__Host-admit.default", "admit.operators", "admit-device.default", "Admit.default"]
    {
        assert_eq!(at("127.0.0.1", format!("{name}={text}")).await, nobody(), "{name}");
    }
}

#[tokio::test]
async fn an_explicit_credential_decides_and_a_session_is_none() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    let cookie = cookie_of(&begun);
    let key = shop.app.shop_key("ci", &["orders:write"]).await;
    let ask = |authorization: String| {
        let (shop, cookie) = (&shop, cookie.clone());
        async move {
            let headers = [("cookie", cookie.as_str()), ("authorization", authorization.as_str())];
            shop.ask_with("GET", "/orders/1", &headers).await
        }
    };
    let reply = ask(format!("Bearer {key}")).await;
    assert_eq!((reply.status, shop.app.last_reason()), (403, Some(Reason::ScopeMissing)), "the key was judged");
    let unknown = admit_core::secret::write("admit", &[3; 32]);
    let reply = ask(format!("Bearer {}", unknown.expose())).await;
    assert_eq!(reply.code(), "invalid_credential", "a refused explicit credential does not become the cookie");

    let misses = shop.app.app.metrics.cache_misses.get();
    for place in ["Bearer", "ApiKey"] {
        let reply = ask(format!("{place} {}", begun.secret.expose())).await;
        assert_eq!(reply.code(), "invalid_credential", "{place}");
        assert_eq!(shop.app.last_reason(), Some(Reason::SecretInWrongPlace));
    }
    assert_eq!(shop.app.app.metrics.cache_misses.get(), misses, "nothing was looked up");
    admit::jobs::notice::write(&shop.app.app).await;
    let events = shop.app.manage("GET", &format!("{REALM}/events?kind=credential.misplaced"), json!(null)).await;
    assert!(!events.expect(200)["items"].as_array().unwrap().is_empty(), "somebody leaks it");
}

#[tokio::test]
async fn a_cookie_acts_on_nothing_that_another_site_asks_for() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    let cookie = cookie_of(&begun);
    let ask = |method: &'static str, more: Vec<(&'static str, &'static str)>| {
        let (shop, cookie) = (&shop, cookie.clone());
        async move {
            let mut headers = vec![("cookie", cookie.as_str())];
            headers.extend(more);
            let reply = shop.ask_with(method, "/orders/1", &headers).await;
            (reply.status, reply.json()["code"].as_str().map(str::to_owned), reply.header("admit-status"))
        }
    };
    let refused = || (403, Some("cross_site".to_owned()), "403".to_owned());
    let passed = || (200, None, String::new());
    assert_eq!(ask("GET", vec![("sec-fetch-site", "cross-site")]).await, passed(), "a link from elsewhere");
    for more in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![],
    ] {
        assert_eq!(ask("POST", more.clone()).await, refused(), "{more:?}");
        assert_eq!(shop.app.last_reason(), Some(Reason::NotSameOrigin));
    }
    assert_eq!(ask("POST", vec![("sec-fetch-site", "same-origin")]).await, passed());
    assert_eq!(ask("POST", vec![("origin", "http://127.0.0.1:8080")]).await, passed());
    let socket = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(ask("GET", vec![socket, ("origin", "https://evil.test")]).await, refused());
    assert_eq!(ask("GET", vec![socket, ("origin", "http://127.0.0.1")]).await, passed());
}

#[tokio::test]
async fn on_a_public_rule_a_cookie_fills_the_headers_and_keeps_nobody_out() {
    let shop = Shop::new().await;
    shop.app
        .rule(json!({"name": "shop window", "match": {"host": "127.0.0.1", "path": "/window"}, "public": true}))
        .await;
    let begun = shop.begin(None).await;
    let cookie = cookie_of(&begun);
    let ask = |method: &'static str, cookie: String, site: &'static str| {
        let shop = &shop;
        async move {
            let reply = shop.ask_with(method, "/window", &[("cookie", &cookie), ("sec-fetch-site", site)]).await;
            (reply.status, reply.header("admit-name"))
        }
    };
    assert_eq!(ask("GET", cookie.clone(), "none").await, (200, "alice".to_owned()));
    assert_eq!(ask("POST", cookie, "cross-site").await, (200, String::new()), "as if nobody had signed in");
    assert_eq!(ask("GET", "admit.default=x".to_owned(), "none").await, (200, String::new()));
}

#[tokio::test]
async fn a_rule_may_ask_for_a_session() {
    let shop = Shop::new().await;
    let rule = |name: &str, path: &str, credentials: serde_json::Value| json!({"name": name, "match": {"host": "127.0.0.1", "path": path}, "require": {"credentials": credentials}});
    shop.app.rule(rule("people", "/people", json!(["session"]))).await;
    shop.app.rule(rule("machines", "/machines", json!(["api_key"]))).await;
    let (cookie, key) = (cookie_of(&shop.begin(None).await), shop.app.shop_key("ci", &[]).await);
    let bearer = format!("Bearer {key}");
    let ask = |path: &'static str, header: (&'static str, String)| {
        let shop = &shop;
        async move { shop.ask_with("GET", path, &[(header.0, &header.1)]).await.status }
    };
    assert_eq!(ask("/people", ("cookie", cookie.clone())).await, 200);
    assert_eq!(ask("/people", ("authorization", bearer.clone())).await, 403);
    assert_eq!(shop.app.last_reason(), Some(Reason::CredentialKind));
    assert_eq!(ask("/machines", ("cookie", cookie)).await, 403);
    assert_eq!(ask("/machines", ("authorization", bearer)).await, 200);
}
