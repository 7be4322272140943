//! A migration that was released is never changed: `migrations/HASHES` (in the format of sha256sum) lists those.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::{Outcome, output_of};

const LIST: &str = "migrations/HASHES";

/// Compares every listed migration with its hash; one that is not listed yet may still change.
pub fn read(root: &Path, findings: &mut Vec<Finding>) -> Outcome {
    let folder = root.join("migrations");
    if !folder.exists() {
        return Ok(());
    }
    let list = fs::read_to_string(root.join(LIST)).unwrap_or_default();
    let (listed, bad_lines) = parse(&list);
    for line in bad_lines {
        findings.push(Finding::error(LIST, line, "is no line of sha256sum: 64 hexadecimal digits, two spaces, a name"));
    }
    let actual = hashes(&folder)?;
    for (name, hash) in &listed {
        match actual.get(name) {
            None => findings.push(Finding::error(LIST, 1, format!("lists {name}, which is gone"))),
            Some(now) if now != hash => {
                let what = "was changed after its release: write a new migration instead";
                findings.push(Finding::error(&format!("migrations/{name}"), 1, what));
            }
            Some(_) => {}
        }
    }
    for name in actual.keys().filter(|name| !listed.contains_key(*name)) {
        let what = format!("is not listed yet; before its release: cd migrations && sha256sum {name} >> HASHES");
        findings.push(Finding::warning(&format!("migrations/{name}"), 1, what));
    }
    Ok(())
}

/// Name → hash, and the numbers of the lines that are neither.
fn parse(list: &str) -> (BTreeMap<String, String>, Vec<usize>) {
    let (mut listed, mut bad) = (BTreeMap::new(), Vec::new());
    for (number, line) in (1..).zip(list.lines()) {
        match line.split_once("  ") {
            Some((hash, name)) if hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                listed.insert(name.to_owned(), hash.to_ascii_lowercase());
            }
            _ => bad.push(number),
        }
    }
    (listed, bad)
}

/// The hashes of all migrations that are there.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".sql")).collect();
    names.sort();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sums = output_of(Command::new("sha256sum").current_dir(folder).arg("--").args(&names))?;
    Ok(parse(&sums).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_strictly() {
        let hash = "a".repeat(64);
        let (listed, bad) = parse(&format!("{hash}  0001_start.sql\n{hash} 0002.sql\nabc  0003.sql"));
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["0001_start.sql"]);
        assert_eq!(bad, [2, 3]);
    }

    #[test]
    fn a_released_migration_that_changed_is_found() {
        let root = std::env::temp_dir().join(format!("xtask-migrations-{}", std::process::id()));
        let folder = root.join("migrations");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("0001_a.sql"), "x").unwrap();
        fs::write(folder.join("0002_b.sql"), "y").unwrap();
        fs::write(folder.join("HASHES"), format!("{}  0001_a.sql\n", "0".repeat(64))).unwrap();
        let mut findings = Vec::new();
        read(&root, &mut findings).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert!(findings[0].what.starts_with("was changed after its release") && !findings[0].is_warning);
        assert!(findings[1].what.starts_with("is not listed yet") && findings[1].is_warning);
    }
}
