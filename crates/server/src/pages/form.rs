//! The body of a form on its way to a handler: one content type, bounded, and no field twice.

use admit_core::form::{BadForm, FORM_MAX, Form};
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;

use crate::http::json::too_large_or_broken;
use crate::http::media;
use crate::http::problem::Problem;

/// What a form says that it is.
pub const KIND: &str = "application/x-www-form-urlencoded";

/// A form that was sent.
pub struct Sent(pub Form);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        media::judge(request.headers(), KIND)?;
        let body =
            to_bytes(request.into_body(), FORM_MAX).await.map_err(|error| too_large_or_broken(&error, FORM_MAX))?;
        Form::parse(&body).map(Self).map_err(|bad| match bad {
            BadForm::TooLong(limit) => {
                Problem::new(413, "body_too_large", format!("The form may have at most {limit} bytes."))
            }
            bad => Problem::new(400, "invalid_request", format!("The form is not as it should be: {bad}.")),
        })
    }
}

/// What stands in the address after `?`, read as strictly as a form.
pub struct Query(pub Form);

impl Query {
    /// The value of a parameter; empty where it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.0.text(name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        Form::parse(text.as_bytes())
            .map(Self)
            .map_err(|bad| Problem::new(400, "invalid_request", format!("The query is not as it should be: {bad}.")))
    }
}
