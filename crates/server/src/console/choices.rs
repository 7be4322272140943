//! What forms let one choose from: the scopes of APIs and the roles of a realm.
//!
//! Who may not see them types their names instead. Boxes are named by what they mean, so that what changes between a page and
//! its form is never taken for something else.

use admit_core::form::Form;
use serde_json::{Map, Value};

use super::operator::Operator;
use super::resource::{Field, Input};
use crate::http::problem::Problem;
use crate::manage::inside::Ask;

/// How many APIs and roles a form offers.
const OFFERED_MAX: &str = "200";
/// How many boxes a group has at most that is open from the first.
const OPEN_MAX: usize = 20;

/// What there is.
#[derive(Default)]
pub struct Choices {
    apis: Option<Vec<(String, Vec<Choice>)>>,
    roles: Option<Vec<Choice>>,
}

struct Choice {
    name: String,
    text: String,
}

/// Boxes under a heading.
pub struct Group {
    /// The API; empty where there is none.
    pub title: String,
    /// The boxes.
    pub boxes: Vec<Ticked>,
}

impl Group {
    /// Whether its boxes are shown at once: those of Admit itself only where one is ticked.
    pub fn is_open(&self) -> bool {
        !is_built_in(&self.title) && self.boxes.len() < OPEN_MAX || self.boxes.iter().any(|ticked| ticked.is_on)
    }
}

/// One box.
pub struct Ticked {
    /// Its name in the form.
    pub field: String,
    /// What it stands for.
    pub name: String,
    /// What that means.
    pub text: String,
    /// Whether it is ticked.
    pub is_on: bool,
}

/// Whose boxes, and what was ticked of them, where that was sent already.
#[derive(Clone, Copy)]
pub struct Tick<'t> {
    /// The field.
    pub field: &'static str,
    /// What was sent.
    pub form: Option<&'t Form>,
}

impl Tick<'_> {
    fn is_on(&self, box_name: &str, is_so: bool) -> bool {
        self.form.map_or(is_so, |form| form.has(box_name))
    }
}

impl Choices {
    /// Those that these fields need, as far as the operator may see them.
    pub async fn read(operator: &Operator, realm: Option<&str>, fields: &[Field]) -> Result<Self, Problem> {
        let needs = |is_it: fn(&Input) -> bool| fields.iter().any(|field| is_it(&field.input));
        let Some(realm) = realm else { return Ok(Self::default()) };
        let apis = match needs(|input| matches!(input, Input::Rights | Input::OfOneApi)) {
            true => list(operator, &["realms", realm, "apis"]).await?.map(|apis| in_order(&apis)),
            false => None,
        };
        let roles = match needs(|input| matches!(input, Input::Roles)) {
            true => {
                list(operator, &["realms", realm, "roles"]).await?.map(|roles| roles.iter().filter_map(role).collect())
            }
            false => None,
        };
        Ok(Self { apis, roles })
    }

    /// Of somebody who sees none.
    #[cfg(test)]
    pub fn none() -> Self {
        Self::default()
    }

    /// Boxes for roles; those that are held and not offered stand there too.
    pub fn roles(&self, tick: Tick<'_>, held: Option<&Value>) -> Option<Vec<Group>> {
        let held = words(held);
        let offered = self.roles.as_ref()?;
        let others = held.iter().filter(|name| !offered.iter().any(|choice| choice.name == **name));
        let others = others.map(|name| ((*name).to_owned(), String::new()));
        let named = offered.iter().map(|choice| (choice.name.clone(), choice.text.clone())).chain(others);
        let boxes = named.map(|(name, text)| {
            let field = format!("{}:{name}", tick.field);
            let is_on = tick.is_on(&field, held.contains(&name.as_str()));
            Ticked { field, name, text, is_on }
        });
        Some(vec![Group { title: String::new(), boxes: boxes.collect() }])
    }

    /// Boxes for the scopes of every API.
    pub fn rights(&self, tick: Tick<'_>, held: Option<&Value>) -> Option<Vec<Group>> {
        let held = |api: &str| words(held.and_then(|rights| rights.get(api)));
        self.apis.as_ref().map(|apis| apis.iter().map(|(uri, scopes)| group(tick, uri, scopes, &held(uri))).collect())
    }

    /// Boxes for the scopes of one API: the one that was chosen, or still any.
    pub fn of_one_api(&self, tick: Tick<'_>, api: Option<&str>, held: Option<&Value>) -> Option<Vec<Group>> {
        let held = words(held);
        let offered = self.apis.as_ref()?.iter().filter(|(uri, _)| api.is_none_or(|api| api == uri));
        Some(offered.map(|(uri, scopes)| group(tick, uri, scopes, &held)).collect())
    }

    /// The roles that were ticked, or typed.
    pub fn read_roles(&self, field: &str, form: &Form) -> Value {
        let prefix = format!("{field}:");
        match self.roles {
            Some(_) => form.ticked(&prefix).map(str::to_owned).collect::<Vec<_>>().into(),
            None => form.text(field).split_whitespace().map(str::to_owned).collect::<Vec<_>>().into(),
        }
    }

    /// The rights that were ticked, or typed: `API scope scope` to a line. Of the APIs that there were and that were offered,
    /// those without a tick are taken away.
    pub fn read_rights(&self, field: &str, form: &Form, before: Option<&Value>) -> Value {
        let mut rights = Map::new();
        let is_offered = |uri: &str| self.apis.as_ref().is_none_or(|apis| apis.iter().any(|(known, _)| known == uri));
        for (uri, _) in before.and_then(Value::as_object).into_iter().flatten().filter(|(uri, _)| is_offered(uri)) {
            rights.insert(uri.clone(), Value::Null);
        }
        for (uri, scope) in self.chosen(field, form) {
            let scopes = rights.entry(uri).or_insert(Value::Null);
            match scopes {
                Value::Array(scopes) => scopes.push(scope.into()),
                none => *none = vec![scope].into(),
            }
        }
        Value::Object(rights)
    }

    /// The API and the scopes of it that were ticked, or typed; the text that says what is wrong where they are of several.
    pub fn read_of_one_api(&self, field: &str, form: &Form) -> Result<(Option<String>, Vec<String>), &'static str> {
        let (mut api, mut scopes) = (None, Vec::new());
        if self.apis.is_none() {
            let mut words = form.text(field).split_whitespace().map(str::to_owned);
            return Ok((words.next(), words.collect()));
        }
        for (uri, scope) in self.chosen(field, form) {
            if api.as_ref().is_some_and(|api| *api != uri) {
                return Err("console.wrong.one_api");
            }
            api = Some(uri);
            scopes.push(scope);
        }
        Ok((api, scopes))
    }

    fn chosen(&self, field: &str, form: &Form) -> Vec<(String, String)> {
        let prefix = format!("{field}:");
        if self.apis.is_some() {
            let pair = |ticked: &str| ticked.split_once(' ').map(|(uri, scope)| (uri.to_owned(), scope.to_owned()));
            return form.ticked(&prefix).filter_map(pair).collect();
        }
        let of_line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let uri = words.next().unwrap_or_default();
            words.map(|scope| (uri.clone(), scope)).collect::<Vec<_>>()
        };
        form.text(field).lines().flat_map(of_line).collect()
    }
}

fn group(tick: Tick<'_>, uri: &str, scopes: &[Choice], held: &[&str]) -> Group {
    let boxes = scopes.iter().map(|scope| {
        let field = format!("{}:{uri} {}", tick.field, scope.name);
        let is_on = tick.is_on(&field, held.contains(&scope.name.as_str()));
        Ticked { field, name: scope.name.clone(), text: scope.text.clone(), is_on }
    });
    Group { title: uri.to_owned(), boxes: boxes.collect() }
}

async fn list(operator: &Operator, segments: &[&str]) -> Result<Option<Vec<Value>>, Problem> {
    let answer = operator.ask(Ask::get(segments).param("limit", OFFERED_MAX)).await?;
    Ok(answer.ok().ok().map(|answer| answer.items().to_vec()))
}

/// Those of Admit itself stand last.
fn in_order(apis: &[Value]) -> Vec<(String, Vec<Choice>)> {
    let mut apis: Vec<_> = apis.iter().filter_map(api).collect();
    apis.sort_by_key(|(uri, _)| is_built_in(uri));
    apis
}

fn is_built_in(uri: &str) -> bool {
    uri.starts_with("urn:admit:")
}

fn api(api: &Value) -> Option<(String, Vec<Choice>)> {
    let scope = |(name, text): (&String, &Value)| Choice {
        name: name.clone(),
        text: text.as_str().unwrap_or_default().to_owned(),
    };
    let scopes: Vec<_> = api["scopes"].as_object()?.iter().map(scope).collect();
    (!scopes.is_empty()).then(|| Some((api["uri"].as_str()?.to_owned(), scopes)))?
}

fn role(role: &Value) -> Option<Choice> {
    let text = role["description"].as_str().unwrap_or_default().to_owned();
    Some(Choice { name: role["name"].as_str()?.to_owned(), text })
}

fn words(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
