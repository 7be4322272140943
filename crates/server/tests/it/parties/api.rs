//! The examples of the book: APIs that verify our tokens by themselves, each asked with every kind of token.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::world::{AUDIENCE, World};
use super::{installed, java, node, python};
use crate::program::{Program, free_address};

/// One that runs.
struct Api {
    address: SocketAddr,
    program: Program,
    _folder: TempDir,
}

/// What it answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    challenge: String,
    body: String,
}

impl Api {
    fn start(world: &World, mut command: Command) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        command.env("ISSUER", &world.issuer).env("AUDIENCE", AUDIENCE).env("PORT", address.port().to_string());
        let mut program = Program::start(&mut command, &folder.path().join("log"));
        program.wait_until_listening(address);
        Self { address, program, _folder: folder }
    }

    fn ask(&self, token: Option<&str>) -> Answer {
        let mut command = Command::new("curl");
        command.args(["--silent", "--include", "--max-time", "30"]);
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let output = command.arg(format!("http://{}/orders", self.address)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}\n{}", self.program.printed()));
        let name = "www-authenticate: ";
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name));
        Answer {
            status: head[9..12].parse().unwrap(),
            challenge: line.map(|line| line[name.len()..].to_owned()).unwrap_or_default(),
            body: body.to_owned(),
        }
    }
}

/// Who shows a good token gets the orders, and nobody else.
fn stands_guard(command: Command) {
    let world = World::new();
    let api = Api::start(&world, command);

    let welcome = api.ask(Some(world.token("good")));
    assert_eq!(welcome.status, 200, "{welcome:?}\n{}", api.program.printed());
    let orders: Value = serde_json::from_str(&welcome.body).unwrap();
    assert_eq!(orders["subject"], world.client["id"]);

    let nobody = api.ask(None);
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert!(nobody.challenge.starts_with("Bearer") && !nobody.challenge.contains("error="), "{nobody:?}");

    let narrow = api.ask(Some(world.token("narrow")));
    assert_eq!(narrow.status, 403, "{narrow:?}");
    assert!(narrow.challenge.contains("insufficient_scope"), "{narrow:?}");

    for (name, token) in world.tokens.iter().filter(|(name, _)| !["good", "narrow"].contains(name)) {
        let refused = api.ask(Some(token));
        assert_eq!(refused.status, 401, "{name}: {refused:?}");
        assert!(refused.challenge.contains("invalid_token"), "{name}: {refused:?}");
    }
    assert_eq!(api.ask(Some(world.token("good"))).status, 200, "nothing of it did it any harm");
}

#[test]
fn express_with_jose() {
    let mut command = node();
    command.arg(installed("examples/verify-express").join("server.mjs"));
    stands_guard(command);
}

/// As its page says: uvicorn, which is told its port by an argument, not by a variable.
#[test]
fn fastapi_with_pyjwt() {
    let folder = installed("examples/verify-fastapi");
    let mut command = Command::new("sh");
    let python = python(&folder);
    command.envs(python.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["-c", r#"exec "$0" -m uvicorn main:app --port "$PORT""#]).arg(python.get_program());
    command.current_dir(folder);
    stands_guard(command);
}

#[test]
fn go_with_go_oidc() {
    stands_guard(Command::new(installed("examples/verify-go").join("program")));
}

#[test]
fn spring_with_nimbus() {
    let mut command = java();
    command.arg("-jar").arg(installed("examples/verify-spring").join("target/orders.jar"));
    stands_guard(command);
}
