//! The mail server of a test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::program::{Program, free_address, tool};
use crate::tls::authority::{Made, make};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with the mails that it was given.
pub struct MailServer {
    pub address: SocketAddr,
    folder: TempDir,
    _program: Program,
}

impl MailServer {
    /// One with these options; see `server.py`.
    pub fn start(options: &[&str]) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let made: Made = make(90);
        made.write(folder.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mail/server.py");
        let mut command = Command::new(tool("ADMIT_TEST_PYTHON", "target/tools/python/bin/python3"));
        command.arg(script).arg(folder.path()).arg(address.port().to_string()).args(options);
        let mut program = Program::start(&mut command, &folder.path().join("log"));
        program.wait_until_listening(address);
        Self { address, folder, _program: program }
    }

    /// The file of the authority that made its certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    /// The mail of this number, once it is there.
    pub async fn mail(&self, number: usize) -> String {
        let (file, begun) = (self.folder.path().join(format!("{number}.mail")), Instant::now());
        while !file.exists() {
            assert!(begun.elapsed() < PATIENCE, "mail {number} has not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::read_to_string(file).unwrap().replace("\r\n", "\n")
    }

    /// How many it was given.
    pub fn count(&self) -> usize {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap);
        entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "mail")).count()
    }
}
