//! Words of a command that somebody is told to type, quoted for a POSIX shell (XCU §2.2.2).
//!
//! A name, a path or a method may hold anything, and whoever reads a message pastes what it says: text never becomes a
//! command. Bare where every letter means itself, else in single quotes. Knows nothing of `admit`'s own commands.

use std::borrow::Cow;

use crate::name::is_unprintable;

/// One word. Letters that drive a terminal become `\u{FFFD}`: such a word does not mean what it stands for, and does
/// nothing else either.
pub fn quote(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&letter);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("'\\''"),
            letter if is_unprintable(letter) => quoted.push('\u{FFFD}'),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

/// A word that is no flag, whatever it begins with.
pub fn operand(text: &str) -> String {
    let end_of_flags = if text.starts_with('-') { "-- " } else { "" };
    format!("{end_of_flags}{}", quote(text))
}

/// ` --name value`, with the blank before it.
pub fn flag(name: &str, value: impl AsRef<str>) -> String {
    let value = value.as_ref();
    let separator = if value.starts_with('-') { '=' } else { ' ' };
    format!(" --{name}{separator}{}", quote(value))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use proptest::prelude::*;

    /// The words that a real shell makes of a line.
    fn words(line: &str) -> Vec<String> {
        let script = format!("for word in {line}; do printf '%s\\0' \"$word\"; done");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn what_means_itself_stays_bare() {
        for bare in ["GET", "https://api.example.com", "key_01h", "orders:read", "10.0.0.0/8", "a@b.test", "a=1,b%20+c"]
        {
            assert_eq!(quote(bare), bare);
        }
        assert_eq!(quote("/orders/**"), "'/orders/**'");
        assert_eq!(quote(""), "''");
        assert_eq!(operand("-r"), "-- -r");
        assert_eq!((flag("name", "a b"), flag("name", "-x")), (" --name 'a b'".to_owned(), " --name=-x".to_owned()));
    }

    #[test]
    fn ak_04_a_real_shell_reads_one_word_and_runs_nothing() {
        let hostile = [
            "/a'$(id)'b",
            "G'\\``",
            "`id`",
            "$HOME",
            "a\\",
            "\"; id; \"",
            "a b",
            "~",
            "*",
            "!!",
            "#x",
            "a&b|c>d<e",
            "{a,b}",
            "é ü",
        ];
        let line = hostile.iter().map(|text| quote(text).into_owned()).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&line), hostile);
        for raw in ["a\nid", "a\rb", "a\u{1b}[31mb", "a\u{202e}b", "a\0b"] {
            let quoted = quote(raw).into_owned();
            assert!(!quoted.chars().any(is_unprintable), "{raw:?}");
            assert_eq!(words(&quoted), [raw.replace(is_unprintable, "\u{FFFD}")]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_comes_back_from_a_shell(text in "\\PC{0,40}") {
            let text = text.replace(is_unprintable, "\u{FFFD}");
            prop_assert_eq!(words(&quote(&text)), [text]);
        }
    }
}
