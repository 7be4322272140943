//! Copies of a store: made while it is written, put back, and what comes back to life with them: nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::program::{Program, bare, serve};
use crate::outside;

/// The tests' folder, with a store that is a file whatever the other tests run on.
fn on_file(data: &Path) -> Command {
    let mut command = serve(data);
    command.env("ADMIT__STORE__URL", store_url(data));
    command
}

fn store_url(data: &Path) -> String {
    format!("sqlite:{}", data.join("admit.db").display())
}

async fn start(data: &Path) -> Program {
    Program::run(on_file(data), data).await
}

fn admit(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    bare(&mut command, data);
    command.arg("--data").arg(data).args(arguments).env("ADMIT__STORE__URL", store_url(data));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn key(program: &Program, name: &str) -> String {
    let request = json!({"name": name, "api": "https://api.shop.test", "scopes": ["orders:read"]});
    let made = program.manage("POST", "/v1/realms/default/keys", request).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

async fn revoke(program: &Program, name: &str) {
    program.manage("DELETE", &format!("/v1/realms/default/keys/{name}"), Value::Null).await.expect(204);
}

/// A server that ran, with its shop and a key that was made there.
async fn begun(data: &Path) -> (Program, String) {
    let program = start(data).await;
    program.shop().await;
    let ended = key(&program, "ended").await;
    (program, ended)
}

/// A server that refuses to start, with what it says.
fn refusal(data: &Path) -> String {
    let output = on_file(data).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    said(&output)
}

struct Away {
    _folder: tempfile::TempDir,
    data: PathBuf,
    copy: PathBuf,
}

fn away() -> Away {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy.db"));
    std::fs::create_dir(&data).unwrap();
    Away { data, copy, _folder: folder }
}

#[tokio::test]
async fn nothing_that_was_revoked_comes_back_with_a_copy() {
    let Away { data, copy, _folder } = away();
    let mut program = start(&data).await;
    program.shop().await;
    let (kept, ended) = (key(&program, "kept").await, key(&program, "ended").await);
    let made = admit(&data, &["backup", copy.to_str().unwrap()]);
    assert!(made.status.success() && said(&made).contains("without the master key"), "{}", said(&made));
    revoke(&program, "ended").await;
    let late = key(&program, "late").await;
    assert!(program.stop().await);

    let back = admit(&data, &["restore", copy.to_str().unwrap()]);
    assert!(back.status.success(), "{}", said(&back));
    assert!(said(&back).contains("admit.db.before-") && said(&back).contains("Next: admit restore --accept"));
    let refused = refusal(&data);
    assert!(refused.contains("is a copy of a store") && refused.contains("Next: admit restore --accept"), "{refused}");

    let accepted = admit(&data, &["restore", "--accept"]);
    assert!(accepted.status.success() && said(&accepted).contains("in 2 realms"), "{}", said(&accepted));
    let mut program = start(&data).await;
    for (secret, code) in [(&kept, "revoked_credential"), (&ended, "revoked_credential"), (&late, "invalid_credential")]
    {
        assert_eq!(program.ask("GET", "/orders/1", secret).await.code(), code);
    }
    let fresh = key(&program, "fresh").await;
    assert_eq!(program.ask("GET", "/orders/1", &fresh).await.status, 200);
    let events = program.manage("GET", "/v1/realms/operators/events", Value::Null).await.expect(200);
    assert!(events["items"].as_array().unwrap().iter().any(|event| event["kind"] == "store.restored"), "{events}");
    let verified = program.manage("GET", "/v1/audit/verify", Value::Null).await.expect(200);
    assert_eq!(verified["findings"], serde_json::json!([]), "what was noted of the store that is gone holds no more");
    assert!(program.stop().await);
    assert!(start(&data).await.stop().await, "and starts again without a question");
}

#[tokio::test]
async fn a_store_that_went_back_behind_the_back_of_its_node_is_not_served_however_often() {
    let Away { data, copy, _folder } = away();
    let (mut program, ended) = begun(&data).await;
    assert!(program.stop().await);
    std::fs::copy(data.join("admit.db"), &copy).unwrap();
    let mut program = start(&data).await;
    revoke(&program, "ended").await;
    assert!(program.stop().await);
    for round in 0..2 {
        std::fs::copy(&copy, data.join("admit.db")).unwrap();
        let why = if round == 0 { "is older than it was" } else { "a copy from before one was accepted" };
        let refused = refusal(&data);
        assert!(refused.contains(why) && refused.contains("Next: admit restore --accept"), "{refused}");
        assert!(admit(&data, &["restore", "--accept"]).status.success());
        let mut program = start(&data).await;
        assert_eq!(program.ask("GET", "/orders/1", &ended).await.code(), "revoked_credential", "{round}");
        assert!(program.stop().await);
    }
}

#[tokio::test]
async fn a_copy_in_another_folder_is_not_served_before_it_is_accepted() {
    let Away { data, copy, _folder } = away();
    let (mut program, ended) = begun(&data).await;
    assert!(admit(&data, &["backup", copy.to_str().unwrap()]).status.success());
    revoke(&program, "ended").await;
    assert!(program.stop().await);
    let other = data.with_file_name("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(&copy, other.join("admit.db")).unwrap();
    std::fs::copy(data.join("master.key"), other.join("master.key")).unwrap();
    let refused = refusal(&other);
    assert!(refused.contains("is a copy of a store") && refused.contains("Next: admit restore --accept"), "{refused}");
    assert!(admit(&other, &["restore", "--accept"]).status.success());
    let program = start(&other).await;
    assert_eq!(program.ask("GET", "/orders/1", &ended).await.code(), "revoked_credential");
}

#[tokio::test]
async fn st_05_a_clock_that_is_behind_leaves_nothing_alive_by_an_acceptance() {
    let Away { data, copy, _folder } = away();
    let (mut program, ended) = begun(&data).await;
    assert!(admit(&data, &["backup", copy.to_str().unwrap()]).status.success());
    assert!(program.stop().await);
    // As if everything in it had been made by a clock that is an hour ahead of the one that accepts it.
    outside::issue_later(&copy, 3_600_000);
    let accepted = admit(&data, &["restore", copy.to_str().unwrap(), "--accept"]);
    assert!(accepted.status.success() && said(&accepted).contains("set the clock"), "{}", said(&accepted));
    let program = start(&data).await;
    assert_eq!(program.ask("GET", "/orders/1", &ended).await.code(), "revoked_credential");
}

#[tokio::test]
async fn nothing_is_accepted_that_this_master_key_was_not_made_for() {
    let Away { data, copy, _folder } = away();
    let (mut program, _) = begun(&data).await;
    assert!(admit(&data, &["backup", copy.to_str().unwrap()]).status.success());
    assert!(program.stop().await);
    let other = data.with_file_name("other");
    std::fs::create_dir(&other).unwrap();
    assert!(start(&other).await.stop().await);
    let refused = admit(&other, &["restore", copy.to_str().unwrap(), "--accept"]);
    assert!(!refused.status.success() && said(&refused).contains("not the one that the store was made with"));
    std::fs::copy(data.join("master.key"), other.join("master.key")).unwrap();
    assert!(admit(&other, &["restore", "--accept"]).status.success());
    assert!(start(&other).await.stop().await);
}

#[tokio::test]
async fn nothing_is_accepted_where_there_is_no_store() {
    let Away { data, copy: _, _folder } = away();
    let refused = admit(&data, &["restore", "--accept"]);
    assert!(!refused.status.success() && said(&refused).contains("no server has begun there"), "{}", said(&refused));
    assert!(!data.join("admit.db").exists());
}

#[tokio::test]
async fn st_12_a_copy_holds_neither_the_master_key_nor_a_secret() {
    let Away { data, copy, _folder } = away();
    let program = start(&data).await;
    program.shop().await;
    let secret = key(&program, "ci").await;
    assert!(admit(&data, &["backup", copy.to_str().unwrap()]).status.success());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read(&copy).unwrap();
    let holds = |canary: &[u8]| text.windows(canary.len()).any(|window| window == canary);
    assert!(holds(b"orders:read"), "the search finds what is there");
    let master = std::fs::read_to_string(data.join("master.key")).unwrap();
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(master.trim().as_bytes()).unwrap();
    let random = secret.rsplit('_').next().unwrap();
    for canary in
        [master.trim().as_bytes(), &octets, program.operator.as_bytes(), secret.as_bytes(), &random.as_bytes()[..30]]
    {
        assert!(!holds(canary));
    }
}

#[tokio::test]
async fn a_copy_is_whole_however_much_is_written_meanwhile() {
    let Away { data, copy, _folder } = away();
    let program = start(&data).await;
    program.shop().await;
    let writes = async {
        for number in 0..150 {
            key(&program, &format!("k{number}")).await;
        }
    };
    let (at, to) = (data.clone(), copy.clone());
    let copies = tokio::task::spawn_blocking(move || {
        for number in 0..5 {
            let file = to.with_extension(format!("{number}"));
            assert!(admit(&at, &["backup", file.to_str().unwrap()]).status.success());
        }
    });
    let ((), copied) = tokio::join!(writes, copies);
    copied.unwrap();
    for number in 0..5 {
        let about = admit_store::inspect(&copy.with_extension(format!("{number}"))).unwrap();
        assert!(about.made_at.is_some() && about.position > 0);
    }
}

#[tokio::test]
async fn what_cannot_be_put_back_is_refused_and_nothing_is_touched() {
    let Away { data, copy, _folder } = away();
    let mut program = start(&data).await;
    program.shop().await;
    assert!(admit(&data, &["backup", copy.to_str().unwrap()]).status.success());
    let again = admit(&data, &["backup", copy.to_str().unwrap()]);
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
    let running = admit(&data, &["restore", copy.to_str().unwrap()]);
    assert!(said(&running).contains(&format!("in use by process {}", program.pid())), "{}", said(&running));
    let secret = key(&program, "ci").await;
    assert!(program.stop().await);

    let mut damaged = std::fs::read(&copy).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4096].fill(0xA5);
    let (broken, text, empty) =
        (copy.with_extension("broken"), copy.with_extension("text"), copy.with_extension("empty"));
    std::fs::write(&broken, damaged).unwrap();
    std::fs::write(&text, "no store").unwrap();
    std::fs::write(&empty, "").unwrap();
    let unfinished = copy.with_extension("unfinished");
    std::fs::copy(&copy, &unfinished).unwrap();
    std::fs::write(unfinished.with_extension("unfinished-wal"), "a log").unwrap();
    for (file, why) in [
        (&unfinished, "it is no finished copy"),
        (&broken, "is damaged"),
        (&text, "is no store of Admit"),
        (&empty, "is no store of Admit"),
        (&copy.with_extension("none"), "No such file"),
    ] {
        let refused = admit(&data, &["restore", file.to_str().unwrap(), "--accept"]);
        assert!(!refused.status.success() && said(&refused).contains(why), "{why}: {}", said(&refused));
    }
    let program = start(&data).await;
    assert_eq!(program.ask("GET", "/orders/1", &secret).await.status, 200, "the store is what it was");
}
