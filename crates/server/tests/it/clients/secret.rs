//! Secrets of clients: made, shown once, followed by the next, revoked, kept under another master key.

use admit::master::{source, write_moves};
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{CLIENTS, by_basic, by_form, made, service};
use crate::app::{Reply, TestApp};

async fn add(app: &TestApp, client: &str, body: Value) -> Reply {
    app.manage("POST", &format!("{CLIENTS}/{client}/secrets"), body).await
}

async fn listed(app: &TestApp, client: &str) -> Vec<Value> {
    let list = app.manage("GET", &format!("{CLIENTS}/{client}/secrets"), Value::Null).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    let list = app.manage("GET", &format!("/v1/realms/default/events?kind={kind}"), Value::Null).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_secret_is_shown_where_it_is_made_and_nowhere_else() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert!(secret.starts_with("admit_cs_") && admit_core::secret::read(&secret).is_ok(), "{secret}");
    let hint = admit_core::secret::hint(&secret);
    let shown = app.manage("GET", &format!("{CLIENTS}/billing"), Value::Null).await;
    let all = app.manage("GET", CLIENTS, Value::Null).await;
    let export = app.manage("GET", "/v1/realms/default/export", Value::Null).await;
    let log = app.manage("GET", "/v1/realms/default/events", Value::Null).await;
    for reply in [&shown, &all, &export, &log] {
        assert!(reply.status == 200 && !reply.text.contains(&secret), "lo_02: {}", reply.text);
    }
    assert!(!export.text.contains(&hint), "no trace of a secret in a document");
    let one = &shown.json()["secrets"][0];
    assert_eq!((&one["hint"], &one["live"], &one["expires_at"]), (&json!(hint), &json!(true), &Value::Null));
    let made = &events(&app, "client.created").await[0];
    assert_eq!((&made["target"], &made["detail"]["hint"]), (&json!(id), &json!(hint)));
}

#[tokio::test]
async fn one_secret_follows_the_other_without_a_gap() {
    let app = TestApp::new().await;
    let (id, first) = service(&app, "billing").await;
    let second = add(&app, "billing", json!({})).await.expect(201);
    let added = events(&app, "client.secret_added").await;
    assert_eq!((added.len(), &added[0]["detail"]["secret"]), (1, &second["id"]));
    assert_eq!((&second["client"], second["id"].as_str().unwrap().starts_with("sec_")), (&json!(id), true));
    let secret = text(&second["secret"]);
    assert_eq!((by_basic(&app, &id, &first).await, by_basic(&app, &id, &secret).await), two("billing", "billing"));
    let third = add(&app, "billing", json!({})).await.expect(409);
    assert_eq!(third["code"], "too_many_secrets");
    assert!(third["detail"].as_str().unwrap().contains("admit client secret revoke billing"), "{third}");

    let old = text(&listed(&app, "billing").await[0]["id"]);
    app.manage("DELETE", &format!("{CLIENTS}/billing/secrets/{old}"), Value::Null).await.expect(204);
    assert_eq!(
        (by_basic(&app, &id, &first).await, by_basic(&app, &id, &secret).await),
        two("invalid_client", "billing"),
        "tk_01: the secret that was followed proves nothing at the next request"
    );
    let again = app.manage("DELETE", &format!("{CLIENTS}/billing/secrets/{old}"), Value::Null).await;
    assert_eq!((again.status, again.code().as_str()), (404, "not_found"));
    assert_eq!(events(&app, "client.secret_revoked").await[0]["detail"]["secret"], json!(old));
    add(&app, "billing", json!({})).await.expect(201);
    assert_eq!(listed(&app, "billing").await.len(), 2);
}

fn two(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[tokio::test]
async fn a_secret_may_end_by_itself_and_makes_room() {
    let app = TestApp::new().await;
    let (id, first) = service(&app, "billing").await;
    let short = add(&app, "billing", json!({"expires_in_s": 60})).await.expect(201);
    let secret = text(&short["secret"]);
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    app.clock.advance(Span::seconds(60));
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
    assert_eq!(by_basic(&app, &id, &first).await, "billing");
    assert_eq!(listed(&app, "billing").await[1]["live"], false);
    add(&app, "billing", json!({})).await.expect(201);
    assert_eq!(listed(&app, "billing").await.len(), 2, "the ended one is gone");
    for bad in [json!({"expires_in_s": 0}), json!({"expires_in_s": 400_000_000}), json!({"expires": "90d"})] {
        assert_eq!(add(&app, "billing", bad).await.status, 400);
    }
}

#[tokio::test]
async fn a_secret_is_added_once_for_one_attempt() {
    let app = TestApp::new().await;
    service(&app, "billing").await;
    let bearer = format!("Bearer {}", app.operator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k")];
    let send = async || app.send("POST", &format!("{CLIENTS}/billing/secrets"), &headers, Some(b"{}".to_vec())).await;
    let first = send().await.expect(201);
    let again = send().await;
    assert_eq!((again.status, again.code().as_str()), (409, "secret_already_shown"));
    assert!(
        again.text.contains(first["id"].as_str().unwrap()) && !again.text.contains(first["secret"].as_str().unwrap())
    );
    assert_eq!(listed(&app, "billing").await.len(), 2);

    let create = json!({"name": "other", "type": "service"}).to_string().into_bytes();
    let send = async || app.send("POST", CLIENTS, &headers, Some(create.clone())).await;
    let made = send().await.expect(201);
    let again = send().await;
    assert_eq!((again.status, again.code().as_str()), (409, "secret_already_shown"));
    let next = format!("admit client secret add {}", made["id"].as_str().unwrap());
    assert!(again.text.contains(&next), "{}", again.text);
}

#[tokio::test]
async fn rfc_8252_4_who_cannot_keep_a_secret_gets_none() {
    let app = TestApp::new().await;
    for kind in ["spa", "native", "device"] {
        made(&app, json!({"name": kind, "type": kind})).await;
        let refused = add(&app, kind, json!({})).await.expect(409);
        assert_eq!(refused["code"], "wrong_auth_method", "{kind}");
    }
    let signs = json!({"name": "signer", "type": "service", "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://signer.test/jwks"});
    let signer = made(&app, signs).await;
    assert_eq!((signer.get("secret"), &signer["secrets"]), (None, &json!([])));
    let refused = add(&app, "signer", json!({})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("--auth-method client_secret_basic"), "{refused}");
}

#[tokio::test]
async fn a_client_that_signs_from_now_on_has_no_secrets_that_could_come_back() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    let signs = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://billing.test/jwks"});
    app.manage("PATCH", &format!("{CLIENTS}/billing"), signs).await.expect(200);
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
    let back = json!({"token_endpoint_auth_method": null, "jwks_uri": null});
    app.manage("PATCH", &format!("{CLIENTS}/billing"), back).await.expect(200);
    assert_eq!((by_basic(&app, &id, &secret).await, listed(&app, "billing").await.len()), ("invalid_client".into(), 0));
}

#[tokio::test]
async fn a_deleted_client_s_secret_proves_nothing_under_the_same_id() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    app.manage("DELETE", &format!("{CLIENTS}/billing"), Value::Null).await.expect(204);
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
    let back = made(&app, json!({"id": id, "name": "billing", "type": "service"})).await;
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
    assert_eq!(by_basic(&app, &id, back["secret"].as_str().unwrap()).await, "billing");
}

#[tokio::test]
async fn ak_01_nobody_adds_a_secret_to_a_client_with_more_rights_than_his_own() {
    let app = TestApp::new().await;
    app.shop().await;
    let api = "urn:admit:realm:default";
    let boss = json!({"name": "boss", "type": "service", "rights": {api: ["rules:write"]}});
    let boss = made(&app, boss).await;
    made(&app, json!({"name": "chief", "type": "service", "roles": ["operator"]})).await;
    made(&app, json!({"name": "plain", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}})).await;
    let manager = app.key(json!({"name": "m", "api": api, "scopes": ["clients:read", "clients:write"]})).await;
    let manager = manager["key"].as_str().unwrap();
    let add =
        async |client: &str| app.manage_as(manager, "POST", &format!("{CLIENTS}/{client}/secrets"), json!({})).await;
    for client in ["boss", "chief"] {
        let refused = add(client).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "exceeds_own_rights"), "{client}");
        assert_eq!(listed(&app, client).await.len(), 1, "{client}");
    }
    add("plain").await.expect(201);
    let more = json!({"name": "more", "type": "service", "rights": {api: ["rules:write"]}});
    assert_eq!(app.manage_as(manager, "POST", CLIENTS, more).await.code(), "exceeds_own_rights");
    // To take one away is never too much.
    let secret = boss["secrets"][0]["id"].as_str().unwrap();
    let gone = app.manage_as(manager, "DELETE", &format!("{CLIENTS}/boss/secrets/{secret}"), Value::Null).await;
    assert_eq!(gone.status, 204);
    let reader = app.key(json!({"name": "r", "api": api, "scopes": ["clients:read"]})).await;
    let refused =
        app.manage_as(reader["key"].as_str().unwrap(), "POST", &format!("{CLIENTS}/plain/secrets"), json!({})).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
}

#[tokio::test]
async fn a_secret_of_another_client_is_not_ended_by_its_neighbour_s_name() {
    let app = TestApp::new().await;
    let (one, secret) = service(&app, "one").await;
    service(&app, "two").await;
    let id = text(&listed(&app, "one").await[0]["id"]);
    let refused = app.manage("DELETE", &format!("{CLIENTS}/two/secrets/{id}"), Value::Null).await;
    assert_eq!(refused.status, 404);
    assert_eq!(by_basic(&app, &one, &secret).await, "one");
    for bad in ["sec_1", "x", "..", "%00"] {
        let refused = app.manage("DELETE", &format!("{CLIENTS}/two/secrets/{bad}"), Value::Null).await;
        assert!([400, 404, 405].contains(&refused.status), "{bad}: {}", refused.status);
    }
}

#[tokio::test]
async fn a_secret_that_is_handed_in_ends_alone() {
    let app = TestApp::new().await;
    let (id, leaked) = service(&app, "billing").await;
    let kept = text(&add(&app, "billing", json!({})).await.expect(201)["secret"]);
    let hand_in = async || {
        let body = json!({ "credential": leaked }).to_string().into_bytes();
        app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await
    };
    assert_eq!((hand_in().await.status, hand_in().await.text.trim()), (202, "{}"));
    assert_eq!(
        (by_basic(&app, &id, &leaked).await, by_basic(&app, &id, &kept).await),
        two("invalid_client", "billing")
    );
    let told = events(&app, "client.secret_leaked").await;
    assert_eq!((told.len(), &told[0]["target"]), (1, &json!(id)));
}

#[tokio::test]
async fn when_a_secret_was_used_is_seen() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(listed(&app, "billing").await[0]["last_used_at"], Value::Null);
    by_basic(&app, &id, "admit_cs_wrong").await;
    assert_eq!(listed(&app, "billing").await[0]["last_used_at"], Value::Null, "a wrong one is no use of it");
    by_basic(&app, &id, &secret).await;
    let first = listed(&app, "billing").await[0]["last_used_at"].clone();
    assert!(first.is_string(), "{first}");
    app.clock.advance(Span::minutes(2));
    by_form(&app, &format!("client_id={id}&client_secret={secret}")).await;
    let later = listed(&app, "billing").await[0]["last_used_at"].clone();
    assert!(later.as_str() > first.as_str(), "{first} {later}");
}

#[tokio::test]
async fn a_secret_follows_the_master_key_when_it_is_used() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(by_basic(&app, &id, &secret).await, "billing", "known before the rotation");
    source::add(&app.folder.path().join("master.key"), 2, &[2; 32]).unwrap();
    let needs = async || {
        let status = app.manage("GET", "/v1/master-keys", Value::Null).await.expect(200);
        let of = |number: usize| status["keys"][number - 1]["client_secrets"].as_i64().unwrap();
        (of(1), of(2))
    };
    app.manage("POST", "/v1/master-keys/rotate", Value::Null).await.expect(200);
    assert_eq!(needs().await, (1, 0));
    app.clock.advance(Span::minutes(2));
    let kept = app.manage("DELETE", "/v1/master-keys/1", Value::Null).await.expect(409);
    assert!(kept["detail"].as_str().unwrap().contains("1 secrets of clients"), "{kept}");
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    write_moves(&app.app).await;
    assert_eq!(needs().await, (0, 1));
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
}

#[tokio::test]
async fn a_document_carries_what_a_client_is_and_no_secret() {
    let app = TestApp::new().await;
    let document = json!({"client": [
        {"name": "shop", "type": "web", "redirect_uris": ["https://shop.test/cb"], "token_endpoint_auth_method": "client_secret_post"},
        {"name": "app", "type": "spa", "origins": ["https://app.test"]},
        {"name": "signer", "type": "service", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://s.test/jwks"}]});
    app.manage("POST", "/v1/realms/default/apply", document.clone()).await.expect(200);
    assert_eq!(listed(&app, "shop").await.len(), 0, "a secret is made by who can take it");
    let added = add(&app, "shop", json!({})).await.expect(201);
    let shop = app.manage("GET", &format!("{CLIENTS}/shop"), Value::Null).await.expect(200);
    let form = format!("client_id={}&client_secret={}", text(&shop["id"]), text(&added["secret"]));
    assert_eq!(by_form(&app, &form).await, "shop");
    let export = app.manage("GET", "/v1/realms/default/export", Value::Null).await.expect(200);
    // They are made in one moment, and listed by ids of that moment.
    let by_name = |clients: &Value| {
        let mut clients = clients.as_array().unwrap().clone();
        clients.sort_by_key(|client| text(&client["name"]).to_owned());
        clients
    };
    assert_eq!(by_name(&export["client"]), by_name(&document["client"]));
    let again = app.manage("POST", "/v1/realms/default/apply", document).await.expect(200);
    assert_eq!(again["changes"], json!([]), "and the secret is still there");
    assert_eq!(listed(&app, "shop").await.len(), 1);
}

#[tokio::test]
async fn az_05_ir_12_what_is_wrong_with_a_registration_is_said_with_its_place() {
    let app = TestApp::new().await;
    let refused = async |client: Value| {
        let told = app.manage("POST", CLIENTS, client).await.expect(400);
        told["problems"][0]["path"].as_str().unwrap().to_owned()
    };
    for uri in
        ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "http://app.test/cb", "myapp:/cb", "https://*"]
    {
        let client = json!({"name": "a", "type": "web", "redirect_uris": ["https://good.test/", uri]});
        assert_eq!(refused(client).await, "redirect_uris[1]", "{uri}");
    }
    let origins = json!({"name": "a", "type": "spa", "origins": ["https://app.test/"]});
    assert_eq!(refused(origins).await, "origins[0]");
    let name = |name: &str| json!({"name": name, "type": "web"});
    assert_eq!(refused(name(&"x".repeat(10_000))).await, "name");
    assert_eq!(refused(name("Goo\u{202e}gle")).await, "name", "ir_12: text that reads otherwise than it is written");
    let private = json!({"name": "a", "type": "service", "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "d": "A"}]}});
    assert_eq!(refused(private).await, "jwks", "jwt_20");
}
