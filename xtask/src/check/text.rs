//! Sizes, leftovers, and paths of somebody's own machine.

use super::rust::{Kind, pieces};
use super::{File, Finding};

/// A file past this is looked at; past the next it is cut.
const LINES_MANY: usize = 500;
const LINES_MAX: usize = 900;

/// Written in two parts, so that this file does not find itself.
const HOMES: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
const LEFT_IN_CODE: [&str; 3] = [concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("#[ign", "ore")];
const LEFT_ANYWHERE: [&str; 1] = [concat!("FIX", "ME")];

/// Reads one file.
pub fn read(file: &File, findings: &mut Vec<Finding>) {
    for (line, text) in (1..).zip(file.text.lines()) {
        for word in HOMES {
            if names_home(text, word) {
                findings.push(Finding::error(&file.path, line, format!("names a folder of one machine ({word})")));
            }
        }
        for word in LEFT_ANYWHERE {
            if text.contains(word) {
                findings.push(Finding::error(&file.path, line, format!("{word}: do it, or write it down elsewhere")));
            }
        }
    }
    if file.is_rust() {
        read_rust(file, findings);
    }
}

fn read_rust(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::error(&file.path, 1, format!("{lines} lines, the most are {LINES_MAX}: split it")));
    } else if lines > LINES_MANY {
        findings.push(Finding::warning(&file.path, 1, format!("{lines} lines: can it be read at one go?")));
    }
    for piece in pieces(&file.text).into_iter().filter(|piece| piece.kind == Kind::Code) {
        for (line, text) in (piece.line..).zip(piece.text.lines()) {
            for word in LEFT_IN_CODE.into_iter().filter(|word| text.contains(word)) {
                findings.push(Finding::error(&file.path, line, format!("{word} is left over")));
            }
        }
    }
}

/// Whether an absolute path begins with `home`; `docs/home/x` and `https://host/home/x` do not.
fn names_home(text: &str, home: &str) -> bool {
    let goes_on = |letter: char| letter.is_alphanumeric() || "._-*}>/".contains(letter);
    text.match_indices(home).any(|(at, _)| !text[..at].ends_with(goes_on))
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
    fn a_home_folder_is_found_where_a_path_begins() {
        let home = HOMES[0];
        assert!(names_home(&format!("see {home}x"), home));
        assert!(names_home(&format!("\"{home}x"), home));
        assert!(!names_home(&format!("docs{home}x"), home));
        assert!(!names_home(&format!("https://example.com{home}x"), home));
    }

    #[test]
    fn leftovers_count_in_code_only() {
        let word = LEFT_IN_CODE[0];
        assert_eq!(findings("a.rs", &format!("// {word}\n\"{word}\"")), [""; 0]);
        assert_eq!(findings("a.rs", &format!("fn a() {{\n{word}()}}")), [format!("a.rs:2: {word} is left over")]);
    }

    #[test]
    fn sizes_are_bounded() {
        let of = |lines: usize| findings("a.rs", &"\n".repeat(lines)).len();
        assert_eq!((of(LINES_MANY), of(LINES_MANY + 1)), (0, 1));
        assert!(findings("a.rs", &"\n".repeat(LINES_MAX))[0].contains("warning"));
        assert!(findings("a.rs", &"\n".repeat(LINES_MAX + 1))[0].contains("split it"));
    }
}
