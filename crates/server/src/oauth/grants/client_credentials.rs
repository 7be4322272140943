//! `grant_type=client_credentials` (RFC 6749 §4.4): a token for a client that acts as itself. No refresh token, no ID token.

use admit_core::audit::Event;
use admit_core::id::SubjectId;
use admit_core::oauth::client_credentials::narrow;
use admit_core::oauth::{Error, scope};

use crate::app::App;
use crate::oauth::answer;
use crate::oauth::call::Call;
use crate::oauth::client::Caller;
use crate::oauth::mint::{self, Facts};
use crate::oauth::own::{self, Asked, Nothing, Own};
use crate::oauth::token::{Given, Refused};

/// The word.
pub const GRANT_TYPE: &str = "client_credentials";

/// What the client may have of what it asks for.
pub async fn post(app: &App, call: &Call, caller: &Caller) -> Result<Given, Refused> {
    let asked = Asked {
        realm: &call.realm,
        client: &caller.client.client,
        roles: &caller.client.roles,
        resources: call.form.resources().collect(),
        position: call.position,
        now: call.now,
    };
    let own = own::of(app, &asked).await?;
    issue(app, &asked, &own, call.form.value("scope"), None).await
}

/// A token of what a client has as itself, narrowed to what was asked for. Who issues it for the client says what the audit
/// is to have of it.
pub async fn issue(
    app: &App,
    asked: &Asked<'_>,
    own: &Own,
    scope: Option<&str>,
    noted: Option<Event>,
) -> Result<Given, Refused> {
    let client = asked.client;
    // It was there a moment ago, and what is remembered of it depends on the realm.
    let api = own.api_of(asked.realm).ok_or_else(Error::unavailable)?;
    let narrowed = narrow(&own.whole, asked.roles, scope).map_err(Nothing::Refused)?;
    let standing = narrowed.as_ref().unwrap_or(&own.whole);
    let facts = Facts {
        api: Some(api),
        grant: own.grant,
        ancestors: &[],
        grant_ends: None,
        subject: SubjectId::Client(client.id),
        client: client.id,
        org: own.org,
        sign_in: None,
        scopes: &standing.scopes,
        roles: &standing.roles,
    };
    let token = mint::access_token(app, asked.realm, facts, noted, asked.now).await?;
    Ok(Given { token, scope: scope::join(&standing.scopes), refresh_token: None, id_token: None })
}

impl From<Nothing> for Refused {
    fn from(nothing: Nothing) -> Self {
        match nothing {
            Nothing::Refused(refusal) => Self { why: Some(refusal.as_str()), error: refusal.into() },
            Nothing::Store(error) => Self { why: None, error: answer::unread(&error) },
            Nothing::Behind => {
                tracing::error!(
                    "the clock is behind what is stored: no token is issued until it is not. Next: admit doctor"
                );
                Self { why: None, error: Error::unavailable() }
            }
        }
    }
}
