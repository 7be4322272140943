//! Problems of the management API as a page tells them: in its words, beside the field that they are about.

use serde_json::Value;

use super::field::{Drawn, Unreadable};
use super::resource::Field;
use crate::manage::inside::Answer;
use crate::pages::text::Words;

/// What went wrong.
#[derive(Default)]
pub struct Told {
    /// In a sentence; empty where nothing did.
    pub text: String,
    /// What else is wrong, where there is more.
    pub more: Vec<String>,
    /// Whether somebody else was first.
    pub is_stale: bool,
    /// Whether the words are the management API's, which speaks English.
    pub is_english: bool,
    fields: Vec<(String, String)>,
}

impl Told {
    /// That of an answer.
    pub fn of(answer: &Answer) -> Self {
        let text = answer.json["detail"].as_str().or(answer.json["title"].as_str()).unwrap_or_default();
        let pair =
            |problem: &Value| Some((problem["path"].as_str()?.to_owned(), problem["message"].as_str()?.to_owned()));
        let fields: Vec<_> = answer.json["problems"].as_array().into_iter().flatten().filter_map(pair).collect();
        let more = fields.iter().skip(1).map(|(path, message)| format!("{path}: {message}")).collect();
        let is_stale = answer.code() == "version_changed";
        Self { text: text.to_owned(), more, is_stale, is_english: true, fields }
    }

    /// That of a field that cannot be read.
    pub fn unreadable(Unreadable(field, key): &Unreadable, words: &Words) -> Self {
        let text = words.say(key).to_owned();
        Self { text: text.clone(), fields: vec![((*field).to_owned(), text)], ..Self::default() }
    }

    /// Puts what is wrong with a field beside it.
    pub fn mark(&self, field: &Field, drawn: &mut Drawn) {
        let at = field.at.trim_start_matches('/').replace('/', ".");
        let is_of = |path: &str| {
            let rest = path.strip_prefix(at.as_str()).filter(|_| !at.is_empty());
            path == field.name || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, message)) = self.fields.iter().find(|(path, _)| is_of(path)) {
            drawn.wrong.clone_from(message);
        }
    }
}
