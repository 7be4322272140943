//! The commands of the book, run as they stand.
//!
//! Blocks marked `sh` run in order in one folder; each must succeed. In blocks marked `console`, each line that begins
//! with `$ ` is a program that stays: it runs until the page is done. Only the ports are other ones, since tests run side
//! by side: what listens on a port by default is told another one.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::program::{Program, free_address, tool};
use crate::story::Desk;

const ADMIT: &str = "8420";
const GATEWAY: &str = "8080";
const APPLICATION: &str = "9000";

/// Somebody who follows a page.
struct Reader {
    /// Stopped before the folder goes.
    programs: Vec<Program>,
    desk: Desk,
    ports: [(&'static str, SocketAddr); 3],
    printed: String,
}

impl Reader {
    fn new() -> Self {
        let desk = Desk::new();
        // Workers of nginx run as another user where the test runs as root.
        fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ports = [(ADMIT, desk.address), (GATEWAY, free_address()), (APPLICATION, free_address())];
        Self { programs: Vec::new(), desk, ports, printed: String::new() }
    }

    fn address(&self, written: &str) -> SocketAddr {
        self.ports.iter().find(|(known, _)| *known == written).unwrap().1
    }

    /// The text with the ports of this test.
    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (command, port) in
            [("admit serve", ADMIT), ("gateway-config nginx", GATEWAY), ("gateway-config caddy", GATEWAY)]
        {
            text = text.replace(command, &format!("{command} --listen {}", self.address(port)));
        }
        self.ports.iter().fold(text, |text, (written, free)| text.replace(written, &free.port().to_string()))
    }

    fn command(&self, text: &str) -> Command {
        let mut command = self.desk.sh(&self.here(text));
        let caddy = tool("ADMIT_TEST_CADDY", "target/tools/python/bin/caddy");
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap().to_owned();
        let path = format!("{}:{}", path.display(), caddy.parent().unwrap().display());
        command.env("PATH", path).env("HOME", self.desk.path()).env_remove("ADMIT_DATA");
        command
    }

    /// Follows the page to its end.
    fn follow(&mut self, page: &str) {
        let blocks = blocks(page);
        assert!(blocks.iter().any(|(kind, _)| *kind == "sh"), "the page has no commands");
        for (kind, text) in blocks {
            match kind {
                "sh" => self.run(&text),
                "console" => text.lines().filter_map(|line| line.strip_prefix("$ ")).for_each(|line| self.start(line)),
                _ => {}
            }
        }
    }

    fn run(&mut self, text: &str) {
        let output = self.command(text).output().unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{}\n{text}\n{printed}", output.status);
        self.printed.push_str(&printed);
    }

    fn start(&mut self, line: &str) {
        let port = match line {
            line if line.starts_with("admit serve") => ADMIT,
            line if line.contains(APPLICATION) => APPLICATION,
            _ => GATEWAY,
        };
        let log = self.desk.path().join(format!("{port}.log"));
        let mut program = Program::start(&mut self.command(&format!("exec {line}")), &log);
        match port {
            ADMIT => program.wait_until("ready", |program| program.printed().contains("ready\n")),
            _ => program.wait_until_listening(self.address(port)),
        }
        self.programs.push(program);
    }

    /// The figures of all answers that `curl --include` showed.
    fn statuses(&self) -> Vec<&str> {
        // The body of the answer before may end without a line end.
        self.printed.split("HTTP/1.1 ").skip(1).map(|rest| rest.split([' ', '\r']).next().unwrap()).collect()
    }
}

/// The fenced blocks of a page, each with its mark.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), is_open) {
            (Some(kind), false) => {
                blocks.push((kind, String::new()));
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => blocks.last_mut().unwrap().1.extend([line, "\n"]),
            (None, false) => {}
        }
    }
    assert!(!is_open, "a block of the page has no end");
    blocks
}

#[test]
fn the_first_five_minutes() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/first-five-minutes.md"));
    assert_eq!(reader.statuses(), ["200", "403", "401"], "{}", reader.printed);
    for told in ["nearly: rule \"GET first.test/orders/**\"", "admit rule add --host first.test", "it was revoked"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

fn behind_a_gateway(page: &str) {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(page);
    assert_eq!(reader.statuses(), ["200", "401", "403"], "{}", reader.printed);
    let printed = &reader.printed;
    assert!(printed.contains("{\"order\": 42}"), "{printed}");
    assert!(printed.contains("nearly: rule \"GET shop.test/orders/**\""), "{printed}");
    assert!(
        printed.contains("without a credential the gateway answers 401 Unauthorized, and Admit judged it"),
        "{printed}"
    );
    assert!(printed.contains("spoofed identity headers: ignored"), "{printed}");
}

#[test]
fn protect_an_api_with_nginx() {
    behind_a_gateway(include_str!("../../../../docs/book/src/protect-nginx.md"));
}

#[test]
fn protect_an_api_with_caddy() {
    behind_a_gateway(include_str!("../../../../docs/book/src/protect-caddy.md"));
}
