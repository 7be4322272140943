//! `POST /oauth/revoke` (RFC 7009): a client gives a token back, and it is refused from the next request on.
//!
//! Durable before it is said. A refresh token takes along all that it renewed, an access token nothing. Of a token that is unknown, over, or another client's, nothing is told and nothing happens.

use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::id::{ClientId, RealmId};
use admit_core::jose::claims::LEEWAY;
use admit_core::oauth::Error;
use admit_core::token as core_token;
use admit_store::{End, RevokedToken, Tx};
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

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
    let client = caller.client.client.id;
    let found = match core_token::is_jwt(text) {
        true => signed(app, call, client, text),
        false => stored(app, call, client, text),
    };
    let found = match found {
        Ok(found) => found,
        Err(reason) if matches!(reason.code().status(), 429 | 503) => return Err(answer::cannot(reason)),
        Err(_) => None,
    };
    let Some((token, detail)) = found else { return Ok(()) };
    let event = Event::new(app.id(call.now), token.realm, "token.revoked", call.now);
    let event = event.by(client).on(token.id).asked_by(call.request_id);
    take_back(app, call, token, Event { detail, ..event }).await
}

/// A JWT of this client, with what the audit says of it. One that does not count at the moment is taken back all the same.
fn signed(app: &App, call: &Call, client: ClientId, text: &str) -> Result<Option<(RevokedToken, Value)>, Reason> {
    let Some(said) = token::signed_here(app, &call.realm, text)? else { return Ok(None) };
    let (id, expires_at) = (said.token.id, said.token.expires_at);
    let is_over = expires_at + LEEWAY <= call.now;
    let parties = said.parties.filter(|parties| parties.client == client && !is_over);
    Ok(parties.map(|parties| {
        let detail = json!({ "api": parties.audience, "grant": said.grant, "subject": parties.subject.to_string() });
        (RevokedToken { id, realm: call.realm.realm.id, expires_at }, detail)
    }))
}

/// The same of an opaque one.
fn stored(app: &App, call: &Call, client: ClientId, text: &str) -> Result<Option<(RevokedToken, Value)>, Reason> {
    let found = token::inspect(app, &call.realm, text, call.now)?;
    let Inspected { ref principal, id, expires_at, .. } = found;
    let detail =
        json!({ "api": principal.standing.api, "grant": principal.grant, "subject": principal.subject.to_string() });
    let token = RevokedToken { id, realm: call.realm.realm.id, expires_at };
    Ok(token_of(&found).is_of(client).then_some((token, detail)))
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

async fn take_back(app: &App, call: &Call, token: RevokedToken, event: Event) -> Result<(), Error> {
    let now = call.now;
    let done = write(app, token.realm, move |tx| {
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
