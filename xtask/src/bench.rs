//! Builds the server and the harness as they ship, installs what they are compared with, and runs the harness. What it
//! measures: `bench/src/main.rs`.

use std::process::Command;

use crate::tools::Peers;
use crate::{Outcome, cargo, root, succeed};

/// `cargo xtask bench [scenario] [flags]`: all but `--profile` goes to the harness, which says what there is.
pub fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let profile = take_value(&mut arguments, "--profile")?.unwrap_or_else(|| "dist".to_owned());
    let has = |flags: &[&str]| arguments.iter().any(|word| flags.contains(&word.as_str()));
    let (only_asks, has_program) = (has(&["--help", "-h"]), has(&["--admit", "--references"]));
    let mut build = cargo();
    build.args(["build", "--profile", &profile, "--package", "admit-bench"]);
    if !has_program && !only_asks {
        build.args(["--package", "admit"]);
    }
    succeed(&mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let target = target.join(if profile == "dev" { "debug" } else { &profile });
    let mut harness = Command::new(target.join("admit-bench"));
    harness.arg("run").args(&arguments).current_dir(root());
    if only_asks {
        return succeed(&mut harness);
    }
    if !has_program {
        harness.arg("--admit").arg(target.join("admit"));
    }
    Peers::install()?.tell(&mut harness);
    succeed(&mut harness)
}

/// Takes a flag and its value out.
fn take_value(arguments: &mut Vec<String>, flag: &str) -> Result<Option<String>, String> {
    let Some(at) = arguments.iter().position(|word| word == flag) else { return Ok(None) };
    if at + 1 >= arguments.len() {
        return Err(format!("{flag} wants a value. Next: cargo xtask bench --help"));
    }
    let value = arguments.remove(at + 1);
    arguments.remove(at);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_taken_out_and_the_rest_stays() {
        let mut words: Vec<String> = ["w1", "--profile", "release", "--quick"].map(str::to_owned).into();
        assert_eq!(take_value(&mut words, "--profile"), Ok(Some("release".to_owned())));
        assert_eq!(words, ["w1", "--quick"]);
        assert_eq!(take_value(&mut words, "--profile"), Ok(None));
        words.push("--profile".to_owned());
        assert!(take_value(&mut words, "--profile").is_err_and(|said| said.starts_with("--profile wants a value")));
    }
}
