//! The layers: core is pure, only the store has SQL, nothing points outward (`docs/ARCHITECTURE.md`).

use super::rust::{Kind, pieces};
use super::{File, Finding};
use crate::{Outcome, cargo, output_of};

/// What a crate must not depend on, directly or through others.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    (
        "admit-core",
        &["tokio", "axum", "hyper", "rusqlite", "postgres", "tokio-postgres", "reqwest", "admit-store", "admit"],
    ),
    ("admit-store", &["axum", "hyper", "reqwest", "admit"]),
];

/// What core must not name: the world outside its arguments.
const WORLD: [&str; 7] =
    ["std::fs", "std::env", "std::process", "std::thread", "Instant::now", "SystemTime::now", "std::net::Tcp"];

/// How a statement begins.
const SQL: [&str; 4] = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];

/// Where statements may stand: the store, and this list.
const SQL_PLACES: [&str; 2] = ["crates/store/", "xtask/src/check/"];

/// Reads one Rust file.
pub fn read(file: &File, findings: &mut Vec<Finding>) {
    let has_sql = SQL_PLACES.iter().any(|place| file.path.starts_with(place));
    let is_core = file.path.starts_with("crates/core/src/");
    let tests_from = file.text.find("#[cfg(test)]").map_or(usize::MAX, |at| file.text[..at].matches('\n').count());
    for piece in pieces(&file.text) {
        for (line, text) in (piece.line..).zip(piece.text.lines()) {
            if piece.kind == Kind::Literal && !has_sql && SQL.iter().any(|word| begins_statement(text, word)) {
                findings.push(Finding::error(&file.path, line, "SQL: only crates/store/ has any"));
            }
            if piece.kind == Kind::Code && is_core && line <= tests_from {
                for word in WORLD.iter().filter(|word| text.contains(*word)) {
                    findings.push(Finding::error(&file.path, line, format!("{word}: core takes it as an argument")));
                }
            }
        }
    }
}

/// A statement's first word stands at the beginning of a line or right after the quote or a bracket.
fn begins_statement(text: &str, word: &str) -> bool {
    let before = |at: usize| text[..at].trim_start_matches(['b', 'r', '#', '"', '(', ' ']).is_empty();
    text.match_indices(word).any(|(at, _)| before(at) || text[..at].ends_with('('))
}

/// Asks cargo what the crates of the lower layers stand on.
pub fn read_dependencies(findings: &mut Vec<Finding>) -> Outcome {
    for (package, forbidden) in FORBIDDEN {
        let arguments =
            ["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
        let tree = output_of(cargo().args(arguments))?;
        let names: Vec<&str> = tree.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        for name in forbidden.iter().filter(|name| names.contains(*name)) {
            let manifest = format!("crates/{}/Cargo.toml", package.trim_start_matches("admit-"));
            findings.push(Finding::error(&manifest, 1, format!("{package} must not stand on {name}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        read(&File { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sql_stands_in_the_store_only() {
        let source = "const A: &str =\n    \"SELECT id FROM realm\";";
        assert_eq!(
            findings("crates/server/src/a.rs", source),
            ["crates/server/src/a.rs:2: SQL: only crates/store/ has any"]
        );
        assert_eq!(findings("crates/store/src/a.rs", source), [""; 0]);
        assert_eq!(findings("crates/server/src/a.rs", "// SELECT id\nlet a = \"please SELECT one\";"), [""; 0]);
    }

    #[test]
    fn core_has_no_world_outside_its_tests() {
        let source = "use std::fs;\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(
            findings("crates/core/src/a.rs", source),
            ["crates/core/src/a.rs:1: std::fs: core takes it as an argument"]
        );
        assert_eq!(findings("crates/server/src/a.rs", source), [""; 0]);
    }
}
