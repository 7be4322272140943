//! `id_token_hint` (OpenID Connect Core §3.1.2.1): whom an ID token of ours names, to whom it was given.

use admit_core::jose::Flaw;
use admit_core::oauth::authorization::{Hinted, RawRequest};

use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::oauth::client::KnownClient;
use crate::oauth::logout;

/// Puts whom it names in its place. A hint that is none of ours, or another client's, is left where it stands, and core refuses
/// it there; of one whose key is gone nobody can say whom it names.
pub fn settle(app: &App, realm: &RealmPolicy, raw: &mut RawRequest, client: &KnownClient) -> Result<(), Problem> {
    let Some(hint) = raw.text("id_token_hint") else { return Ok(()) };
    let hinted = match logout::read_hint(app, realm, hint)? {
        Ok(hint) if hint.client == client.client.id => Hinted::Of(hint.user),
        Err(Flaw::UnknownKey) => Hinted::Unknown,
        _ => return Ok(()),
    };
    raw.take("id_token_hint");
    raw.hinted = Some(hinted);
    Ok(())
}
