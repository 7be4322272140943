//! `/confirm`: the page that a mailed link opens to show whose an address is. Opening it does nothing, so that whoever looks at
//! mails first may; its button does.

use admit_core::secret::Secret;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::form::{Query, Sent};
use super::visit::{Visit, with_cookies};
use super::{Frame, Message, page};
use crate::http::problem::Problem;
use crate::login::address::{self, Open};
use crate::mail::{self, Mail, To};

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    link: &'p str,
    email: String,
    text: String,
}

/// `GET /confirm?token=…`
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    let link = Secret::new(query.text("token"));
    let Some(open) = address::find(&visit.app, visit.row().id, &link, visit.now)? else { return Ok(no_link(&visit)) };
    if is_somebody_else(&visit, &open)? {
        return Ok(not_yours(&visit));
    }
    let ticket = visit.ticket();
    let shown = ConfirmPage {
        frame: visit.frame(),
        base: &visit.base,
        token: ticket.token,
        link: link.expose(),
        email: open.address.to_string(),
        text: visit.words.with("confirm.lead", "name", open.user.spec.name.as_str()),
    };
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

/// `POST /confirm`
pub async fn post(visit: Visit, Sent(mut form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let link = form.take("token");
    let Some(open) = address::find(&visit.app, visit.row().id, &link, visit.now)? else { return Ok(no_link(&visit)) };
    if is_somebody_else(&visit, &open)? {
        return Ok(not_yours(&visit));
    }
    let Some(proved) = address::finish(&visit.app, visit.row(), &open, &link, visit.request_id).await? else {
        return Ok(no_link(&visit));
    };
    if let Some(before) = &proved.before {
        let to = To { address: before.as_str(), user: Some(proved.user.id), language: visit.words.language() };
        mail::send(&visit.app, visit.row(), to, &Mail::AddressChanged, visit.now);
    }
    let words = visit.words;
    let (title, text) = (words.say("confirm.done_title"), words.say("confirm.done").to_owned());
    let next = Some((words.say("confirm.next"), visit.path("/account")));
    Ok(page(StatusCode::OK, &Message { frame: visit.frame(), title, text, next }))
}

/// Whether another person than the link's is signed in here: he is shown nothing of whose it is (PW-13).
fn is_somebody_else(visit: &Visit, open: &Open) -> Result<bool, Problem> {
    Ok(visit.signed_in()?.is_some_and(|signed_in| signed_in.user != open.user.id))
}

fn not_yours(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("confirm.not_yours_title"), words.say("confirm.not_yours").to_owned());
    let next = Some((words.say("logout.button"), visit.path("/logout")));
    page(StatusCode::FORBIDDEN, &Message { frame: visit.frame(), title, text, next })
}

fn no_link(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("password.no_link_title"), words.say("confirm.no_link").to_owned());
    let next = Some((words.say("confirm.next"), visit.path("/account")));
    page(StatusCode::BAD_REQUEST, &Message { frame: visit.frame(), title, text, next })
}
