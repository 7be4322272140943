//! `kill -9` under writes: what was acknowledged is there, what was ended stays ended (ST-01, O1).

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use admit_core::time::Time;
use admit_store::{Options, Store};
use serde_json::{Value, json};

use super::history::{History, KEYS, wanted};
use super::program::Program;
use crate::cluster::Cluster;
use crate::store;

const ROUNDS: usize = 200;
/// In one round of so many it is the database that ends, where it is a server.
const ITS_ROUNDS: usize = 10;

/// One process of the database dies, which ends all others: waits until it has mended that.
const KILL_ONE: &str = r#"before=$(grep -c 'ready to accept' log)
kill -9 $(pgrep -P "$(head -n 1 data/postmaster.pid)" -f '^postgres: admit' | shuf -n 1)
until [ "$(grep -c 'ready to accept' log)" -gt "$before" ]; do sleep 0.01; done"#;

/// Random enough for a moment to die; nothing secret.
fn between(from: u64, to: u64) -> u64 {
    from + RandomState::new().hash_one(from) % (to - from)
}

/// The database ends and comes back under a server that goes on.
async fn fail(cluster: &Cluster, program: &Program, round: usize) {
    if (round / ITS_ROUNDS).is_multiple_of(2) {
        cluster.tell(&KILL_ONE.replace('\n', "; "));
    } else {
        cluster.stop();
        cluster.start_again();
    }
    for _ in 0..300 {
        let written = program.manage("POST", KEYS, wanted("probe")).await;
        if written.status == 201 {
            let key = written.json()["key"].as_str().unwrap().to_owned();
            assert_eq!(program.ask("GET", "/orders/1", &key).await.status, 200, "round {round}");
            return;
        }
        assert_eq!(written.status, 503, "{}", written.text);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("round {round}: not back 3 s after the database");
}

#[expect(clippy::print_stdout, reason = "how much was done is half of the point")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn st_01_two_hundred_kills_under_mixed_writes_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = store::is_postgres().then(|| Cluster::start(&[]));
    if let Some(cluster) = &cluster {
        store::put(folder.path(), &cluster.url("postgres"));
    }
    let mut program = Program::start(folder.path()).await;
    program.shop().await;
    let mut history = History::begin(&program).await;
    for round in 0..ROUNDS {
        let clients = history.write(&program);
        history.answered(between(8, 32) as usize).await;
        tokio::time::sleep(Duration::from_micros(between(0, 5_000))).await;
        match &cluster {
            Some(cluster) if round % ITS_ROUNDS == ITS_ROUNDS - 1 => {
                fail(cluster, &program, round).await;
                history.rest();
                clients.join_all().await;
            }
            _ => {
                program.kill();
                clients.join_all().await;
                program = Program::start(folder.path()).await;
            }
        }
        let lost = history.lost(&program).await;
        assert!(lost.is_empty(), "round {round}: {}\n{}", lost.join("\n"), program.said().join("\n"));
    }
    assert_eq!(history.lost_of_all(&program).await, Vec::<String>::new());
    let (live, ended) = history.counts();
    println!("{ROUNDS} rounds: {live} live and {ended} ended as they were told");
    assert!(live > 2 * ROUNDS && ended > 2 * ROUNDS, "too little was done to prove anything: {live} and {ended}");
    let panics: Vec<_> = program.said().into_iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
    if cluster.is_none() {
        assert!(program.stop().await);
        admit_store::inspect(&folder.path().join("admit.db")).unwrap();
    }
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
