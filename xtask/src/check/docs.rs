//! Every path that the docs name exists.
//!
//! Looked at are inline code and the targets of links, outside fenced blocks. Inline code counts as a path when it begins with a
//! folder of the repository and ends in an extension or a slash (in some folders: anyhow); a pattern (`*`, `<`, `{`, `…`)
//! names no one file.

use super::{File, Finding};

const FOLDERS: [&str; 7] = ["crates/", "docs/", "examples/", "bench/", "migrations/", "xtask/", ".ci/"];

/// Files here may have no extension.
const BARE: [&str; 2] = [".ci/", "examples/"];

/// README.md and its like, and everything in the docs folder.
pub fn is_doc(path: &str) -> bool {
    path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
}

/// Reads one document; `exists` tells of a path from the root of the repository.
pub fn read(file: &File, exists: impl Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let mut fence = None;
    for (line, text) in (1..).zip(file.text.lines()) {
        let marks = text.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| marks.starts_with(mark));
        if mark.is_some() && (fence.is_none() || fence == mark) {
            fence = if fence.is_none() { mark } else { None };
            continue;
        }
        if fence.is_some() {
            continue;
        }
        let (code, rest) = cut_code(text);
        let named = code.into_iter().filter(|text| is_path(text)).map(str::to_owned);
        let linked = link_targets(&rest).filter_map(|target| resolve(&file.path, target));
        for path in named.chain(linked).filter(|path| !exists(path)) {
            findings.push(Finding::error(&file.path, line, format!("names {path}, which does not exist")));
        }
    }
}

/// The inline code of a line, and the line without it.
fn cut_code(text: &str) -> (Vec<&str>, String) {
    let parts: Vec<&str> = text.split('`').collect();
    let code = parts.iter().skip(1).step_by(2).copied().collect();
    (code, parts.iter().step_by(2).copied().collect())
}

fn is_path(text: &str) -> bool {
    let is_one = !text.contains([' ', '*', '<', '{', '…', '$']);
    let last = text.rsplit('/').next().unwrap_or_default();
    let has_end = last.is_empty() || last.contains('.') || BARE.iter().any(|folder| text.starts_with(folder));
    is_one && has_end && FOLDERS.iter().any(|folder| text.starts_with(folder))
}

/// What stands in the round brackets of `[…](…)`.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split([')', ' ']).next())
}

/// A link of this repository as a path from its root; `None` for addresses and places within the page.
fn resolve(from: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut path: Vec<&str> = from.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let file = File { path: "docs/book/a.md".to_owned(), text: text.to_owned() };
        read(&file, |path| path == "crates/core/src/id.rs" || path == "docs/STYLE.md", &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        assert_eq!(findings("see `crates/core/src/id.rs` and [style](../STYLE.md#names)"), [""; 0]);
        assert_eq!(
            findings("x\n`crates/core/src/no.rs`"),
            ["docs/book/a.md:2: names crates/core/src/no.rs, which does not exist"]
        );
        assert_eq!(findings("[a](no.md)"), ["docs/book/a.md:1: names docs/book/no.md, which does not exist"]);
        assert_eq!(findings("`crates/none/` and `.ci/none`").len(), 2);
    }

    #[test]
    fn patterns_addresses_and_blocks_name_nothing() {
        assert_eq!(
            findings("`crates/*/src/` `docs/adr/NNNN-{title}.md` [x](https://example.com/a.md) [y](#z)"),
            [""; 0]
        );
        assert_eq!(findings("```sh\ncat `crates/none.rs`\n```\n`core/src` `GET /orders/42`"), [""; 0]);
        assert_eq!(findings("```\n~~~\n`crates/none.rs`\n```\n`crates/none.rs`").len(), 1);
    }
}
