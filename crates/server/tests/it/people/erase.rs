//! Who was forgotten: nothing personal is left, and the audit holds.

use admit::jobs;
use admit::login::verify::Refused;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, sign_in, stranger, with_alice};

#[tokio::test]
async fn lo_04_an_erased_person_leaves_an_id_and_an_audit_that_verifies() {
    let (app, alice) = with_alice().await;
    let key = app.key(json!({"name": "k", "owner": "Alice"})).await["key"].as_str().unwrap().to_owned();
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"external_id": "cus_42", "metadata": {"phone": "555"}}))
        .await
        .expect(200);
    // Some of the events are sealed when they are erased, some are not yet.
    jobs::seal::run(&app.app).await;
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"name": "Alice Liddell"})).await.expect(200);
    let erase = format!("{USERS}/{alice}/erase");
    let erased = app.manage("POST", &erase, Value::Null).await.expect(200);
    assert_eq!(erased["id"], alice.to_string());
    assert_eq!(app.manage("POST", &erase, Value::Null).await.expect(200), erased, "once more is no harm");
    jobs::seal::run(&app.app).await;

    let shown = app.manage("GET", &format!("{USERS}/{alice}"), Value::Null).await.expect(200);
    assert_eq!(
        (&shown["name"], &shown["email"], &shown["metadata"]),
        (&json!(alice.to_string()), &Value::Null, &json!({}))
    );
    assert_eq!(shown["erased_at"], erased["erased_at"]);
    for (method, path, body) in [
        ("GET", format!("{USERS}/alice@example.com"), Value::Null),
        ("PATCH", format!("{USERS}/{alice}"), json!({"disabled": false})),
        ("PUT", format!("{USERS}/{alice}/password"), json!({"password": PASSWORD})),
        ("POST", format!("{USERS}/{alice}/unlock"), Value::Null),
    ] {
        assert_eq!(app.manage(method, &path, body).await.status, 404, "{method} {path}");
    }
    assert_eq!(app.manage("GET", USERS, Value::Null).await.expect(200)["items"], json!([]));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::Wrong));
    let judged = app.manage("POST", "/v1/realms/default/check", json!({ "credential": key })).await.expect(200);
    assert_eq!(judged["admitted"], false, "what was his opens nothing");

    let events = app.manage("GET", "/v1/realms/default/events?limit=200", Value::Null).await.expect(200).to_string();
    for personal in ["Alice", "alice@example.com", "cus_42", "Liddell"] {
        assert!(!events.contains(personal), "{personal} in {events}");
    }
    assert!(events.contains("user.erased") && events.contains("user.created"), "that it happened stays");
    let verified = app.manage("GET", "/v1/audit/verify", Value::Null).await.expect(200);
    assert_eq!(verified["findings"], json!([]));
    app.manage("POST", USERS, json!({"name": "Alice", "email": "alice@example.com"})).await.expect(201);
}

#[tokio::test]
async fn pw_13_an_address_is_verified_by_an_operator_with_an_event_and_not_by_a_field() {
    let (app, alice) = with_alice().await;
    let verify = format!("{USERS}/Alice/verify-email");
    let user = app.manage("POST", &verify, Value::Null).await.expect(200);
    assert_ne!(user["email_verified_at"], Value::Null);
    let events = super::events(&app, "user.email_verified").await;
    assert_eq!((events.len(), events[0]["target"].as_str()), (1, Some(alice.to_string().as_str())));
    let moved = app.manage("PATCH", &format!("{USERS}/Alice"), json!({"email": "other@example.com"})).await.expect(200);
    assert_eq!(moved["email_verified_at"], Value::Null, "another address is not verified");
    app.manage("POST", USERS, json!({"name": "bob"})).await.expect(201);
    let none = app.manage("POST", &format!("{USERS}/bob/verify-email"), Value::Null).await.expect(400);
    assert!(none["detail"].as_str().unwrap().contains("admit user update"), "{none}");
}
