//! Starts what is measured, and ends it again: the references, and Admit on a data folder of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::population::{PATTERN, Population};
use crate::{Result, machine};

/// How long a server may take until it is ready, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs; it is killed when this goes.
pub struct Server {
    /// What the table calls it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// One of our own.
    pub fn reference(name: &str) -> Result<Self> {
        let own = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut child =
            Command::new(own).arg(name).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let address = line.trim().parse().map_err(|_| format!("{name} printed {line:?} instead of an address"))?;
        Ok(Self { name: name.to_owned(), address, child })
    }

    /// Processor time used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        machine::cpu_time(self.child.id())
    }

    /// Memory held.
    pub fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes(self.child.id())
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        asked.map_err(|error| format!("cannot run kill: {error}"))?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.child.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("{} does not stop", self.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Admit's program and a data folder, which is removed when this goes unless it is to be kept.
pub struct Admit {
    program: PathBuf,
    folder: PathBuf,
    is_kept: bool,
}

impl Admit {
    /// A data folder on the disk of the build: a new one, or the one that was kept under this name.
    pub fn new(program: &Path, name: &str, is_kept: bool) -> Result<Self> {
        if !program.is_file() {
            return Err(format!("{} is missing: cargo build --profile dist -p admit", program.display()));
        }
        let program = program.canonicalize().map_err(|error| error.to_string())?;
        let folder = match is_kept {
            true => PathBuf::from(format!("target/bench/{name}")),
            false => PathBuf::from(format!("target/bench/{name}-{}", std::process::id())),
        };
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self { program, folder, is_kept })
    }

    /// Starts it and says how long it took until `/readyz` answered 200.
    pub fn serve(&self, name: &str) -> Result<(Server, Duration)> {
        let address = free_address()?;
        let log_file = self.folder.join("serve.log");
        let log = File::create(&log_file).map_err(|error| format!("cannot write {}: {error}", log_file.display()))?;
        let mut command = self.command();
        command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(self.data());
        command.env("ADMIT__OPS__LISTEN", free_address()?.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let start = Instant::now();
        let child = command.spawn().map_err(|error| format!("cannot start admit: {error}"))?;
        let mut server = Server { name: name.to_owned(), address, child };
        while !is_ready(address) {
            let has_ended = server.child.try_wait().map_err(|error| error.to_string())?.is_some();
            if has_ended || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(&log_file).unwrap_or_default();
                return Err(format!("admit did not get ready; it said:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((server, start.elapsed()))
    }

    /// Makes an API, a rule with a limit, and all keys of the population, as an operator would. A kept folder has them.
    pub fn seed(&self, keys: &Population) -> Result<()> {
        let done = self.folder.join("seeded");
        if done.exists() {
            return Ok(());
        }
        let (api, scope) = ("https://api.shop.test", "orders:read");
        self.run(&["api", "create", api, "--scope", "orders:read=Read orders", "--host", "shop.test"])?;
        let rules = self.write("rules.toml", RULES)?;
        self.run(&["apply", "-f", &rules])?;
        let hashes = self.folder.join("hashes.ndjson");
        keys.write_hashes(&hashes)?;
        let hashes = hashes.display().to_string();
        self.run(&["key", "import", "--pattern", PATTERN, "--api", api, "--scope", scope, &hashes])?;
        self.write("seeded", "").map(|_| ())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(file.display().to_string())
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command().args(arguments).env("ADMIT_DATA", self.data()).output();
        let output = output.map_err(|error| format!("cannot run admit: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`admit {}` ended with {}:\n{said}", arguments.join(" "), output.status))
    }

    /// The program, without what the caller's environment would tell it.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ADMIT_")) {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for Admit {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const RULES: &str = r#"
[[rule]]
name    = "read orders"
match   = { host = "shop.test", methods = ["GET"], path = "/orders/**" }
require = { scopes = ["orders:read"] }
limit   = { per = "grant", rate = "100000/1s" }
"#;

/// A port that nobody listened on a moment ago.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("no free port: {error}"))
}

fn is_ready(address: SocketAddr) -> bool {
    status(address, b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        .is_ok_and(|status| status == 200)
}

/// The status of the answer to one request on a connection of its own.
pub fn status(address: SocketAddr, request: &[u8]) -> Result<u16> {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request)?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head)
    };
    let head = ask().map_err(|error: std::io::Error| format!("{address} does not answer: {error}"))?;
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|text| text.parse().ok());
    status.ok_or_else(|| format!("{address} does not speak HTTP"))
}
