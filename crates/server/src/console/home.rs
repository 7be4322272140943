//! `/console`: where operators arrive.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::operator::Operator;
use super::shell::Shell;
use crate::http::problem::Problem;
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "console/home.html")]
struct HomePage {
    frame: Frame,
    shell: Shell,
}

/// `GET /console`
pub async fn get(operator: Operator) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(&operator, None, "home").await?;
    Ok(page(StatusCode::OK, &HomePage { frame, shell }))
}
