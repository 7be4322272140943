//! A full disk and a lost store: 503, never 200, never a panic (ST-03, LO-03).

use std::path::Path;
use std::process::Command;

use admit_core::check::code::Reason;
use serde_json::{Value, json};

use super::program::{Program, serve};
use crate::app::{Reply, TestApp};

const KEYS: &str = "/v1/realms/default/keys";

/// A limit of the process stands for the disk: what it writes beyond fails as on a full one.
fn limit_files(program: &Program, limit: &str) {
    let pid = program.pid().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:unlimited")]).status();
    assert!(done.unwrap().success(), "prlimit is part of util-linux: apt-get install util-linux");
}

fn largest_file(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap()
}

/// Says nothing of files, statements or hosts.
fn assert_discreet(reply: &Reply, folder: &Path) {
    let text = reply.text.to_lowercase();
    let folder = folder.display().to_string().to_lowercase();
    for word in [folder.as_str(), "sqlite", "admit.db", "select ", "insert ", "disk", "store is", ".rs:", "panicked"] {
        assert!(!text.contains(word), "lo_03: {word:?} in {text}");
    }
    assert!(reply.header("admit-request-id").starts_with("req_"), "{:?}", reply.headers);
}

#[tokio::test]
async fn st_03_on_a_full_disk_writes_are_503_and_go_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    // What a shell ignores its child ignores too: without this the first failing write would be a signal.
    let mut shell = Command::new("bash");
    let plain = serve(folder.path());
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    super::program::bare(&mut shell, folder.path());
    let program = Program::run(shell, folder.path()).await;
    program.shop().await;
    let request = |number: usize| json!({"name": format!("k{number}"), "api": "https://api.shop.test", "scopes": ["orders:read"], "metadata": {"fill": "x".repeat(3000)}});
    let key = program.manage("POST", KEYS, request(0)).await.expect(201);
    let cached = key["key"].as_str().unwrap();
    let later = program.manage("POST", KEYS, request(1)).await.expect(201);
    assert_eq!(program.ask("GET", "/orders/1", cached).await.status, 200);

    limit_files(&program, &(largest_file(folder.path()) + (200 << 10)).to_string());
    let mut acknowledged = vec![later["key"].as_str().unwrap().to_owned()];
    let refused = loop {
        let reply = program.manage("POST", KEYS, request(acknowledged.len() + 1)).await;
        if reply.status != 201 {
            break reply;
        }
        acknowledged.push(reply.json()["key"].as_str().unwrap().to_owned());
        assert!(acknowledged.len() < 500, "the disk never filled up");
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "1");
    assert_discreet(&refused, folder.path());
    let revoke = program.manage("DELETE", &format!("{KEYS}/k0"), Value::Null).await;
    assert!(matches!(revoke.status, 503 | 204), "{}", revoke.text);
    let expected = if revoke.status == 204 { 401 } else { 200 };
    assert_eq!(
        program.ask("GET", "/orders/1", cached).await.status,
        expected,
        "what was not acknowledged did not happen"
    );

    limit_files(&program, "unlimited");
    let more = program.manage("POST", KEYS, json!({"name": "after"})).await;
    assert_eq!(more.status, 201, "{}\n{}", more.text, program.said().join("\n"));
    program.manage("DELETE", &format!("{KEYS}/k0"), Value::Null).await.expect(204);
    assert_eq!(program.ask("GET", "/orders/1", cached).await.status, 401);
    for secret in &acknowledged {
        assert_eq!(program.ask("GET", "/orders/1", secret).await.status, 200, "acknowledged and lost");
    }
    assert!(!program.said().iter().any(|line| line.contains("panicked")), "{:?}", program.said());
}

#[tokio::test]
async fn st_03_lo_03_without_its_store_the_server_judges_what_it_knows_and_nothing_else() {
    let app = TestApp::new().await;
    app.shop().await;
    let known = app.shop_key("known", &["orders:read"]).await;
    let cold = app.shop_key("cold", &["orders:read"]).await;
    assert_eq!(app.ask("GET", "/orders/1", Some(&known)).await.status, 200);
    let store = app.app.store.clone();
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();

    assert_eq!(app.ask("GET", "/orders/1", Some(&known)).await.status, 200, "facts that nobody has changed");
    assert_eq!(app.ask("POST", "/orders/1", Some(&known)).await.code(), "no_rule");
    let unknown = app.ask("GET", "/orders/1", Some(&cold)).await;
    assert_eq!(
        (unknown.status, unknown.header("admit-status").as_str(), unknown.code().as_str()),
        (403, "503", "unavailable")
    );
    assert_eq!(app.last_reason(), Some(Reason::StoreUnavailable));
    assert!(!unknown.header("retry-after").is_empty());
    assert_discreet(&unknown, app.folder.path());
    let bearer = format!("Bearer {cold}");
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", &bearer),
    ];
    let forward = app.send("GET", "/check/forward", &headers, None).await;
    assert_eq!((forward.status, forward.code().as_str()), (503, "unavailable"));

    for (method, path, body) in [
        ("POST", KEYS, json!({"name": "new"})),
        ("GET", KEYS, Value::Null),
        ("DELETE", "/v1/realms/default/keys/known", Value::Null),
        ("POST", "/v1/realms/default/keys/known/roll", json!({})),
        ("GET", "/v1/realms/default/export", Value::Null),
        ("POST", "/v1/realms", json!({"name": "acme"})),
    ] {
        let reply = app.manage(method, path, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"), "{method} {path}: {}", reply.text);
        assert_eq!(reply.header("retry-after"), "1", "{method} {path}");
        assert_discreet(&reply, app.folder.path());
    }
    assert_eq!(app.send("GET", "/readyz", &[], None).await.status, 503);
    assert_eq!(app.send("GET", "/healthz", &[], None).await.status, 200);
}

#[tokio::test]
async fn lo_03_a_damaged_store_is_no_reason_to_admit_anybody() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut secrets = Vec::new();
    for number in 0..300 {
        secrets.push(app.shop_key(&format!("k{number}"), &["orders:read"]).await);
    }
    let folder = app.stop().await;
    let app = TestApp::in_folder(folder, "").await;
    assert_eq!(app.ask("GET", "/orders/1", Some(&secrets[0])).await.status, 200);
    let file = app.folder.path().join("admit.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xA5);
    std::fs::write(&file, bytes).unwrap();

    assert_eq!(app.ask("GET", "/orders/1", Some(&secrets[0])).await.status, 200, "it is known");
    let mut unavailable = 0;
    for secret in &secrets[1..] {
        let reply = app.ask("GET", "/orders/1", Some(secret)).await;
        let true_status = if reply.status == 200 { "200".to_owned() } else { reply.header("admit-status") };
        assert!(matches!(true_status.as_str(), "200" | "503"), "{true_status} {}", reply.text);
        if true_status == "503" {
            assert_eq!(app.last_reason(), Some(Reason::StoreUnavailable));
            assert_discreet(&reply, app.folder.path());
            unavailable += 1;
        }
    }
    assert!(unavailable > 100, "only {unavailable} look-ups met the damage");
    let write = app.manage("POST", KEYS, json!({"name": "new"})).await;
    assert_eq!((write.status, write.code().as_str()), (503, "unavailable"), "{}", write.text);
    assert_discreet(&write, app.folder.path());
}
