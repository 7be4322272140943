//! `GET` and `POST /oauth/userinfo` (OpenID Connect Core §5.3): what an application is told of the person who signed in to it.
//!
//! Any access token of this issuer opens it that was granted `openid`, whichever API it is for: in the header `Authorization`,
//! or in a form as `access_token` (RFC 6750 §2.2), never in an address. What is told is read anew each time.

use std::borrow::Cow;

use admit_core::check::code::Reason;
use admit_core::credential::{self, Accept, Place, Presented};
use admit_core::grant::Subject;
use admit_core::oauth::identity::IdentityScope;
use admit_core::oauth::userinfo;
use admit_core::principal::CredentialKind;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Unheard;
use super::call::{Call, Plain};
use super::{answer, cors};
use crate::app::App;
use crate::authn::freshness;
use crate::authn::resolve::{self, Ask};

/// The parameter of a form that a token may stand in.
const PARAMETER: &str = "access_token";

/// Says who somebody is.
pub async fn get(State(app): State<App>, Plain(call): Plain) -> Response {
    respond(&app, &call)
}

/// The same.
pub async fn post(State(app): State<App>, Plain(call): Plain) -> Response {
    respond(&app, &call)
}

fn respond(app: &App, call: &Call) -> Response {
    let response = match tell(app, call) {
        Ok(claims) => answer::json(&claims),
        Err(refused) => refused.told(call),
    };
    cors::open(app, &call.realm, &call.headers, response)
}

/// Why nothing is told.
enum Refused {
    /// Nothing was presented (RFC 6750 §3.1: without an error).
    Nothing,
    /// Not in one place, or in one where it does not belong.
    Request(&'static str),
    /// It is none, or none that counts.
    Token,
    /// It was not granted `openid`.
    Scope,
    /// It cannot be judged now.
    Later(Reason),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::NoCredential => Self::Nothing,
            Reason::TwoCredentials | Reason::DoubledCredential => Self::Request("Send the token in one place."),
            reason if matches!(reason.code().status(), 429 | 503) => Self::Later(reason),
            _ => Self::Token,
        }
    }
}

impl Refused {
    fn told(self, call: &Call) -> Response {
        let (status, error, told) = match self {
            Self::Later(reason) => return answer::refused(&call.realm.realm, &answer::cannot(reason)),
            Self::Nothing => (StatusCode::UNAUTHORIZED, None, "An access token is needed here."),
            Self::Request(told) => (StatusCode::BAD_REQUEST, Some("invalid_request"), told),
            Self::Token => (StatusCode::UNAUTHORIZED, Some("invalid_token"), "The access token does not count here."),
            Self::Scope => (StatusCode::FORBIDDEN, Some("insufficient_scope"), "The access token lacks openid."),
        };
        let scope = (status == StatusCode::FORBIDDEN).then_some("openid");
        Unheard { status, error, told, scope }.told(&call.realm.realm)
    }
}

fn tell(app: &App, call: &Call) -> Result<Map<String, Value>, Refused> {
    let presented = present(call)?;
    let principal = resolve::resolve(app, &call.realm, &presented, &Ask::at(call.ip, call.now))?.principal;
    principal.usable(call.ip, call.now)?;
    let grant =
        principal.grant.filter(|_| principal.credential == CredentialKind::AccessToken).ok_or(Refused::Token)?;
    let realm = call.realm.realm.id;
    let read = app.store.point(|tx| tx.find_lineage(realm, grant)).map_err(|error| {
        freshness::log_unread(app, &error, "what is told of a person");
        Refused::Later(resolve::unreadable(&error))
    })?;
    let lineage = read.filter(|lineage| lineage.halted().is_none()).ok_or(Refused::Token)?;
    let (Some(Subject::User(user)), Some(authorized)) = (&lineage.subject, &lineage.authorized) else {
        return Err(Refused::Token);
    };
    if !IdentityScope::OpenId.is_in(&principal.standing.scopes) {
        return Err(Refused::Scope);
    }
    let mut told = Map::from_iter([("sub".to_owned(), json!(user.id))]);
    told.extend(userinfo::claims(user, &principal.standing.scopes, authorized.asked_of("userinfo")));
    Ok(told)
}

/// The one token that was sent.
fn present(call: &Call) -> Result<Presented<'_>, Refused> {
    let query = call.uri.query().unwrap_or_default();
    if query.split('&').any(|pair| pair.split('=').next() == Some(PARAMETER)) {
        return Err(Refused::Request("A token in an address is read by others: send it in a header."));
    }
    let in_header = credential::present(&call.headers, None, &Accept::default())?;
    match (in_header, call.form.value(PARAMETER)) {
        (Some(presented), None) => Ok(presented),
        (None, Some(text)) => Ok(Presented { place: Place::Bearer, text: Cow::Borrowed(text), person: None }),
        (Some(_), Some(_)) => Err(Refused::Request("Send the token in one place.")),
        (None, None) => Err(Refused::Nothing),
    }
}
