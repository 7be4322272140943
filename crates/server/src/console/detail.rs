//! `GET /console/realms/{realm}/{kind}/{id}`: one thing, with all that can be done with it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::operator::Operator;
use super::place::Place;
use super::resource::Change;
use super::shell::Shell;
use super::told::Told;
use super::value::{Cell, Reading};
use super::{attempt, done, query};
use crate::http::problem::Problem;
use crate::manage::inside::{Answer, Ask};
use crate::pages::form::Query;
use crate::pages::{Frame, page};

/// Something that can be done with it.
struct Deed {
    path: String,
    label: &'static str,
    name: &'static str,
    is_danger: bool,
    /// Whether a page asks first.
    asks: bool,
}

#[derive(Template)]
#[template(path = "console/detail.html")]
struct DetailPage {
    frame: Frame,
    shell: Shell,
    kind: &'static str,
    list: String,
    title: String,
    done: &'static str,
    facts: Vec<Cell>,
    related: Vec<(String, &'static str)>,
    edit: Option<String>,
    deeds: Vec<Deed>,
    attempt: String,
    etag: String,
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage {
    frame: Frame,
    shell: Shell,
    title: &'static str,
    list: String,
    told: Told,
}

/// `GET`
pub async fn get(operator: Operator, place: Place, query: Query) -> Result<Response, Problem> {
    let id = place.id()?;
    let answer = operator.ask(Ask::get(&place.segments(Some(id)))).await?;
    if !answer.status.is_success() {
        return refused(&operator, &place, &answer).await;
    }
    let (resource, item) = (place.resource, &answer.json);
    let realm = place.judged_in();
    let (frame, shell) = Shell::of(&operator, realm, place.section()).await?;
    let words = frame.words;
    let reading = Reading { words, realm: &shell.realm, now: operator.visit.now };
    let may_change = operator.may(realm, resource.write);
    let path = place.one(id);
    let shown = DetailPage {
        kind: words.say(&format!("console.{}.title", resource.name)),
        list: place.list(),
        title: resource.call(item),
        done: done::of(words, query.text("done")),
        facts: reading.cells(resource.facts, item).into_iter().filter(|fact| !fact.is_empty()).collect(),
        related: related(&operator, &place, item, &shell),
        edit: (may_change && resource.change != Change::Never).then(|| format!("{path}/edit")),
        deeds: if may_change { deeds(&place, &path, item, &shell) } else { Vec::new() },
        attempt: attempt(&operator),
        etag: answer.etag,
        frame,
        shell,
    };
    Ok(page(StatusCode::OK, &shown))
}

/// What the management API says instead of a thing.
pub async fn refused(operator: &Operator, place: &Place, answer: &Answer) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(operator, place.judged_in(), place.section()).await?;
    let title = frame.words.say(&format!("console.{}.title", place.resource.name));
    let shown = ProblemPage { frame, shell, title, list: place.list(), told: Told::of(answer) };
    Ok(page(answer.status, &shown))
}

fn related(operator: &Operator, place: &Place, item: &Value, shell: &Shell) -> Vec<(String, &'static str)> {
    let Some(id) = item[place.resource.id].as_str() else { return Vec::new() };
    let kinds = place.resource.related.iter().filter_map(|name| super::kind::find(name));
    let seen = kinds.filter(|kind| operator.may(place.judged_in(), kind.read));
    let link = |kind: &super::resource::Resource| {
        let list = format!("{}/realms/{}/{}", super::PATH, shell.realm, kind.name);
        (query::write(&list, &[(kind.narrow, id)]), shell.words.say(&format!("console.{}.title", kind.name)))
    };
    seen.map(link).collect()
}

fn deeds(place: &Place, path: &str, item: &Value, shell: &Shell) -> Vec<Deed> {
    let fitting = place.resource.actions.iter().filter(|action| action.when.is_met(item));
    let deed = |action: &super::resource::Action| Deed {
        path: format!("{path}/do/{}", action.name),
        label: shell.words.say(&format!("console.act.{}", action.name)),
        name: action.name,
        is_danger: action.is_danger,
        asks: action.is_danger || !action.fields.is_empty(),
    };
    let mut deeds: Vec<_> = fitting.map(deed).collect();
    deeds.sort_by_key(|deed| deed.is_danger);
    deeds
}
