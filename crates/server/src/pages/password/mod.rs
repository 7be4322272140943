//! `/password/*`: for who has lost his password. Nothing here tells whether there is an account.

pub(super) mod by_link;
pub mod forgot;
pub mod reset;

use admit_core::login::password::{LETTERS_MAX, Weakness};
use askama::Template;

use super::Frame;
use super::text::Words;

/// A form in which a password is chosen.
#[derive(Template)]
#[template(path = "password.html")]
pub struct Choice<'p> {
    pub(super) frame: Frame,
    pub(super) title: &'static str,
    pub(super) lead: &'p str,
    pub(super) action: String,
    pub(super) token: String,
    /// For the browser that keeps passwords.
    pub(super) username: String,
    pub(super) link: &'p str,
    pub(super) error: String,
    pub(super) asks_current: bool,
    /// Applications and keys that may end along with the old password, all of them ticked.
    pub(super) apps: Vec<super::account::AppLine>,
    pub(super) keys: Vec<super::account::KeyLine>,
}

/// Why a password is not taken, for who has chosen it.
pub fn weakness(words: &Words, weakness: Weakness) -> String {
    match weakness {
        Weakness::Empty => words.with("password.too_short", "n", "1"),
        Weakness::Short(min) => words.with("password.too_short", "n", min.to_string()),
        Weakness::Long => words.with("password.too_long", "n", LETTERS_MAX.to_string()),
        Weakness::Guessable => words.say("password.guessable").to_owned(),
        Weakness::Personal => words.say("password.personal").to_owned(),
        Weakness::Breached => words.say("password.breached").to_owned(),
    }
}
