//! The real Caddy, from version 2.11 on.

use std::path::Path;
use std::process::Command;

use crate::program::tool;

/// Starts it as the head of its configuration says; what it keeps for itself stays in the folder.
pub fn command(folder: &Path, file: &Path) -> Command {
    let mut command = Command::new(tool("ADMIT_TEST_CADDY", "target/tools/python/bin/caddy"));
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.current_dir(folder).env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command
}
