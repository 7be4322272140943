//! What is sent twice, or at the same time.

use admit::manage::keys::LIVE_KEYS_MAX;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ClientId, SubjectId};
use admit_core::key::{Key, KeySecret};
use admit_core::name::Label;
use admit_core::secret::SecretHash;
use admit_store::End;
use serde_json::{Value, json};

use super::{KEYS, with_api};
use crate::app::{Reply, TestApp};

async fn post(app: &TestApp, path: &str, idempotency_key: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {}", app.operator());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", idempotency_key),
    ];
    app.send("POST", path, &headers, Some(body.to_string().into_bytes())).await
}

#[tokio::test]
async fn a_repeated_creation_makes_one_key() {
    let app = with_api().await;
    let made = post(&app, KEYS, "k1", &json!({"name": "ci"})).await.expect(201);
    let again = post(&app, KEYS, "k1", &json!({"name": "ci"})).await.expect(409);
    assert_eq!(again["code"], "secret_already_shown");
    assert!(again["detail"].as_str().unwrap().contains(made["id"].as_str().unwrap()));
    let other = post(&app, KEYS, "k1", &json!({"name": "cd"})).await.expect(422);
    assert_eq!(other["code"], "idempotency_key_reused");
    post(&app, KEYS, "k2", &json!({"name": "ci"})).await.expect(201);
    app.clock.advance(admit::manage::idempotency::KEPT_FOR);
    post(&app, KEYS, "k1", &json!({"name": "cd"})).await.expect(201);
}

#[tokio::test]
async fn a_repeated_roll_rolls_once() {
    let app = with_api().await;
    app.key(json!({"name": "ci"})).await;
    let path = format!("{KEYS}/ci/roll");
    post(&app, &path, "r1", &json!({})).await.expect(200);
    assert_eq!(post(&app, &path, "r1", &json!({})).await.expect(409)["code"], "secret_already_shown");
    let shown = app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await.expect(200);
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn twenty_at_the_same_time_make_one_key() {
    let app = std::sync::Arc::new(with_api().await);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let app = app.clone();
        calls.spawn(async move { post(&app, KEYS, "k1", &json!({"name": "ci"})).await.status });
    }
    let statuses = calls.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
}

/// Fills an owner up to some keys below the quota, by the store: through the API it would take a minute.
async fn fill(app: &TestApp, owner: ClientId, count: i64) {
    let state = app.app.clone();
    let (now, realm) = (state.now(), state.default_realm);
    let rows: Vec<_> = (0..count)
        .map(|number| {
            let id = state.id(now);
            let grant = Grant {
                id,
                realm,
                org: None,
                kind: GrantKind::Key,
                subject: SubjectId::Client(owner),
                client: None,
                parent: None,
                root: id,
                api: None,
                scopes: Vec::new(),
                created_at: now,
                expires_at: None,
                revoked_at: None,
            };
            let key = Key {
                id: state.id(now),
                realm,
                org: None,
                grant: id,
                name: Label::parse(&format!("k{number}")).unwrap(),
                lifetime: None,
                rate: None,
                ip: Vec::new(),
                external_id: None,
                metadata: Value::Null,
                disabled_at: None,
                seen_in_browser_at: None,
                created_by: "operator".to_owned(),
                created_at: now,
                updated_at: now,
                version: 1,
            };
            let (hash, hint) = (SecretHash(state.random()), "admit_…AbCd".to_owned());
            let secret =
                KeySecret { hash, lookup_key: 1, key: key.id, number: 1, hint, created_at: now, expires_at: None };
            (grant, key, secret)
        })
        .collect();
    for batch in rows.chunks(500) {
        let batch = batch.to_vec();
        app.app.store.write(move |tx| tx.insert_imported_keys(&batch).map(End::Commit)).await.unwrap();
    }
}

#[tokio::test]
async fn ak_09_the_quota_holds_against_a_race() {
    let app = std::sync::Arc::new(with_api().await);
    let first = app.key(json!({"name": "ci"})).await;
    let owner = first["owner"].as_str().unwrap().to_owned();
    fill(&app, owner.parse().unwrap(), LIVE_KEYS_MAX - 1 - 3).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (app, owner) = (app.clone(), owner.clone());
        calls.spawn(async move { app.manage("POST", KEYS, json!({"name": "more", "owner": owner})).await });
    }
    let replies = calls.join_all().await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 3);
    assert!(replies.iter().filter(|reply| reply.status != 201).all(|reply| reply.code() == "too_many_keys"));
}
