//! The database away for a minute under load: nothing is said to be done that is not, nothing is done twice, and what is
//! remembered serves as long as it may (ST-04, O6).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::history::{KEYS, wanted};
use super::program::{Program, send};
use crate::app::Reply;
use crate::cluster::Cluster;

const AWAY: Duration = Duration::from_secs(60);
/// How soon all is well again.
const BACK: Duration = Duration::from_secs(3);
/// `max_staleness` and `stale_for` of the one rule that has it.
const STALENESS: Duration = Duration::from_secs(1);
const STALE_FOR: Duration = Duration::from_secs(20);
/// Between an end of these and the answer that shows it.
const SLACK: Duration = Duration::from_millis(600);
/// How long a decision may take, whatever becomes of it, and how long a write: lists are given 5 s.
const BOUND: Duration = Duration::from_secs(2);
const WRITE_BOUND: Duration = Duration::from_secs(6);
/// What was committed before the cut is answered so soon after it, also on a busy machine. That it is kept is checked at the end.
const ON_ITS_WAY: Duration = Duration::from_millis(250);
const WRITERS: usize = 4;

/// A server over a database of its own, with a key that it knows and one that it was never asked for.
struct Node {
    cluster: Cluster,
    program: Program,
    known: String,
    cold: String,
    _folder: TempDir,
}

/// An answer to a write.
struct Answer {
    status: u16,
    at: Instant,
    took: Duration,
    retry_after: String,
}

/// What the writers were told: every answer, and the secret of each key by name.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<Answer>>,
    keys: Mutex<Vec<(String, Option<String>)>>,
    is_over: AtomicBool,
}

/// Makes keys, one after the other; asks for each again, with the same `Idempotency-Key`, until it is told that it is there.
async fn write(writer: usize, url: String, bearer: String, told: Arc<Told>) {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    for turn in 0.. {
        let name = format!("w{writer}-{turn}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", name.as_str())];
        loop {
            let begun = Instant::now();
            let reply = send(&http, &format!("{url}{KEYS}"), "POST", &headers, wanted(&name)).await.unwrap();
            let (at, took, retry_after) = (Instant::now(), begun.elapsed(), reply.header("retry-after"));
            told.answers.lock().unwrap().push(Answer { status: reply.status, at, took, retry_after });
            match (reply.status, reply.code().as_str()) {
                (201, _) => {
                    let secret = reply.json()["key"].as_str().unwrap().to_owned();
                    told.keys.lock().unwrap().push((name.clone(), Some(secret)));
                    break;
                }
                (409, "secret_already_shown") => {
                    told.keys.lock().unwrap().push((name.clone(), None));
                    break;
                }
                (503, "unavailable") | (409, "idempotency_key_in_use") => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                _ => panic!("{name}: {} {}", reply.status, reply.text),
            }
        }
        if told.is_over.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Node {
    async fn start() -> Self {
        let (cluster, folder) = (Cluster::start(&[]), tempfile::tempdir().unwrap());
        let program = Program::start_on(folder.path(), &cluster.url("postgres")).await;
        program.shop().await;
        let patient = json!({"name": "patient", "match": {"host": "shop.test", "methods": ["GET"], "path": "/patient/**"},
            "require": {"scopes": ["orders:read"]}, "stale_for": format!("{}s", STALE_FOR.as_secs()), "priority": 1});
        program.manage("POST", "/v1/realms/default/rules", patient).await.expect(201);
        let key = async |name: &str| {
            let made = program.manage("POST", KEYS, wanted(name)).await.expect(201);
            made["key"].as_str().unwrap().to_owned()
        };
        let (known, cold) = (key("known").await, key("cold").await);
        let node = Self { cluster, known, cold, _folder: folder, program };
        for path in ["/orders/1", "/patient/1"] {
            assert_eq!(node.program.ask("GET", path, &node.known).await.status, 200);
        }
        node
    }

    /// Asked while the database is away since then; the answer comes within the bound.
    async fn ask(&self, path: &str, key: &str) -> Reply {
        let begun = Instant::now();
        let reply = self.program.ask("GET", path, key).await;
        assert!(begun.elapsed() < BOUND, "{path} was answered after {:?}", begun.elapsed());
        reply
    }

    async fn look_while_away(&self, since: Instant) {
        while since.elapsed() < AWAY {
            let begun = since.elapsed();
            let (known, patient) =
                (self.ask("/orders/1", &self.known).await, self.ask("/patient/1", &self.known).await);
            let cold = self.ask("/orders/1", &self.cold).await;
            is_unavailable(&cold);
            if begun > STALENESS + SLACK {
                is_unavailable(&known);
            }
            if begun < STALE_FOR - BOUND {
                assert_eq!(patient.status, 200, "{begun:?}: {}", patient.text);
            }
            if begun > STALENESS + SLACK && begun < STALE_FOR - BOUND {
                let age: u64 = patient.header("admit-stale").parse().unwrap();
                assert!((1..=STALE_FOR.as_secs()).contains(&age), "{begun:?}: {age}");
            }
            if begun > STALE_FOR + SLACK {
                is_unavailable(&patient);
            }
            let ready = self.program.try_send("GET", "/readyz", &[], Value::Null).await.unwrap().status;
            assert!(begun < STALENESS + SLACK + BOUND || ready == 503, "{begun:?}: ready {ready}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How long it takes until everything is as before.
    async fn recover(&self) -> Duration {
        let begun = Instant::now();
        loop {
            let written = self.program.manage("POST", KEYS, wanted("after")).await.status;
            let (known, cold) = (self.ask("/orders/1", &self.known).await, self.ask("/orders/1", &self.cold).await);
            if (written, known.status, cold.status) == (201, 200, 200) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < BACK, "written {written}, known {}, cold {}", known.text, cold.text);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every key is there once, and good where its maker holds it.
    async fn check(&self, told: &Told) {
        let keys = std::mem::take(&mut *told.keys.lock().unwrap());
        for (name, secret) in &keys {
            let found = self.program.manage("GET", &format!("{KEYS}/{name}"), Value::Null).await;
            assert_eq!(found.status, 200, "{name} is not there once: {}", found.text);
            if let Some(secret) = secret {
                assert_eq!(self.program.ask("GET", "/orders/1", secret).await.status, 200, "{name} was acknowledged");
            }
        }
    }
}

/// nginx knows no 503; the true figure stands beside.
fn is_unavailable(reply: &Reply) {
    let told = (reply.status, reply.header("admit-status"), reply.code());
    assert_eq!(told, (403, "503".to_owned(), "unavailable".to_owned()), "{}", reply.text);
    assert!(!reply.header("retry-after").is_empty());
}

/// Returns a line for the record.
async fn suffer(what: &str, cut: fn(&Cluster), mend: fn(&Cluster)) -> String {
    let (node, told) = (Node::start().await, Arc::<Told>::default());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let bearer = format!("Bearer {}", node.program.operator);
        writers.spawn(write(writer, node.program.url.clone(), bearer, told.clone()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_first = told.keys.lock().unwrap().len();
    assert!(at_first > 2 * WRITERS, "{what}: only {at_first} keys were made before");

    cut(&node.cluster);
    let since = Instant::now();
    node.look_while_away(since).await;
    let until = Instant::now();
    mend(&node.cluster);
    let recovered = node.recover().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    told.is_over.store(true, Ordering::Relaxed);
    writers.join_all().await;

    let answers = std::mem::take(&mut *told.answers.lock().unwrap());
    let away: Vec<_> = answers.iter().filter(|answer| answer.at > since + ON_ITS_WAY && answer.at < until).collect();
    let refused = away.iter().filter(|answer| answer.status == 503).count();
    assert!(refused > 100, "{what}: only {refused} writes were tried meanwhile");
    let other = away.iter().find(|answer| answer.status != 503);
    let other = other.map(|answer| (answer.status, answer.at - since, answer.took));
    assert_eq!(other, None, "{what}: a write was answered so, so long without a database");
    assert!(away.iter().all(|answer| !answer.retry_after.is_empty()), "{what}");
    let longest = answers.iter().map(|answer| answer.took).max().unwrap();
    assert!(longest < WRITE_BOUND, "{what}: a write was answered after {longest:?}");
    let made = told.keys.lock().unwrap().len();
    assert!(made > at_first + WRITERS, "{what}: the writers did not go on");
    node.check(&told).await;
    let panics: Vec<_> = node.program.said().into_iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
    format!(
        "{what}: {refused} writes refused, the longest in {longest:?}; all well {recovered:?} after; {made} keys, each once"
    )
}

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn st_04_a_minute_without_the_database_loses_nothing_and_does_nothing_twice() {
    let (silent, gone) = tokio::join!(
        suffer("silent for a minute", Cluster::freeze, Cluster::thaw),
        suffer("gone for a minute", Cluster::stop, Cluster::start_again)
    );
    println!("{silent}\n{gone}");
}
