//! ST-09: keys follow one another, and nothing that was signed is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use admit_core::jose::jwk::KeySet;
use admit_core::jose::jws::Compact;
use admit_core::time::{Span, Time};
use serde_json::json;

use super::KEYS;
use crate::app::TestApp;
use crate::token::Desk;

/// A key signs for a second, for a minute, while others get tokens and show them at the door.
#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn st_09_a_rotation_each_second_fails_no_verification() {
    let desk = Arc::new(Desk::new().await);
    let (is_over, verified) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (desk, is_over, verified) = (desk.clone(), is_over.clone(), verified.clone());
        workers.spawn(async move {
            // Those of the last seconds are shown again and again: their keys signed earlier.
            let mut recent = std::collections::VecDeque::new();
            while !is_over.load(Ordering::Relaxed) {
                recent.push_back(desk.token().await);
                if recent.len() > 200 {
                    recent.pop_front();
                }
                for token in recent.iter().rev().step_by(20) {
                    let reply = desk.read(token).await;
                    assert_eq!(reply.status, 200, "{:?} {}", desk.app.last_reason(), reply.text);
                    verified.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    let begun = Instant::now();
    let mut rotations = 0;
    while begun.elapsed() < Duration::from_secs(60) {
        assert_eq!(desk.app.manage("POST", KEYS, json!({"now": true})).await.expect(201)["state"], "signing");
        rotations += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    workers.join_all().await;
    let verified = verified.load(Ordering::Relaxed);
    println!("{rotations} rotations in {:?}, {verified} verifications, none failed", begun.elapsed());
    assert!(rotations >= 40 && verified > 1_000, "{rotations} {verified}");
}

/// Somebody who keeps a set of keys as long as it says, and looks again no earlier.
struct Verifier {
    keys: KeySet,
    until: Time,
}

impl Verifier {
    async fn fetch(app: &TestApp) -> Self {
        let reply = app.send("GET", "/.well-known/jwks.json", &[], None).await;
        let kept = reply.header("cache-control");
        let seconds = kept.rsplit_once("max-age=").map_or(0, |(_, seconds)| seconds.parse().unwrap());
        assert!(seconds <= 300, "{kept}");
        Self { keys: KeySet::parse(reply.text.as_bytes()).unwrap(), until: app.app.now() + Span::seconds(seconds) }
    }

    fn verifies(&self, token: &str) -> bool {
        let compact = Compact::parse(token).unwrap();
        self.keys.find(compact.header().kid.as_deref()).is_some_and(|key| compact.verify(key).is_ok())
    }
}

/// Two hours of rotations, one asked for each minute, in the time of the server's clock.
#[tokio::test]
async fn st_09_whoever_keeps_the_keys_as_long_as_he_may_verifies_everything() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut verifiers = Vec::new();
    let mut tokens: Vec<(Time, String)> = Vec::new();
    for minute in 0..120 {
        app.manage("POST", KEYS, json!({"algorithm": "ES256"})).await.expect(201);
        // Another one begins every minute, so that they look at every moment between two looks.
        if verifiers.len() < 6 {
            verifiers.push(Verifier::fetch(&app).await);
        }
        let now = app.app.now();
        tokens.push((now, app.signed().await));
        tokens.retain(|(signed, _)| *signed + Span::minutes(10) > now);
        for verifier in &mut verifiers {
            if verifier.until <= now {
                *verifier = Verifier::fetch(&app).await;
            }
            for (signed, token) in &tokens {
                assert!(verifier.verifies(token), "minute {minute}, signed at {signed}");
                assert!(app.is_own(token), "minute {minute}");
            }
        }
        app.clock.advance(Span::seconds(60));
    }
    assert!(app.published().await.len() <= 4);
}
