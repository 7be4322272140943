//! HTTPS by Admit itself, plain HTTP where it may be, and the Unix socket.

pub mod authority;
mod clear;
mod pair;
mod served;
mod shake;
mod unix;

use std::path::Path;
use std::process::Command;

use crate::fault::program::bare;

/// `admit serve` on a folder, listening where it is said.
fn serve_at(listen: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(["serve", "--listen", listen, "--data"]).arg(data);
    bare(&mut command, data);
    command
}
