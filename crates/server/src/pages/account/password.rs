//! `/account/password`: another password, for who knows the one he has, and the end of what is ticked with it.

use admit_core::login::cookie::Cookie;
use axum::response::Response;
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::{apps, keys, tell_password_changed, to_sign_in, user};
use crate::http::problem::Problem;
use crate::login::device;
use crate::login::ending::Ticked;
use crate::login::password::{self, Chosen, NotSet};
use crate::login::session::SignedIn;
use crate::login::verify::Refused;
use crate::pages::form::Sent;
use crate::pages::page;
use crate::pages::password::{Choice, weakness};
use crate::pages::visit::{Visit, go, with_cookies};

/// `GET /account/password`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    show(&visit, &signed_in, String::new(), StatusCode::OK)
}

/// `POST /account/password`
pub async fn post(visit: Visit, Sent(mut form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let (current, new) = (form.take("current"), form.take("password"));
    let chosen = Chosen { password: &new, ends: Ticked::read(&form) };
    // Whoever took over the session has not got the password: he guesses like any stranger.
    let (user, but) = (signed_in.user, Some(signed_in.grant));
    let again = |error, status| show(&visit, &signed_in, error, status);
    match password::change(&visit.app, visit.row(), user, &current, chosen, but, visit.asker()).await {
        Ok(()) => {
            tell_password_changed(&visit, user)?;
            // All devices were forgotten along with the old password, this one too.
            let device = device::remember(&visit.app, visit.row(), user, visit.seen(), visit.now).await?;
            let cookie = visit.set(Cookie::Device, &device, visit.row().device_life());
            Ok(with_cookies(go(&visit.path("/account?done=password")), [cookie]))
        }
        Err(NotSet::Weak(why)) => again(weakness(visit.words, why), StatusCode::UNPROCESSABLE_ENTITY),
        Err(NotSet::Current(Refused::Later { retry_after_s })) => {
            let span = visit.words.span(admit_core::time::Span::seconds(i64::from(retry_after_s) + 59));
            let mut response = again(visit.words.with("login.later", "span", span), StatusCode::TOO_MANY_REQUESTS)?;
            response.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
            Ok(response)
        }
        Err(NotSet::Current(Refused::NeedsLink)) => {
            again(visit.words.say("login.needs_link").to_owned(), StatusCode::FORBIDDEN)
        }
        Err(NotSet::Current(Refused::Wrong) | NotSet::NoLink) => {
            again(visit.words.say("password.wrong").to_owned(), StatusCode::FORBIDDEN)
        }
        Err(NotSet::Full | NotSet::Current(Refused::Full)) => Err(Problem::overloaded()),
        Err(NotSet::Unavailable | NotSet::Current(Refused::Unavailable)) => {
            Err(Problem::unavailable("a password cannot be changed"))
        }
    }
}

fn show(visit: &Visit, signed_in: &SignedIn, error: String, status: StatusCode) -> Result<Response, Problem> {
    let Some(user) = user(visit, signed_in.user)? else { return Ok(to_sign_in(visit)) };
    let ticket = visit.ticket();
    let shown = Choice {
        frame: visit.frame().of_person(user.spec.name.to_string()),
        title: visit.words.say("password.change_title"),
        lead: visit.words.say("password.change_lead"),
        action: visit.path("/account/password"),
        token: ticket.token,
        username: user.spec.email.as_ref().unwrap_or(&user.spec.name).to_string(),
        link: "",
        error,
        asks_current: true,
        apps: apps(visit, user.id)?,
        keys: keys(visit, user.id)?.0,
    };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}
