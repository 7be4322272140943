//! The real nginx.

use std::path::Path;
use std::process::Command;

use crate::program::tool;

/// Starts it as the head of its configuration says.
pub fn command(folder: &Path, file: &Path) -> Command {
    let mut command = Command::new(tool("ADMIT_TEST_NGINX", "/usr/sbin/nginx"));
    command.arg("-p").arg(folder).arg("-c").arg(file).args(["-g", "daemon off;"]);
    command
}
