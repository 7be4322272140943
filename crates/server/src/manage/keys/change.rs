//! `PATCH` and `DELETE keys/{key}`, and its switch.

use admit_core::audit::Event;
use admit_core::grant::Grant;
use admit_core::id::{KeyId, RealmId, RequestId, UserId};
use admit_core::key::change::{Changed, KeyPatch};
use admit_core::time::Time;
use admit_store::{IssuedKey, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::view::{KeyView, view};
use super::{find, granted, must_go_on, revoked, rights, state_of};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::login::ending::Ticked;
use crate::manage::etag::{IfMatch, changed, with_key_etag};
use crate::manage::event::event;
use crate::manage::guard::{Access, KeysWrite, Permit};
use crate::manage::work::{self, Stop};

/// Changes what is named; the rest stays.
#[utoipa::path(patch, path = "/v1/realms/{realm}/keys/{key}", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name")),
    request_body(content = serde_json::Value, example = json!({"name": "ci", "scopes": ["orders:read"], "ip": [], "limit": null,
        "external_id": null, "metadata": {}, "expires_in_s": 7776000, "never_expires": false})),
    responses((status = 200, description = "the key as it is now", body = KeyView), (status = 400, description = "what is wrong, all of it"),
              (status = 403, description = "it would exceed the caller's own rights"),
              (status = 409, description = "it is revoked, or several have this name"), (status = 412, description = "it has changed since")))]
pub async fn patch(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    Path((_realm, key)): Path<(String, String)>,
    if_match: IfMatch,
    Json(patch): Json<KeyPatch>,
) -> Result<Response, Problem> {
    let drawn = event(&permit, &app, "key.updated", "");
    let changed = work::write(&app, move |tx| {
        let issued = find(tx, permit.realm_id(), &key, permit.now)?;
        must_go_on(tx, &issued, if_match, permit.now)?;
        let issued = change(tx, &permit, issued, &patch, &drawn)?;
        view(tx, issued, permit.now)
    });
    let shown = changed.await?;
    Ok(with_key_etag(shown.version, shown.state, &shown, Json(&shown)))
}

fn change(
    tx: &mut Tx<'_>,
    access: &Access,
    issued: IssuedKey,
    patch: &KeyPatch,
    drawn: &Event,
) -> Result<IssuedKey, Stop> {
    access.must_hold(&granted(&issued))?;
    let (realm, now) = (access.realm_id(), access.now);
    let Some(lineage) = tx.find_lineage(realm, issued.grant.id)? else { return Err(gone(&issued).into()) };
    let owner = lineage.subject.as_ref().map(|subject| (subject, lineage.roles.as_slice()));
    let becomes =
        patch.apply(&issued.key, &issued.grant, lineage.api.as_ref(), owner, now).map_err(Problem::invalid)?;
    access.must_hold(&rights(issued.api.as_ref(), &becomes.scopes))?;
    if becomes.fields.is_empty() {
        return Ok(issued);
    }
    let Changed { key, scopes, expires_at, fields } = becomes;
    if scopes != issued.grant.scopes || expires_at != issued.grant.expires_at {
        let grant = Grant { scopes, expires_at, ..issued.grant.clone() };
        if !tx.update_grant(&grant, now)? {
            return Err(revoked(&issued).into());
        }
    }
    tx.update_key(realm, &key, now)?.ok_or_else(self::changed)?;
    let detail = json!({ "name": key.name, "fields": fields });
    tx.insert_event(&Event { target: key.id.to_string(), detail, ..drawn.clone() })?;
    tx.find_key(realm, key.id)?.ok_or_else(|| gone(&issued).into())
}

fn gone(issued: &IssuedKey) -> Problem {
    Problem::not_found("key", &issued.key.id.to_string())
}

/// Switches a key on again.
#[utoipa::path(post, path = "/v1/realms/{realm}/keys/{key}/enable", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name")),
    responses((status = 200, description = "the key as it is now", body = KeyView), (status = 409, description = "it is revoked"),
              (status = 412, description = "it has changed since")))]
pub async fn enable(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    Path((_realm, key)): Path<(String, String)>,
    seen: IfMatch,
) -> Result<Response, Problem> {
    switch(app, permit, key, seen, Switch::On).await
}

/// Switches a key off; it can be switched on again.
#[utoipa::path(post, path = "/v1/realms/{realm}/keys/{key}/disable", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name")),
    responses((status = 200, description = "the key as it is now", body = KeyView), (status = 409, description = "it is revoked"),
              (status = 412, description = "it has changed since")))]
pub async fn disable(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    Path((_realm, key)): Path<(String, String)>,
    seen: IfMatch,
) -> Result<Response, Problem> {
    switch(app, permit, key, seen, Switch::Off).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

async fn switch(
    app: App,
    permit: Permit<KeysWrite>,
    key: String,
    seen: IfMatch,
    to: Switch,
) -> Result<Response, Problem> {
    let kind = if to == Switch::On { "key.enabled" } else { "key.disabled" };
    let drawn = event(&permit, &app, kind, "");
    let switched = work::write(&app, move |tx| {
        let (realm, now) = (permit.realm_id(), permit.now);
        let issued = find(tx, realm, &key, now)?;
        must_go_on(tx, &issued, seen, now)?;
        if to == Switch::On {
            permit.must_hold(&granted(&issued))?;
        }
        if issued.key.disabled_at.is_some() == (to == Switch::Off) {
            return view(tx, issued, now);
        }
        let id = issued.key.id;
        tx.set_key_disabled(realm, id, (to == Switch::Off).then_some(now), now)?;
        let detail = json!({ "name": issued.key.name });
        tx.insert_event(&Event { target: id.to_string(), detail, ..drawn.clone() })?;
        let issued = tx.find_key(realm, id)?.ok_or_else(|| gone(&issued))?;
        view(tx, issued, now)
    });
    let shown: KeyView = switched.await?;
    Ok(with_key_etag(shown.version, shown.state, &shown, Json(&shown)))
}

/// Revokes a key, for ever. Again: nothing more happens.
#[utoipa::path(delete, path = "/v1/realms/{realm}/keys/{key}", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name")),
    responses((status = 204, description = "it is revoked"), (status = 404, description = "there is none"),
              (status = 409, description = "several have this name"), (status = 412, description = "it has changed since")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    Path((_realm, key)): Path<(String, String)>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let drawn = event(&permit, &app, "key.revoked", "");
    let ended = work::write(&app, move |tx| {
        let issued = find(tx, permit.realm_id(), &key, permit.now)?;
        if_match.judge_in(issued.key.version, state_of(tx, &issued, permit.now)?)?;
        if tx.revoke_grant(permit.realm_id(), issued.grant.id, permit.now)? {
            let detail = json!({ "name": issued.key.name, "grant": issued.grant.id });
            tx.insert_event(&Event { target: issued.key.id.to_string(), detail, ..drawn.clone() })?;
        }
        Ok(())
    });
    ended.await.map(|()| StatusCode::NO_CONTENT)
}

/// Who ends what is his own, and when.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Where.
    pub realm: RealmId,
    /// Who.
    pub user: UserId,
    /// By which request.
    pub request_id: RequestId,
    /// When.
    pub now: Time,
}

/// Revokes a key of the person who asks, from a page. False: it is not his, or there is none.
pub async fn revoke_own(app: &App, owner: Owner, key: KeyId) -> Result<bool, Problem> {
    let ending = Ticked::key(key).of(app, owner);
    work::write(app, move |tx| Ok(ending.write(tx)? == 1)).await
}
