//! `sessions` of the management API, and what the audit hears.

use admit::login::device;
use admit::login::session::{Entry, Seen};
use admit_core::login::session::Factor;
use serde_json::{Value, json};

use super::{REALM, Shop, admitted, cookie_of, nobody};

#[tokio::test]
async fn sessions_are_listed_and_ended_by_operators() {
    let shop = Shop::new().await;
    let seen = Seen { ip: "203.0.113.9".parse().ok(), agent: Some("Mozilla/5.0".to_owned()) };
    let begun = shop.enter(Entry::new(shop.alice, &[Factor::Password], seen, None)).await;
    let bob = Shop::person(&shop.app, "bob").await;
    let of_bob = shop.enter(Entry::new(bob, &[Factor::Password], Seen::default(), None)).await;
    let list = |query: &'static str| {
        let shop = &shop;
        async move {
            let page = shop.app.manage("GET", &format!("{REALM}/sessions{query}"), Value::Null).await.expect(200);
            page["items"].as_array().unwrap().clone()
        }
    };
    let items = list("?user=alice@example.com").await;
    assert_eq!(items.len(), 1);
    let session = &items[0];
    assert_eq!((&session["id"], &session["kind"]), (&json!(begun.grant.to_string()), &json!("session")));
    assert_eq!((&session["name"], &session["state"]), (&json!("alice"), &json!("active")));
    assert_eq!((&session["last_ip"], &session["amr"]), (&json!("203.0.113.9"), &json!(["pwd"])));
    assert!(!session.to_string().contains("admit_ss_"), "nothing of the secret is kept");
    assert_eq!(list("").await.len(), 2);
    let page = shop.app.manage("GET", &format!("{REALM}/sessions?limit=1"), Value::Null).await.expect(200);
    let next = page["next"].as_str().unwrap();
    let rest =
        shop.app.manage("GET", &format!("{REALM}/sessions?limit=1&cursor={next}"), Value::Null).await.expect(200);
    assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("bob"), &Value::Null));

    assert_eq!(shop.opens(&begun).await, admitted());
    let path = format!("{REALM}/sessions/{}", begun.grant);
    for _ in 0..2 {
        shop.app.manage("DELETE", &path, Value::Null).await.expect(204);
    }
    assert_eq!((shop.opens(&begun).await, shop.opens(&of_bob).await), (nobody(), admitted()), "from the answer on");
    assert_eq!(shop.app.manage("GET", &path, Value::Null).await.expect(200)["state"], "ended");
    assert_eq!(list("?user=alice").await.len(), 0);
    assert_eq!(list("?user=alice&state=all").await.len(), 1);
    let reply = shop.app.manage("GET", &format!("{REALM}/sessions?user=nobody"), Value::Null).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    let key = shop.app.key(json!({"name": "ci"})).await;
    let reply =
        shop.app.manage("DELETE", &format!("{REALM}/sessions/{}", key["grant"].as_str().unwrap()), Value::Null).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "a key's grant is no session");

    let events =
        shop.app.manage("GET", &format!("{REALM}/events?kind=session.&target={}", begun.grant), Value::Null).await;
    let events = events.expect(200);
    let told: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| (&event["kind"], &event["actor"])).collect();
    let alice = json!(shop.alice.to_string());
    assert_eq!(told, [(&json!("session.ended"), &json!("operator")), (&json!("session.begun"), &alice)]);
}

#[tokio::test]
async fn who_may_not_see_or_end_sessions_is_told_which_scope_he_lacks() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    let path = format!("{REALM}/sessions/{}", begun.grant);
    let holder = |role: &'static str| {
        let shop = &shop;
        async move {
            let client = json!({"name": role, "type": "service", "roles": [role]});
            shop.app.manage("POST", &format!("{REALM}/clients"), client).await.expect(201);
            let scopes = if role == "viewer" { json!(["sessions:read"]) } else { json!(["keys:read"]) };
            let key = json!({"name": role, "owner": role, "api": "urn:admit:realm:default", "scopes": scopes});
            shop.app.key(key).await["key"].as_str().unwrap().to_owned()
        }
    };
    let (viewer, issuer) = (holder("viewer").await, holder("key-issuer").await);
    shop.app.manage_as(&viewer, "GET", &path, Value::Null).await.expect(200);
    for (key, method, scope) in [(&viewer, "DELETE", "sessions:write"), (&issuer, "GET", "sessions:read")] {
        let reply = shop.app.manage_as(key, method, &path, Value::Null).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "insufficient_scope"), "{method}");
        assert!(reply.header("www-authenticate").contains(scope), "{}", reply.header("www-authenticate"));
    }
    assert_eq!(shop.opens(&begun).await, admitted());
}

#[tokio::test]
async fn a_known_device_is_known_for_its_person_and_signs_nobody_in() {
    let shop = Shop::new().await;
    let (app, realm) = (&shop.app.app, shop.realm());
    let secret = device::remember(app, &realm, shop.alice, Seen::default(), app.now()).await.unwrap();
    let known = |cookie: &str| {
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
        device::of_request(app, &realm, &headers, None, app.now()).unwrap().map(|device| device.user)
    };
    let cookie = format!("admit-device.default={}", secret.expose());
    assert_eq!(known(&cookie), Some(shop.alice));
    assert_eq!(known("admit-device.default=x"), None);
    for name in ["admit.default", "admit-site.default"] {
        let as_session = format!("{name}={}", secret.expose());
        let reply = shop.ask("GET", &as_session).await;
        assert_eq!((reply.status, reply.code()), nobody(), "{name}");
        assert!(shop.of_request(&as_session).is_none());
    }
    let listed = shop.app.manage("GET", &format!("{REALM}/sessions?user=alice"), Value::Null).await.expect(200);
    assert_eq!(listed["items"][0]["kind"], "device");
    let path = format!("{REALM}/sessions/{}", listed["items"][0]["id"].as_str().unwrap());
    shop.app.manage("DELETE", &path, Value::Null).await.expect(204);
    assert_eq!(known(&cookie), None);
    let session = shop.begin(None).await;
    let as_device = format!("admit-device.default={}", session.secret.expose());
    assert_eq!(known(&as_device), None, "a session is no device");
    assert_eq!(shop.ask("GET", &cookie_of(&session)).await.status, 200);
}
