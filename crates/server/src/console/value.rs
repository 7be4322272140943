//! Values as people see them: the JSON of the management API on a page.
//!
//! Whatever stands there was written by somebody: it is text, and the template escapes it.

use std::fmt::Write as _;

use admit_core::id::{ClientId, UserId};
use admit_core::time::Time;
use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

use super::PATH;
use super::resource::{Column, Show};
use crate::pages::text::Words;

/// The words of states that have texts; others are shown as they are.
const STATES: [&str; 18] = [
    "active",
    "disabled",
    "revoked",
    "expired",
    "ended",
    "pending",
    "key",
    "session",
    "site",
    "device",
    "client",
    "authorization",
    "signing",
    "next",
    "old",
    "over",
    "issuer",
    "upstream",
];
/// What a rule may say of whom it lets in; else it asks for something.
const ACCESSES: [&str; 2] = ["deny", "public"];
const REQUIRE: &str = "require";
/// How many words or members one cell shows.
const SHOWN_MAX: usize = 100;

/// What stands at a place of a page.
pub enum Shown {
    /// Nothing.
    Nothing,
    /// Text.
    Text(String),
    /// Text that would be typed.
    Code(String),
    /// Free JSON.
    Block(String),
    /// A moment: in words, and exactly.
    Time { said: String, exact: String },
    /// A state, and whether it is a good one.
    State { text: String, is_good: bool },
    /// Several words.
    Words(Vec<String>),
    /// Words under a word each.
    Groups(Vec<(String, Vec<String>)>),
    /// Another page.
    Link { href: String, text: String },
    /// Things of its own.
    Table { heads: Vec<String>, rows: Vec<Vec<Cell>> },
}

/// A labelled value.
#[derive(Template)]
#[template(path = "console/value.html")]
pub struct Cell {
    /// What it is.
    pub label: String,
    /// The value.
    pub shown: Shown,
}

/// Rendered by a template, and so escaped already.
impl HtmlSafe for Cell {}

impl Cell {
    /// Whether there is anything to see.
    pub fn is_empty(&self) -> bool {
        matches!(self.shown, Shown::Nothing)
    }

    /// Whether it wants a line of its own.
    pub fn is_tall(&self) -> bool {
        matches!(self.shown, Shown::Table { .. } | Shown::Groups(_) | Shown::Block(_))
    }
}

/// Who reads, in which realm, and when.
pub struct Reading<'r> {
    /// The texts.
    pub words: &'static Words,
    /// The realm that is looked at.
    pub realm: &'r str,
    /// The moment.
    pub now: Time,
}

impl Reading<'_> {
    /// What these columns show of a thing.
    pub fn cells(&self, columns: &[Column], item: &Value) -> Vec<Cell> {
        columns.iter().map(|column| self.cell(column, item)).collect()
    }

    fn cell(&self, Column(label, at, show): &Column, item: &Value) -> Cell {
        let label = self.words.say(&format!("console.field.{label}")).to_owned();
        let value = item.pointer(at).filter(|value| !is_blank(value));
        let shown = match (value, show) {
            (None, Show::Switch) => self.state("active"),
            (None, Show::Subject(id)) => self.subject(item.pointer(id), None),
            (None, _) => Shown::Nothing,
            (Some(value), Show::Subject(id)) => self.subject(item.pointer(id), value.as_str()),
            (Some(value), show) => self.show(value, show, item),
        };
        Cell { label, shown }
    }

    fn show(&self, value: &Value, show: &Show, item: &Value) -> Shown {
        match show {
            Show::Text | Show::Subject(_) => Shown::Text(plain(value)),
            Show::Code => Shown::Code(plain(value)),
            Show::When => self.time(value),
            Show::State => self.state(&plain(value)),
            Show::Switch => self.state("disabled"),
            Show::Words => Shown::Words(list(value).into_iter().map(plain).collect()),
            Show::Rights => Shown::Groups(members(value, |scopes| list(scopes).into_iter().map(plain).collect())),
            Show::Members => {
                let texts = |text: &Value| Some(plain(text)).filter(|text| !text.is_empty()).into_iter().collect();
                Shown::Groups(members(value, texts))
            }
            Show::Json => Shown::Block(serde_json::to_string_pretty(value).unwrap_or_default()),
            Show::Yes if value == &Value::Bool(false) => Shown::Nothing,
            Show::Yes => Shown::Text(self.words.say("console.yes").to_owned()),
            Show::Access => {
                let is_set = |name: &&&str| item[**name] == Value::Bool(true);
                let access = ACCESSES.iter().find(is_set).unwrap_or(&REQUIRE);
                Shown::Text(self.words.say(&format!("console.lets_in.{access}")).to_owned())
            }
            Show::To(name, at) => {
                let id = item.pointer(at).and_then(Value::as_str).unwrap_or_default();
                Shown::Link { href: self.href(name, id), text: plain(value) }
            }
            Show::Rows(columns) => {
                let heads = columns.iter().map(|Column(label, ..)| self.words.say(&format!("console.field.{label}")));
                let rows = list(value).into_iter().map(|row| self.cells(columns, row)).collect();
                Shown::Table { heads: heads.map(str::to_owned).collect(), rows }
            }
        }
    }

    /// A user or a client; gone ones have no name.
    fn subject(&self, id: Option<&Value>, name: Option<&str>) -> Shown {
        let Some(id) = id.and_then(Value::as_str) else { return Shown::Nothing };
        let text = name.unwrap_or(id).to_owned();
        if UserId::looks_like(id) {
            return Shown::Link { href: self.href("users", id), text };
        }
        if ClientId::looks_like(id) {
            return Shown::Link { href: self.href("clients", id), text };
        }
        Shown::Text(text)
    }

    fn href(&self, name: &str, id: &str) -> String {
        format!("{PATH}/realms/{}/{name}/{id}", self.realm)
    }

    fn state(&self, word: &str) -> Shown {
        let is_known = STATES.contains(&word);
        let text = if is_known { self.words.say(&format!("console.state.{word}")) } else { word };
        Shown::State { text: text.to_owned(), is_good: matches!(word, "active" | "signing") }
    }

    /// What is to come has a date; what was, how long ago.
    fn time(&self, value: &Value) -> Shown {
        let exact = plain(value);
        let Some(at) = Time::parse_rfc3339(&exact) else { return Shown::Text(exact) };
        let said = if at > self.now { self.words.date(at) } else { self.words.ago(at, self.now) };
        Shown::Time { said, exact }
    }
}

/// Every text that is asked for by a name put together here.
pub fn texts() -> Vec<String> {
    let lets_in = ACCESSES.iter().chain([&REQUIRE]).map(|access| format!("console.lets_in.{access}"));
    STATES.iter().map(|state| format!("console.state.{state}")).chain(lets_in).collect()
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Text without what cannot be seen; anything else as JSON.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if admit_core::name::is_unprintable(letter) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
        } else {
            shown.push(letter);
        }
        shown
    })
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().take(SHOWN_MAX).collect()
}

fn members(value: &Value, words: impl Fn(&Value) -> Vec<String>) -> Vec<(String, Vec<String>)> {
    let members = value.as_object().into_iter().flatten().take(SHOWN_MAX);
    members.map(|(name, value)| (name.clone(), words(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::text::Language;
    use serde_json::json;

    fn html(show: Show, value: Value) -> String {
        let reading = Reading {
            words: Words::of(Language::English),
            realm: "default",
            now: Time::from_unix_ms(1_795_348_800_000),
        };
        reading.cell(&Column("name", "/x", show), &json!({ "x": value })).to_string().trim().to_owned()
    }

    #[test]
    fn se_12_what_somebody_wrote_is_text_wherever_it_stands() {
        let evil = "<script>alert('x')</script>";
        for shown in [
            html(Show::Text, json!(evil)),
            html(Show::Code, json!(evil)),
            html(Show::State, json!(evil)),
            html(Show::Words, json!([evil])),
            html(Show::Rights, json!({ evil: [evil] })),
            html(Show::Members, json!({ evil: evil })),
            html(Show::Json, json!({ evil: evil })),
            html(Show::When, json!(evil)),
            html(Show::To("keys", "/x"), json!(evil)),
            html(Show::Rows(&[Column("name", "/a", Show::Text)]), json!([{ "a": evil }])),
        ] {
            assert!(!shown.contains("<script") && shown.contains("alert("), "{shown}");
        }
        assert_eq!(html(Show::Text, json!("a\u{202e}b\n")), "a\\u{202e}b\\u{a}");
    }

    #[test]
    fn a_subject_leads_to_its_page() {
        let (id, words) = (format!("{}", UserId::from_bytes([7; 16])), Words::of(Language::English));
        let reading = Reading { words, realm: "default", now: Time::default() };
        let cell = reading.cell(&Column("owner", "/name", Show::Subject("/id")), &json!({ "name": "alice", "id": id }));
        assert!(
            matches!(cell.shown, Shown::Link { text, href } if text == "alice" && href.ends_with(&format!("/users/{id}")))
        );
    }
}
