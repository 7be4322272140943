//! What was just done, by the word in the address: closed, so that nobody's words are put on the page.

use crate::pages::text::Words;

const DONE: [&str; 4] = ["made", "changed", "acted", "gone"];

/// The sentence; empty where nothing was.
pub fn of(words: &'static Words, word: &str) -> &'static str {
    let known = DONE.iter().find(|known| **known == word);
    known.map_or("", |word| words.say(&format!("console.done.{word}")))
}

/// Every text that is asked for by a name put together here.
pub fn texts() -> Vec<String> {
    DONE.iter().map(|word| format!("console.done.{word}")).collect()
}
