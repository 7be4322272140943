//! Fields of forms: from what the management API shows to what is asked, and from what was typed to what it is sent.
//!
//! Judges nothing: whether a value is good is said by the management API, and told beside its field.

use admit_core::form::Form;
use admit_core::time::Span;
use serde_json::{Map, Value, json};

use super::choices::{Choices, Group, Tick};
use super::resource::{Change, Field, Input, choice_text};
use crate::pages::text::Words;

const DAY_S: i64 = 86_400;
/// For how many days a key may be good.
const LIVES: [i64; 4] = [7, 30, 90, 365];
const NEVER: &str = "never";
/// What a rule does.
const ACCESSES: [&str; 3] = ["require", "public", "deny"];
/// What is shown of a thing and not for anybody to choose.
const NOT_ASKED: [&str; 3] = ["id", "created_at", "updated_at"];

/// A field as a form shows it.
pub struct Drawn {
    /// Its name in the form.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What explains it; empty is nothing.
    pub hint: &'static str,
    /// What is wrong with it; empty is nothing.
    pub wrong: String,
    /// What stands in it.
    pub value: String,
    /// How it is drawn.
    pub control: Control,
    /// Whether it must be filled in.
    pub is_needed: bool,
}

/// How a field is drawn.
pub enum Control {
    /// A line: the type of its input.
    Line(&'static str),
    /// Several lines.
    Lines,
    /// One of several: value and text.
    Choice(Vec<(String, String)>),
    /// A box, ticked or not.
    Box(bool),
    /// Boxes, in groups.
    Boxes(Vec<Group>),
}

/// Where the values of a form come from.
#[derive(Clone, Copy)]
pub enum Source<'s> {
    /// From the thing as it is; null where one is to be made.
    Item(&'s Value),
    /// From what was typed.
    Form(&'s Form),
}

/// What cannot be read of what was typed: the field, and the text that says why.
pub struct Unreadable(pub &'static str, pub &'static str);

impl Field {
    /// The field with what stands in it.
    pub fn draw(
        &self,
        all: &[Field],
        from: Source<'_>,
        item: &Value,
        choices: &Choices,
        words: &'static Words,
    ) -> Drawn {
        let control = self.control(from, item, choices, words);
        Drawn {
            name: self.name,
            label: words.say(&format!("console.field.{}", self.name)),
            hint: if self.has_hint { words.say(&format!("console.hint.{}", self.name)) } else { "" },
            wrong: String::new(),
            value: match from {
                Source::Form(form) => form.text(self.name).to_owned(),
                Source::Item(item) => self.text(all, item),
            },
            control,
            is_needed: self.is_needed,
        }
    }

    fn control(&self, from: Source<'_>, item: &Value, choices: &Choices, words: &'static Words) -> Control {
        let option = |value: &str, text: String| (value.to_owned(), text);
        let is_on = |is_so: bool| match from {
            Source::Form(form) => form.has(self.name),
            Source::Item(_) => is_so,
        };
        let at = item.pointer(self.at);
        match self.input {
            Input::Line | Input::Words => Control::Line("text"),
            Input::Number => Control::Line("number"),
            Input::Password => Control::Line("password"),
            Input::Lines | Input::Members | Input::Json | Input::Rest => Control::Lines,
            Input::Box => Control::Box(is_on(at == Some(&Value::Bool(true)))),
            Input::Word(word) => Control::Box(is_on(at.and_then(Value::as_str) == Some(word))),
            Input::Choice(known) => {
                let text = |word: &str| match word {
                    "" => words.say("console.choice.usual"),
                    word => words.say(&choice_text(self.name, word)),
                };
                Control::Choice(known.iter().map(|word| option(word, text(word).to_owned())).collect())
            }
            Input::Whether => {
                let (usual, yes, no) =
                    (words.say("console.choice.usual"), words.say("console.yes"), words.say("console.no"));
                let known = [("", usual), ("true", yes), ("false", no)];
                Control::Choice(known.map(|(value, text)| option(value, text.to_owned())).to_vec())
            }
            Input::Pick { from, called } => {
                let listed = item.pointer(from).and_then(Value::as_array).into_iter().flatten();
                let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let known =
                    listed.map(|one| option(&text(one, "id"), format!("{} ({})", text(one, called), text(one, "id"))));
                Control::Choice(known.collect())
            }
            Input::Seconds(known) => {
                let usual = option("", words.say("console.choice.usual").to_owned());
                let span = |seconds: i64| match seconds {
                    0 => words.say("console.choice.at_once").to_owned(),
                    seconds => words.span(Span::seconds(seconds)),
                };
                let known = known.iter().map(|seconds| option(&seconds.to_string(), span(*seconds)));
                Control::Choice([usual].into_iter().chain(known).collect())
            }
            Input::Access => Control::Choice(
                ACCESSES
                    .iter()
                    .map(|word| option(word, words.say(&format!("console.access.{word}")).to_owned()))
                    .collect(),
            ),
            Input::Life => {
                let days = LIVES.map(|days| option(&days.to_string(), words.span(Span::days(days))));
                let never = option(NEVER, words.say("console.life.never").to_owned());
                let stays = (!item.is_null()).then(|| option("", words.say("console.life.stays").to_owned()));
                Control::Choice(stays.into_iter().chain(days).chain([never]).collect())
            }
            Input::Rights | Input::OfOneApi | Input::Roles => {
                let tick =
                    Tick { field: self.name, form: if let Source::Form(form) = from { Some(form) } else { None } };
                let groups = match self.input {
                    Input::Roles => choices.roles(tick, at),
                    Input::Rights => choices.rights(tick, at),
                    _ => choices.of_one_api(tick, item["api"].as_str(), at),
                };
                groups.map_or(Control::Lines, Control::Boxes)
            }
        }
    }

    /// What stands in the field for a thing as it is.
    fn text(&self, all: &[Field], item: &Value) -> String {
        let at = item.pointer(self.at).filter(|value| !value.is_null());
        match (self.input, at) {
            (Input::Life, _) if item.is_null() => LIVES[2].to_string(),
            (Input::Pick { .. }, _) => String::new(),
            (Input::Access, _) => {
                let has = |name: &str| item[name] == Value::Bool(true);
                ACCESSES.into_iter().skip(1).find(|access| has(access)).unwrap_or(ACCESSES[0]).to_owned()
            }
            (Input::Rest, _) => rest(all, item),
            (_, None) | (Input::Password | Input::Life | Input::Box | Input::Word(_), _) => String::new(),
            (Input::Lines | Input::Roles, Some(value)) => texts_of(value).collect::<Vec<_>>().join("\n"),
            (Input::Words, Some(value)) => texts_of(value).collect::<Vec<_>>().join(" "),
            (Input::OfOneApi, Some(value)) => {
                let api = item["api"].as_str().map(str::to_owned);
                api.into_iter().chain(texts_of(value)).collect::<Vec<_>>().join(" ")
            }
            (Input::Members, Some(value)) => lines(value, |text| text.as_str().unwrap_or_default().to_owned()),
            (Input::Rights, Some(value)) => lines(value, |scopes| texts_of(scopes).collect::<Vec<_>>().join(" ")),
            (Input::Json, Some(value)) if value.as_object().is_some_and(Map::is_empty) => String::new(),
            (Input::Json, Some(value)) => serde_json::to_string_pretty(value).unwrap_or_default(),
            (Input::Line | Input::Number | Input::Choice(_) | Input::Seconds(_) | Input::Whether, Some(value)) => {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            }
        }
    }

    /// Puts what was typed where it belongs. What is empty is not said where one is made or put in place of another, and
    /// is taken away where one is changed.
    pub fn fill(
        &self,
        body: &mut Value,
        form: &Form,
        item: &Value,
        choices: &Choices,
        change: Change,
    ) -> Result<(), Unreadable> {
        let text = form.text(self.name).trim();
        let patches = change == Change::Patch;
        let mut set = |value: Option<Value>| match value {
            Some(value) => put(body, self.at, value),
            None if patches => put(body, self.at, Value::Null),
            None => {}
        };
        let some = |value: Value| Some(value).filter(|_| !text.is_empty());
        match self.input {
            // It stands in the path.
            Input::Pick { .. } => {}
            Input::Seconds(_) => set(number(text).map(Value::from)),
            Input::Line | Input::Choice(_) => set(some(text.into())),
            // What was typed counts as it was typed.
            Input::Password => set(some(form.text(self.name).into())),
            Input::Lines => set(some_list(text.lines(), patches)),
            Input::Words => set(some_list(text.split_whitespace(), patches)),
            Input::Number if text.is_empty() => set(None),
            Input::Number => set(Some(number(text).ok_or(Unreadable(self.name, "console.wrong.number"))?.into())),
            Input::Box => set(Some(form.has(self.name)).filter(|is_on| *is_on || patches).map(Value::Bool)),
            Input::Whether => set(text.parse().ok().map(Value::Bool)),
            Input::Word(word) => set(form.has(self.name).then(|| word.into())),
            Input::Members => set(Some(read_members(text, item.pointer(self.at).filter(|_| patches)))),
            Input::Json if text.is_empty() => set(None),
            Input::Json => set(Some(read_object(self.name, text)?)),
            Input::Rest if text.is_empty() => {}
            Input::Rest => merge(body, read_object(self.name, text)?),
            Input::Roles => set(Some(choices.read_roles(self.name, form))),
            Input::Rights => set(Some(choices.read_rights(self.name, form, item.pointer(self.at).filter(|_| patches)))),
            Input::OfOneApi => {
                let (api, scopes) =
                    choices.read_of_one_api(self.name, form).map_err(|why| Unreadable(self.name, why))?;
                if let Some(api) = api.filter(|_| !patches) {
                    put(body, "/api", api.into());
                }
                put(body, self.at, scopes.into());
            }
            Input::Life => match (text, number(text)) {
                (NEVER, _) => put(body, "/never_expires", Value::Bool(true)),
                (_, Some(days)) => put(body, "/expires_in_s", days.saturating_mul(DAY_S).into()),
                (_, None) => {}
            },
            Input::Access if text == ACCESSES[0] || !ACCESSES.contains(&text) => {}
            Input::Access => put(body, &format!("/{text}"), Value::Bool(true)),
        }
        Ok(())
    }
}

/// Every text that is asked for by a name put together here.
pub fn texts() -> Vec<String> {
    let wrong = ["number", "json", "one_api"].map(|what| format!("console.wrong.{what}"));
    ACCESSES.iter().map(|access| format!("console.access.{access}")).chain(wrong).collect()
}

fn texts_of(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn some_list<'t>(words: impl Iterator<Item = &'t str>, is_said: bool) -> Option<Value> {
    let words: Vec<_> = words.map(str::trim).filter(|word| !word.is_empty()).collect();
    (is_said || !words.is_empty()).then(|| words.into())
}

/// `name text`, one to a line.
fn lines(value: &Value, text: impl Fn(&Value) -> String) -> String {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} {}", text(value)).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The same read again; members that there were and are no more are taken away.
fn read_members(text: &str, before: Option<&Value>) -> Value {
    let gone = before.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| (name.clone(), Value::Null));
    let mut members: Map<String, Value> = gone.collect();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        members.insert(name.to_owned(), text.trim().into());
    }
    Value::Object(members)
}

fn read_object(name: &'static str, text: &str) -> Result<Value, Unreadable> {
    let read = serde_json::from_str(text).ok().filter(Value::is_object);
    read.ok_or(Unreadable(name, "console.wrong.json"))
}

/// What no field of a form is for.
fn rest(all: &[Field], item: &Value) -> String {
    let Some(members) = item.as_object() else { return String::new() };
    let mut left = members.clone();
    NOT_ASKED.iter().chain(&["public", "deny"]).for_each(|name| drop(left.remove(*name)));
    for at in all.iter().map(|field| field.at).filter(|at| !at.is_empty()) {
        let mut parts = at[1..].split('/');
        match (parts.next(), parts.next()) {
            (Some(name), None) => drop(left.remove(name)),
            (Some(name), Some(below)) => {
                if let Some(Value::Object(inner)) = left.get_mut(name) {
                    inner.remove(below);
                }
            }
            (None, _) => {}
        }
    }
    left.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
    if left.is_empty() { String::new() } else { serde_json::to_string_pretty(&left).unwrap_or_default() }
}

/// Puts a value at a pointer of one or two members.
fn put(body: &mut Value, at: &str, value: Value) {
    let mut here = body;
    for name in at.trim_start_matches('/').split('/') {
        if !here.is_object() {
            *here = json!({});
        }
        here = &mut here[name];
    }
    *here = value;
}

/// Adds the members of an object to those of another, to any depth.
fn merge(body: &mut Value, more: Value) {
    match (body, more) {
        (Value::Object(body), Value::Object(more)) => {
            more.into_iter().for_each(|(name, value)| merge(body.entry(name).or_insert(Value::Null), value));
        }
        (body, more) => *body = more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::kind;
    use admit_core::text::Language;
    use proptest::prelude::*;

    fn rule_form(item: &Value) -> Vec<(String, String)> {
        let fields = kind::find("rules").unwrap().fields;
        let (choices, words) = (Choices::none(), Words::of(Language::English));
        let drawn = fields.iter().map(|field| field.draw(fields, Source::Item(item), item, &choices, words));
        drawn
            .filter(|drawn| !matches!(drawn.control, Control::Box(false)))
            .map(|drawn| (drawn.name.to_owned(), drawn.value))
            .collect()
    }

    fn send(form: &[(String, String)]) -> Value {
        let escape = |text: &str| text.bytes().map(|octet| format!("%{octet:02x}")).collect::<String>();
        let text: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let form = Form::parse(text.join("&").as_bytes()).unwrap();
        let mut body = json!({});
        for field in kind::find("rules").unwrap().fields {
            assert!(field.fill(&mut body, &form, &Value::Null, &Choices::none(), Change::Put).is_ok());
        }
        body
    }

    #[test]
    fn a_rule_that_is_opened_and_saved_stays_as_it_is() {
        for rule in [
            json!({"name": "a", "match": {"host": "a.test", "methods": ["GET", "PUT"], "path": "/x/{id}/**"},
                "require": {"scopes": ["a:r", "b"], "roles": ["x"], "self": "id", "acr": "urn:admit:aal1"},
                "limit": {"rate": "10/1m", "per": "ip", "burst": 3}, "cors": {"origins": ["https://a.test"]}, "stale_for": "30s",
                "priority": 7, "mode": "observe", "login": true}),
            json!({"name": "b", "match": {"host": "a.test"}, "public": true}),
            json!({"name": "c", "deny": true}),
            json!({"name": "d", "require": {"authenticated": true}}),
        ] {
            assert_eq!(send(&rule_form(&rule)), rule);
        }
    }

    #[test]
    fn scopes_that_are_left_out_are_taken_away() {
        let before = json!({"a": "x", "b": "y"});
        assert_eq!(read_members("b z z\n\n c \n", Some(&before)), json!({"a": null, "b": "z z", "c": ""}));
        assert_eq!(read_members("", None), json!({}));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            let form = Form::parse(format!("rest={}", text.bytes().map(|octet| format!("%{octet:02x}")).collect::<String>()).as_bytes());
            if let Ok(form) = form {
                let (mut body, choices) = (json!({}), Choices::none());
                for field in kind::find("rules").unwrap().fields {
                    let _ = field.fill(&mut body, &form, &Value::Null, &choices, Change::Put);
                }
                let _ = read_members(&text, None);
            }
        }
    }
}
