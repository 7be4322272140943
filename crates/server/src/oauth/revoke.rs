//! `POST /oauth/revoke` (RFC 7009): a client gives a token back, and it is refused from the next request on.
//!
//! Durable before it is said. Of a token that is unknown, over, or another client's, nothing is told and nothing happens.

use admit_core::audit::Event;
use admit_core::oauth::Error;
use admit_store::{End, RevokedToken};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::call::Call;
use super::client;
use super::introspect::token_of;
use super::{answer, cors};
use crate::app::App;
use crate::authn::token::{self, Inspected};

/// Takes a token back.
pub async fn post(State(app): State<App>, call: Call) -> Response {
    let response = match revoke(&app, &call).await {
        Ok(()) => answer::nothing(),
        Err(error) => answer::refused(&call.realm.realm, &error),
    };
    cors::open(&app, &call.realm, &call.headers, response)
}

async fn revoke(app: &App, call: &Call) -> Result<(), Error> {
    let caller = client::authenticate(app, &call.realm, &call.headers, &call.form, call.ip, call.now).await?;
    let text = call.form.value("token").ok_or_else(|| Error::request("token is missing."))?;
    // `token_type_hint` may say anything: a token is known by itself (§2.1).
    let found = match token::inspect(app, &call.realm, text, call.now) {
        Ok(found) => found,
        Err(reason) if matches!(reason.code().status(), 429 | 503) => return Err(answer::cannot(reason)),
        Err(_) => return Ok(()),
    };
    let client = caller.client.client.id;
    if !token_of(&found).is_of(client) {
        return Ok(());
    }
    let event = Event::new(app.id(call.now), call.realm.realm.id, "token.revoked", call.now);
    let event = event.by(client).on(found.id).asked_by(call.request_id);
    take_back(app, call, &found, event).await
}

async fn take_back(app: &App, call: &Call, found: &Inspected, event: Event) -> Result<(), Error> {
    let (realm, now) = (call.realm.realm.id, call.now);
    let token = RevokedToken { id: found.id, realm, expires_at: found.expires_at };
    let principal = &found.principal;
    let detail =
        json!({ "api": principal.standing.api, "grant": principal.grant, "subject": principal.subject.to_string() });
    let event = Event { detail, ..event };
    let Some(_place) = app.lanes.enter(realm).await else {
        app.metrics.overloaded.inc();
        return Err(Error::unavailable());
    };
    let done = app.store.write(move |tx| {
        let is_new = tx.revoke_token(&token, now)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(End::Commit(is_new))
    });
    if done.await.map_err(|error| answer::unread(&error))? {
        app.metrics.tokens.revoked.inc();
    }
    Ok(())
}
