//! `/password/reset`: the page that a mailed link opens. Opening it uses nothing up, so that whoever looks at mails first may;
//! choosing a password does.

use admit_core::id::UserId;
use admit_core::secret::Secret;
use axum::response::Response;
use http::StatusCode;

use super::{Choice, weakness};
use crate::http::problem::Problem;
use crate::login::password::{self, NotSet};
use crate::pages::account::{self, KeyLine};
use crate::pages::form::{Query, Sent};
use crate::pages::visit::{Visit, with_cookies};
use crate::pages::{Message, page};

/// `GET /password/reset?token=…`
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    let link = Secret::new(query.text("token"));
    show(&visit, &link, String::new(), StatusCode::OK)
}

/// `POST /password/reset`
pub async fn post(visit: Visit, Sent(mut form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let (link, chosen) = (form.take("token"), form.take("password"));
    let (app, realm) = (&visit.app, visit.row());
    let set = password::finish_reset(app, realm, &link, &chosen, visit.source(), visit.request_id).await;
    match set {
        Ok(user) => {
            account::revoke_ticked(&visit, user, &form).await?;
            account::tell_password_changed(&visit, user)?;
            let words = visit.words;
            let (title, text) = (words.say("password.reset_done_title"), words.say("password.reset_done").to_owned());
            let next = Some((words.say("login.button"), visit.path("/login")));
            Ok(page(StatusCode::OK, &Message { frame: visit.frame(), title, text, next }))
        }
        Err(NotSet::Weak(why)) => show(&visit, &link, weakness(visit.words, why), StatusCode::UNPROCESSABLE_ENTITY),
        Err(NotSet::NoLink | NotSet::Current(_)) => Ok(no_link(&visit)),
        Err(NotSet::Full) => Err(Problem::overloaded()),
        Err(NotSet::Unavailable) => Err(Problem::unavailable("a password cannot be set")),
    }
}

fn show(visit: &Visit, link: &Secret, error: String, status: StatusCode) -> Result<Response, Problem> {
    let Some(user) = password::find_reset(&visit.app, visit.row().id, link, visit.now)? else {
        return Ok(no_link(visit));
    };
    let ticket = visit.ticket();
    let shown = Choice {
        frame: visit.frame(),
        title: visit.words.say("password.reset_title"),
        lead: visit.words.say("password.reset_lead"),
        action: visit.path("/password/reset"),
        token: ticket.token,
        username: user.spec.email.as_ref().unwrap_or(&user.spec.name).to_string(),
        link: link.expose(),
        error,
        asks_current: false,
        keys: keys(visit, user.id)?,
        keys_ticked: true,
    };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

fn keys(visit: &Visit, user: UserId) -> Result<Vec<KeyLine>, Problem> {
    Ok(account::keys(visit, user)?.0)
}

fn no_link(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("password.no_link_title"), words.say("password.no_link").to_owned());
    let next = Some((words.say("password.again"), visit.path("/password/forgot")));
    page(StatusCode::BAD_REQUEST, &Message { frame: visit.frame(), title, text, next })
}
