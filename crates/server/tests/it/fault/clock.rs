//! A clock that jumps by an hour under a running server: nothing lives longer for it, and nothing is locked out for good
//! (ST-05).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::history::{KEYS, wanted};
use super::program::{Program, serve};
use crate::program::tool;

const HOUR: i64 = 3600;

/// A server whose wall clock is what a file says.
struct Node {
    program: Program,
    folder: TempDir,
}

fn set(folder: &Path, seconds: i64) {
    let next = folder.join("clock.next");
    std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(next, folder.join("clock")).unwrap();
}

pub fn library() -> PathBuf {
    let place = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    tool("ADMIT_TEST_FAKETIME", &place)
}

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 0);
        let program = Program::run(Self::command(folder.path()), folder.path()).await;
        program.shop().await;
        Self { program, folder }
    }

    fn command(folder: &Path) -> Command {
        let mut command = serve(folder);
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", folder.join("clock"));
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    async fn restart(&mut self) {
        assert!(self.program.stop().await, "{:?}", self.program.said());
        self.program = Program::run(Self::command(self.folder.path()), self.folder.path()).await;
    }

    /// The clock says that many seconds more than it should.
    fn set(&self, seconds: i64) {
        set(self.folder.path(), seconds);
    }

    async fn key(&self, name: &str, more: Value) -> String {
        let mut request = wanted(name);
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.program.manage("POST", KEYS, request).await.expect(201);
        made["key"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, key: &str) -> (u16, String) {
        let reply = self.program.ask("GET", "/orders/1", key).await;
        (reply.status, reply.code())
    }

    async fn is_admitted(&self, key: &str) -> bool {
        self.ask(key).await.0 == 200
    }

    /// What an operator is told of the clock.
    async fn told(&self) -> String {
        let found = self.program.manage("GET", "/v1/doctor", Value::Null).await.expect(200);
        let items = found["items"].as_array().unwrap().iter();
        items.filter_map(|item| item["what"].as_str()).filter(|what| what.contains("clock")).collect()
    }

    async fn becomes(&self, key: &str, status: u16, within: Duration) {
        let begun = Instant::now();
        while self.ask(key).await.0 != status {
            assert!(begun.elapsed() < within, "not {status} in time: {:?}", self.ask(key).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn expired() -> (u16, String) {
    (401, "expired_credential".to_owned())
}

#[tokio::test]
async fn st_05_a_clock_that_is_set_back_brings_nothing_back_to_life() {
    let mut node = Node::start().await;
    let ended = node.key("ended", json!({"expires_in_s": 1})).await;
    let ending = node.key("ending", json!({"expires_in_s": 5})).await;
    let revoked = node.key("revoked", json!({})).await;
    let limited = node.key("limited", json!({"limit": "1/2s"})).await;
    let kept = node.key("kept", json!({})).await;
    for key in [&ending, &revoked, &kept, &limited] {
        assert!(node.is_admitted(key).await);
    }
    node.program.manage("DELETE", &format!("{KEYS}/revoked"), Value::Null).await.expect(204);
    node.becomes(&ended, 401, Duration::from_secs(3)).await;
    assert_eq!(node.told().await, "");

    node.set(-HOUR);
    assert_eq!(node.ask(&ended).await, expired());
    assert_eq!(node.ask(&revoked).await, (401, "revoked_credential".to_owned()));
    assert!(node.is_admitted(&kept).await, "and nothing else ends by it");
    node.becomes(&ending, 401, Duration::from_secs(7)).await;
    assert_eq!(node.ask(&ending).await, expired());
    let late = node.key("late", json!({"expires_in_s": 1})).await;
    node.becomes(&late, 401, Duration::from_secs(3)).await;
    node.becomes(&limited, 200, Duration::from_secs(3)).await;
    // An hour, and what the two clocks of the machine differ by.
    let told = node.told().await;
    assert!(["3599 s", "3600 s"].iter().any(|by| told.contains(&format!("was set back by {by}"))), "{told}");
    assert!(node.program.said().iter().any(|line| line.contains("the clock was set back")));

    node.set(0);
    assert!(node.is_admitted(&kept).await);
    assert_eq!(node.ask(&ended).await, expired());
    assert_eq!(node.told().await, "");
    node.set(-HOUR);
    node.restart().await;
    assert!(
        node.told().await.contains("has an event of"),
        "what the store knows better is told: {}",
        node.told().await
    );
    for (path, request) in [(KEYS.to_owned(), wanted("early")), (format!("{KEYS}/kept/roll"), json!({}))] {
        let refused = node.program.manage("POST", &path, request).await.expect(503);
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("nothing is issued until then") && detail.contains("admit doctor"), "{refused}");
    }
    node.set(0);
    node.restart().await;
    node.key("in time", json!({})).await;
}

#[tokio::test]
async fn st_05_a_clock_that_is_set_ahead_ends_what_it_passes_and_takes_nothing_for_good() {
    let mut node = Node::start().await;
    let ending = node.key("ending", json!({"expires_in_s": HOUR / 2})).await;
    let limited = node.key("limited", json!({"limit": "1/1h"})).await;
    let kept = node.key("kept", json!({})).await;
    for key in [&ending, &kept, &limited] {
        assert!(node.is_admitted(key).await);
    }
    assert_eq!(node.ask(&limited).await, (403, "rate_limited".to_owned()));

    node.set(HOUR);
    assert_eq!(node.ask(&ending).await, expired(), "no cache keeps a yes");
    assert!(node.is_admitted(&kept).await);
    let refused = node.program.ask("GET", "/orders/1", &limited).await;
    assert_eq!(refused.code(), "rate_limited", "a limit does not look at the wall");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=HOUR).contains(&wait), "{wait}");
    let fresh = node.key("fresh", json!({"expires_in_s": HOUR / 2})).await;
    assert!(node.is_admitted(&fresh).await);

    node.set(0);
    assert_eq!(node.ask(&ending).await, expired(), "not while it may be the clock that is wrong now");
    assert!(node.is_admitted(&kept).await && node.is_admitted(&fresh).await);
    node.restart().await;
    assert!(node.is_admitted(&ending).await, "an operator who restarts it says that the clock is right");
    assert!(node.is_admitted(&kept).await && node.is_admitted(&limited).await);
    assert!(node.told().await.contains("has an event of"), "{}", node.told().await);
}
