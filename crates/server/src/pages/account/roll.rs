//! `/account/keys/roll`: another secret for a key of one's own, for who signed in a moment ago.

use admit_core::form::Form;
use admit_core::id::{KeyId, SubjectId};
use admit_core::key::change::RollRequest;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::key::{KeyMadePage, fresh};
use super::{KeyLine, key_line, tell};
use crate::http::problem::Problem;
use crate::login::session::SignedIn;
use crate::mail::Mail;
use crate::manage::guard::Access;
use crate::manage::keys as managed;
use crate::pages::form::{Query, Sent};
use crate::pages::visit::{Visit, with_cookies};
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "roll.html")]
struct RollPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    error: &'static str,
    key: KeyLine,
}

/// `GET /account/keys/roll?key=…`
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    match fresh(&visit, "account")? {
        Ok(signed_in) => show(&visit, &signed_in, query.text("key"), "", StatusCode::OK),
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// `POST /account/keys/roll`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let signed_in = match fresh(&visit, "account")? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let (key, name) = own(&visit, &signed_in, form.text("key")).map(|key| (key.id, key.name))?;
    let access = Access::of_person(&visit.realm, &signed_in.principal, visit.request_id, visit.now);
    let rolled = match managed::roll_own(&visit.app, access, key, asked(&form)).await {
        Ok(rolled) => rolled.ok_or_else(|| unknown(form.text("key")))?,
        Err(problem) if problem.code() == "too_many_secrets" => {
            let error = visit.words.say("roll.too_many");
            return show(&visit, &signed_in, form.text("key"), error, StatusCode::CONFLICT);
        }
        Err(problem) => return Err(problem),
    };
    tell(&visit, signed_in.user, &Mail::KeyRolled { name: &name })?;
    let shown = KeyMadePage { frame: visit.frame(), base: &visit.base, key: rolled.0.expose() };
    Ok(page(StatusCode::OK, &shown))
}

/// Whether the old secret goes on for a day, or ends now.
fn asked(form: &Form) -> RollRequest {
    RollRequest { overlap_s: None, compromised: form.text("old") == "now" }
}

fn show(
    visit: &Visit,
    signed_in: &SignedIn,
    key: &str,
    error: &'static str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let key = own(visit, signed_in, key)?;
    let ticket = visit.ticket();
    let shown = RollPage { frame: visit.frame(), base: &visit.base, token: ticket.token, error, key };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

/// A key of this person; others' are as if they were not there.
fn own(visit: &Visit, signed_in: &SignedIn, text: &str) -> Result<KeyLine, Problem> {
    let id: KeyId = text.parse().map_err(|_| unknown(text))?;
    let found = visit.app.store.point(|tx| tx.find_key(visit.row().id, id))?;
    let own = found.filter(|issued| issued.grant.subject == SubjectId::User(signed_in.user));
    own.map(|issued| key_line(visit, &issued)).ok_or_else(|| unknown(text))
}

fn unknown(text: &str) -> Problem {
    Problem::not_found("key", text)
}
