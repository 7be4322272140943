//! `cargo xtask check`: what a reviewer should not have to look for.
//!
//! Formatting and clippy are cargo's; the rest reads the text of the repository. Everything that is wrong is reported at
//! once, as `file:line: what`.

use std::fmt;
use std::fs;

use crate::{Outcome, cargo, generate, output_of, root, succeed};

mod docs;
mod layers;
mod migrations;
mod rust;
mod text;

/// Runs all of it.
pub fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("check takes no arguments".to_owned());
    }
    let mut broken = Vec::new();
    report(&mut broken, "text", read_text());
    report(&mut broken, "rustfmt", succeed(cargo().args(["fmt", "--all", "--check"])));
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    report(&mut broken, "clippy", succeed(cargo().args(clippy)));
    report(&mut broken, "what is generated", generate::run(&["--check".to_owned()]));
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("{} failed", broken.join(", ")))
}

fn report(broken: &mut Vec<&'static str>, name: &'static str, outcome: Outcome) {
    match outcome {
        Ok(()) => eprintln!("check: {name} is good"),
        Err(message) => {
            eprintln!("{message}");
            broken.push(name);
        }
    }
}

/// A file of the repository, its path as the docs spell it.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Something to mend, or (a warning) to think about.
struct Finding {
    path: String,
    line: usize,
    what: String,
    is_warning: bool,
}

impl Finding {
    fn error(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), is_warning: false }
    }

    fn warning(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::error(path, line, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {grade}{}", self.path, self.line, self.what)
    }
}

/// Every check that reads text.
fn read_text() -> Outcome {
    let files = files()?;
    let mut findings = Vec::new();
    for file in &files {
        text::read(file, &mut findings);
        if file.is_rust() {
            layers::read(file, &mut findings);
        }
        if docs::is_doc(&file.path) {
            docs::read(file, |path| root().join(path).exists(), &mut findings);
        }
    }
    migrations::read(&root(), &mut findings)?;
    layers::read_dependencies(&mut findings)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.iter().filter(|finding| !finding.is_warning).count() {
        0 => Ok(()),
        count => Err(format!("{count} findings")),
    }
}

/// What git tracks or would track. Files that are no UTF-8 are left out.
fn files() -> Result<Vec<File>, String> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let paths = output_of(&mut git)?;
    let read = |path: &str| Some(File { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok()? });
    Ok(paths.split_terminator('\0').filter_map(read).collect())
}
