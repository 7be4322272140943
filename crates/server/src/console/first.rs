//! `/console/first`: the page that the link of `serve` opens. Opening it uses nothing up; sending the form makes the first
//! operator, once, and signs him in.

use admit_core::login::session::Factor;
use admit_core::name::Label;
use admit_core::secret::Secret;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::PATH;
use super::operator::OfOperators;
use crate::http::problem::Problem;
use crate::login::first_operator::{self, Applicant, NotEnrolled};
use crate::login::password::NotSet;
use crate::login::session::{self, Entry};
use crate::pages::form::{Query, Sent};
use crate::pages::password::weakness;
use crate::pages::visit::{Visit, go, with_cookies};
use crate::pages::{Frame, Message, page};

#[derive(Template)]
#[template(path = "console/first.html")]
struct FirstPage<'p> {
    frame: Frame,
    token: String,
    link: &'p str,
    name: &'p str,
    email: &'p str,
    error: String,
}

/// `GET /console/first?token=…`
pub async fn get(OfOperators(visit): OfOperators, query: Query) -> Result<Response, Problem> {
    let link = Secret::new(query.text("token"));
    show(&visit, &link, ("", ""), String::new(), StatusCode::OK)
}

/// `POST /console/first`
pub async fn post(OfOperators(visit): OfOperators, Sent(mut form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let (link, password) = (form.take("token"), form.take("password"));
    let typed = (form.text("name").trim(), form.text("email").trim());
    let words = visit.words;
    let again = |error: &str| show(&visit, &link, typed, error.to_owned(), StatusCode::UNPROCESSABLE_ENTITY);
    let Ok(name) = Label::parse(typed.0) else { return again(words.say("console.first.bad_name")) };
    let Ok(email) = Label::parse(typed.1) else { return again(words.say("console.first.bad_email")) };
    let applicant = Applicant { name, email, password };
    let (app, realm) = (&visit.app, visit.row());
    let enrolled = first_operator::enroll(app, realm, &link, applicant, visit.source(), visit.request_id).await;
    match enrolled {
        Ok(user) => {
            let entry = Entry::new(user, &[Factor::Password], visit.seen(), None);
            let begun = session::begin(app, realm, entry, visit.now).await?;
            let cookies = visit.set_session(&begun).into_iter().chain(visit.new_ticket().cookie);
            Ok(with_cookies(go(PATH), cookies))
        }
        Err(NotEnrolled::NoLink) => Ok(no_link(&visit)),
        Err(NotEnrolled::Bad(flaw)) if flaw.path == "email" => again(words.say("console.first.bad_email")),
        Err(NotEnrolled::Bad(_)) => again(words.say("console.first.bad_name")),
        Err(NotEnrolled::Password(NotSet::Weak(why))) => again(&weakness(words, why)),
        Err(NotEnrolled::Password(NotSet::Full)) => Err(Problem::overloaded()),
        Err(NotEnrolled::Password(_)) => Err(Problem::unavailable("a password cannot be set")),
        Err(NotEnrolled::Store(error)) => Err(error.into()),
    }
}

fn show(
    visit: &Visit,
    link: &Secret,
    (name, email): (&str, &str),
    error: String,
    status: StatusCode,
) -> Result<Response, Problem> {
    if !first_operator::is_good(&visit.app, link, visit.now)? {
        return Ok(no_link(visit));
    }
    let ticket = visit.ticket();
    let shown = FirstPage { frame: visit.frame(), token: ticket.token, link: link.expose(), name, email, error };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

fn no_link(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("console.first.no_link_title"), words.say("console.first.no_link").to_owned());
    let next = Some((words.say("login.title"), PATH.to_owned()));
    page(StatusCode::BAD_REQUEST, &Message { frame: visit.frame(), title, text, next })
}
