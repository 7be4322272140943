//! `/console/realms/{realm}/{kind}/{id}/do/{action}`: something is done with a thing. What takes something away from somebody
//! is asked about first, with what it hits.

use admit_core::form::Form;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::choices::Choices;
use super::edit::fill;
use super::field::{Control, Drawn, Source};
use super::operator::Operator;
use super::place::Place;
use super::resource::{Action, Change};
use super::shell::Shell;
use super::told::Told;
use super::{attempt, detail, kind, made};
use crate::http::problem::Problem;
use crate::manage::inside::{Answer, Ask};
use crate::pages::form::Sent;
use crate::pages::visit::go;
use crate::pages::{Frame, page};

/// How many of the things that are hit are named.
const HITS_SHOWN: &str = "10";

#[derive(Template)]
#[template(path = "console/act.html")]
struct ActPage {
    frame: Frame,
    shell: Shell,
    title: &'static str,
    text: String,
    hits: Vec<String>,
    has_more_hits: bool,
    hits_title: &'static str,
    action: String,
    back: String,
    attempt: String,
    etag: String,
    fields: Vec<Drawn>,
    is_danger: bool,
    told: Told,
}

/// `GET`: asks.
pub async fn get(operator: Operator, place: Place) -> Result<Response, Problem> {
    let (action, seen) = (place.action()?, read(&operator, &place).await?);
    if !seen.status.is_success() {
        return detail::refused(&operator, &place, &seen).await;
    }
    show(&operator, &place, action, &seen, None, Told::default(), StatusCode::OK).await
}

/// `POST`: does it.
pub async fn post(operator: Operator, place: Place, Sent(form): Sent) -> Result<Response, Problem> {
    operator.judge(&form)?;
    let (action, id) = (place.action()?, place.id()?);
    let mut segments = place.segments(Some(id));
    segments.extend(action.below);
    segments.extend(Some(form.text(action.chosen)).filter(|_| !action.chosen.is_empty()));
    let ask = Ask::new(action.method.clone(), &segments).if_match(form.text("etag")).once(form.text("attempt"));
    if segments.last().is_some_and(|last| last.is_empty()) {
        return Err(Problem::new(400, "invalid_request", "Nothing was chosen."));
    }
    let body = match fill(action.fields, &form, &Value::Null, &Choices::default(), Change::Put) {
        Ok(body) => body,
        Err(why) => {
            let seen = read(&operator, &place).await?;
            let told = Told::unreadable(&why, operator.visit.words);
            return show(&operator, &place, action, &seen, Some(&form), told, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    };
    let ask = match (action.body, action.fields) {
        ("", []) => ask,
        ("", _) => ask.body(body),
        (text, _) => ask.body(serde_json::from_str(text).unwrap_or_default()),
    };
    let answer = operator.ask(ask).await?;
    if !answer.status.is_success() {
        let seen = read(&operator, &place).await?;
        let (told, status) = (Told::of(&answer), answer.status);
        if !seen.status.is_success() {
            return detail::refused(&operator, &place, &answer).await;
        }
        return show(&operator, &place, action, &seen, Some(&form), told, status).await;
    }
    if let Some(secret) = made::Shown::of(&answer, operator.visit.words) {
        return made::show(&operator, &place, id, secret, StatusCode::OK).await;
    }
    let to = if action.ends { format!("{}?done=gone", place.list()) } else { format!("{}?done=acted", place.one(id)) };
    Ok(go(&to))
}

async fn read(operator: &Operator, place: &Place) -> Result<Answer, Problem> {
    operator.ask(Ask::get(&place.segments(Some(place.id()?)))).await
}

async fn show(
    operator: &Operator,
    place: &Place,
    action: &'static Action,
    seen: &Answer,
    form: Option<&Form>,
    told: Told,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (resource, item, id) = (place.resource, &seen.json, place.id()?);
    let (frame, shell) = Shell::of(operator, place.judged_in(), place.section()).await?;
    let words = frame.words;
    let from = form.map_or(Source::Item(&Value::Null), Source::Form);
    let draw = |field: &super::resource::Field| {
        let mut drawn = field.draw(action.fields, from, item, &Choices::default(), words);
        told.mark(field, &mut drawn);
        drawn
    };
    let asks = action.is_danger || !action.fields.is_empty();
    let text = match asks {
        true => words.with(&format!("console.{}.{}", resource.name, action.name), "name", resource.call(item)),
        false => resource.call(item),
    };
    let (hits, has_more_hits) = hits(operator, place, action, item).await?;
    let shown = ActPage {
        title: words.say(&format!("console.act.{}", action.name)),
        text,
        hits_title: words.say("console.hits"),
        hits,
        has_more_hits,
        action: format!("{}/do/{}", place.one(id), action.name),
        back: place.one(id),
        attempt: attempt(operator),
        // What is asked about is what is there now: whoever was told of a change has it before his eyes.
        etag: seen.etag.clone(),
        fields: action.fields.iter().map(draw).collect(),
        is_danger: action.is_danger,
        frame,
        shell,
        told,
    };
    Ok(page(status, &shown))
}

/// What belongs to the thing and ends with it, as far as the operator may see it.
async fn hits(
    operator: &Operator,
    place: &Place,
    action: &Action,
    item: &Value,
) -> Result<(Vec<String>, bool), Problem> {
    let (Some(hit), Some(realm)) = (kind::find(action.hits), &place.realm) else { return Ok((Vec::new(), false)) };
    let id = item[place.resource.id].as_str().unwrap_or_default();
    let ask = Ask::get(&["realms", realm, hit.name]).param(hit.narrow, id).param("limit", HITS_SHOWN);
    let answer = operator.ask(ask).await?;
    let names = answer.items().iter().map(|item| hit.call(item)).collect();
    Ok((names, answer.json["next"].is_string()))
}
