//! `POST /oauth/token` (RFC 6749 §3.2): who asks, by which kind of grant, and what that gives.
//!
//! Issued tokens are counted; refusals of clients that showed who they are reach the audit, bounded (see
//! [`crate::jobs::token`]).

use admit_core::client::ClientType;
use admit_core::oauth::{AUTHORIZATION_DETAILS, Error, ErrorCode};
use admit_core::secret::Secret;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::call::Call;
use super::client::{self, Caller};
use super::grants::{self, authorization_code, client_credentials, device_code, refresh};
use super::mint::Issued;
use super::{answer, cors};
use crate::app::App;
use crate::jobs::token::Refused as Noted;

/// What a client gets (RFC 6749 §5.1). `scope` is always told.
#[derive(Debug, Serialize)]
struct Told<'t> {
    access_token: &'t str,
    token_type: &'static str,
    expires_in: i64,
    scope: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'t str>,
}

/// What a kind of grant gave.
#[derive(Debug)]
pub struct Given {
    /// The token.
    pub token: Issued,
    /// What it is for, as it is told.
    pub scope: String,
    /// What renews it.
    pub refresh_token: Option<Secret>,
    /// Who signed in.
    pub id_token: Option<Secret>,
}

/// Answers for tokens.
pub async fn post(State(app): State<App>, call: Call) -> Response {
    let response = match answer(&app, &call).await {
        Ok(given) => answer::json(&Told {
            access_token: given.token.text.expose(),
            token_type: "Bearer",
            expires_in: given.token.expires_in_s,
            scope: &given.scope,
            refresh_token: given.refresh_token.as_ref().map(Secret::expose),
            id_token: given.id_token.as_ref().map(Secret::expose),
        }),
        Err(error) => {
            app.metrics.tokens.refused(error.code);
            answer::refused(&call.realm.realm, &error)
        }
    };
    cors::open(&app, &call.realm, &call.headers, response)
}

async fn answer(app: &App, call: &Call) -> Result<Given, Error> {
    let grant_type = call.form.value("grant_type").ok_or_else(|| Error::request("grant_type is missing."))?;
    if !grants::KNOWN.contains(&grant_type) {
        let told = format!("Only these are known here: {}.", grants::KNOWN.join(", "));
        return Err(Error::new(ErrorCode::UnsupportedGrantType, told));
    }
    if call.form.value(AUTHORIZATION_DETAILS).is_some() {
        return Err(Error::details());
    }
    let caller = client::authenticate(app, &call.realm, &call.headers, &call.form, call.ip, call.now).await?;
    let given = match grant_type {
        authorization_code::GRANT_TYPE => authorization_code::post(app, call, &caller).await,
        device_code::GRANT_TYPE => device_code::post(app, call, &caller).await,
        refresh::GRANT_TYPE => refresh::post(app, call, &caller).await,
        _ => client_credentials::post(app, call, &caller).await,
    };
    given.map_err(|refused| note(app, call, &caller, refused))
}

/// Why a client that showed who it is got nothing.
#[derive(Debug)]
pub struct Refused {
    /// What it is told.
    pub error: Error,
    /// The word for the audit; none where the reason is not the client's.
    pub why: Option<&'static str>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let is_its_own = !matches!(error.code, ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError);
        Self { why: is_its_own.then(|| error.code.as_str()), error }
    }
}

impl Refused {
    /// With a word of its own.
    pub fn because(why: &'static str, error: Error) -> Self {
        Self { error, why: Some(why) }
    }

    /// What was presented for tokens is not good.
    pub fn grant(why: &'static str, told: impl std::fmt::Display) -> Self {
        Self::because(why, Error::new(ErrorCode::InvalidGrant, told.to_string()))
    }
}

/// Refuses clients that act as themselves and for nobody.
pub fn must_act_for_people(caller: &Caller) -> Result<(), Refused> {
    if caller.client.client.spec.kind != ClientType::Service {
        return Ok(());
    }
    let told = "Clients of type service act as themselves only: use client_credentials.";
    Err(Refused::because("client_type", Error::new(ErrorCode::UnauthorizedClient, told)))
}

fn note(app: &App, call: &Call, caller: &Caller, refused: Refused) -> Error {
    if let Some(why) = refused.why {
        let noted = Noted {
            realm: call.realm.realm.id,
            at: call.now,
            client: caller.client.client.id,
            code: refused.error.code,
            why,
            source: call.ip.map(admit_core::check::address::network),
            request_id: call.request_id,
        };
        if !app.token_refusals.add(&noted) {
            app.metrics.refusals_dropped.inc();
        }
    }
    refused.error
}
