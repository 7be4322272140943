//! The real program as a child process: started on a folder, found by its `server.json`, ended in any way.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::Reply;
use crate::store;

/// How long a start may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `admit serve`. Killed when it is dropped.
pub struct Program {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    /// The operator key of this start.
    pub operator: String,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    http: reqwest::Client,
}

/// `admit serve` on a folder, at a port of its own.
pub fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).arg("--data").arg(data);
    bare(&mut command, data);
    command.envs(store::variables_of(data));
    command
}

/// Away from whatever this machine's environment and current folder say.
pub fn bare(command: &mut Command, folder: &Path) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ADMIT")) {
        command.env_remove(name);
    }
    let folder = folder.parent().filter(|_| !folder.is_dir()).unwrap_or(folder);
    command.current_dir(folder).stdin(Stdio::null());
}

impl Program {
    /// Starts it and waits until it is ready.
    pub async fn start(data: &Path) -> Self {
        Self::run(serve(data), data).await
    }

    /// The same over a database.
    pub async fn start_on(data: &Path, url: &str) -> Self {
        let mut command = serve(data);
        command.env("ADMIT__STORE__URL", url);
        Self::run(command, data).await
    }

    /// The same with another command line.
    pub async fn run(mut command: Command, data: &Path) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (stderr, lines) = (child.stderr.take().unwrap(), said.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let mut program = Self { url: String::new(), operator: String::new(), child, said, http };
        program.wait_until_ready(data).await;
        program
    }

    async fn wait_until_ready(&mut self, data: &Path) {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(data.join("server.json")).unwrap_or_default();
            let server: Value = serde_json::from_str(&text).unwrap_or_default();
            if server["pid"] == self.child.id() {
                self.url = server["url"].as_str().unwrap().to_owned();
                self.operator = std::fs::read_to_string(data.join("operator.key")).unwrap().trim().to_owned();
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "not ready ({ended:?}): {}", self.said().join("\n"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said on stderr so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end waited for. True where it ended well.
    pub async fn stop(&mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// A call that may fail because the program is gone.
    pub async fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Option<Reply> {
        send(&self.http, &format!("{}{path}", self.url), method, headers, body).await
    }

    /// A call of the management API with the operator key.
    pub async fn manage(&self, method: &str, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {}", self.operator);
        self.try_send(method, path, &[("authorization", &bearer)], body).await.unwrap()
    }

    /// Asks as nginx does, for `<method> https://shop.test<path>` from 203.0.113.9.
    pub async fn ask(&self, method: &str, path: &str, key: &str) -> Reply {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("x-original-method", method),
            ("x-original-uri", path),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", &bearer),
        ];
        self.try_send("GET", "/check/nginx", &headers, Value::Null).await.unwrap()
    }

    /// API and rule of the shop, as [`crate::app::TestApp::shop`] makes them.
    pub async fn shop(&self) {
        let api = serde_json::json!({"uri": "https://api.shop.test", "hosts": ["shop.test"],
            "scopes": {"orders:read": "Read orders"}});
        self.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
        let rule = serde_json::json!({"match": {"host": "shop.test", "methods": ["GET"], "path": "/orders/**"},
            "require": {"scopes": ["orders:read"]}});
        self.manage("POST", "/v1/realms/default/rules", rule).await.expect(201);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request; none where no whole answer came.
pub async fn send(
    http: &reqwest::Client,
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Option<Reply> {
    let mut request = http.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Some(Reply { status, headers, text: response.text().await.ok()? })
}
