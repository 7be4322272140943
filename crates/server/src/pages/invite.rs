//! `/invite`: the page that an invitation opens. Who was invited chooses his first password and then signs in with it.

use admit_core::secret::Secret;
use axum::response::Response;
use http::StatusCode;

use super::form::{Query, Sent};
use super::password::by_link;
use super::visit::Visit;
use crate::http::problem::Problem;
use crate::login::password::Way;

/// `GET /invite?token=…`
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    by_link::show(&visit, Way::Invitation, &Secret::new(query.text("token")), String::new(), StatusCode::OK)
}

/// `POST /invite`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    by_link::set(&visit, Way::Invitation, form).await
}
