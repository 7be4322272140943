//! Clients with an id that somebody else knows already, and names that two may answer to.

use admit_core::time::Span;
use admit_core::user::UserSpec;
use admit_store::End;
use serde_json::{Value, json};

use crate::app::TestApp;

const CLIENTS: &str = "/v1/realms/default/clients";
const USERS: &str = "/v1/realms/default/users";
const ID: &str = "cli_01hzzzzzzzzzzzzzzzzzzzzzzz";

fn shop(name: &str, id: &str) -> Value {
    json!({"id": id, "name": name, "type": "web", "first_party": true})
}

#[tokio::test]
async fn a_client_has_the_id_that_was_chosen_for_it() {
    let app = TestApp::new().await;
    let made = app.manage("POST", CLIENTS, shop("shop", ID)).await.expect(201);
    assert_eq!((&made["id"], &made["first_party"]), (&json!(ID), &json!(true)));
    assert_eq!(app.manage("GET", &format!("{CLIENTS}/{ID}"), Value::Null).await.expect(200)["name"], "shop");

    let taken = app.manage("POST", CLIENTS, shop("other", ID)).await.expect(409);
    assert_eq!(taken["code"], "already_exists");
    assert!(taken["detail"].as_str().unwrap().contains(&format!("admit client show {ID}")), "{taken}");
    app.manage("POST", "/v1/realms", json!({"name": "acme-live"})).await.expect(201);
    let elsewhere = app.manage("POST", "/v1/realms/acme-live/clients", shop("shop", ID)).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (409, "already_exists"), "{}", elsewhere.text);
    for bad in ["usr_01hzzzzzzzzzzzzzzzzzzzzzzz", "cli_1", "shop", ""] {
        let refused = app.manage("POST", CLIENTS, shop("other", bad)).await.expect(400);
        assert!(refused["detail"].as_str().unwrap().contains("not an id of the form cli_"), "{bad}: {refused}");
    }
}

#[tokio::test]
async fn ad_02_a_chosen_id_gives_no_part_in_what_a_user_is_given() {
    let app = TestApp::new().await;
    let alice = app.manage("POST", USERS, json!({"name": "alice"})).await.expect(201);
    let twin = alice["id"].as_str().unwrap().replace("usr_", "cli_");
    let refused = app.manage("POST", CLIENTS, shop("twin", &twin)).await.expect(409);
    assert_eq!(refused["code"], "already_exists");
    assert!(refused["detail"].as_str().unwrap().contains("Another user has the id"), "{refused}");
}

#[tokio::test]
async fn a_client_that_comes_back_under_its_id_has_none_of_its_old_keys() {
    let app = TestApp::new().await;
    app.manage("POST", CLIENTS, shop("shop", ID)).await.expect(201);
    let old = app.key(json!({"name": "old", "owner": ID})).await;
    let judge = async |key: &Value| super::judge(&app, &key["key"]).await;
    assert_eq!(judge(&old).await, "ok");
    app.manage("DELETE", &format!("{CLIENTS}/{ID}"), Value::Null).await.expect(204);
    app.clock.advance(Span::seconds(1));
    app.manage("POST", CLIENTS, shop("shop", ID)).await.expect(201);
    assert_ne!(judge(&old).await, "ok");
    let new = app.key(json!({"name": "new", "owner": ID})).await;
    assert_eq!(judge(&new).await, "ok");
}

#[tokio::test]
async fn ad_02_a_name_that_is_anothers_address_is_refused_and_never_guessed() {
    let app = TestApp::new().await;
    let alice = json!({"name": "alice", "email": "alice@example.com"});
    let alice = app.manage("POST", USERS, alice).await.expect(201);
    let named = app.manage("POST", USERS, json!({"name": "alice@example.com"})).await.expect(400);
    assert_eq!(named["problems"][0]["path"], "name");
    let bob = json!({"name": "bob@example.com", "email": "bob@example.com"});
    app.manage("POST", USERS, bob).await.expect(201);
    let moved = app.manage("PATCH", &format!("{USERS}/alice"), json!({"email": "Bob@example.com"})).await.expect(409);
    assert!(moved["detail"].as_str().unwrap().contains("e-mail address"), "{moved}");
    let left = app.manage("PATCH", &format!("{USERS}/bob@example.com"), json!({"email": "b@example.com"})).await;
    assert_eq!(left.expect(400)["problems"][0]["path"], "name", "the name would be free for another's address");

    // What no call makes may still stand in a store.
    let (now, realm) = (app.app.now(), app.app.default_realm);
    let spec: UserSpec = serde_json::from_value(json!({"name": "alice@example.com"})).unwrap();
    let eve = admit::manage::users::new(app.app.id(now), realm, spec, now);
    let id = eve.id.to_string();
    app.app.store.write(move |tx| tx.insert_user(&eve).map(End::Commit)).await.unwrap();
    let asked = [
        app.manage("POST", super::KEYS, json!({"name": "k", "owner": "alice@example.com"})).await,
        app.manage("GET", &format!("{USERS}/alice@example.com"), Value::Null).await,
        app.manage("PATCH", &format!("{USERS}/alice@example.com"), json!({"disabled": true})).await,
    ];
    for reply in asked {
        let told = reply.expect(409);
        assert_eq!(told["code"], "ambiguous_name");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains(&id) && detail.contains(alice["id"].as_str().unwrap()), "{detail}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_sign_in_is_shown_changed_and_taken_back() {
    let app = TestApp::new().await;
    let said = json!({"post_logout_redirect_uris": ["https://wiki.test/"], "backchannel_logout_uri": "https://wiki.test/out",
        "id_token_signed_response_alg": "ES256", "require_pkce": false, "require_pushed_authorization_requests": true,
        "rotate_refresh_tokens": true, "default_max_age": 3600, "client_uri": "https://wiki.test/about",
        "policy_uri": "https://wiki.test/privacy", "tos_uri": "https://wiki.test/terms"});
    let mut wiki = json!({"name": "wiki", "type": "web", "redirect_uris": ["https://wiki.test/cb"]});
    wiki.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    app.manage("POST", CLIENTS, wiki).await.expect(201);
    let shown = app.manage("GET", &format!("{CLIENTS}/wiki"), Value::Null).await.expect(200);
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let found = app.manage("GET", "/v1/doctor", Value::Null).await.expect(200).to_string();
    assert!(found.contains("client \\\"wiki\\\" sends no code challenge (PKCE)"), "{found}");
    assert!(found.contains(&format!("admit client update {} --require-pkce true", shown["id"].as_str().unwrap())));

    let back: serde_json::Map<_, _> =
        said.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    let plain = app.manage("PATCH", &format!("{CLIENTS}/wiki"), back.into()).await.expect(200);
    assert_eq!((&plain["post_logout_redirect_uris"], &plain["require_pkce"]), (&json!([]), &json!(true)));
    for name in ["backchannel_logout_uri", "id_token_signed_response_alg", "rotate_refresh_tokens", "tos_uri"] {
        assert!(plain[name].is_null(), "{name}");
    }
    let found = app.manage("GET", "/v1/doctor", Value::Null).await.expect(200).to_string();
    assert!(!found.contains("PKCE"), "{found}");
}

#[tokio::test]
async fn ir_10_ir_12_az_05_what_leads_elsewhere_is_refused_when_it_is_registered() {
    let app = TestApp::new().await;
    for (name, bad) in [
        ("post_logout_redirect_uris", json!(["javascript:alert(1)"])),
        ("backchannel_logout_uri", json!("https://169.254.169.254/latest")),
        ("policy_uri", json!("javascript:alert(1)")),
        ("tos_uri", json!("http://wiki.test/")),
    ] {
        let refused = app.manage("POST", CLIENTS, json!({"name": "wiki", "type": "web", name: bad})).await.expect(400);
        let path = refused["problems"][0]["path"].as_str().unwrap_or_default();
        assert!(path.starts_with(name), "{refused}");
    }
    let spa = json!({"name": "app", "type": "spa", "require_pkce": false});
    assert_eq!(app.manage("POST", CLIENTS, spa).await.expect(400)["problems"][0]["path"], "require_pkce");
}
