//! What clients say of themselves and what they prove themselves with: neither reaches the application.

use admit::gateway::{IDENTITY, SPOOFABLE};
use serde_json::{Value, json};

use super::{Ask, Gateway, Shop, is_spoofed};

const FORWARDED: [&str; 3] = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"];
/// Spellings that some applications take for the same name.
const ALIASES: [&str; 8] = [
    "Admit_Subject",
    "Admit.Subject",
    "admit_scope",
    "X_Forwarded_For",
    "X_Forwarded_Host",
    "X_Original_URI",
    "X.Forwarded.For",
    "X_Api_Key",
];

/// Everything that a client could make up, in the name of `spoof`.
fn spoofed(line: &str) -> Ask {
    let names = IDENTITY.iter().chain(SPOOFABLE).chain(&FORWARDED).chain(&ALIASES);
    names.fold(Ask::new(line), |ask, name| ask.with(name, "spoof"))
}

fn told(answer: &super::Answer, name: &str) -> Value {
    answer.json()["headers"][name].clone()
}

#[tokio::test]
async fn fa_01_fa_02_nothing_that_a_client_made_up_reaches_the_application() {
    let shop = Shop::open().await;
    let principal = shop.app.ask("GET", "/orders/42", Some(&shop.reader)).await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let answer = gateway.ask(&spoofed("GET /orders/42").key(&shop.reader)).await;
        assert_eq!(answer.status, 200, "{kind:?} {}", String::from_utf8_lossy(&answer.body));
        assert!(!is_spoofed(&answer), "{kind:?} {}", answer.json());
        for name in IDENTITY {
            let (value, name) = (principal.header(name), name.to_ascii_lowercase());
            let arrived = told(&answer, &name);
            let is_empty = value.is_empty() && (arrived == json!([""]) || arrived.is_null());
            assert!(is_empty || arrived == json!([value]), "{kind:?} {name}: {arrived} instead of {value}");
        }
        assert_eq!(told(&answer, "x-forwarded-for"), json!(["127.0.0.1"]), "{kind:?}");
        assert_eq!(told(&answer, "x-forwarded-host"), json!(["shop.test"]), "{kind:?}");
        assert_eq!(told(&answer, "x-forwarded-proto"), json!(["http"]), "{kind:?}");
        assert_eq!(told(&answer, "host"), json!(["shop.test"]), "{kind:?}");
    }
}

#[tokio::test]
async fn fa_01_admit_is_asked_about_the_true_request() {
    let shop = Shop::open().await;
    shop.app.rule(json!({"name": "open", "match": {"host": "shop.test", "methods": ["GET"], "path": "/open"}, "public": true})).await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let headers = [
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/open"),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", "/open"),
            ("X-Forwarded-Host", "elsewhere.test"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-HTTP-Method-Override", "GET"),
            ("X-Rewrite-URL", "/open"),
        ];
        let ask = headers.iter().fold(Ask::new("PUT /orders/42?open"), |ask, (name, value)| ask.with(name, value));
        let answer = gateway.ask(&ask).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "no_rule"), "{kind:?}");
        let record = shop.app.app.records.latest(shop.app.app.default_realm, None, 1).pop().unwrap();
        let asked = (record.method.as_str(), record.host.as_str(), record.path.as_str());
        assert_eq!(asked, ("PUT", "shop.test", "/orders/42"), "{kind:?}");
        assert_eq!(record.client_ip, Some([127, 0, 0, 1].into()), "{kind:?}");
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn fa_02_a_connection_header_takes_no_identity_away() {
    let shop = Shop::open().await;
    let principal = shop.app.ask("GET", "/orders/42", Some(&shop.reader)).await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let ask = spoofed("GET /orders/42").key(&shop.reader);
        let answer = gateway.ask(&ask.with("Connection", "Admit-Subject, X-Forwarded-For, Admit-Scope")).await;
        assert_eq!(answer.status, 200, "{kind:?}");
        assert!(!is_spoofed(&answer), "{kind:?} {}", answer.json());
        assert_eq!(told(&answer, "admit-subject"), json!([principal.header("admit-subject")]), "{kind:?}");
        assert_eq!(told(&answer, "admit-scope"), json!(["orders:read"]), "{kind:?}");
    }
}

#[tokio::test]
async fn fa_03_nobody_on_a_public_route_has_no_identity() {
    let shop = Shop::open().await;
    shop.app.rule(json!({"match": {"host": "shop.test", "methods": ["GET"], "path": "/health"}, "public": true})).await;
    for gateway in &shop.gateways {
        let kind = gateway.kind;
        let answer = gateway.ask(&spoofed("GET /health")).await;
        assert_eq!(answer.status, 200, "{kind:?}");
        assert!(!is_spoofed(&answer), "{kind:?} {}", answer.json());
        for name in IDENTITY {
            let arrived = told(&answer, &name.to_ascii_lowercase());
            let realm = *name == "Admit-Realm" && arrived == json!(["default"]);
            assert!(realm || arrived.is_null() || arrived == json!([""]), "{kind:?} {name}: {arrived}");
        }
    }
}

#[tokio::test]
async fn fa_12_no_credential_reaches_the_application() {
    let shop = Shop::open().await;
    shop.app.rule(json!({"match": {"host": "shop.test", "methods": ["GET"], "path": "/health"}, "public": true})).await;
    let reader = shop.reader.as_str();
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{reader}:").as_bytes()));
    let bearer = format!("Bearer {reader}");
    for gateway in &shop.gateways {
        for target in ["GET /orders/42", "GET /health"] {
            for (name, value) in [("Authorization", &*bearer), ("Authorization", &*basic), ("X-API-Key", reader)] {
                let cookies = format!("admit.default={reader}; theme=dark; __Host-admit.default={reader}");
                assert_leaves_nothing(gateway, Ask::new(target).with(name, value).with("Cookie", &cookies), reader)
                    .await;
            }
        }
    }
}

async fn assert_leaves_nothing(gateway: &Gateway, ask: Ask, secret: &str) {
    let (kind, answer) = (gateway.kind, gateway.ask(&ask).await);
    assert_eq!(answer.status, 200, "{kind:?} {}", answer.json());
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains(secret) && !text.contains("admit.default"), "{kind:?} {text}");
    for name in ["authorization", "x-api-key"] {
        assert_eq!(told(&answer, name), Value::Null, "{kind:?} {name}");
    }
    assert_eq!(told(&answer, "cookie"), json!(["theme=dark"]), "{kind:?}: the application's own cookies go on");
}

#[tokio::test]
async fn fa_12_a_header_that_the_rule_leaves_to_the_application_goes_on() {
    let shop = Shop::open().await;
    let matched = json!({"host": "shop.test", "methods": ["GET"], "path": "/legacy"});
    shop.app.rule(json!({"match": matched, "public": true, "authorization": "upstream"})).await;
    for gateway in &shop.gateways {
        let answer = gateway.ask(&Ask::new("GET /legacy").with("Authorization", "Basic dXNlcjpwYXNz")).await;
        assert_eq!(told(&answer, "authorization"), json!(["Basic dXNlcjpwYXNz"]), "{:?}", gateway.kind);
    }
}
