//! What the console knows of a kind of thing: what to show of it, what to ask for it, what can be done with it.
//!
//! One description per kind ([`super::kind`]), one renderer for all: lists, details, forms and confirmations are made of these
//! words and of the JSON that the management API speaks. Labels are texts under `console.field.…`, never words of the code.

use http::Method;

/// One kind.
pub struct Resource {
    /// The segment of its paths, here and in the management API; what its texts begin with.
    pub name: &'static str,
    /// The scope that shows it.
    pub read: &'static str,
    /// The scope that changes it.
    pub write: &'static str,
    /// The member that paths name one by.
    pub id: &'static str,
    /// The members that say what one is called; the first that is there.
    pub called: &'static [&'static str],
    /// The parameter of the list that the search fills.
    pub search: &'static str,
    /// The parameter of the list that narrows it to what belongs to something else; empty where there is none.
    pub narrow: &'static str,
    /// Whether lists leave out what is over, unless asked.
    pub has_ended: bool,
    /// What a line of a list shows.
    pub columns: &'static [Column],
    /// What is shown of one.
    pub facts: &'static [Column],
    /// The kinds of things that belong to one.
    pub related: &'static [&'static str],
    /// What forms ask for.
    pub fields: &'static [Field],
    /// How one is changed.
    pub change: Change,
    /// Whether one can be made here.
    pub is_made: bool,
    /// What can be done with one.
    pub actions: &'static [Action],
}

/// One value: its label, where it stands (a JSON pointer, RFC 6901), how it is shown.
pub struct Column(pub &'static str, pub &'static str, pub Show);

/// How a value is shown.
pub enum Show {
    /// As it is.
    Text,
    /// As it would be typed.
    Code,
    /// A moment.
    When,
    /// One of a closed list of words that have texts.
    State,
    /// A moment since which it is off; absent is on.
    Switch,
    /// Several words.
    Words,
    /// Scopes by their API.
    Rights,
    /// Members with their texts.
    Members,
    /// Free JSON.
    Json,
    /// Whether.
    Yes,
    /// Whom a rule lets in.
    Access,
    /// A thing of this kind: its id stands at the second pointer.
    To(&'static str, &'static str),
    /// A user or a client, by the id at the pointer.
    Subject(&'static str),
    /// Things of its own.
    Rows(&'static [Column]),
}

/// How one is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    Never,
    /// By a merge patch: what the form does not name stays.
    Patch,
    /// By another one in its place.
    Put,
}

/// One field of a form.
pub struct Field {
    /// Its name in the form, and of its texts.
    pub name: &'static str,
    /// Where its value stands in the body and in what is shown.
    pub at: &'static str,
    /// What is asked for.
    pub input: Input,
    /// In which forms.
    pub when: When,
    /// Whether a sentence explains it.
    pub has_hint: bool,
    /// Whether it must be filled in.
    pub is_needed: bool,
}

impl Field {
    /// A field of the forms that make one and that change one.
    pub const fn new(name: &'static str, at: &'static str, input: Input) -> Self {
        Self { name, at, input, when: When::Always, has_hint: false, is_needed: false }
    }

    /// The same, explained.
    pub const fn hinted(self) -> Self {
        Self { has_hint: true, ..self }
    }

    /// The same, to be filled in.
    pub const fn needed(self) -> Self {
        Self { is_needed: true, ..self }
    }

    /// The same, only where one is made.
    pub const fn when_made(self) -> Self {
        Self { when: When::Made, ..self }
    }
}

/// In which forms a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Both.
    Always,
    /// Where one is made.
    Made,
}

/// What a field asks for.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// A line of text.
    Line,
    /// A list, one to a line.
    Lines,
    /// A list of words in one line.
    Words,
    /// A whole number.
    Number,
    /// One of these words, which have texts; the first where nothing is said, and an empty one leaves it open.
    Choice(&'static [&'static str]),
    /// One of the things of its own that stand at a pointer, each with an id: shown by what it is called.
    Pick {
        /// Where they stand.
        from: &'static str,
        /// The member that says what one is called.
        called: &'static str,
    },
    /// One of these numbers of seconds, or what is usual.
    Seconds(&'static [i64]),
    /// A box.
    Box,
    /// Yes, no, or what is usual.
    Whether,
    /// A box that stands for this word.
    Word(&'static str),
    /// Members with their texts, one to a line.
    Members,
    /// Rights: boxes by API.
    Rights,
    /// Scopes of one API: boxes by API.
    OfOneApi,
    /// Roles: boxes.
    Roles,
    /// Free JSON.
    Json,
    /// All that no other field is for, as JSON.
    Rest,
    /// A new password.
    Password,
    /// For how long.
    Life,
    /// What a rule does: ask for something, let everybody in, let nobody in.
    Access,
}

/// Something that can be done.
pub struct Action {
    /// The segment of its path here, and of its texts.
    pub name: &'static str,
    /// How the management API is asked.
    pub method: Method,
    /// The segments below the thing that is meant.
    pub below: &'static [&'static str],
    /// The field whose value is one more segment; empty is none.
    pub chosen: &'static str,
    /// What is sent along, as JSON; empty is nothing.
    pub body: &'static str,
    /// What else is asked for.
    pub fields: &'static [Field],
    /// Where it makes sense.
    pub when: Where,
    /// Whether it takes something away from somebody: that is asked about first, with what it hits.
    pub is_danger: bool,
    /// The kind of things that end along with it, of those that belong to it.
    pub hits: &'static str,
    /// Whether the thing is gone afterwards.
    pub ends: bool,
}

/// An action that asks for nothing and takes nothing away.
pub const PLAIN: Action = Action {
    name: "",
    method: Method::POST,
    below: &[],
    chosen: "",
    body: "",
    fields: &[],
    when: Where::Always,
    is_danger: false,
    hits: "",
    ends: false,
};

/// Where an action makes sense.
#[derive(Debug, Clone, Copy)]
pub enum Where {
    /// Everywhere.
    Always,
    /// Where there is something at a pointer.
    Has(&'static str),
    /// Where there is nothing.
    Lacks(&'static str),
    /// Where none of these words stands at `/state`.
    StateIsNone(&'static [&'static str]),
    /// Where this word stands at `/state`.
    StateIs(&'static str),
    /// Where one of these words stands at a pointer, or `true` or `false`.
    Is(&'static str, &'static [&'static str]),
}

impl Where {
    /// Whether it does here.
    pub fn is_met(self, item: &serde_json::Value) -> bool {
        let has = |at: &str| item.pointer(at).is_some_and(|value| !value.is_null());
        let state = item["state"].as_str().unwrap_or_default();
        match self {
            Self::Always => true,
            Self::Has(at) => has(at),
            Self::Lacks(at) => !has(at),
            Self::StateIsNone(words) => !words.contains(&state),
            Self::StateIs(word) => state == word,
            Self::Is(at, words) => item.pointer(at).is_some_and(|value| {
                let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                words.contains(&written.as_str())
            }),
        }
    }
}

impl Resource {
    /// The action of this name.
    pub fn action(&self, name: &str) -> Option<&'static Action> {
        let actions: &'static [Action] = self.actions;
        actions.iter().find(|action| action.name == name)
    }

    /// What one is called.
    pub fn call(&self, item: &serde_json::Value) -> String {
        let named = self.called.iter().find_map(|at| item.pointer(at)?.as_str().filter(|name| !name.is_empty()));
        named.or_else(|| item[self.id].as_str()).unwrap_or_default().to_owned()
    }

    /// Every text that is asked for by a name put together of parts of this.
    pub fn texts(&self) -> Vec<String> {
        let Self { name, .. } = self;
        let mut keys = vec![format!("console.{name}.title"), format!("console.{name}.none")];
        if self.is_made {
            keys.push(format!("console.{name}.new"));
        }
        column_texts(self.columns.iter().chain(self.facts), &mut keys);
        let of_actions = self.actions.iter().flat_map(|action| action.fields.iter());
        for field in self.fields.iter().chain(of_actions) {
            keys.push(format!("console.field.{}", field.name));
            keys.extend(field.has_hint.then(|| format!("console.hint.{}", field.name)));
            if let Input::Choice(words) = field.input {
                let words = words.iter().filter(|word| !word.is_empty());
                keys.extend(words.map(|word| choice_text(field.name, word)));
            }
        }
        for action in self.actions {
            keys.push(format!("console.act.{}", action.name));
            if action.is_danger || !action.fields.is_empty() {
                keys.push(format!("console.{name}.{}", action.name));
            }
        }
        keys
    }
}

/// The text of a word that can be chosen; names of texts are small letters, so that of `at+jwt` ends in `at-jwt`.
pub fn choice_text(field: &str, word: &str) -> String {
    format!("console.choice.{field}.{}", word.to_ascii_lowercase().replace('+', "-"))
}

fn column_texts<'c>(columns: impl Iterator<Item = &'c Column>, keys: &mut Vec<String>) {
    for Column(label, _, show) in columns {
        keys.push(format!("console.field.{label}"));
        if let Show::Rows(columns) = show {
            column_texts(columns.iter(), keys);
        }
    }
}
