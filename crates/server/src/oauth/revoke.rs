//! `POST /oauth/revoke` (RFC 7009): a client gives a token back, and it is refused from the next request on.
//!
//! Durable before it is said. A refresh token takes along all that it renewed, an access token nothing. Of a token that is unknown, over, or another client's, nothing is told and nothing happens.

use admit_core::audit::Event;
use admit_core::id::RealmId;
use admit_core::oauth::Error;
use admit_store::{End, RevokedToken, Tx};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::call::Call;
use super::client::{self, Caller};
use super::grants::refresh;
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
    if refresh::looks_like(text) {
        return end_family(app, call, &caller, text).await;
    }
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

/// The authorization that a refresh token renews ends, and with it every token of it (§2.1).
async fn end_family(app: &App, call: &Call, caller: &Caller, text: &str) -> Result<(), Error> {
    let client = caller.client.client.id;
    let shown = refresh::look_up(app, call, caller, text)?;
    let Some(shown) = shown.filter(|shown| shown.lineage.grant.client == Some(client)) else { return Ok(()) };
    let (realm, now, grant) = (call.realm.realm.id, call.now, shown.token.grant);
    let event = Event::new(app.id(now), realm, "grant.revoked", now).by(client).on(grant).asked_by(call.request_id);
    let kind = shown.lineage.grant.kind.as_str();
    let detail = json!({ "kind": kind, "client": client, "subject": shown.lineage.grant.subject.to_string() });
    let event = Event { detail, ..event };
    let done = write(app, realm, move |tx| {
        let is_new = tx.revoke_grant(realm, grant, now)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(is_new)
    });
    count(app, done.await?);
    Ok(())
}

async fn take_back(app: &App, call: &Call, found: &Inspected, event: Event) -> Result<(), Error> {
    let (realm, now) = (call.realm.realm.id, call.now);
    let token = RevokedToken { id: found.id, realm, expires_at: found.expires_at };
    let principal = &found.principal;
    let detail =
        json!({ "api": principal.standing.api, "grant": principal.grant, "subject": principal.subject.to_string() });
    let event = Event { detail, ..event };
    let done = write(app, realm, move |tx| {
        let is_new = tx.revoke_token(&token, now)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(is_new)
    });
    count(app, done.await?);
    Ok(())
}

async fn write(
    app: &App,
    realm: RealmId,
    work: impl Fn(&mut Tx<'_>) -> admit_store::Result<bool> + Send + 'static,
) -> Result<bool, Error> {
    let Some(_place) = app.lanes.enter(realm).await else {
        app.metrics.overloaded.inc();
        return Err(Error::unavailable());
    };
    let done = app.store.write(move |tx| work(tx).map(End::Commit));
    done.await.map_err(|error| answer::unread(&error))
}

fn count(app: &App, is_new: bool) {
    if is_new {
        app.metrics.tokens.revoked.inc();
    }
}
