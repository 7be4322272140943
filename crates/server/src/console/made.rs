//! A secret, shown this once: on the answer to the form that made it, which no cache keeps.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::operator::Operator;
use super::place::Place;
use super::shell::Shell;
use crate::http::problem::Problem;
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "console/made.html")]
struct MadePage<'p> {
    frame: Frame,
    shell: Shell,
    secret: &'p str,
    one: String,
}

/// The page.
pub async fn show(
    operator: &Operator,
    place: &Place,
    id: &str,
    secret: &str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(operator, place.judged_in(), place.section()).await?;
    Ok(page(status, &MadePage { frame, shell, secret, one: place.one(id) }))
}
