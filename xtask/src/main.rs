//! The project's own commands: `cargo xtask check | test | install | gen | bench`.
//!
//! Each is plain Rust over `std::process`, so that a fresh clone needs no other tool to be worked on. Knows nothing of
//! what Admit does; it knows how the repository is laid out.
#![expect(clippy::print_stdout, reason = "a command line program prints")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

mod bench;
mod check;
mod generate;
mod test;
mod tools;

const USAGE: &str = "\
cargo xtask check                 formatting, clippy, layers, sizes, names in the docs, what is generated
cargo xtask test                  installs what the tests need, checks, runs every test
cargo xtask test FILTER…          runs the tests whose name contains FILTER, nothing else
cargo xtask test --only-tests     every test without the check
cargo xtask install               installs what the tests need, nothing else
cargo xtask gen [--check]         writes what is generated into docs/ (or says what differs)
cargo xtask bench [SCENARIO…]      measures Admit beside its references; --help lists scenarios and flags";

/// What a command ends with: nothing, or one text that says what to do.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let outcome = match name {
        "check" => check::run(rest),
        "test" => test::run(rest),
        "install" => tools::Tools::install().map(drop),
        "gen" => generate::run(rest),
        "bench" => bench::run(rest),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: there is no command {other:?}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.pop();
    folder
}

/// The cargo that runs us, in the folder of the workspace.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end, its output going where ours goes.
fn succeed(command: &mut Command) -> Outcome {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs a command to its end and returns what it printed on stdout.
fn output_of(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command.output().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` printed what is no UTF-8"))
}

/// A command as one would type it.
fn show(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| line + " " + &argument.to_string_lossy())
}
