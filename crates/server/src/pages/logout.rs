//! `/logout`: asks, then ends the session and takes its cookie away.

use admit_core::login::cookie::Cookie;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::form::Sent;
use super::visit::{Visit, go, with_cookies};
use super::{Frame, Message, page};
use crate::http::problem::Problem;
use crate::login::session::{self, Why};

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
}

/// `GET /logout`: only the form ends anything, so that no link elsewhere can.
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    if visit.signed_in()?.is_none() {
        return Ok(done(&visit));
    }
    let ticket = visit.ticket();
    let shown = LogoutPage { frame: visit.frame(), base: &visit.base, token: ticket.token };
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

/// `POST /logout`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    if let Some(signed_in) = visit.signed_in()? {
        let (user, grant) = (signed_in.user, signed_in.grant);
        session::end(&visit.app, visit.row().id, user, grant, Why::SignedOut, visit.now).await?;
    }
    let cookies = visit.clear_session().into_iter().chain([visit.clear(Cookie::Before)]);
    Ok(with_cookies(go(&visit.path("/logout")), cookies))
}

fn done(visit: &Visit) -> Response {
    let words = visit.words;
    page(
        StatusCode::OK,
        &Message {
            frame: visit.frame(),
            title: words.say("logout.done_title"),
            text: words.say("logout.done").to_owned(),
            next: Some((words.say("logout.sign_in"), visit.path("/login"))),
        },
    )
}
