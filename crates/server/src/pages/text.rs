//! The words of pages and mails: one catalogue for each language, and what is said with figures and times.
//!
//! A key that is missing is a mistake that a test finds: it reads every key out of templates and sources.

use std::sync::LazyLock;

use admit_core::text::{Catalogue, Language};
use admit_core::time::{Span, Time};
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use time::OffsetDateTime;

/// Those of every page, and those of the console.
const SOURCES: [(Language, &str); 2] = [
    (Language::English, concat!(include_str!("text/en.txt"), "\n", include_str!("../console/text/en.txt"))),
    (Language::German, concat!(include_str!("text/de.txt"), "\n", include_str!("../console/text/de.txt"))),
];

/// The texts in one language.
pub struct Words {
    language: Language,
    catalogue: Catalogue,
}

static WORDS: LazyLock<[Words; 2]> = LazyLock::new(|| {
    SOURCES.map(|(language, source)| {
        let catalogue = Catalogue::parse(source);
        debug_assert!(catalogue.is_ok(), "{}: {catalogue:?}", language.tag());
        Words { language, catalogue: catalogue.unwrap_or_else(|_| Catalogue::empty()) }
    })
});

impl Words {
    /// In this language.
    pub fn of(language: Language) -> &'static Self {
        WORDS.iter().find(|words| words.language == language).unwrap_or(&WORDS[0])
    }

    /// In the language that a browser asks for.
    pub fn wanted(headers: &HeaderMap) -> &'static Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
        Self::of(header.map_or_else(Language::default, Language::choose))
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// As `lang` of a page has it.
    pub fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// The text of a key; nothing where there is none.
    pub fn say(&self, key: &str) -> &'static str {
        let text = self.catalogue.find(key);
        debug_assert!(text.is_some(), "no text {key} in {}", self.tag());
        text.unwrap_or_default()
    }

    /// Whether there is a text of this key.
    pub fn has(&self, key: &str) -> bool {
        self.catalogue.find(key).is_some()
    }

    /// The text of a key with one place filled.
    pub fn with(&self, key: &str, place: &str, text: impl AsRef<str>) -> String {
        self.fill(key, &[(place, text.as_ref())])
    }

    /// The text of a key with its places filled.
    pub fn fill(&self, key: &str, given: &[(&str, &str)]) -> String {
        let text = self.catalogue.fill(key, given);
        debug_assert!(text.is_some(), "no text {key} in {}", self.tag());
        text.unwrap_or_default()
    }

    /// A number of things: `key.one` or `key.many`.
    pub fn count(&self, key: &str, count: i64) -> String {
        let form = if count == 1 { "one" } else { "many" };
        self.with(&format!("{key}.{form}"), "n", count.to_string())
    }

    /// How long ago something was, in the largest unit that fits; its date where it is long ago.
    pub fn ago(&self, then: Time, now: Time) -> String {
        let past = now.since(then);
        match past.as_ms() / 1000 {
            ..60 => self.say("ago.now").to_owned(),
            seconds @ 60..3600 => self.count("ago.minutes", seconds / 60),
            seconds @ 3600..86_400 => self.count("ago.hours", seconds / 3600),
            seconds @ 86_400..2_592_000 => self.count("ago.days", seconds / 86_400),
            _ => self.date(then),
        }
    }

    /// How long something takes, in the largest unit that says it exactly.
    pub fn span(&self, span: Span) -> String {
        match span.as_ms() / 60_000 {
            minutes if minutes > 0 && minutes % 1440 == 0 => self.count("span.days", minutes / 1440),
            minutes if minutes > 0 && minutes % 60 == 0 => self.count("span.hours", minutes / 60),
            minutes => self.count("span.minutes", minutes.max(1)),
        }
    }

    /// A day: `22 Nov 2026`.
    pub fn date(&self, at: Time) -> String {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1000) else { return at.to_string() };
        let month = self.say(&format!("month.{}", u8::from(at.month())));
        self.fill("date", &[("day", &at.day().to_string()), ("month", month), ("year", &at.year().to_string())])
    }
}

#[cfg(test)]
mod tests;
