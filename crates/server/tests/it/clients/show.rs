//! How a client shows who it is, and what strangers learn.

use std::time::Duration;

use admit_core::client::AuthMethod;
use admit_core::oauth::Error;
use admit_core::time::Span;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{AWAY, CLIENTS, HOME, basic, by_basic, by_form, made, service, shown, told};
use crate::app::TestApp;
use crate::store;

const UNKNOWN: &str = "cli_01hzzzzzzzzzzzzzzzzzzzzzzz";

#[tokio::test]
async fn tk_01_a_secret_proves_its_client_in_either_place_and_in_its_own_way_only() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    assert_eq!(by_form(&app, &format!("client_id={id}&client_secret={secret}")).await, "billing");
    let caller = shown(&app, &basic(&id, &secret), "", HOME).await.ok().unwrap();
    assert_eq!((caller.method, caller.client.client.id.to_string()), (AuthMethod::ClientSecretBasic, id.clone()));
    assert_eq!(by_form(&app, &format!("client_id={id}")).await, "invalid_client", "a name alone");
    assert_eq!(by_basic(&app, &id, "").await, "invalid_client", "an empty secret");
    let two = told(shown(&app, &basic(&id, &secret), &format!("client_secret={secret}"), HOME).await);
    assert_eq!(two, "invalid_request");

    let only = json!({"token_endpoint_auth_method": "client_secret_post"});
    app.manage("PATCH", &format!("{CLIENTS}/billing"), only).await.expect(200);
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client", "another way than it is registered with");
    assert_eq!(by_form(&app, &format!("client_id={id}&client_secret={secret}")).await, "billing");
}

#[tokio::test]
async fn a_public_client_says_who_it_is_and_no_more() {
    let app = TestApp::new().await;
    for kind in ["spa", "native", "device"] {
        let client = made(&app, json!({"name": kind, "type": kind})).await;
        assert_eq!(client.get("secret"), None, "{client}");
        let id = client["id"].as_str().unwrap();
        let caller = shown(&app, &HeaderMap::new(), &format!("client_id={id}"), HOME).await.ok().unwrap();
        assert_eq!(caller.method, AuthMethod::None);
        assert_eq!(by_basic(&app, id, "x").await, "invalid_client");
        let disabled = json!({"disabled": true});
        app.manage("PATCH", &format!("{CLIENTS}/{kind}"), disabled).await.expect(200);
        assert_eq!(by_form(&app, &format!("client_id={id}")).await, "invalid_client");
    }
}

#[tokio::test]
async fn tk_18_unknown_wrong_and_disabled_are_told_alike() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    let (off, off_secret) = service(&app, "off").await;
    app.manage("PATCH", &format!("{CLIENTS}/off"), json!({"disabled": true})).await.expect(200);
    let public = made(&app, json!({"name": "spa", "type": "spa"})).await;
    let public = public["id"].as_str().unwrap();
    let foreign = format!("admit_cs_{}", &secret["admit_cs_".len()..].to_ascii_uppercase());
    for (id, secret) in [
        (UNKNOWN, secret.as_str()),
        ("shop", &secret),
        ("'; DROP TABLE client", &secret),
        (&id, "wrong"),
        (&id, &foreign),
        (&id, &off_secret),
        (&off, &off_secret),
        (public, &secret),
    ] {
        let refused = shown(&app, &basic(id, secret), "", HOME).await.err().unwrap();
        assert_eq!(refused, Error::client(true), "{id}");
        let form = format!("client_id={}&client_secret={secret}", id.replace(' ', "+").replace(';', "%3B"));
        let refused = shown(&app, &HeaderMap::new(), &form, HOME).await.err().unwrap();
        assert_eq!(refused, Error::client(false), "{id}");
    }
}

/// What costs time is a read of the store: none of them causes more of those than another.
#[tokio::test]
async fn tk_18_unknown_and_wrong_are_the_same_work() {
    let app = TestApp::new().await;
    let (id, _) = service(&app, "billing").await;
    let reads = async |id: &str| {
        let before = app.app.metrics.cache_misses.get();
        for _ in 0..10 {
            by_basic(&app, id, "admit_cs_wrong").await;
        }
        app.app.metrics.cache_misses.get() - before
    };
    assert_eq!((reads(&id).await, reads(UNKNOWN).await), (1, 1), "each is read once and remembered");
    app.clock.advance(Span::minutes(2));
    assert_eq!((reads(&id).await, reads(UNKNOWN).await, reads("nobody").await), (0, 0, 0));
}

#[tokio::test]
async fn tk_17_guesses_wait_where_they_come_from_and_the_right_secret_never() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    let guess = async |ip: &str| shown(&app, &basic(&id, "admit_cs_wrong"), "", ip).await.err().unwrap();
    let mut codes = std::collections::BTreeMap::new();
    for _ in 0..10_000 {
        *codes.entry(guess(HOME).await.code.to_string()).or_insert(0) += 1;
    }
    assert!(codes["slow_down"] > 9_900 && codes["invalid_client"] >= 30, "{codes:?}");
    let late = guess(HOME).await;
    assert!(late.retry_after_s.is_some_and(|seconds| (1..=60).contains(&seconds)), "{late:?}");
    assert_eq!(late.code.status(), 429);
    assert_eq!(guess(AWAY).await.code.to_string(), "invalid_client", "elsewhere nobody has guessed yet");
    assert_eq!(by_basic(&app, &id, &secret).await, "billing", "from the very network of the guesses");
    let unknown = shown(&app, &basic(UNKNOWN, "x"), "", HOME).await.err().unwrap();
    assert_eq!(unknown.code.to_string(), "invalid_client", "each client is counted by itself");
    app.clock.advance(Span::minutes(1));
    assert_eq!(guess(HOME).await.code.to_string(), "invalid_client");
}

#[tokio::test]
async fn tk_17_a_storm_of_names_reads_no_more_than_its_budget() {
    let app = TestApp::with("[limits.unknown]\nnetwork = '5/1m'").await;
    let (id, secret) = service(&app, "billing").await;
    let before = app.app.metrics.cache_misses.get();
    for number in 0..50 {
        let name = format!("cli_01hzzzzzzzzzzzzzzzzzzzz{number:03}");
        by_basic(&app, &name, "x").await;
    }
    assert_eq!(app.app.metrics.cache_misses.get() - before, 5);
    // Nothing of this client failed: it is told what is true of it, too, and when a unit is there again.
    let cold = shown(&app, &basic(&id, &secret), "", HOME).await.err().unwrap();
    let told_all = "Too many attempts to authenticate are being made. Wait before the next one.";
    assert_eq!((cold.code.as_str(), &*cold.description), ("slow_down", told_all));
    let wait = cold.retry_after_s.unwrap();
    assert!((2..=12).contains(&wait), "{wait}");
    assert_eq!(told(shown(&app, &basic(&id, &secret), "", AWAY).await), "billing");
}

#[tokio::test]
async fn warm_a_secret_is_judged_without_the_store() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    let before = app.app.metrics.cache_misses.get();
    for _ in 0..100 {
        assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    }
    assert_eq!(app.app.metrics.cache_misses.get(), before);
    // What changes is read again, at once.
    app.manage("PATCH", &format!("{CLIENTS}/billing"), json!({"disabled": true})).await.expect(200);
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
    app.manage("PATCH", &format!("{CLIENTS}/billing"), json!({"disabled": false})).await.expect(200);
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    app.manage("DELETE", &format!("{CLIENTS}/billing"), Value::Null).await.expect(204);
    assert_eq!(by_basic(&app, &id, &secret).await, "invalid_client");
}

#[tokio::test]
async fn ad_02_a_client_of_another_realm_is_nobody() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let other =
        app.manage("POST", "/v1/realms/acme/clients", json!({"name": "a", "type": "service"})).await.expect(201);
    let text = |name: &str| other[name].as_str().unwrap().to_owned();
    assert_eq!(by_basic(&app, &text("id"), &text("secret")).await, "invalid_client");
}

#[tokio::test]
async fn lo_02_a_refusal_is_in_the_audit_with_its_reason_and_without_what_was_shown() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    let (off, off_secret) = service(&app, "off").await;
    app.manage("PATCH", &format!("{CLIENTS}/off"), json!({"disabled": true})).await.expect(200);
    by_basic(&app, &id, "admit_cs_canary").await;
    by_basic(&app, "canary", &secret).await;
    by_basic(&app, &off, &off_secret).await;
    by_form(&app, &format!("client_id={id}")).await;
    admit::jobs::sign_in::write(&app.app).await;
    let path = "/v1/realms/default/events?kind=client.refused";
    let told = app.manage("GET", path, Value::Null).await;
    assert!(!told.text.contains("canary") && !told.text.contains(&secret), "{}", told.text);
    let told = told.expect(200);
    let told: std::collections::BTreeSet<_> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            assert_eq!(event["detail"], json!({"source": "203.0.113.0/24"}));
            (event["reason"].as_str().unwrap(), event["target"].as_str().unwrap())
        })
        .collect();
    let wanted =
        [("wrong_secret", id.as_str()), ("unknown_client", ""), ("subject_disabled", &off), ("wrong_auth_method", &id)];
    assert_eq!(told, wanted.into_iter().collect());
}

#[tokio::test]
async fn a_client_comes_with_its_roles() {
    let app = TestApp::new().await;
    app.shop().await;
    let role = json!({"name": "reader", "rights": {"https://api.shop.test": ["orders:read"]}});
    app.manage("POST", "/v1/realms/default/roles", role).await.expect(201);
    let client = made(&app, json!({"name": "billing", "type": "service", "roles": ["reader"]})).await;
    let (id, secret) = (client["id"].as_str().unwrap(), client["secret"].as_str().unwrap());
    let scopes = async || {
        let caller = shown(&app, &basic(id, secret), "", HOME).await.ok().unwrap();
        caller.client.roles.iter().flat_map(|role| role.spec.rights.values()).map(|scopes| scopes.len()).sum::<usize>()
    };
    assert_eq!(scopes().await, 1);
    let wider = json!({"rights": {"https://api.shop.test": ["orders:read", "orders:write"]}});
    app.manage("PATCH", "/v1/realms/default/roles/reader", wider).await.expect(200);
    assert_eq!(scopes().await, 2, "a role that changes is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_store_is_away_nobody_is_told_that_he_is_wrong() {
    let app = TestApp::new().await;
    let (id, secret) = service(&app, "billing").await;
    assert_eq!(by_basic(&app, &id, &secret).await, "billing");
    let (folder, clock) = (app.folder.path().to_owned(), app.clock.clone());
    let hand = crate::hand::Hand::on(&folder, store::url_of(&folder).as_deref());
    hand.write("ALTER TABLE client RENAME TO client_away");
    clock.advance(Span::ms(1));
    assert_eq!(by_basic(&app, &id, &secret).await, "billing", "known, and nothing has changed");
    let unread = shown(&app, &basic(UNKNOWN, "x"), "", HOME).await.err().unwrap();
    assert_eq!((unread.code.to_string().as_str(), unread.retry_after_s), ("temporarily_unavailable", Some(1)));
    hand.write("ALTER TABLE client_away RENAME TO client");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(by_basic(&app, UNKNOWN, "x").await, "invalid_client");
}
