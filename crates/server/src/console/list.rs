//! `GET /console/realms/{realm}/{kind}` and `GET /console/realms`: a list, to search and to page through.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::operator::Operator;
use super::place::Place;
use super::shell::Shell;
use super::told::Told;
use super::value::{Cell, Reading};
use super::{done, query};
use crate::http::problem::Problem;
use crate::manage::inside::Ask;
use crate::pages::form::Query;
use crate::pages::{Frame, page};

/// How many lines a page has.
const LINES: &str = "50";

/// One line.
struct Line {
    href: String,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "console/list.html")]
struct ListPage<'p> {
    frame: Frame,
    shell: Shell,
    title: &'static str,
    none: &'static str,
    done: &'static str,
    new: Option<(String, &'static str)>,
    path: String,
    search: &'p str,
    narrowed: &'p str,
    narrow: &'static str,
    has_ended: bool,
    is_all: bool,
    all: String,
    heads: Vec<String>,
    lines: Vec<Line>,
    next: Option<String>,
    first: Option<String>,
    tests: Option<String>,
    told: Told,
}

/// `GET`
pub async fn get(operator: Operator, place: Place, query: Query) -> Result<Response, Problem> {
    let resource = place.resource;
    let (search, narrowed, cursor) = (query.text("q").trim(), query.text(resource.narrow), query.text("cursor"));
    let is_all = resource.has_ended && query.text("state") == "all";
    let ask = Ask::get(&place.segments(None)).param("limit", LINES).param("cursor", cursor);
    let ask = if is_all { ask.param("state", "all") } else { ask };
    // Where both are one parameter, what was typed counts.
    let ask = if resource.narrow == resource.search {
        ask.param(resource.search, if search.is_empty() { narrowed } else { search })
    } else {
        ask.param(resource.search, search).param(resource.narrow, narrowed)
    };
    let answer = operator.ask(ask).await?;
    let (frame, shell) = Shell::of(&operator, place.realm.as_deref(), resource.name).await?;
    let words = frame.words;
    let (status, told) = match answer.status.is_success() {
        true => (StatusCode::OK, Told::default()),
        false => (answer.status, Told::of(&answer)),
    };
    let reading = Reading { words, realm: &shell.realm, now: operator.visit.now };
    let line = |item: &serde_json::Value| Line {
        href: place.one(item[resource.id].as_str().unwrap_or_default()),
        cells: reading.cells(resource.columns, item),
    };
    let lines: Vec<_> = answer.items().iter().map(line).collect();
    let heads = resource.columns.iter().map(|column| words.say(&format!("console.field.{}", column.0)).to_owned());
    let state = if is_all { "all" } else { "" };
    let at = |cursor: &str, state: &str| {
        let narrow = if resource.narrow.is_empty() { "owner" } else { resource.narrow };
        query::write(&place.list(), &[("q", search), (narrow, narrowed), ("state", state), ("cursor", cursor)])
    };
    let may_make = resource.is_made && operator.may(place.judged_in(), place.scope_to_make());
    let shown = ListPage {
        title: words.say(&format!("console.{}.title", resource.name)),
        none: words.say(&format!("console.{}.none", resource.name)),
        done: done::of(words, query.text("done")),
        new: may_make.then(|| (place.new_one(), words.say(&format!("console.{}.new", resource.name)))),
        path: place.list(),
        narrow: resource.narrow,
        has_ended: resource.has_ended,
        is_all,
        all: at("", if is_all { "" } else { "all" }),
        heads: heads.collect(),
        lines,
        next: answer.json["next"].as_str().map(|next| at(next, state)),
        first: (!cursor.is_empty()).then(|| at("", state)),
        tests: (resource.name == "rules").then(|| format!("{}/test", place.list())),
        frame,
        shell,
        search,
        narrowed,
        told,
    };
    Ok(page(status, &shown))
}
