//! Requests on their way through the pages: sealed, and opened in the browser that they were sealed for (SE-01, AZ-09).

use admit_core::id::RealmId;
use admit_core::oauth::authorization::{Flow, SEALED_MAX};
use admit_core::seal::{NONCE_BYTES, Place};
use data_encoding::BASE64URL_NOPAD;

use super::stage::Stage;
use crate::app::App;
use crate::http::problem::Problem;
use crate::pages::visit::Visit;

/// The text for an address; none where it would be too long.
pub fn seal(app: &App, realm: RealmId, flow: &Flow) -> Option<String> {
    let nonce: [u8; NONCE_BYTES] = app.random();
    let octets = flow.octets()?;
    Some(BASE64URL_NOPAD.encode(&app.master.keys().active().seal.seal(&place(realm), nonce, &octets)))
}

/// The request that comes to a page of ours, in the browser that it was sealed for.
pub fn arrive(visit: &mut Visit, sealed: &str) -> Result<Stage, Problem> {
    let flow = open(visit, sealed).filter(|flow| flow.browser.is_some() && flow.browser == visit.browser());
    Stage::of(visit, flow.ok_or_else(stale)?)
}

/// The request that was posted a moment ago, of which the browser could not be told. It begins anew what a link would begin.
pub(super) fn take_over(visit: &mut Visit, sealed: &str) -> Result<Stage, Problem> {
    let flow = open(visit, sealed).filter(|flow| flow.browser.is_none());
    Stage::of(visit, flow.ok_or_else(stale)?)
}

fn open(visit: &Visit, sealed: &str) -> Option<Flow> {
    if sealed.len() > SEALED_MAX {
        return None;
    }
    let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
    let octets = visit.app.master.keys().open(&place(visit.row().id), &sealed).ok()?;
    Flow::read(&octets, visit.now)
}

/// What it is, so that no other sealed value is taken for one.
const fn place(realm: RealmId) -> Place<'static> {
    Place { table: "(address)", column: "authorization", row: &[0; 16], realm }
}

pub(super) fn stale() -> Problem {
    let detail =
        "This sign-in was begun in another browser, or longer than ten minutes ago. Begin again in the application.";
    Problem::new(400, "stale_flow", detail)
}
