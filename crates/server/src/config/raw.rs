//! The raw configuration: a TOML table with the environment laid over it, and the reader that takes it apart.

use std::fmt::Display;
use std::str::FromStr;

use admit_core::policy::rule::Problem;
use toml::{Table, Value};

use crate::toml_flaw;

/// Sections that are spoken of, and that this version does not read.
const UNBUILT: [&str; 1] = ["grpc"];
const NOT_HERE: &str = "is something that this version of Admit does not have: leave it out";

/// Reads the file's text and lays `ADMIT__SECTION__KEY` over it.
pub fn merge(text: &str, env: impl IntoIterator<Item = (String, String)>) -> Result<Table, Vec<Problem>> {
    let problem = |path: &str, message: String| vec![Problem { path: path.to_owned(), message }];
    let mut table: Table = text.parse().map_err(|error| problem("(file)", toml_flaw::tell(text, &error)))?;
    for (name, value) in env {
        let Some(path) = name.strip_prefix("ADMIT__") else { continue };
        let (path, value) = match path.strip_suffix("_FILE") {
            Some(path) => {
                let content = std::fs::read_to_string(&value)
                    .map_err(|error| problem(&name, format!("cannot read {value}: {error}")))?;
                (path, content.trim_end().to_owned())
            }
            None => (path, value),
        };
        let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        put(&mut table, &keys, value_of(&value)).map_err(|message| problem(&name, message))?;
    }
    Ok(table)
}

/// A value that is not TOML is a string.
fn value_of(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn put(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    let Some((key, rest)) = keys.split_first() else { return Err("names no key".to_owned()) };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return Ok(());
    }
    match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => put(inner, rest, value),
        _ => Err(format!("{key} is a value, not a section")),
    }
}

/// Takes a table apart key by key and keeps every problem with its path; what is left at the end is unknown.
pub struct Reader<'p> {
    table: Table,
    path: String,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Reader<'p> {
    /// Begins at the root.
    pub fn new(table: Table, problems: &'p mut Vec<Problem>) -> Self {
        Self { table, path: String::new(), known: Vec::new(), problems }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem with a key.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        self.problems.push(Problem { path, message: message.into() });
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// A string, as it stands.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, format!("must be a string, not {}", other.type_str()));
                None
            }
        }
    }

    /// A string that is parsed.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().map_err(|error: T::Err| self.problem(key, format!("{text:?}: {error}"))).ok()
    }

    /// A list of strings; a single string is a list of one.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let list = match self.take(key)? {
            Value::String(text) => return Some(vec![text]),
            Value::Array(list) => list,
            other => {
                self.problem(key, format!("must be a list of strings, not {}", other.type_str()));
                return None;
            }
        };
        let texts: Option<Vec<String>> = list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect();
        if texts.is_none() {
            self.problem(key, "must be a list of strings");
        }
        texts
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str) -> Option<u32> {
        let value = self.take(key)?;
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.problem(key, "must be a whole number");
        }
        number
    }

    /// A section, read by `work`; `false` where it is absent.
    pub fn section(&mut self, key: &'static str, work: impl FnOnce(&mut Reader<'_>)) -> bool {
        let table = match self.take(key) {
            None => return false,
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.problem(key, format!("must be a section, not {}", other.type_str()));
                return true;
            }
        };
        let mut inner = Reader { table, path: self.path_of(key), known: Vec::new(), problems: self.problems };
        work(&mut inner);
        inner.finish();
        true
    }

    /// Reports what nobody asked for.
    pub fn finish(self) {
        for key in self.table.keys() {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let message = match path.as_str() {
                unbuilt if UNBUILT.contains(&unbuilt) => NOT_HERE.to_owned(),
                _ => format!("unknown key; known here: {}", self.known.join(", ")),
            };
            self.problems.push(Problem { path, message });
        }
    }
}
