//! Client libraries that sign Alice in as they come, with an address and nothing more.
//!
//! A party's program speaks in lines. It reads one with the [`World`] as JSON. Each line that it prints then is an address for
//! Alice's browser, and it is told where that ended: at the application, or on a page of ours. Its last line is JSON of what
//! came of each step.

mod alice;
mod authlib;
mod browser;
mod example;
mod go_oidc;
mod nimbus;
mod oauth4webapi;
mod openid_client;
mod openidconnect;
mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

pub use alice::Alice;
pub use browser::Browser;
pub use world::World;

/// The most addresses of one program.
const VISITS_MAX: usize = 50;

/// A program that is ended with its test, should that fail.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program tells of its steps, while Alice goes wherever it sends her.
#[track_caller]
pub fn told(mut command: Command, world: &World, alice: &mut Alice) -> Value {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Running::start(piped);
    // Read beside the rest, so that a program that complains at length need not wait for us.
    let mut stderr = program.0.stderr.take().unwrap();
    let said = thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let last = converse(&mut program.0, world, alice);
    let status = program.0.wait().unwrap();
    let said = said.join().unwrap();
    assert!(status.success(), "{status}: {said}");
    last.unwrap_or_else(|| panic!("it told nothing: {said}"))
}

/// The last line of a program; none where it ended before.
fn converse(program: &mut Child, world: &World, alice: &mut Alice) -> Option<Value> {
    let mut stdin = program.stdin.take().unwrap();
    // One that reads no more says why on stderr.
    let _ = writeln!(stdin, "{}", world.as_json());
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    for line in lines.by_ref().take(VISITS_MAX) {
        if !line.starts_with("http") {
            return Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("neither an address nor JSON: {line}")));
        }
        let _ = writeln!(stdin, "{}", alice.visit(&line));
    }
    None
}
