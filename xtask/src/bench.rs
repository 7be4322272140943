//! Builds the server and the harness as they ship, and runs the harness. What it measures: `bench/src/main.rs`.

use std::process::Command;

use crate::{Outcome, cargo, root, succeed};

/// `cargo xtask bench [scenario] [--quick] [--references]`: the arguments go to the harness as they are.
pub fn run(arguments: &[String]) -> Outcome {
    let mut build = cargo();
    build.args(["build", "--profile", "dist", "--package", "admit-bench"]);
    if !arguments.iter().any(|word| word == "--references") {
        build.args(["--package", "admit"]);
    }
    succeed(&mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into).join("dist");
    let mut harness = Command::new(target.join("admit-bench"));
    harness.arg("run").args(arguments).arg("--admit").arg(target.join("admit"));
    succeed(harness.current_dir(root()))
}
