//! The first use as an operator types it: the real binary, the real nginx, and the answers that the terminal shows.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::gateway::{Ask, Echo, Gateway, Kind};
use crate::program::{Program, free_address};
use crate::store;

/// A folder in which somebody works with a server of his own.
pub struct Desk {
    folder: TempDir,
    data: PathBuf,
    server: Option<Program>,
    pub address: SocketAddr,
}

impl Desk {
    /// Nothing is there yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self { folder, data, server: None, address: free_address() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command line in the folder, with `admit` on the path and nothing of our own environment's.
    pub fn sh(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(self.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ADMIT")) {
            command.env_remove(name);
        }
        let own = Path::new(env!("CARGO_BIN_EXE_admit")).parent().unwrap();
        command.env("PATH", format!("{}:{}:/usr/sbin", own.display(), std::env::var("PATH").unwrap_or_default()));
        command.env("ADMIT_DATA", &self.data).env("NO_COLOR", "1").envs(store::variables_of(self.path()));
        command
    }

    /// `admit serve` with these flags, until it says that it is ready.
    pub fn serve(&mut self, flags: &str) {
        let mut command = self.sh(&format!("exec admit serve --listen {} {flags}", self.address));
        let mut server = Program::start(&mut command, &self.path().join("serve.log"));
        server.wait_until("ready", |server| server.printed().contains("\nready\n"));
        self.server = Some(server);
    }

    /// `admit serve --dev`, until it has said all; the password that it printed for Alice.
    pub fn serve_demo(&mut self) -> String {
        self.serve("--dev");
        self.server.as_mut().unwrap().wait_until("its mailbox", |server| server.printed().contains("/dev/mail"));
        let said = self.said();
        let rest = said.split("with the password ").nth(1).unwrap_or_else(|| panic!("{said}"));
        rest.split_whitespace().next().unwrap().to_owned()
    }

    /// What `serve` said.
    pub fn said(&self) -> String {
        self.server.as_ref().map(Program::printed).unwrap_or_default()
    }

    /// Runs a line to its end; its exit code and what it printed.
    pub fn run(&self, line: &str) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.sh(line).output().unwrap();
        (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    /// Runs a line that succeeds.
    #[track_caller]
    pub fn works(&self, line: &str) -> String {
        let (code, printed) = self.run(line);
        assert_eq!(code, Some(0), "{line}\n{printed}\n{}", self.said());
        printed
    }

    fn key(&self) -> String {
        fs::read_to_string(self.path().join("ci.key")).unwrap().trim().to_owned()
    }
}

const API: &str = "admit api create https://api.shop.test --scope 'orders:read=Read orders' --host shop.test";
const RULE: &str = "admit rule add --host shop.test --path '/orders/**' --method GET --scope orders:read";
const KEY: &str = "admit key create --name ci --api https://api.shop.test --scope orders:read > ci.key";

#[tokio::test]
async fn the_first_use_works_as_typed() {
    let (mut desk, echo) = (Desk::new(), Echo::new().await);
    desk.serve("");
    desk.works(API);
    desk.works(RULE);
    desk.works(KEY);
    let listen = free_address();
    let config =
        format!("admit gateway-config nginx --host shop.test --upstream http://{} --listen {listen}", echo.address);
    let nginx = Gateway::with(Kind::Nginx, &desk.works(&config), listen);
    let key = desk.key();

    let admitted = nginx.ask(&Ask::new("GET /orders/42").key(&key)).await;
    assert_eq!(admitted.status, 200, "{}", nginx.printed());
    assert_eq!(admitted.json()["headers"]["admit-name"], serde_json::json!(["ci"]));

    let post = Ask::new("POST /orders/42").key(&key);
    let refused = nginx.ask(&post).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "no_rule"));
    let why = desk.works("admit why --last");
    assert!(why.contains("refused 403 no_rule (nothing_matched)"), "{why}");
    assert!(why.contains("nearly: rule \"GET shop.test/orders/**\""), "{why}");
    let (_, advice) = why.split_once("To admit it:\n").unwrap();
    desk.works(advice.trim());
    assert_eq!(nginx.ask(&post).await.status, 200, "after {advice}");

    let usage = desk.works("admit key usage ci");
    assert!(usage.contains("no_rule"), "{usage}");
    desk.works("admit why --last --key ci");
    desk.works("admit key revoke ci");
    let revoked = nginx.ask(&Ask::new("GET /orders/42").key(&key)).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "revoked_credential"));
    let why = desk.works(&format!("admit why {}", revoked.one("admit-request-id")));
    assert!(why.contains("revoked") && why.contains("\"ci\""), "{why}");
    assert_eq!(echo.seen(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_nothing_wrong_with_the_gateways() {
    let (mut desk, echo) = (Desk::new(), Echo::new().await);
    desk.serve("");
    for line in [API, RULE, KEY, "chmod 600 ci.key"] {
        desk.works(line);
    }
    for gateway in Gateway::both(echo.address, desk.address) {
        let url = format!("http://{}/orders/42", gateway.address);
        let (line, kind) = (format!("admit doctor --gateway {url} --host shop.test --key-file ci.key"), gateway.kind);
        // The command blocks this thread, and the application behind the gateway lives on the same one.
        let found = tokio::task::block_in_place(|| desk.works(&line));
        let bad: Vec<_> =
            found.lines().filter(|line| line.starts_with(['✗', '!']) && !line.contains("master key")).collect();
        assert!(bad.is_empty(), "{kind:?} {bad:?}\n{found}");
        for told in [
            "and Admit judged it",
            "the key itself does not arrive",
            "with the key, spoofed identity headers: did not arrive",
        ] {
            assert!(found.contains(told), "{kind:?} {told}\n{found}");
        }
    }
}

#[tokio::test]
async fn each_error_names_the_next_command() {
    let mut desk = Desk::new();
    let next = |desk: &Desk, line: &str, code: i32, next: &str| {
        let (exit, printed) = desk.run(line);
        assert_eq!(exit, Some(code), "{line}\n{printed}");
        assert!(printed.starts_with("error: ") && printed.contains(next), "{line}\n{printed}");
    };
    next(&desk, "admit key list", 1, "admit serve");
    desk.serve("");
    next(&desk, "admit key create --name ci --scope orders:read", 1, "admit api create");
    next(&desk, RULE, 1, "admit api create");
    next(&desk, "admit key create --name ci --api https://api.shop.test", 1, "admit api create https://api.shop.test");
    next(&desk, "admit key revoke nobody", 1, "admit key list");
    next(&desk, "admit why --last", 1, "admit check");
    next(&desk, "admit rule add --host shop.test", 2, "--scope");
}

/// Whoever sends a request chooses its path and method; whoever asks why pastes the answer into a shell.
#[tokio::test]
async fn ak_04_advice_can_be_pasted_whatever_was_asked_for() {
    let mut desk = Desk::new();
    desk.serve("");
    desk.works(API);
    let asked = [("GET", "/a'$(touch${IFS}ran)'b"), ("DELETE", "/c$(touch%20ran)&d{}"), ("GET", "/~!*")];
    for (number, (method, path)) in asked.into_iter().enumerate() {
        let quote = |text: &str| admit_core::shell::quote(text).into_owned();
        let url = quote(&format!("https://shop.test{path}"));
        let check = format!("admit check --method {} --url {url}", quote(method));
        let (code, story) = desk.run(&check);
        assert!(code == Some(1) && story.contains("no_rule"), "{path}: {story}");
        let (_, advice) = story.split_once("To admit it:\n").unwrap();
        desk.works(advice.trim());
        let listed = desk.works("admit rule list --json");
        let rules: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let rule = &rules["items"][number]["match"];
        assert_eq!(&rule["methods"][0], method, "{advice}");
        let (_, now) = desk.run(&check);
        assert!(now.contains("refused 401 missing_credential"), "the rule is for what was asked: {now}");
    }
    let (_, story) = desk.run("admit check --method \"G'\\`id\\`\" --url https://shop.test/x");
    assert!(story.contains("no_rule") && !story.contains("To admit it"), "no rule can be for such a method: {story}");
    for odd in ["it's $(touch ran)", "-r", "`touch ran`"] {
        let word = admit_core::shell::quote(odd).into_owned();
        desk.works(&format!("admit rule add --name={word} --host shop.test --path /odd --deny"));
        let (_, story) = desk.run("admit check --url https://shop.test/odd");
        let (_, advice) = story.split_once("To admit it:\n").unwrap();
        let removed = desk.works(advice.trim());
        assert!(removed.contains("removed"), "{odd}: {advice}");
    }
    assert!(!desk.path().join("ran").exists(), "nothing of a request was run");
    // Another realm's advice is for that realm.
    desk.works("admit realm create --name acme");
    let (_, story) = desk.run("admit --realm acme check --url https://acme.test/x");
    let (_, advice) = story.split_once("To admit it:\n").unwrap();
    desk.works(advice);
    let (_, story) = desk.run("admit --realm acme check --url https://acme.test/x");
    assert!(story.contains("missing_credential"), "{advice}\n{story}");
    desk.works("admit realm update acme --disable");
    let (_, story) = desk.run("echo admit_0000 | admit --realm acme check --url https://acme.test/x");
    assert!(story.contains("✗ the realm is disabled") && !story.contains("no credential was sent"), "{story}");
    assert!(story.contains("admit --realm acme realm update acme --enable"), "{story}");
}

#[tokio::test]
async fn a_hypothetical_request_is_judged_like_a_real_one() {
    let mut desk = Desk::new();
    desk.serve("");
    for line in [API, RULE, KEY] {
        desk.works(line);
    }
    desk.works("admit check --method GET --url http://shop.test/orders < ci.key");
    let (code, printed) = desk.run("admit check --method POST --url https://shop.test/orders < ci.key");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("refused 403 no_rule") && printed.contains("To admit it:"), "{printed}");
    let (code, printed) = desk.run("admit check --url http://shop.test/orders --ip 203.0.113.9 < ci.key");
    assert_eq!((code, printed.contains("insecure_transport")), (Some(1), true), "{printed}");
}

#[tokio::test]
async fn alice_signs_in_with_the_printed_password_and_curl_alone() {
    let mut desk = Desk::new();
    let (password, said) = (desk.serve_demo(), desk.said());
    let login = said.lines().map(str::trim).find(|line| line.ends_with("/login")).unwrap_or_else(|| panic!("{said}"));
    let url = login.trim_end_matches("/login");
    desk.works(&format!("curl --silent --show-error --cookie-jar jar --output page {login}"));
    let token = desk.works(r#"sed --quiet 's/.*name="csrf" value="\([^"]*\)".*/\1/p' page"#);
    let fields = format!("--data csrf={} --data identifier=alice --data password={password}", token.trim());
    let answer = desk.works(&format!(
        "curl --silent --include --cookie jar --cookie-jar jar --header 'Origin: {url}' {fields} {login}"
    ));
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let account = desk.works(&format!("curl --silent --cookie jar {url}/account"));
    assert!(account.contains("alice@example.com") && account.contains("Where you are signed in"), "{account}");
}

#[tokio::test]
async fn the_demo_s_two_curls_answer_200_and_401() {
    let mut desk = Desk::new();
    desk.serve("--dev");
    let said = desk.said();
    let is_of_key = |line: &&str| line.starts_with("curl ") && !line.contains("$TOKEN");
    let curls: Vec<_> = said.lines().map(str::trim).filter(is_of_key).collect();
    assert_eq!(curls.len(), 2, "{said}");
    for (curl, status) in curls.iter().zip(["200", "401"]) {
        let answer = desk.works(&format!("{curl} --silent"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{curl}\n{answer}");
    }
    let why = desk.works("admit why --last");
    assert!(why.contains("no credential was sent"), "{why}");
}

#[tokio::test]
async fn the_demo_s_token_is_got_used_and_taken_back_as_typed() {
    let mut desk = Desk::new();
    desk.serve("--dev");
    let said = desk.said();
    let typed: Vec<_> =
        said.lines().map(str::trim).filter(|line| line.contains("TOKEN") && line.contains("curl ")).collect();
    let [get, with, back] = typed[..] else { panic!("{said}") };
    let told =
        desk.works(&format!("{get}\necho \"$TOKEN\" | admit token decode\necho \"$TOKEN\" | admit token verify"));
    assert!(told.starts_with("ey") && told.contains("at+jwt") && told.contains("Nothing was verified"), "{told}");
    assert!(told.contains("access_token") && told.contains("orders:read"), "verified: {told}");
    let told = desk.works(&format!("{get}\n{with} --silent\n{back} --silent\n{with} --silent"));
    let answers: Vec<_> = told.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(answers, ["200", "200", "401"], "{told}");
    assert!(told.contains("revoked_credential"), "{told}");
    let why = desk.works("admit why --last");
    assert!(why.contains("revoked"), "{why}");
}
