//! Chromium and its protocol for tools, over two pipes: messages of JSON, each ended by a NUL.
//!
//! The pipes are FIFOs, because a program is given more than three files only by a shell.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::program::{Program, tool};

/// How long an answer may take, on a machine that does much beside it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Names that lead to this machine: the hosts of tests, each a site of its own for the browser.
const NAMES: &str = "MAP *.test 127.0.0.1";

/// A browser with one page open.
pub struct Browser {
    input: File,
    messages: UnboundedReceiver<Value>,
    count: u64,
    session: String,
    /// What happened that nobody has looked at.
    pub events: Vec<Value>,
    // Ended before its folder goes.
    _program: Program,
    _folder: TempDir,
}

impl Browser {
    /// Starts one.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args([&input, &output]).status().unwrap().success());
        let program = Program::start(&mut command(folder.path()), &folder.path().join("log"));
        // Each end waits for the other one, which the shell opens in this order.
        let (input, output) = tokio::task::spawn_blocking(move || {
            let input = OpenOptions::new().write(true).open(input).unwrap();
            (input, File::open(output).unwrap())
        })
        .await
        .unwrap();
        let (sender, messages) = unbounded_channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            input,
            messages,
            count: 0,
            session: String::new(),
            events: Vec::new(),
            _program: program,
            _folder: folder,
        };
        browser.open_page().await;
        browser
    }

    async fn open_page(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach).await;
        self.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({})).await;
        }
        self.events.clear();
    }

    /// Has the browser do something and waits for its answer.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut message = json!({"id": self.count, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let message = self.next(method).await;
            if message["id"] == self.count {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Waits until something has happened that answers the question.
    pub async fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.events.iter().position(&is_it) {
                return self.events.remove(place);
            }
            let message = self.next(what).await;
            self.events.push(message);
        }
    }

    async fn next(&mut self, what: &str) -> Value {
        let message = timeout(PATIENCE, self.messages.recv()).await;
        let happened = || self.events.iter().map(|event| event["method"].to_string()).collect::<Vec<_>>().join(" ");
        let message = message.unwrap_or_else(|_| panic!("{what}: no answer in {PATIENCE:?} after {}", happened()));
        message.unwrap_or_else(|| panic!("{what}: the browser is gone"))
    }
}

fn command(folder: &Path) -> Command {
    let chromium = tool("ADMIT_TEST_CHROMIUM", "/usr/bin/chromium");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 3<\"$0/in\" 4>\"$0/out\""]).arg(folder).arg(chromium).args([
        "--headless=new",
        "--remote-debugging-pipe",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-sync",
        "--hide-scrollbars",
        "--lang=en-US",
    ]);
    command.arg(format!("--host-resolver-rules={NAMES}"));
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    // Its own walls are not to be had by root, as in a container.
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() == b"0" {
        command.arg("--no-sandbox");
    }
    command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).env("XDG_CACHE_HOME", folder);
    command
}
