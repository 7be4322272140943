//! A server that is measured: how it is started, watched and ended.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, machine};

/// How long a server may take until it is ready, or to end.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs; it is killed when this goes, with all that it started.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// One of our own.
    pub fn reference(name: &str) -> Result<Self> {
        let own = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let (server, lines) = Self::telling(Command::new(own).arg(name), name)?;
        if lines.is_empty() { Ok(server) } else { Err(format!("{name} printed {lines:?} before its address")) }
    }

    /// One that prints its address on stdout, and what it printed before.
    pub fn telling(command: &mut Command, name: &str) -> Result<(Self, Vec<String>)> {
        let started = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
        let mut child = started.map_err(|error| format!("cannot start {name}: {error}"))?;
        let stdout = child.stdout.take();
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address: unknown, child };
        let (address, lines) = stdout.map_or_else(|| Err(format!("{name} has no stdout")), |it| told(it, name))?;
        server.address = address;
        Ok((server, lines))
    }

    /// One that listens at a known address; it is ready when `is_ready` says so. `log` tells what it said where it ends early.
    pub fn listening(
        command: &mut Command,
        address: SocketAddr,
        is_ready: impl Fn(SocketAddr) -> bool,
        log: impl Fn() -> String,
    ) -> Result<(Self, Duration)> {
        let name = command.get_program().to_string_lossy().into_owned();
        let start = Instant::now();
        let started = command.stdin(Stdio::null()).spawn();
        let child = started.map_err(|error| format!("cannot start {name}: {error}"))?;
        let mut server = Self { address, child };
        while !is_ready(address) {
            let has_ended = server.child.try_wait().map_err(|error| error.to_string())?.is_some();
            if has_ended || start.elapsed() > PATIENCE {
                return Err(format!("{name} did not get ready; it said:\n{}", log()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((server, start.elapsed()))
    }

    /// Processor time used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        machine::cpu_time(self.child.id())
    }

    /// Memory held.
    pub fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes(self.child.id())
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
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
        Err(format!("process {} does not stop", self.child.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let family = machine::family(self.child.id());
        let _ = Command::new("kill").arg("-KILL").args(family.iter().map(ToString::to_string)).status();
        let _ = self.child.wait();
    }
}

/// Reads lines up to an address.
fn told(stdout: ChildStdout, name: &str) -> Result<(SocketAddr, Vec<String>)> {
    let mut lines = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|error| format!("{name}: {error}"))?;
        match line.parse() {
            Ok(address) => return Ok((address, lines)),
            Err(_) => lines.push(line),
        }
    }
    Err(format!("{name} ended before it printed an address"))
}

/// A port that nobody listened on a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("no free port: {error}"))
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
