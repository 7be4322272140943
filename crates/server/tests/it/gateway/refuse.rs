//! A refusal as the client sees it: the true figure, each header once, and nothing at the application.

use serde_json::json;

use super::fake::{self, Fake, Say};
use super::{Ask, Echo, Gateway, Kind, Shop};

#[tokio::test]
async fn a_401_says_once_how_to_come_back() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let nobody = gateway.ask(&Ask::new("GET /orders/42")).await;
        assert_eq!((nobody.status, nobody.code().as_str()), (401, "missing_credential"), "{kind:?}");
        let document = format!("{}/.well-known/oauth-protected-resource/api.shop.test", shop.app.url);
        let challenge = format!("Bearer realm=\"default\", resource_metadata=\"{document}\"");
        assert_eq!(nobody.one("www-authenticate"), challenge, "{kind:?}");
        assert_eq!(nobody.one("content-type"), "application/problem+json", "{kind:?}");
        assert_eq!(nobody.one("cache-control"), "no-store", "{kind:?}");
        assert!(nobody.one("admit-request-id").starts_with("req_"), "{kind:?}");
        let garbage = gateway.ask(&Ask::new("GET /orders/42").key("garbage")).await;
        assert_eq!((garbage.status, garbage.code().as_str()), (401, "invalid_credential"), "{kind:?}");
        assert!(garbage.one("www-authenticate").contains("error=\"invalid_token\""), "{kind:?}");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn rfc_7617_3_who_may_send_a_password_is_asked_for_it() {
    let shop = Shop::open().await;
    let rule = |name: &str, credentials: &[&str]| {
        json!({"name": name, "match": {"host": "shop.test", "path": format!("/{name}")},
            "require": {"authenticated": true, "credentials": credentials}})
    };
    shop.app.rule(rule("only", &["basic"])).await;
    shop.app.rule(rule("both", &["api_key", "basic"])).await;
    let only = "Basic realm=\"default\", charset=\"UTF-8\"";
    for gateway in &shop.gateways {
        let challenge = async |path: &str| gateway.ask(&Ask::new(path)).await.one("www-authenticate").to_owned();
        assert_eq!(challenge("GET /only").await, only, "{:?}", gateway.kind);
        let document = format!("{}/.well-known/oauth-protected-resource/api.shop.test", shop.app.url);
        let both = format!("Bearer realm=\"default\", resource_metadata=\"{document}\", {only}");
        assert_eq!(challenge("GET /both").await, both, "{:?}", gateway.kind);
    }
}

#[tokio::test]
async fn rfc_9728_a_gateway_lets_everybody_read_whom_its_api_trusts() {
    let shop = Shop::open().await;
    let api =
        json!({"uri": "https://shop.test/mcp", "hosts": ["shop.test/mcp"], "scopes": {"tools:call": "Call tools"}});
    shop.app.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let found = gateway.ask(&Ask::new("GET /.well-known/oauth-protected-resource/mcp")).await;
        assert_eq!(found.status, 200, "{kind:?}\n{}", gateway.printed());
        let document = found.json();
        assert_eq!(document["resource"], "https://shop.test/mcp", "{kind:?}");
        assert_eq!(document["authorization_servers"], json!([shop.app.url]), "{kind:?}");
        let other = gateway.ask(&Ask::new("GET /.well-known/oauth-protected-resource")).await;
        assert_eq!(other.status, 404, "{kind:?}: the API of the host is called otherwise");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn a_403_says_which_scope_is_missing() {
    let shop = Shop::open().await;
    let bare = shop.app.shop_key("bare", &[]).await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let answer = gateway.ask(&Ask::new("GET /orders/42").key(&bare)).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"), "{kind:?}");
        let challenge =
            "Bearer realm=\"default\", error=\"insufficient_scope\", scope=\"orders:read\", resource_metadata=";
        assert!(answer.one("www-authenticate").starts_with(challenge), "{kind:?}");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn the_request_id_leads_to_the_reason() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let refused = gateway.ask(&Ask::new("DELETE /orders/42").key(&shop.reader)).await;
        let path = format!("/v1/realms/default/decisions/{}", refused.one("admit-request-id"));
        let trace = shop.app.manage("GET", &path, json!(null)).await.expect(200);
        assert_eq!((trace["code"].as_str(), trace["method"].as_str()), (Some("no_rule"), Some("DELETE")), "{trace}");
        let admitted = gateway.ask(&Ask::new("GET /orders/42").key(&shop.reader)).await;
        assert!(admitted.one("admit-request-id").starts_with("req_"), "{:?}", gateway.kind);
    }
}

#[tokio::test]
async fn a_429_says_when_to_come_back() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let (kind, path) = (gateway.kind, format!("/slow/{:?}", gateway.kind));
        shop.app
            .rule(json!({"name": format!("slow {kind:?}"), "match": {"host": "shop.test", "methods": ["GET"], "path": path},
                "require": {"authenticated": true}, "limit": {"per": "grant", "rate": "1/1h"}}))
            .await;
        let ask = Ask::new(&format!("GET {path}")).key(&shop.reader);
        let first = gateway.ask(&ask).await;
        assert_eq!(first.status, 200, "{kind:?}");
        assert!(first.one("ratelimit").contains("r=0"), "{kind:?} {}", first.one("ratelimit"));
        let second = gateway.ask(&ask).await;
        assert_eq!((second.status, second.code().as_str()), (429, "rate_limited"), "{kind:?}");
        let seconds: u32 = second.one("retry-after").parse().unwrap();
        assert!((3500..=3600).contains(&seconds), "{kind:?} {seconds}");
        assert_eq!(second.one("ratelimit-policy"), first.one("ratelimit-policy"), "{kind:?}");
        assert!(second.one("ratelimit").contains("r=0"), "{kind:?}");
        assert!(second.one("admit-request-id").starts_with("req_"), "{kind:?}");
    }
    assert_eq!(shop.echo.seen(), 2);
}

#[tokio::test]
async fn a_503_of_admit_stays_one() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(String::new())).await);
    for gateway in Gateway::both(echo.address, fake.address) {
        let kind = gateway.kind;
        let headers = [("Admit-Request-Id", "req_1"), ("Admit-Code", "overloaded"), ("Retry-After", "7")];
        fake.say(Say::Answer(match kind {
            Kind::Nginx => fake::answer("403 Forbidden", &[&headers[..], &[("Admit-Status", "503")]].concat()),
            Kind::Caddy => fake::answer("503 Service Unavailable", &headers),
        }));
        let answer = gateway.ask(&Ask::new("GET /orders/42")).await;
        assert_eq!((answer.status, answer.one("retry-after")), (503, "7"), "{kind:?}");
        assert_eq!(answer.one("admit-request-id"), "req_1", "{kind:?}");
    }
    assert_eq!(echo.seen(), 0);
}

async fn shop_with_pages() -> Shop {
    let shop = Shop::open().await;
    shop.app
        .rule(json!({"name": "pages", "match": {"host": "shop.test", "methods": ["GET", "POST"], "path": "/pages/**"},
            "require": {"scopes": ["orders:read"]}, "cors": {"origins": ["https://app.test"], "credentials": true}}))
        .await;
    shop
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_application() {
    let shop = shop_with_pages().await;
    let ask = Ask::new("OPTIONS /pages/1")
        .with("Origin", "https://app.test")
        .with("Access-Control-Request-Method", "POST")
        .with("Access-Control-Request-Headers", "authorization");
    for gateway in &shop.gateways {
        let (kind, answer) = (gateway.kind, gateway.ask(&ask).await);
        assert_eq!(answer.status, 204, "{kind:?}");
        assert_eq!(answer.one("access-control-allow-origin"), "https://app.test", "{kind:?}");
        assert!(answer.one("access-control-allow-methods").contains("POST"), "{kind:?}");
        assert_eq!(answer.one("access-control-allow-headers").to_ascii_lowercase(), "authorization", "{kind:?}");
        assert!(answer.all("vary").join(", ").to_ascii_lowercase().contains("origin"), "{kind:?} {answer:?}");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn a_listed_page_may_read_answers_and_refusals() {
    let shop = shop_with_pages().await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let from = |origin: &str| Ask::new("GET /pages/1").with("Origin", origin);
        // The application's own words do not count where Admit speaks.
        let own = from("https://app.test").with("X-Answer", "Access-Control-Allow-Origin: https://evil.test");
        for (ask, status) in [(own.key(&shop.reader), 200), (from("https://app.test"), 401)] {
            let answer = gateway.ask(&ask).await;
            assert_eq!(answer.status, status, "{kind:?}");
            assert_eq!(answer.one("access-control-allow-origin"), "https://app.test", "{kind:?}");
            assert_eq!(answer.one("access-control-allow-credentials"), "true", "{kind:?}");
            assert!(answer.all("vary").join(", ").to_ascii_lowercase().contains("origin"), "{kind:?} {answer:?}");
        }
        let evil = gateway.ask(&from("https://evil.test").key(&shop.reader)).await;
        assert!(evil.all("access-control-allow-origin").is_empty(), "{kind:?} {evil:?}");
    }
}

#[tokio::test]
async fn the_application_speaks_cors_where_admit_does_not() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let ask = Ask::new("GET /orders/42").key(&shop.reader).with("Origin", "https://app.test");
        let answer = gateway.ask(&ask.with("X-Answer", "Access-Control-Allow-Origin: https://app.test")).await;
        assert_eq!(answer.one("access-control-allow-origin"), "https://app.test", "{:?}", gateway.kind);
    }
}

#[tokio::test]
async fn the_application_s_own_request_id_is_hidden() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let ask = Ask::new("GET /orders/42").key(&shop.reader).with("X-Answer", "Admit-Request-Id: req_mine");
        let answer = gateway.ask(&ask).await;
        assert_ne!(answer.one("admit-request-id"), "req_mine", "{:?}", gateway.kind);
    }
}

#[tokio::test]
async fn fa_08_another_host_is_not_served() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        for host in ["elsewhere.test", "shop.test.evil.test", "xshop.test", "127.0.0.1"] {
            let answer = gateway.ask(&Ask::new("GET /orders/42").host(host).key(&shop.reader)).await;
            assert_eq!(answer.status, 421, "{kind:?} {host}");
        }
        let doubled = gateway.ask(&Ask::new("GET /orders/42").with("Host", "evil.test").key(&shop.reader)).await;
        assert_eq!(doubled.status, 400, "{kind:?}");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn fa_08_one_host_is_judged_and_served() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        for (line, host) in
            [("GET http://shop.test/orders/42", "evil.test"), ("GET http://evil.test/orders/42", "shop.test")]
        {
            let seen = shop.echo.seen();
            let answer = gateway.ask(&Ask::new(line).host(host).key(&shop.reader)).await;
            match answer.status {
                // What was judged is what arrives.
                200 => assert_eq!(answer.json()["headers"]["host"], json!(["shop.test"]), "{kind:?} {line}"),
                status => assert_eq!((status, shop.echo.seen() - seen), (421, 0), "{kind:?} {line}"),
            }
        }
        for host in ["SHOP.test", "shop.test:80"] {
            let answer = gateway.ask(&Ask::new("GET /orders/42").host(host).key(&shop.reader)).await;
            assert_eq!(answer.status, 200, "{kind:?} {host}");
        }
    }
}
