//! An answer on its way to the application: a redirect, or a page whose form the browser sends (OAuth 2.0 Form Post Response
//! Mode). That page is the only one that runs a script; who runs none presses its button.

use admit_core::oauth::authorization::Mode;
use askama::Template;
use axum::response::Response;

use super::stage::Stage;
use crate::pages::visit::{Visit, go};
use crate::pages::{Frame, page_that_sends};

/// What sends the form.
const SCRIPT: &str = "document.forms[0].submit()";

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'p> {
    frame: Frame,
    app: String,
    action: &'p str,
    fields: &'p [(&'static str, String)],
    script: &'static str,
}

/// Sends the browser back. By 303, so that nothing that was posted here is posted there (RFC 9700 §4.12).
pub fn send(visit: &Visit, stage: &Stage, fields: &[(&'static str, String)]) -> Response {
    let way = &stage.way;
    if way.mode != Mode::FormPost {
        return go(&way.address(fields));
    }
    let (action, source) = (way.redirect.as_str(), way.redirect.source());
    let shown = FormPost { frame: visit.frame(), app: stage.app_name(), action, fields, script: SCRIPT };
    page_that_sends(&shown, SCRIPT, &source)
}
