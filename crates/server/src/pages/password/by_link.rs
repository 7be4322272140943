//! A password that is chosen by a mailed link: for who lost the one he had, and for who was invited. Opening the page uses
//! nothing up, so that whoever looks at mails first may; choosing does.

use admit_core::form::Form;
use admit_core::secret::Secret;
use axum::response::Response;
use http::StatusCode;

use super::{Choice, weakness};
use crate::http::problem::Problem;
use crate::login::ending::Ticked;
use crate::login::password::{self, Chosen, NotSet, Way};
use crate::mail;
use crate::pages::account;
use crate::pages::visit::{Visit, with_cookies};
use crate::pages::{Message, page};

/// The form.
pub(in crate::pages) fn show(
    visit: &Visit,
    way: Way,
    link: &Secret,
    error: String,
    status: StatusCode,
) -> Result<Response, Problem> {
    let Some(user) = password::find_by_link(&visit.app, visit.row().id, way, link, visit.now)? else {
        return Ok(no_link(visit, way));
    };
    let (ticket, words) = (visit.ticket(), visit.words);
    let (title, lead, path) = match way {
        Way::Reset => {
            (words.say("password.reset_title"), words.say("password.reset_lead").to_owned(), "/password/reset")
        }
        Way::Invitation => (words.say("invite.title"), words.with("invite.lead", "place", visit.place()), "/invite"),
    };
    let (apps, keys) = match way {
        Way::Reset => (account::apps(visit, user.id)?, account::keys(visit, user.id)?.0),
        Way::Invitation => (Vec::new(), Vec::new()),
    };
    let shown = Choice {
        frame: visit.frame(),
        title,
        lead: &lead,
        action: visit.path(path),
        token: ticket.token,
        username: user.spec.email.as_ref().unwrap_or(&user.spec.name).to_string(),
        link: link.expose(),
        error,
        asks_current: false,
        apps,
        keys,
    };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

/// What the form leads to.
pub(in crate::pages) async fn set(visit: &Visit, way: Way, mut form: Form) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let (link, new) = (form.take("token"), form.take("password"));
    let chosen = match way {
        Way::Reset => Chosen { password: &new, ends: Ticked::read(&form) },
        Way::Invitation => Chosen::alone(&new),
    };
    let set = password::set_by_link(&visit.app, visit.row(), way, &link, chosen, visit.asker()).await;
    match set {
        Ok(user) => {
            if way == Way::Reset {
                account::tell_password_changed(visit, user)?;
            }
            Ok(done(visit))
        }
        Err(NotSet::Weak(why)) => show(visit, way, &link, weakness(visit.words, why), StatusCode::UNPROCESSABLE_ENTITY),
        Err(NotSet::NoLink | NotSet::Current(_)) => Ok(no_link(visit, way)),
        Err(NotSet::Full) => Err(Problem::overloaded()),
        Err(NotSet::Unavailable) => Err(Problem::unavailable("a password cannot be set")),
    }
}

/// The password is set: on to signing in.
pub(in crate::pages) fn done(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("password.reset_done_title"), words.say("password.reset_done").to_owned());
    let next = Some((words.say("login.button"), visit.path("/login")));
    page(StatusCode::OK, &Message { frame: visit.frame(), title, text, next })
}

fn no_link(visit: &Visit, way: Way) -> Response {
    let words = visit.words;
    let text = match way {
        Way::Reset => words.say("password.no_link").to_owned(),
        Way::Invitation => words.say("invite.no_link").to_owned(),
    };
    let again = (words.say("password.again"), visit.path("/password/forgot"));
    let next = (way == Way::Reset && mail::is_there(&visit.app)).then_some(again);
    page(
        StatusCode::BAD_REQUEST,
        &Message { frame: visit.frame(), title: words.say("password.no_link_title"), text, next },
    )
}
