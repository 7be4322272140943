//! An answer on its way to the application: a redirect, or a page whose form the browser sends (OAuth 2.0 Form Post Response
//! Mode). That page is the only one that runs a script; who runs none presses its button. An error for an application that is a
//! stranger waits on a page until somebody goes on with it.

use admit_core::oauth::authorization::{Mode, RedirectKind};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::stage::Stage;
use crate::pages::visit::{Visit, go};
use crate::pages::{Frame, page_on_to, page_that_sends};

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

#[derive(Template)]
#[template(path = "stranger.html")]
struct Stranger<'p> {
    frame: Frame,
    app: String,
    origin: &'p str,
    is_web: bool,
    /// The whole address, or that of the form where there are fields.
    action: &'p str,
    fields: &'p [(&'static str, String)],
}

/// Says where the browser would go, and leaves it to the person.
pub fn offer(visit: &Visit, stage: &Stage, fields: &[(&'static str, String)]) -> Response {
    let way = &stage.way;
    let (address, source) = (way.address(fields), way.redirect.source());
    let is_form = way.mode == Mode::FormPost;
    let shown = Stranger {
        frame: visit.frame(),
        app: stage.app_name(),
        origin: way.redirect.place(),
        is_web: way.redirect.kind() == RedirectKind::Web,
        action: if is_form { way.redirect.as_str() } else { &address },
        fields: if is_form { fields } else { &[] },
    };
    page_on_to(StatusCode::BAD_REQUEST, &shown, is_form.then_some(source.as_str()))
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
