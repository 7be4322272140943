//! Programs that tests start: gateways and Admit itself, each on a port of its own and stopped with its test.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a program may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// A running program. Dropping it stops it, and waits until it is gone.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it prints goes into the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// What it printed until now.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until something is true of it.
    pub fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before {what}: {ended:?}\n{}", self.printed());
            assert!(begun.elapsed() < PATIENCE, "not {what} in time\n{}", self.printed());
            sleep(PAUSE);
        }
    }

    /// Waits until it accepts connections.
    pub fn wait_until_listening(&mut self, address: SocketAddr) {
        self.wait_until("listening", |_| TcpStream::connect(address).is_ok());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gently at first, so that a program with workers takes them along.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program that `cargo xtask test` installs, as the environment names it or where it is by default. A test
/// without its program fails.
pub fn tool(variable: &str, default: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(default);
    let tool = std::env::var_os(variable).map_or(default, PathBuf::from);
    assert!(tool.is_file(), "{} is missing. Install it: cargo xtask install", tool.display());
    tool
}

/// A loopback address with a port that nobody else uses: below those that the system gives to outgoing connections.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = 10_000 + std::process::id() % 100 * 200;
    loop {
        let port = u16::try_from(first + NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
