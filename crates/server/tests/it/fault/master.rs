//! `admit master-key` beside a running server and without one, cut short anywhere, and on keys that are not what they were.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use admit::master::source;
use serde_json::{Value, json};

use super::program::{Program, bare, serve};
use crate::store;

const KEYS: &str = "/v1/realms/default/keys";

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    bare(&mut command, data);
    command.arg("--data").arg(data).arg("master-key").args(arguments).envs(store::variables_of(data));
    command
}

fn admit(data: &Path, arguments: &[&str]) -> Output {
    command(data, arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = admit(data, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that is refused says.
#[track_caller]
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

fn file(data: &Path) -> PathBuf {
    data.join("master.key")
}

fn text(data: &Path) -> String {
    std::fs::read_to_string(file(data)).unwrap()
}

fn write(data: &Path, text: &str) {
    std::fs::write(file(data), text).unwrap();
}

fn status(data: &Path) -> Value {
    serde_json::from_str(&done(data, &["status", "--json"])).unwrap()
}

fn secrets_of(data: &Path, number: i64) -> Value {
    let status = status(data);
    let key = status["keys"].as_array().unwrap().iter().find(|key| key["number"] == number).cloned();
    key.unwrap_or_else(|| panic!("no key {number} in {status}"))["secrets"].clone()
}

async fn key(program: &Program, name: &str) -> String {
    let request = json!({"name": name, "api": "https://api.shop.test", "scopes": ["orders:read"]});
    let made = program.manage("POST", KEYS, request).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

async fn verdict(program: &Program, key: &str) -> u16 {
    program.ask("GET", "/orders/1", key).await.status
}

/// The rotation is long ago, as far as the store can tell.
fn let_time_pass(data: &Path) {
    let location =
        store::url_of(data).map(|url| admit_store::Location::Postgres(admit_store::PostgresUrl::parse(&url).unwrap()));
    let location = location.unwrap_or(admit_store::Location::Sqlite(data.join("admit.db")));
    let store = admit_store::Store::open(&admit_store::Options::at(location), |_| {}, Default::default()).unwrap();
    store
        .write_blocking(|tx| {
            let mut known: Value = serde_json::from_slice(&tx.find_meta("master_key_check")?.unwrap()).unwrap();
            known["rotated_at"] = json!("2026-01-01T00:00:00Z");
            tx.update_meta("master_key_check", known.to_string().as_bytes())?;
            Ok(admit_store::End::Commit(()))
        })
        .unwrap();
    store.close();
}

#[tokio::test]
async fn a_master_key_is_added_rotated_and_taken_away_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut program = Program::start(data).await;
    program.shop().await;
    let old = key(&program, "old").await;
    let added = admit(data, &["add"]);
    assert!(added.status.success() && added.stdout.is_empty(), "{}", said(&added));
    assert!(said(&added).contains("On several nodes") && said(&added).contains("Next: admit master-key rotate"));
    let line = text(data).lines().nth(1).unwrap().to_owned();
    assert!(
        line.starts_with("2 ") && line.len() == 66 && !said(&added).contains(&line[2..]),
        "never printed unless asked for"
    );
    assert_eq!(std::fs::metadata(file(data)).unwrap().permissions().mode() & 0o777, 0o600);
    done(data, &["rotate"]);
    let new = key(&program, "new").await;
    assert_eq!((verdict(&program, &old).await, verdict(&program, &new).await), (200, 200));
    let since = Instant::now();
    while secrets_of(data, 1) != 0 {
        assert!(since.elapsed() < Duration::from_secs(10), "the used key does not move");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(refusal(command(data, &["remove", "1", "--accept"])).contains("Next: in a minute"));
    program.kill();
    let_time_pass(data);
    let mut program = Program::start(data).await;
    done(data, &["remove", "1", "--accept"]);
    assert_eq!(text(data), format!("{line}\n"), "its line went last");
    assert_eq!((verdict(&program, &old).await, verdict(&program, &new).await), (200, 200));
    assert!(program.stop().await);
    let program = Program::start(data).await;
    assert_eq!((verdict(&program, &old).await, verdict(&program, &new).await), (200, 200));
}

#[tokio::test]
async fn a_kill_after_each_step_leaves_a_store_that_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut program = Program::start(data).await;
    program.shop().await;
    let old = key(&program, "old").await;
    for step in ["add", "rotate", "", "add", "rotate"] {
        if !step.is_empty() {
            done(data, &[step]);
        }
        program.kill();
        program = Program::start(data).await;
        assert_eq!(verdict(&program, &old).await, 200, "after {step:?}");
    }
    assert_eq!(status(data)["active"], 3);
    let new = key(&program, "new").await;
    program.kill();
    // Without a server the same commands do the same.
    for step in ["add", "rotate"] {
        done(data, &[step]);
    }
    let program = Program::start(data).await;
    assert_eq!((verdict(&program, &old).await, verdict(&program, &new).await), (200, 200));
    assert_eq!(status(data)["active"], 4);
}

#[tokio::test]
async fn commands_that_are_killed_at_any_moment_leave_a_store_that_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut program = Program::start(data).await;
    program.shop().await;
    let old = key(&program, "old").await;
    program.stop().await;
    for wait_ms in [0, 2, 4, 6, 8, 10, 12, 15, 20, 30] {
        for step in ["add", "rotate"] {
            let mut child = command(data, &[step]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let held = source::load(&admit::config::MasterKeySource::File(file(data)), false);
        let numbers: Vec<_> = held.unwrap_or_else(|failure| panic!("{failure}")).numbers().collect();
        // Room for the next rounds: what nothing uses.
        for number in numbers.into_iter().filter(|number| *number > 1) {
            let _ = admit(data, &["remove", &number.to_string()]);
        }
    }
    let program = Program::start(data).await;
    assert_eq!(verdict(&program, &old).await, 200);
}

#[tokio::test]
async fn ad_07_a_wrong_or_a_lost_key_of_several_is_refused_with_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut program = Program::start(data).await;
    program.shop().await;
    let old = key(&program, "old").await;
    for step in ["add", "rotate"] {
        done(data, &[step]);
    }
    let new = key(&program, "new").await;
    assert!(program.stop().await);
    let right = text(data);
    let (first, second) = right.split_once('\n').unwrap();
    for (wrong, words) in [
        (format!("{first}\n2 {}\n", "cd".repeat(32)), "number 2) is not the one that the store was made with"),
        (format!("{first}\n"), "the store uses master key 2, and the master key"),
        (format!("{first}\n2 {first}\n"), "one key under the numbers 1 and 2"),
        (format!("{second}{second}"), "two keys with the number 2"),
        (second.to_owned(), "admit master-key remove 1 --accept"),
    ] {
        write(data, &wrong);
        let refused = refusal(serve(data));
        assert!(refused.contains(words), "{refused}");
        assert!(["cdcd", first, second[2..].trim()].iter().all(|secret| !refused.contains(secret)), "{refused}");
    }
    // Key 1 is lost for good: the command that was named.
    let shown = admit(data, &["status"]);
    assert!(said(&shown).contains("master key 1 counts, and the master key"), "{}", said(&shown));
    let_time_pass(data);
    assert!(refusal(command(data, &["remove", "1"])).contains("still needed: by 1 secrets"));
    let removed = admit(data, &["remove", "1", "--accept"]);
    assert!(removed.status.success(), "{}", said(&removed));
    let program = Program::start(data).await;
    assert_eq!((verdict(&program, &old).await, verdict(&program, &new).await), (401, 200));
}

#[test]
fn where_no_store_is_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    for arguments in [&["add"][..], &["rotate"], &["status"], &["remove", "1"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        bare(&mut command, data);
        command.arg("--data").arg(data).arg("master-key").args(arguments);
        assert!(refusal(command).contains("there is no store"), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0);
}

#[tokio::test]
async fn keys_of_the_environment_are_rotated_by_what_the_nodes_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let with = |mut command: Command, keys: &str| {
        command.env("ADMIT__MASTER_KEY__ENV", "TEST_MASTER_KEY").env("TEST_MASTER_KEY", keys);
        command
    };
    let first = "5a".repeat(32);
    let mut program = Program::run(with(serve(data), &first), data).await;
    program.shop().await;
    let old = key(&program, "old").await;
    let refused = refusal(with(command(data, &["add"]), &first));
    assert!(
        refused.contains("in the variable TEST_MASTER_KEY") && refused.contains("admit master-key add --print"),
        "{refused}"
    );
    let printed = with(command(data, &["add", "--print"]), &first).output().unwrap();
    let line = String::from_utf8(printed.stdout).unwrap();
    assert!(program.stop().await);
    let both = format!("{first},{}", line.trim_end());
    let program = Program::run(with(serve(data), &both), data).await;
    let rotated = with(command(data, &["rotate", "--json"]), &both).output().unwrap();
    let rotated: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert_eq!((&rotated["active"], verdict(&program, &old).await), (&json!(2), 200));
}
