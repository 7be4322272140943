//! Examples of the book that run in a terminal; those with pages are run by the page itself, with a real browser.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{Running, World};
use crate::parties::{installed, node, python};

/// A program that prints a line, waits for somebody to do as it says, and prints another.
struct Example {
    program: Running,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Example {
    fn start(world: &World, mut command: Command, client: &str) -> Self {
        command.env("ISSUER", &world.issuer).env("CLIENT_ID", client).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut program = Running::start(&mut command);
        let lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        Self { program, lines: Box::new(lines) }
    }

    #[track_caller]
    fn says(&mut self) -> String {
        self.lines.next().expect("it says nothing; why, it says on stderr")
    }

    #[track_caller]
    fn ends_with(mut self, line: &str) {
        assert_eq!(self.says(), line);
        assert!(self.program.0.wait().unwrap().success());
    }
}

#[test]
fn a_command_signs_alice_in_with_the_browser_of_her_machine() {
    let world = World::new();
    let mut alice = world.alice();
    let folder = installed("examples/sign-in-native");
    let mut command = python(&folder);
    // It opens no browser of this machine.
    command.arg(folder.join("main.py")).env("BROWSER", "true");
    let mut example = Example::start(&world, command, world.native["id"].as_str().unwrap());
    let address = example.says();
    let back = alice.visit(address.strip_prefix("Sign in at ").unwrap_or_else(|| panic!("{address}")));
    assert!(back.starts_with("http://127.0.0.1:") && back.contains("/callback?code="), "{back}");
    let told = Command::new("curl").args(["--silent", "--max-time", "30", &back]).output().unwrap();
    assert!(told.stdout.starts_with(b"Close this tab"), "{told:?}");
    example.ends_with("Hello, alice.");
    assert_eq!(alice.pressed, ["login", "consent-allow"]);
}

#[test]
fn a_device_is_connected_by_the_code_that_it_shows() {
    let world = World::new();
    let mut alice = world.alice();
    let mut command = node();
    command.arg(installed("examples/sign-in-device").join("main.mjs"));
    let mut example = Example::start(&world, command, world.device["id"].as_str().unwrap());
    let said = example.says();
    let (address, code) = said.strip_prefix("Open ").and_then(|rest| rest.split_once(" and type ")).unwrap();
    alice.user_code = code.to_owned();
    alice.visit(address);
    assert_eq!(alice.pressed, ["login", "device-code", "device-confirm"]);
    example.ends_with("Hello, alice.");
}
