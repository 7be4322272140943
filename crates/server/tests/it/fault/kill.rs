//! `kill -9` under writes: what was acknowledged is there, what was ended stays ended (ST-01, O1).

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admit_core::time::Time;
use admit_store::{Options, Store};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::program::{Program, send};
use crate::store;

const ROUNDS: usize = 50;
const CLIENTS: usize = 4;
const KEYS: &str = "/v1/realms/default/keys";

/// What a client was told of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Live,
    Ended,
    /// A call was under way when the process died: either is right.
    InDoubt,
}

#[derive(Debug, Clone)]
struct Made {
    id: String,
    secret: String,
    told: Told,
}

type History = Arc<Mutex<Vec<Made>>>;

/// Creates, revokes and rolls keys until no answer comes any more.
struct Client {
    http: reqwest::Client,
    url: String,
    bearer: String,
    history: History,
}

impl Client {
    async fn call(&self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let headers = [("authorization", self.bearer.as_str())];
        let reply = send(&self.http, &format!("{}{path}", self.url), method, &headers, body).await?;
        Some((reply.status, reply.json()))
    }

    fn note(&self, place: usize, told: Told) {
        self.history.lock().unwrap()[place].told = told;
    }

    fn add(&self, key: &Value) -> usize {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        let mut history = self.history.lock().unwrap();
        history.push(Made { id: text("id"), secret: text("key"), told: Told::Live });
        history.len() - 1
    }

    async fn work(self) -> Option<()> {
        for turn in 0.. {
            let body = json!({"name": "load", "api": "https://api.shop.test", "scopes": ["orders:read"]});
            let (status, key) = self.call("POST", KEYS, body).await?;
            assert_eq!(status, 201, "{key}");
            let (place, id) = (self.add(&key), key["id"].as_str().unwrap());
            match turn % 3 {
                0 => {
                    self.note(place, Told::InDoubt);
                    let (status, _) = self.call("DELETE", &format!("{KEYS}/{id}"), Value::Null).await?;
                    assert_eq!(status, 204);
                    self.note(place, Told::Ended);
                }
                1 => {
                    self.note(place, Told::InDoubt);
                    let (status, rolled) =
                        self.call("POST", &format!("{KEYS}/{id}/roll"), json!({"compromised": true})).await?;
                    assert_eq!(status, 200, "{rolled}");
                    self.note(place, Told::Ended);
                    self.add(&rolled);
                }
                _ => {}
            }
        }
        None
    }
}

async fn load(program: &Program, history: &History) -> JoinSet<Option<()>> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = Client {
            http: reqwest::Client::new(),
            url: program.url.clone(),
            bearer: format!("Bearer {}", program.operator),
            history: history.clone(),
        };
        clients.spawn(client.work());
    }
    clients
}

/// What was acknowledged and is not so.
async fn lost(program: &Program, made: &[Made]) -> Vec<String> {
    let mut lost = Vec::new();
    for made in made.iter().filter(|made| made.told != Told::InDoubt) {
        let status = program.ask("GET", "/orders/1", &made.secret).await.status;
        if (status == 200) != (made.told == Told::Live) {
            lost.push(format!("{} was told {:?} and answers {status}", made.id, made.told));
        }
    }
    lost
}

/// Random enough for a moment to die; nothing secret.
fn between(from: u64, to: u64) -> Duration {
    Duration::from_millis(from + RandomState::new().hash_one(from) % (to - from))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn st_01_fifty_kills_under_writes_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path()).await;
    program.shop().await;
    let history = History::default();
    let mut checked = 0;
    for round in 0..ROUNDS {
        let clients = load(&program, &history).await;
        // A server over a network needs a moment for its connections before much is done.
        let moment = if store::url_of(folder.path()).is_some() { between(150, 700) } else { between(10, 150) };
        tokio::time::sleep(moment).await;
        program.kill();
        clients.join_all().await;
        program = Program::start(folder.path()).await;
        let fresh = history.lock().unwrap()[checked..].to_vec();
        let lost = lost(&program, &fresh).await;
        assert!(lost.is_empty(), "round {round}: {}", lost.join("\n"));
        checked += fresh.len();
    }
    let all = history.lock().unwrap().clone();
    assert_eq!(lost(&program, &all).await, Vec::<String>::new());
    let count = |told: Told| all.iter().filter(|made| made.told == told).count();
    assert!(
        count(Told::Live) > ROUNDS && count(Told::Ended) > ROUNDS,
        "too little was done to prove anything: {}",
        all.len()
    );
    let panics: Vec<_> = program.said().into_iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

#[tokio::test]
async fn st_10_a_kill_during_the_first_start_leaves_a_folder_that_starts() {
    for wait_ms in [0, 2, 5, 10, 15, 20, 30, 40, 60, 90] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut child = super::program::serve(&data).stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let program = Program::start(&data).await;
        program.manage("GET", "/v1/realms/default", Value::Null).await.expect(200);
    }
}

/// What a kill leaves at the points that chance does not meet: a master key alone, a store without tables, one without rows.
#[tokio::test]
async fn st_10_a_first_start_that_was_cut_short_goes_on() {
    for has_tables in [None, Some(false), Some(true)] {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("master.key");
        std::fs::write(&key, "ab".repeat(32)).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = folder.path().join("admit.db");
        match has_tables {
            None => {}
            Some(false) => std::fs::write(&file, "").unwrap(),
            Some(true) => Store::open(&Options::new(&file), |_| {}, Time::default()).unwrap().close(),
        }
        let program = Program::start(folder.path()).await;
        program.manage("GET", "/v1/realms/default", Value::Null).await.expect(200);
    }
}

#[tokio::test]
async fn a_graceful_stop_loses_no_counter_and_leaves_no_access_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path()).await;
    program.shop().await;
    let request = json!({"name": "ci", "api": "https://api.shop.test", "scopes": ["orders:read"]});
    let key = program.manage("POST", KEYS, request).await.expect(201);
    for turn in 0..25 {
        let path = if turn < 20 { "/orders/1" } else { "/elsewhere" };
        program.ask("GET", path, key["key"].as_str().unwrap()).await;
    }
    assert!(program.stop().await, "{:?}", program.said());
    assert!(!folder.path().join("server.json").exists() && !folder.path().join("operator.key").exists());

    let program = Program::start(folder.path()).await;
    let usage = program.manage("GET", &format!("{KEYS}/ci/usage"), Value::Null).await.expect(200);
    let count = |code: &str| {
        usage["items"].as_array().unwrap().iter().find(|item| item["code"] == code).map(|item| item["count"].clone())
    };
    assert_eq!((count("ok"), count("no_rule")), (Some(json!(20)), Some(json!(5))), "{usage}");
}

#[tokio::test]
async fn an_operator_key_dies_with_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path()).await;
    let old = format!("Bearer {}", program.operator);
    program.kill();
    let program = Program::start(folder.path()).await;
    let reply = program.try_send("GET", "/v1/realms", &[("authorization", &old)], Value::Null).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_credential"));
    program.manage("GET", "/v1/realms", Value::Null).await.expect(200);
}
