//! `/account/email`: whose the address is, and another one, for who signed in a moment ago. What an address is used for changes
//! only when the link that is sent there is followed; see [`crate::pages::confirm`].

use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::text::Language;
use admit_core::user::User;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use tokio::sync::Semaphore;

use super::key::fresh;
use super::{to_sign_in, user};
use crate::app::App;
use crate::http::problem::Problem;
use crate::login::address::{self, Claim};
use crate::login::{link, register};
use crate::mail;
use crate::pages::form::Sent;
use crate::pages::register::tell;
use crate::pages::visit::{Visit, go, with_cookies};
use crate::pages::{Frame, page};

/// How many are done at a time. More are not done at all, and nobody is told so.
const AT_ONCE: usize = 32;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

#[derive(Template)]
#[template(path = "email.html")]
struct EmailPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    now: String,
    is_verified: bool,
    email: &'p str,
    error: &'static str,
}

/// `GET /account/email`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    must_have_mail(&visit.app)?;
    let signed_in = match fresh(&visit, "email")? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let Some(user) = user(&visit, signed_in.user)? else { return Ok(to_sign_in(&visit)) };
    Ok(show(&visit, &user, "", "", StatusCode::OK))
}

/// `POST /account/email`: another address. The answer is the same, whoever has it.
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    must_have_mail(&visit.app)?;
    let signed_in = match fresh(&visit, "email")? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let Some(user) = user(&visit, signed_in.user)? else { return Ok(to_sign_in(&visit)) };
    let typed = form.text("email");
    let again = |error| Ok(show(&visit, &user, typed, error, StatusCode::UNPROCESSABLE_ENTITY));
    let Some(wanted) = register::read_address(typed) else { return again(visit.words.say("register.no_address")) };
    let is_his = user.spec.email.as_ref().is_some_and(|email| link::is_same(email, &wanted));
    if is_his && user.email_verified_at.is_some() {
        return again(visit.words.say("email.same"));
    }
    claim(&visit, &user, if is_his { user.spec.email.clone().unwrap_or(wanted) } else { wanted });
    Ok(go(&visit.path("/account?done=email")))
}

/// `POST /account/email/confirm`: a link to the address that he has.
pub async fn confirm(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    must_have_mail(&visit.app)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let Some(user) = user(&visit, signed_in.user)? else { return Ok(to_sign_in(&visit)) };
    if let Some(address) = user.spec.email.clone().filter(|_| user.email_verified_at.is_none()) {
        claim(&visit, &user, address);
    }
    Ok(go(&visit.path("/account?done=email")))
}

/// Has it done without waiting for it: how long it takes tells who has the address.
fn claim(visit: &Visit, user: &User, address: Label) {
    let Ok(place) = PLACES.try_acquire() else {
        return tracing::warn!("too many addresses are to be confirmed at once: one link is not sent");
    };
    let (app, realm, language) = (visit.app.clone(), visit.row().clone(), visit.words.language());
    let claim = Claim { user: user.id, address, source: visit.source(), request_id: visit.request_id };
    tokio::spawn(async move {
        let _place = place;
        do_it(&app, &realm, claim, language).await;
    });
}

async fn do_it(app: &App, realm: &Realm, claim: Claim, language: Language) {
    match address::begin(app, realm, claim).await {
        Ok(Some(told)) => tell(app, realm, &told, language, true),
        Ok(None) => {}
        Err(error) => tracing::error!(error = %error, "a link to confirm an address cannot be made"),
    }
}

fn show(visit: &Visit, user: &User, email: &str, error: &'static str, status: StatusCode) -> Response {
    let ticket = visit.ticket();
    let shown = EmailPage {
        frame: visit.frame().of_person(user.spec.name.to_string()),
        base: &visit.base,
        token: ticket.token,
        now: user.spec.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        is_verified: user.email_verified_at.is_some(),
        email,
        error,
    };
    with_cookies(page(status, &shown), ticket.cookie)
}

/// Without mail nobody can show whose an address is.
fn must_have_mail(app: &App) -> Result<(), Problem> {
    if mail::is_there(app) {
        return Ok(());
    }
    let detail = "No mail is sent from here: [mail] is not configured.";
    Err(Problem::new(404, "not_found", detail).with_next("admit user update USER --email ADDRESS"))
}
