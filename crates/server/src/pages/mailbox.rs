//! `/dev/mail`: what `--dev` would have mailed, the newest first. There only with `--dev`, which listens on loopback.

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::text::Words;
use super::{Frame, page};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::mail::catcher::Caught;

/// A letter styles itself; it runs nothing and loads nothing.
const LETTER_POLICY: &str = "default-src 'none'; style-src-attr 'unsafe-inline'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What parts a letter from who signs it.
const SIGNATURE: &str = "-- ";

/// The mailbox and its letters.
pub fn router() -> Router<App> {
    Router::new()
        .route("/dev/mail", get(list))
        .route("/dev/mail/{number}", get(show))
        .route("/dev/mail/{number}/html", get(html))
}

struct Line {
    number: u64,
    to: String,
    subject: String,
    ago: String,
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Mailbox {
    frame: Frame,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Letter {
    frame: Frame,
    mail: Caught,
    /// The text by lines, each with whether it is a link.
    lines: Vec<(String, bool)>,
    at: String,
}

/// `GET /dev/mail`, as a page or as JSON.
async fn list(State(app): State<App>, headers: HeaderMap) -> Response {
    let caught = app.mail.caught();
    if wants_json(&headers) {
        let mail = |caught: &Caught| json!({"number": caught.number, "at": caught.at, "to": caught.to, "subject": caught.subject, "text": caught.text});
        return Json(json!({"items": caught.iter().map(mail).collect::<Vec<_>>()})).into_response();
    }
    let (words, now) = (Words::wanted(&headers), app.now());
    let line = |caught: Caught| Line {
        number: caught.number,
        ago: words.ago(caught.at, now),
        to: caught.to,
        subject: caught.subject,
    };
    let frame = Frame::new(words).widened();
    page(StatusCode::OK, &Mailbox { frame, lines: caught.into_iter().map(line).collect() })
}

/// `GET /dev/mail/{number}`
async fn show(State(app): State<App>, Path(number): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let mail = find(&app, &number)?;
    let words = Words::wanted(&headers);
    let lines =
        mail.text.lines().filter(|line| *line != SIGNATURE).map(|line| (line.to_owned(), is_link(line))).collect();
    let frame = Frame::new(words).widened();
    let at = words.ago(mail.at, app.now());
    Ok(page(StatusCode::OK, &Letter { frame, mail, lines, at }))
}

/// `GET /dev/mail/{number}/html`: the other half of the mail, as a mail program would show it.
async fn html(State(app): State<App>, Path(number): Path<String>) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(find(&app, &number)?.html));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(LETTER_POLICY));
    Ok(response)
}

fn find(app: &App, number: &str) -> Result<Caught, Problem> {
    let caught = number
        .parse()
        .ok()
        .and_then(|number: u64| app.mail.caught().into_iter().find(|caught| caught.number == number));
    caught
        .ok_or_else(|| Problem::new(404, "not_found", "There is no such mail, or no more.").with_next("see /dev/mail"))
}

fn is_link(line: &str) -> bool {
    line.starts_with("http://") || line.starts_with("https://")
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.starts_with("application/json"))
}
