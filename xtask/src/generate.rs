//! Writes the parts of the docs that the binary knows best: the OpenAPI document and the pages of the command line.

use std::fs;

use crate::{Outcome, cargo, output_of, root};

/// What `admit generate <word>` prints, and where it belongs.
const PAGES: [(&str, &str); 2] = [("openapi", "docs/openapi.json"), ("cli", "docs/book/src/reference/cli.md")];

/// `cargo xtask gen [--check]`.
pub fn run(arguments: &[String]) -> Outcome {
    let is_check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("gen takes nothing, or --check".to_owned()),
    };
    let mut stale = Vec::new();
    for (word, place) in PAGES {
        let fresh = output_of(cargo().args(["run", "--quiet", "--package", "admit", "--", "generate", word]))?;
        let path = root().join(place);
        if fs::read_to_string(&path).is_ok_and(|old| old == fresh) {
            continue;
        }
        if is_check {
            stale.push(place);
            continue;
        }
        fs::write(&path, fresh).map_err(|error| format!("cannot write {place}: {error}"))?;
        eprintln!("wrote {place}");
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("{} differ: run `cargo xtask gen`", stale.join(", "))) }
}
