//! Rotation of the master key, in process: what is read, what moves, what is refused.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use admit::master::{follow, source, write_moves};
use admit_core::check::code::Reason;
use admit_core::time::Span;
use serde_json::{Value, json};

use crate::app::TestApp;

const STATUS: &str = "/v1/master-keys";
const ROTATE: &str = "/v1/master-keys/rotate";

async fn shop() -> TestApp {
    let app = TestApp::new().await;
    app.shop().await;
    app
}

fn file(app: &TestApp) -> PathBuf {
    app.folder.path().join("master.key")
}

fn add(app: &TestApp, number: i64) {
    source::add(&file(app), number, &[u8::try_from(number).unwrap(); 32]).unwrap();
}

async fn rotate_to(app: &TestApp, number: i64) {
    add(app, number);
    assert_eq!(app.manage("POST", ROTATE, Value::Null).await.expect(200)["active"], number);
}

/// State, secrets and seals of a number.
async fn status(app: &TestApp, number: i64) -> (String, i64, i64) {
    let status = app.manage("GET", STATUS, Value::Null).await.expect(200);
    let key = status["keys"].as_array().unwrap().iter().find(|key| key["number"] == number).cloned();
    let key = key.unwrap_or_else(|| panic!("no key {number} in {status}"));
    let count = |name: &str| key[name].as_i64().unwrap();
    (key["state"].as_str().unwrap().to_owned(), count("secrets"), count("seals"))
}

async fn verdict(app: &TestApp, key: &str) -> u16 {
    app.ask("GET", "/orders/1", Some(key)).await.status
}

#[tokio::test]
async fn a_key_is_read_under_the_old_master_key_and_moves_when_it_is_used() {
    let app = shop().await;
    let (used, idle) = (app.shop_key("used", &["orders:read"]).await, app.shop_key("idle", &["orders:read"]).await);
    assert_eq!(verdict(&app, &used).await, 200, "in the cache before the rotation");
    rotate_to(&app, 2).await;
    let new = app.shop_key("new", &["orders:read"]).await;
    assert_eq!(status(&app, 1).await.1, 2);
    let (state, secrets, _) = status(&app, 2).await;
    assert_eq!((state.as_str(), secrets), ("active", 1));
    assert_eq!((verdict(&app, &used).await, verdict(&app, &new).await), (200, 200));
    write_moves(&app.app).await;
    assert_eq!((status(&app, 1).await.1, status(&app, 2).await.1), (1, 2), "one was used");
    assert_eq!((verdict(&app, &used).await, verdict(&app, &idle).await), (200, 200));
    write_moves(&app.app).await;
    assert_eq!((status(&app, 1).await.1, status(&app, 2).await.1), (0, 3));
    assert_eq!(verdict(&app, "admit_000000000000000000000000000000000000").await, 401);
    let changed = app.manage("GET", "/v1/realms/operators/events?kind=master_key.", Value::Null).await.expect(200);
    let event = &changed["items"][0];
    assert_eq!((&event["kind"], &event["detail"]), (&json!("master_key.rotated"), &json!({"from": 1, "to": 2})));
}

#[tokio::test]
async fn what_is_done_with_a_key_holds_before_and_after_it_moves() {
    let app = shop().await;
    let key = app.key(json!({"name": "ci", "api": "https://api.shop.test", "scopes": ["orders:read"]})).await;
    let (id, secret) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    let leaked = app.shop_key("leaked", &["orders:read"]).await;
    rotate_to(&app, 2).await;
    let rolled = app.manage("POST", &format!("/v1/realms/default/keys/{id}/roll"), json!({})).await.expect(200);
    let rolled = rolled["key"].as_str().unwrap();
    assert_eq!((verdict(&app, secret).await, verdict(&app, rolled).await), (200, 200));
    write_moves(&app.app).await;
    assert_eq!((verdict(&app, secret).await, verdict(&app, rolled).await), (200, 200));
    app.manage("DELETE", &format!("/v1/realms/default/keys/{id}"), Value::Null).await.expect(204);
    assert_eq!((verdict(&app, secret).await, app.last_reason()), (401, Some(Reason::Revoked)));
    // Found and ended under a hash that nothing has used since.
    let found = json!({ "credential": leaked }).to_string().into_bytes();
    app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(found)).await.expect(202);
    assert_eq!(verdict(&app, &leaked).await, 401);
    assert_eq!(app.last_reason(), Some(Reason::Revoked));
}

#[tokio::test]
async fn an_imported_key_is_not_taken_over_again_after_a_rotation() {
    let app = shop().await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"sk_one");
    let digest = data_encoding::HEXLOWER.encode(digest.as_ref());
    let import = json!({"pattern": "sk_*", "api": "https://api.shop.test", "scopes": ["orders:read"], "never_expires": true,
        "keys": [{"sha256": digest, "name": "one"}]});
    let path = "/v1/realms/default/keys/import";
    assert_eq!(app.manage("POST", path, import.clone()).await.expect(200)["imported"], 1);
    rotate_to(&app, 2).await;
    let again = app.manage("POST", path, import).await.expect(200);
    assert_eq!((&again["imported"], &again["known"]), (&json!(0), &json!(1)));
    assert_eq!(verdict(&app, "sk_one").await, 200);
}

#[tokio::test]
async fn a_list_goes_on_across_a_rotation() {
    let app = shop().await;
    for name in ["a", "b", "c"] {
        app.shop_key(name, &["orders:read"]).await;
    }
    let first = app.manage("GET", "/v1/realms/default/keys?limit=2", Value::Null).await.expect(200);
    rotate_to(&app, 2).await;
    let next = format!("/v1/realms/default/keys?limit=2&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(app.manage("GET", &next, Value::Null).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_rotates_without_a_newer_key_or_past_a_source_that_does_not_fit() {
    let app = shop().await;
    let refused = app.manage("POST", ROTATE, Value::Null).await;
    assert_eq!((refused.status, refused.code()), (409, "no_newer_key".to_owned()));
    assert!(refused.text.contains("Next: admit master-key add"), "{}", refused.text);
    let first = std::fs::read_to_string(file(&app)).unwrap();
    for (text, words) in [
        (format!("1 {}\n2 {}\n", "ab".repeat(32), "cd".repeat(32)), "is not the one that the store was made with"),
        (format!("2 {}\n", "cd".repeat(32)), "the store uses master key 1"),
        (format!("1 {}\n", "ab".repeat(31)), "64 hexadecimal digits"),
    ] {
        std::fs::write(file(&app), &text).unwrap();
        let refused = app.manage("POST", ROTATE, Value::Null).await;
        assert_eq!((refused.status, refused.code()), (409, "unfit_master_key".to_owned()));
        assert!(
            refused.text.contains(words) && !refused.text.contains(text.split_whitespace().last().unwrap()),
            "{}",
            refused.text
        );
    }
    std::fs::write(file(&app), first).unwrap();
    rotate_to(&app, 2).await;
}

#[tokio::test]
async fn an_old_master_key_goes_when_nothing_needs_it_and_what_it_made_with_it() {
    let app = shop().await;
    let (idle, used) = (app.shop_key("idle", &["orders:read"]).await, app.shop_key("used", &["orders:read"]).await);
    admit::jobs::seal::run(&app.app).await;
    rotate_to(&app, 2).await;
    let remove =
        async |number: i64, query: &str| app.manage("DELETE", &format!("{STATUS}/{number}{query}"), Value::Null).await;
    for (number, code, words) in [
        (1, "rotated_just_now", "in a minute"),
        (2, "master_key_active", "admit master-key add"),
        (3, "not_found", "admit master-key status"),
    ] {
        let refused = remove(number, "?accept=true").await;
        assert_eq!(refused.code(), code);
        assert!(refused.text.contains(words), "{}", refused.text);
    }
    app.clock.advance(Span::seconds(61));
    let refused = remove(1, "").await;
    assert_eq!((refused.status, refused.code()), (409, "master_key_needed".to_owned()));
    assert!(
        refused.text.contains("by 2 secrets") && refused.text.contains("admit master-key remove 1 --accept"),
        "{}",
        refused.text
    );
    assert_eq!(verdict(&app, &used).await, 200, "a refused removal takes nothing away");
    write_moves(&app.app).await;
    let before = app.manage("GET", "/v1/audit/verify", Value::Null).await.expect(200);
    assert_eq!(before["findings"], json!([]));
    remove(1, "?accept=true").await.expect(200);
    assert_eq!((verdict(&app, &idle).await, app.last_reason()), (401, Some(Reason::UnknownSecret)), "it had not moved");
    assert_eq!(verdict(&app, &used).await, 200, "it had");
    assert_eq!(status(&app, 1).await.0, "idle", "the line is still there and opens nothing");
    app.shop_key("new", &["orders:read"]).await;
    admit::jobs::seal::run(&app.app).await;
    let after = app.manage("GET", "/v1/audit/verify", Value::Null).await.expect(200);
    assert_eq!(after["findings"], json!([]), "the audit begins after the seals that nobody can verify");
    assert!(after["checked"].as_i64().unwrap() > 0, "{after}");
}

#[tokio::test]
async fn seals_of_both_master_keys_verify() {
    let app = shop().await;
    admit::jobs::seal::run(&app.app).await;
    rotate_to(&app, 2).await;
    app.shop_key("new", &["orders:read"]).await;
    admit::jobs::seal::run(&app.app).await;
    let (old, new) = (status(&app, 1).await, status(&app, 2).await);
    assert!(old.2 > 0 && new.2 > 0, "{old:?} {new:?}");
    let verified = app.manage("GET", "/v1/audit/verify", Value::Null).await.expect(200);
    assert_eq!((&verified["findings"], &verified["checked"]), (&json!([]), &json!(old.2 + new.2)));
}

#[tokio::test]
async fn a_key_that_is_added_to_the_file_is_taken_in_by_the_running_server() {
    let app = shop().await;
    add(&app, 2);
    let since = Instant::now();
    loop {
        let status = app.manage("GET", STATUS, Value::Null).await.expect(200);
        if status["keys"].as_array().unwrap().iter().any(|key| key["state"] == "new") {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // From now on nobody can have another key 2.
    let first = std::fs::read_to_string(file(&app)).unwrap();
    let line = first.lines().next().unwrap();
    std::fs::write(file(&app), format!("{line}\n2 {}\n", "cd".repeat(32))).unwrap();
    follow(&app.app).await;
    assert!(
        app.app.master.wrong().is_some_and(|wrong| wrong.contains("number 2) is not the one")),
        "{:?}",
        app.app.master.wrong()
    );
    let findings = app.manage("GET", "/v1/doctor", Value::Null).await.expect(200);
    assert!(findings.to_string().contains("The master keys cannot be followed"), "{findings}");
    let key = app.shop_key("meanwhile", &["orders:read"]).await;
    assert_eq!(verdict(&app, &key).await, 200, "those in use stay");
}
