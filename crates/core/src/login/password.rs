//! Passwords as people choose them: what may be one, and whether it is too easy.
//!
//! Length counts, composition does not (NIST SP 800-63B §3.1.1.2). Whether a password is known from a breach is asked
//! elsewhere; here is only how it is judged.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

/// The fewest letters of a password that stands alone.
pub const ALONE_MIN: usize = 15;
/// The fewest letters where the account has a second factor.
pub const SECOND_MIN: usize = 8;
/// The most letters.
pub const LETTERS_MAX: usize = 128;
/// The most octets that are looked at: the longest password, every letter as long as letters are before they are composed.
pub const OCTETS_MAX: usize = 4 * LETTERS_MAX * 4;

/// What somebody typed, composed (NFC), so that it is the same from every keyboard. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

/// Why text is no password, or not a good one. Completes "the password …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// There is none.
    Empty,
    /// It has fewer letters than this.
    Short(usize),
    /// It has more than [`LETTERS_MAX`] letters.
    Long,
    /// It is among the first that anybody would try.
    Guessable,
    /// It is made of what everybody knows of this person.
    Personal,
    /// It is in a list of passwords that were stolen somewhere.
    Breached,
}

impl Weakness {
    /// The word of answers and catalogues.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Short(_) => "short",
            Self::Long => "long",
            Self::Guessable => "guessable",
            Self::Personal => "personal",
            Self::Breached => "breached",
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// Reads what was typed, of any strength. Nothing is cut off and nothing trimmed: a space or NUL is a letter.
    pub fn parse(text: &str) -> Result<Self, Weakness> {
        if text.is_empty() {
            return Err(Weakness::Empty);
        }
        if text.len() > OCTETS_MAX {
            return Err(Weakness::Long);
        }
        // As long as it can become, so that no half of it stays behind where the text had to grow.
        let mut composed = Zeroizing::new(String::with_capacity(text.len() * 3));
        composed.extend(text.nfc());
        if composed.chars().count() > LETTERS_MAX { Err(Weakness::Long) } else { Ok(Self(composed)) }
    }

    /// The octets that are hashed.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Judges a new password of somebody of whom `about` is known: names, address, the name of the service.
    pub fn judge(&self, letters_min: usize, about: &[&str], is_breached: bool) -> Result<(), Weakness> {
        if self.0.chars().count() < letters_min {
            return Err(Weakness::Short(letters_min));
        }
        if is_breached {
            return Err(Weakness::Breached);
        }
        if zxcvbn(&self.0, &[]).score() < Score::Two {
            return Err(Weakness::Guessable);
        }
        let known: Vec<&str> = about.iter().flat_map(|text| words(text)).collect();
        if zxcvbn(&self.0, &known).score() < Score::Two { Err(Weakness::Personal) } else { Ok(()) }
    }
}

/// A text, and its words.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| part.len() > 2);
    std::iter::once(text).chain(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(text: &str, about: &[&str]) -> Result<(), Weakness> {
        Password::parse(text)?.judge(ALONE_MIN, about, false)
    }

    #[test]
    fn pw_05_length_is_counted_in_letters_at_both_ends() {
        assert_eq!(Password::parse(""), Err(Weakness::Empty));
        let good =
            |letters: usize| "wandering-tulip-Zebra!98 kettle moss ".chars().cycle().take(letters).collect::<String>();
        assert_eq!(judged(&good(ALONE_MIN - 1), &[]), Err(Weakness::Short(ALONE_MIN)));
        assert_eq!(judged(&good(ALONE_MIN), &[]), Ok(()));
        assert_eq!(judged(&good(LETTERS_MAX), &[]), Ok(()));
        assert_eq!(judged(&good(LETTERS_MAX + 1), &[]), Err(Weakness::Long));
        assert_eq!(Password::parse(&"🦀".repeat(LETTERS_MAX)).map(|_| ()), Ok(()));
        assert_eq!(Password::parse(&"x".repeat(1 << 20)), Err(Weakness::Long));
    }

    #[test]
    fn pw_05_nothing_is_cut_off_or_trimmed() {
        let differ = [("a\0b", "a"), ("a\0b", "a\0c"), (" a", "a"), ("a ", "a"), ("A", "a")];
        for (one, other) in differ {
            assert_ne!(Password::parse(one), Password::parse(other), "{one:?}");
        }
        let long = "x".repeat(72);
        assert_ne!(Password::parse(&format!("{long}a")), Password::parse(&format!("{long}b")));
    }

    #[test]
    fn pw_06_a_password_is_the_same_from_every_keyboard() {
        assert_eq!(Password::parse("caf\u{e9}"), Password::parse("cafe\u{301}"));
    }

    #[test]
    fn what_is_easy_is_refused_with_its_reason() {
        for (text, about, weakness) in [
            ("passwordpassword", &[][..], Weakness::Guessable),
            ("aaaaaaaaaaaaaaaaaaa", &[], Weakness::Guessable),
            ("admitalexandrina", &["alexandrina", "admit"], Weakness::Personal),
        ] {
            assert_eq!(judged(text, about), Err(weakness), "{text}");
        }
        let fine = Password::parse("vivid otter cancels tuesday").unwrap();
        assert_eq!(fine.judge(ALONE_MIN, &["alice@example.com"], false), Ok(()));
        assert_eq!(fine.judge(ALONE_MIN, &[], true), Err(Weakness::Breached));
        assert_eq!(format!("{fine:?}"), "Password(…)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_judged(text in ".{0,200}", about in ".{0,40}") {
            if let Ok(password) = Password::parse(&text) {
                let _ = password.judge(1, &[&about], false);
                prop_assert_eq!(Password::parse(password.expose()), Ok(password.clone()));
            }
        }
    }
}
