//! `admit login test`: the real command, and Alice at the address that it prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::parties::sign_in::Alice;
use crate::program::free_address;
use crate::story::Desk;

/// How the command ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs it to its end, while somebody does what he likes at the address that it prints and says where that led.
fn run(desk: &Desk, line: &str, visit: impl FnOnce(&str) -> String) -> Ended {
    let mut command = desk.sh(&format!("exec admit login test {line}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    if let Some(address) = address(&mut reader, &mut stderr) {
        let back = visit(&address);
        let told = Command::new("curl").args(["--silent", "--max-time", "30", &back]).output().unwrap();
        assert!(String::from_utf8_lossy(&told.stdout).contains("The answer arrived"), "{back}: {told:?}\n{stderr}");
    }
    reader.read_to_string(&mut stderr).unwrap();
    let output = child.wait_with_output().unwrap();
    Ended { code: output.status.code(), stdout: String::from_utf8(output.stdout).unwrap(), stderr }
}

/// What is to be opened in a browser, where it comes to that.
fn address(reader: &mut BufReader<ChildStderr>, said: &mut String) -> Option<String> {
    loop {
        let before = said.len();
        if reader.read_line(said).unwrap() == 0 {
            return None;
        }
        let line = said[before..].trim();
        if line.starts_with("http") {
            return Some(line.to_owned());
        }
    }
}

#[test]
fn a_native_client_is_signed_in_to_step_by_step() {
    let mut desk = Desk::new();
    let password = desk.serve_demo();
    let mut alice = Alice::new(&format!("http://{}", desk.address), &password);
    let line = "'demo native' --api https://api.example.com --scope 'openid email offline_access orders:read' --json";
    let ended = run(&desk, line, |address| alice.visit(address));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(alice.pressed, ["login", "consent-allow"]);
    for step in [
        "was found",
        "a code came back, with our state, from this issuer",
        "with the scopes: email offline_access openid orders:read",
        "the ID token is signed by a published key, for this client, from this sign-in",
        "userinfo is about the same person",
        "the refresh token gave new tokens",
    ] {
        assert!(
            ended.stderr.lines().any(|line| line.starts_with('✓') && line.contains(step)),
            "{step}: {}",
            ended.stderr
        );
    }
    let learned: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stdout));
    assert_eq!(learned["userinfo"]["email"], "alice@example.com", "{learned}");
    assert_eq!(learned["id_token"]["sub"], learned["userinfo"]["sub"], "{learned}");
    assert_eq!((&learned["refreshed"], &learned["expires_in"]), (&true.into(), &600.into()), "{learned}");
    for secret in ["admit_ac_", "admit_rt_", "eyJ"] {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn a_client_with_a_secret_is_signed_in_to_by_its_secret_alone() {
    let mut desk = Desk::new();
    let password = desk.serve_demo();
    let mut alice = Alice::new(&format!("http://{}", desk.address), &password);
    let back = format!("http://{}/cb", free_address());
    let made = desk.works(&format!("admit client create --name shop --type web --redirect-uri {back} --json 2> said"));
    let made: Value = serde_json::from_str(&made).unwrap();
    desk.works(&format!(
        "(umask 077; echo '{}' > good; echo {} > bad)",
        made["secret"].as_str().unwrap(),
        "admit_cs_x"
    ));
    let ended = run(&desk, "shop --secret-file bad", |address| alice.visit(address));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the token endpoint: invalid_client"), "{}", ended.stderr);
    assert!(ended.stderr.contains("admit client secret list shop"), "{}", ended.stderr);
    let ended = run(&desk, "shop --secret-file good", |address| alice.visit(address));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("alice@example.com"), "{}", ended.stdout);
}

#[test]
fn who_says_no_is_heard() {
    let mut desk = Desk::new();
    let password = desk.serve_demo();
    let mut alice = Alice::new(&format!("http://{}", desk.address), &password);
    alice.visit(&format!("http://{}/account", desk.address));
    let ended = run(&desk, "'demo native'", |address| {
        alice.browser.go(address);
        alice.browser.press("consent-deny", &[]);
        alice.browser.at.clone()
    });
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    let said = ended.stderr.lines().last().unwrap_or_default();
    assert!(said.contains("the answer: access_denied: The person said no. The client is well."), "{}", ended.stderr);
    assert!(said.ends_with("admit login test 'demo native'"), "{}", ended.stderr);
}

#[test]
fn rfc_9126_a_client_that_pushes_its_requests_is_signed_in_to_by_one_that_was_pushed() {
    let mut desk = Desk::new();
    let password = desk.serve_demo();
    let mut alice = Alice::new(&format!("http://{}", desk.address), &password);
    let (told, back) = ("--require-par true", format!("http://{}/cb", free_address()));
    desk.works(&format!("admit client create --name wiki --type native --redirect-uri {back} {told} 2> said"));
    let ended = run(&desk, "wiki --scope 'openid email'", |address| {
        assert!(address.contains("request_uri=") && !address.contains("scope="), "{address}");
        alice.visit(address)
    });
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("✓ the request was pushed, and is good for 90 s"), "{}", ended.stderr);
    assert!(ended.stdout.contains("alice@example.com"), "{}", ended.stdout);
    desk.works("admit client create --name closed --type web --redirect-uri http://127.0.0.1:1/cb 2> said > made");
    desk.works("admit client disable closed 2> said");
    let ended = run(&desk, "closed", |address| panic!("{address}"));
    assert!(ended.stderr.contains("is switched off. Next: admit client enable closed"), "{}", ended.stderr);
}
