//! What `--dev` would have mailed: the last hundred, in memory.

use std::collections::VecDeque;

use admit_core::text::Language;
use admit_core::time::Time;
use lettre::Address;

use super::Letter;

/// How many are kept.
const KEPT_MAX: usize = 100;

/// One of them.
#[derive(Clone)]
pub struct Caught {
    /// From 1 at each start.
    pub number: u64,
    /// When.
    pub at: Time,
    /// To whom.
    pub to: String,
    /// In which language.
    pub language: Language,
    /// The line in the list.
    pub subject: String,
    /// Plain.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// All of them, the newest first.
#[derive(Default)]
pub struct Catcher {
    count: u64,
    caught: VecDeque<Caught>,
}

impl Catcher {
    pub(super) fn add(&mut self, to: &Address, letter: Letter, at: Time) {
        let Letter { language, subject, text, html } = letter;
        self.count += 1;
        self.caught.truncate(KEPT_MAX - 1);
        self.caught.push_front(Caught { number: self.count, at, to: to.to_string(), language, subject, text, html });
    }

    pub(super) fn all(&self) -> Vec<Caught> {
        self.caught.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    #[test]
    fn the_last_hundred_are_kept() {
        let mut catcher = Catcher::default();
        for number in 0..KEPT_MAX as u64 + 1 {
            let letter = Letter::write(&Mail::PasswordChanged, Language::English, "x");
            catcher.add(&"a@x.test".parse().unwrap(), letter, Time::from_unix_ms(0));
            assert_eq!(catcher.all()[0].number, number + 1);
        }
        assert_eq!((catcher.all().len(), catcher.all()[KEPT_MAX - 1].number), (KEPT_MAX, 2));
    }
}
