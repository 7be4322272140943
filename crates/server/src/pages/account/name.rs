//! `/account/name`: another name, where the realm lets people choose one.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{to_sign_in, user};
use crate::http::problem::Problem;
use crate::login::rename::{NotRenamed, rename};
use crate::login::session::SignedIn;
use crate::pages::form::Sent;
use crate::pages::visit::{Visit, go, with_cookies};
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "name.html")]
struct NamePage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    name: String,
    error: &'static str,
}

/// `GET /account/name`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    if !visit.row().lets_rename() {
        return Err(not_here(&visit));
    }
    let Some(user) = user(&visit, signed_in.user)? else { return Ok(to_sign_in(&visit)) };
    show(&visit, &signed_in, user.spec.name.to_string(), "", StatusCode::OK)
}

/// `POST /account/name`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let (typed, words) = (form.text("name"), visit.words);
    let again = |error, status| show(&visit, &signed_in, typed.to_owned(), error, status);
    match rename(&visit.app, visit.row(), signed_in.user, typed, visit.request_id).await? {
        Ok(()) => Ok(go(&visit.path("/account?done=name"))),
        Err(NotRenamed::NotHere) => Err(not_here(&visit)),
        Err(NotRenamed::Bad) => again(words.say("name.bad"), StatusCode::UNPROCESSABLE_ENTITY),
        Err(NotRenamed::Taken) => again(words.say("name.taken"), StatusCode::CONFLICT),
        Err(NotRenamed::TooOften) => again(words.say("name.too_often"), StatusCode::TOO_MANY_REQUESTS),
    }
}

fn show(
    visit: &Visit,
    signed_in: &SignedIn,
    name: String,
    error: &'static str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let Some(user) = user(visit, signed_in.user)? else { return Ok(to_sign_in(visit)) };
    let ticket = visit.ticket();
    let frame = visit.frame().of_person(user.spec.name.to_string());
    let shown = NamePage { frame, base: &visit.base, token: ticket.token, name, error };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

fn not_here(visit: &Visit) -> Problem {
    let next = format!("admit realm update {} --setting self_rename=true", visit.row().name);
    Problem::new(404, "not_found", "People do not choose their names here.").with_next(next)
}
