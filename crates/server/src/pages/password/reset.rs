//! `/password/reset`: the page that a mailed link opens for who lost his password.

use admit_core::secret::Secret;
use axum::response::Response;
use http::StatusCode;

use super::by_link;
use crate::http::problem::Problem;
use crate::login::password::Way;
use crate::pages::form::{Query, Sent};
use crate::pages::visit::Visit;

/// `GET /password/reset?token=…`
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    by_link::show(&visit, Way::Reset, &Secret::new(query.text("token")), String::new(), StatusCode::OK)
}

/// `POST /password/reset`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    by_link::set(&visit, Way::Reset, form).await
}
