//! Signing keys and the master key that seals them.

use std::time::{Duration, Instant};

use admit::app::Clock;
use admit::master::source;
use admit::signing::reseal;
use admit_core::jose::algorithm::Algorithm;
use admit_core::time::Span;
use serde_json::Value;

use crate::app::TestApp;

/// How many signing keys need a master key.
async fn needed(app: &TestApp, number: i64) -> i64 {
    let status = app.manage("GET", "/v1/master-keys", Value::Null).await.expect(200);
    let key = status["keys"].as_array().unwrap().iter().find(|key| key["number"] == number).cloned().unwrap();
    key["signing_keys"].as_i64().unwrap()
}

#[tokio::test]
async fn a_signing_key_follows_the_master_key_and_stays_the_same() {
    let app = TestApp::new().await;
    let (token, kid) = (app.signed().await, app.signing(Algorithm::Es256).await.kid().to_owned());
    assert_eq!(needed(&app, 1).await, 1);
    source::add(&app.folder.path().join("master.key"), 2, &[2; 32]).unwrap();
    app.manage("POST", "/v1/master-keys/rotate", Value::Null).await.expect(200);
    assert!(app.is_own(&token), "read under the old one");
    let begun = Instant::now();
    while needed(&app, 1).await > 0 {
        reseal::run(&app.app).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "it stays behind");
    }
    assert_eq!(needed(&app, 2).await, 1);
    app.clock.advance(Span::seconds(61));
    app.manage("DELETE", "/v1/master-keys/1?accept=true", Value::Null).await.expect(200);
    assert!(app.is_own(&token));
    assert_eq!(app.signing(Algorithm::Es256).await.kid(), kid);
    let app = TestApp::in_folder(app.stop().await, "").await;
    assert!(app.is_own(&token), "read anew under the new one");
}

/// One that was revoked since the copy was made would sign for whoever has stolen it.
#[tokio::test]
async fn a_store_that_went_back_signs_by_keys_of_its_own() {
    let app = TestApp::new().await;
    let (token, config) = (app.signed().await, app.app.config.load_full());
    let folder = app.stop().await;
    admit::serve::restore::accept(&config, Clock::default().now()).unwrap();
    let app = TestApp::in_folder(folder, "").await;
    assert!(!app.is_own(&token));
    assert_eq!(app.states().await, ["revoked"]);
    let other = app.signed().await;
    assert!(app.is_own(&other) && app.published().await.len() == 1);
}
