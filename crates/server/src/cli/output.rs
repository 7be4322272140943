//! The only place of the command line that prints: data to stdout, messages to stderr.
//!
//! Text that came from a server or a file is cleaned of control characters first, so that no name can drive a terminal.
//! Colours appear on a terminal only and never with `NO_COLOR`. A reader that has gone away ends the program quietly.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, ErrorKind, IsTerminal, Write};

use admit_core::name::is_unprintable;
use serde_json::Value;

use crate::cli::next;

/// Where output goes and in which dress.
pub struct Output {
    /// True where the caller wants JSON.
    pub json: bool,
    realm: String,
    colour: bool,
    progress: bool,
    data: RefCell<Box<dyn Write>>,
    messages: RefCell<Box<dyn Write>>,
}

/// How a word is dressed on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// Headings.
    Bold,
    /// What went well.
    Green,
    /// What did not.
    Red,
    /// What may turn out badly.
    Yellow,
    /// What matters less.
    Faint,
}

impl Output {
    /// The process's own stdout and stderr.
    pub fn process(json: bool, no_color: bool) -> Self {
        Self {
            json,
            realm: admit_core::realm::DEFAULT.to_owned(),
            colour: !no_color && io::stdout().is_terminal(),
            progress: io::stderr().is_terminal(),
            data: RefCell::new(Box::new(io::stdout())),
            messages: RefCell::new(Box::new(io::stderr())),
        }
    }

    /// Output without colours and progress into two writers: for tests.
    pub fn plain(json: bool, data: Box<dyn Write>, messages: Box<dyn Write>) -> Self {
        let (data, messages) = (RefCell::new(data), RefCell::new(messages));
        Self { json, realm: admit_core::realm::DEFAULT.to_owned(), colour: false, progress: false, data, messages }
    }

    /// The same where another realm is spoken of: the commands that messages name are about that one.
    pub fn of_realm(self, realm: &str) -> Self {
        Self { realm: realm.to_owned(), ..self }
    }

    /// One line of data.
    pub fn line(&self, text: &str) {
        put(&self.data, &[text, "\n"]);
    }

    /// Data as it is, without a line end.
    pub fn text(&self, text: &str) {
        put(&self.data, &[text]);
    }

    /// A JSON document, indented.
    pub fn json(&self, value: &Value) {
        self.line(&format!("{value:#}"));
    }

    /// A JSON document on one line.
    pub fn json_line(&self, value: &Value) {
        self.line(&value.to_string());
    }

    /// A message.
    pub fn note(&self, text: &str) {
        put(&self.messages, &[&self.in_realm(text), "\n"]);
    }

    /// What is said of what to do next, about the realm that is spoken of.
    pub fn in_realm<'t>(&self, text: &'t str) -> Cow<'t, str> {
        next::in_realm(text, &self.realm)
    }

    /// How far a long work has come: rewritten in place on a terminal, nothing elsewhere.
    pub fn progress(&self, text: &str) {
        if self.progress {
            put(&self.messages, &["\r\u{1b}[K", text]);
        }
    }

    /// True where [`Self::progress`] shows something.
    pub const fn shows_progress(&self) -> bool {
        self.progress
    }

    /// The text dressed, where that is wanted.
    pub fn dress(&self, text: &str, dress: Dress) -> String {
        let code = match dress {
            _ if !self.colour => return text.to_owned(),
            Dress::Bold => "1",
            Dress::Green => "32",
            Dress::Red => "31",
            Dress::Yellow => "33",
            Dress::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text safe to show: every control character and every mark that reorders text becomes `\u{FFFD}`.
pub fn clean(text: &str) -> String {
    text.chars().map(|letter| if is_unprintable(letter) { '\u{FFFD}' } else { letter }).collect()
}

/// Writes all parts at once; a closed pipe is the reader's good right.
fn put(writer: &RefCell<Box<dyn Write>>, parts: &[&str]) {
    let mut writer = writer.borrow_mut();
    let written = writer.write_all(parts.concat().as_bytes()).and_then(|()| writer.flush());
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cleaned_text_has_nothing_that_drives_a_terminal(text in "\\PC{0,20}[\u{0}-\u{ff}\u{200b}-\u{2069}]{0,20}") {
            prop_assert!(!clean(&text).chars().any(is_unprintable));
        }
    }

    #[test]
    fn without_a_terminal_nothing_is_dressed() {
        let output = Output::plain(false, Box::new(Vec::new()), Box::new(Vec::new()));
        assert_eq!(output.dress("x", Dress::Red), "x");
        assert!(!output.shows_progress());
    }
}
