//! `/console/realms/{realm}/refusals`: the latest refusals of a realm, and the whole trace of one.

use admit_core::check::code::Code;
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::PATH;
use super::operator::Operator;
use super::shell::Shell;
use super::trace::Trace;
use crate::app::App;
use crate::http::problem::Problem;
use crate::manage::inside::{Answer, Ask};
use crate::pages::form::Query;
use crate::pages::{Frame, page};

/// Where they stand in the navigation.
const SECTION: &str = "refusals";

/// The routes of this file.
pub fn routes() -> Router<App> {
    let list_path = format!("{PATH}/realms/{{realm}}/refusals");
    Router::new().route(&list_path, get(list)).route(&format!("{list_path}/{{request}}"), get(show))
}

/// What a code is called in the choice of codes.
struct Choice {
    code: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "console/refusals.html")]
struct RefusalsPage<'p> {
    frame: Frame,
    shell: Shell,
    here: String,
    choices: Vec<Choice>,
    text: &'p str,
    error: String,
    is_narrowed: bool,
    traces: Vec<Trace>,
    /// Where the older ones are.
    older: Option<String>,
    is_first: bool,
}

#[derive(Template)]
#[template(path = "console/refusal.html")]
struct RefusalPage {
    frame: Frame,
    shell: Shell,
    list: String,
    trace: Trace,
    /// Where the key is.
    key: Option<String>,
}

#[derive(Template)]
#[template(path = "console/declined.html")]
struct DeclinedPage {
    frame: Frame,
    shell: Shell,
    status: u16,
    detail: String,
}

/// `GET /console/realms/{realm}/refusals`
async fn list(operator: Operator, Path(realm): Path<String>, query: Query) -> Result<Response, Problem> {
    let (code, text) = (query.text("code"), query.text("q"));
    let ask = Ask::get(&["realms", &realm, "decisions"]).param("code", code).param("q", text);
    let answer = match operator.ask(ask.param("cursor", query.text("cursor"))).await?.ok() {
        // What was typed is shown again, with what is wrong with it.
        Err(refused) if refused.status != StatusCode::BAD_REQUEST => {
            return declined(&operator, &realm, &refused).await;
        }
        Ok(answer) | Err(answer) => answer,
    };
    let (frame, shell) = Shell::of(&operator, Some(&realm), SECTION).await?;
    let here = list_path(&realm);
    let older = answer.json["next"].as_str();
    let filter = [("code", code), ("q", text)];
    let shown = RefusalsPage {
        choices: choices(code),
        text,
        error: answer.json["detail"].as_str().unwrap_or_default().to_owned(),
        is_narrowed: !code.is_empty() || !text.is_empty(),
        traces: answer.items().iter().map(|item| Trace::of(item, operator.visit.words, operator.visit.now)).collect(),
        older: older.map(|cursor| format!("{here}?{}", written(filter.into_iter().chain([("cursor", cursor)])))),
        is_first: query.text("cursor").is_empty(),
        frame,
        shell,
        here,
    };
    Ok(page(answer.status, &shown))
}

/// `GET /console/realms/{realm}/refusals/{request}`
async fn show(operator: Operator, Path((realm, request)): Path<(String, String)>) -> Result<Response, Problem> {
    let asked = operator.ask(Ask::get(&["realms", &realm, "decisions", &request])).await?;
    let answer = match asked.ok() {
        Ok(answer) => answer,
        Err(refused) => return declined(&operator, &realm, &refused).await,
    };
    let (frame, shell) = Shell::of(&operator, Some(&realm), SECTION).await?;
    let trace = Trace::of(&answer.json, operator.visit.words, operator.visit.now);
    let may_see_key = !trace.key.is_empty() && operator.may(Some(&realm), "keys:read");
    let key = may_see_key.then(|| format!("{PATH}/realms/{realm}/keys/{}", trace.key));
    Ok(page(StatusCode::OK, &RefusalPage { list: list_path(&realm), frame, shell, trace, key }))
}

/// What the management API says when it gives nothing, in its words.
async fn declined(operator: &Operator, realm: &str, answer: &Answer) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(operator, Some(realm), SECTION).await?;
    let detail = answer.json["detail"].as_str().unwrap_or_default().to_owned();
    Ok(page(answer.status, &DeclinedPage { frame, shell, status: answer.status.as_u16(), detail }))
}

/// Every code that a refusal can have.
fn choices(chosen: &str) -> Vec<Choice> {
    let refusals = Code::ALL.iter().filter(|code| **code != Code::Ok).map(|code| code.as_str());
    refusals.map(|code| Choice { code, is_chosen: code == chosen }).collect()
}

/// Where the refusals of a realm are.
pub fn list_path(realm: &str) -> String {
    format!("{PATH}/realms/{realm}/refusals")
}

fn written<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let given = pairs.filter(|(_, value)| !value.is_empty());
    let pair = |(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    given.map(pair).collect::<Vec<_>>().join("&")
}
