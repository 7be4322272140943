//! `realms`: isolated populations, seen by those who manage the server.
//!
//! The realm of operators stays as it is, but for how long people are signed in there. Name and prefix never change: they are in URLs and in keys.

use admit_core::api::check_metadata;
use admit_core::audit::Event;
use admit_core::check::host;
use admit_core::id::RealmId;
use admit_core::name::RealmName;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::realm::settings::Settings;
use admit_core::realm::{Realm, default_prefix};
use admit_core::secret::Prefix;
use admit_core::time::Time;
use admit_store::{Page, Tx};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer;
use super::clients::cutoff;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::Whole;
use super::guard::{Access, Permit, RealmRead, RealmWrite, ServerPermit, ServerRead, ServerWrite};
use super::idempotency::{Attempt, Begun, Once};
use super::page::{List, Paging, Parameters};
use super::search;
use super::work::{self, Stop};
use crate::app::{self, App};
use crate::config::public_authority;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::mail;
use crate::realm::insert_realm;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update)).routes(routes!(revoke_all))
}

/// What is said of a new realm.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRealm {
    name: RealmName,
    prefix: Option<String>,
    host: Option<String>,
    #[serde(default)]
    metadata: Value,
}

/// What becomes another; `null` takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmPatch {
    #[serde(default, deserialize_with = "said")]
    host: Option<Option<String>>,
    disabled: Option<bool>,
    #[serde(default, deserialize_with = "said")]
    metadata: Option<Value>,
    #[serde(default, deserialize_with = "said")]
    settings: Option<Option<Map<String, Value>>>,
}

/// Tells `null` from nothing.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A realm as it is shown.
#[derive(Debug, Serialize)]
pub struct View {
    id: RealmId,
    name: RealmName,
    prefix: String,
    host: Option<String>,
    issuer: String,
    disabled_at: Option<Time>,
    metadata: Value,
    /// What holds, said or not.
    settings: Settings,
    created_at: Time,
    updated_at: Time,
}

impl View {
    fn of(app: &App, realm: Realm) -> Self {
        let (issuer, prefix) = (app.issuer(&realm), realm.prefix.as_str().to_owned());
        let settings = realm.effective_settings(app.config.load().login.cost);
        let Realm { id, name, host, disabled_at, metadata, created_at, updated_at, .. } = realm;
        let metadata = answer::shown(metadata);
        Self { id, name, prefix, host, issuer, disabled_at, metadata, settings, created_at, updated_at }
    }
}

/// Lists the realms of the server.
#[utoipa::path(get, path = "/v1/realms", tag = "realms",
    params(("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of realms", body = ref("#/components/schemas/RealmList"))))]
pub async fn list(
    State(app): State<App>,
    _: ServerPermit<ServerRead>,
    paging: Paging,
    Parameters(asked): Parameters<Whole>,
) -> Result<Json<List<View>>, Problem> {
    let search = search::parse(asked.q.as_deref())?;
    let found = work::read(&app, move |tx| {
        let read = |after, limit| tx.list_realms(&Page { after, limit });
        search::read(
            &paging,
            search.as_ref(),
            read,
            |realm| *realm.id.bytes(),
            |search, realm| {
                let host = realm.host.as_deref();
                let texts = [realm.id.to_string(), realm.name.to_string(), realm.prefix.as_str().to_owned()];
                search.is_in(texts.iter().map(String::as_str).chain(host))
            },
        )
    });
    let found = found.await?;
    let listed = paging.list_until(found.rows, found.until, |realm| *realm.id.bytes(), &app);
    Ok(Json(listed.map(|realm| View::of(&app, realm))))
}

/// Makes a realm with its management API and its ready roles.
#[utoipa::path(post, path = "/v1/realms", tag = "realms", request_body(content = ref("#/components/schemas/NewRealm")),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the realm", body = ref("#/components/schemas/Realm")), (status = 409, description = "name, prefix or host is another's")))]
pub async fn create(
    State(app): State<App>,
    permit: ServerPermit<ServerWrite>,
    once: Once<NewRealm>,
) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let realm = once.body.resolve(&app, permit.now)?;
    let (operators, now) = (app.operators, permit.now);
    let event = event(&permit, &app, "realm.created", realm.id);
    let view = View::of(&app, realm.clone());
    let made = work::write(&app, move |tx| {
        must_be_free(tx, &realm)?;
        insert_realm(tx, &realm, Some(operators), now, &mut app::random)?;
        tx.insert_event(&Event {
            detail: json!({ "name": realm.name, "prefix": realm.prefix.as_str() }),
            ..event.clone()
        })?;
        answer::keep(&pledge, tx, &view)?;
        Ok(realm.clone())
    });
    made.await.map(|realm| answer::created(realm.version, View::of(&app, realm)))
}

/// Shows a realm.
#[utoipa::path(get, path = "/v1/realms/{realm}", tag = "realms",
    params(("realm" = String, Path, description = "the name of the realm")),
    responses((status = 200, description = "the realm", body = ref("#/components/schemas/Realm")), (status = 404, description = "there is no such realm")))]
pub async fn show(State(app): State<App>, permit: Permit<RealmRead>) -> Result<Response, Problem> {
    let id = permit.realm_id();
    let realm = work::read(&app, move |tx| find(tx, id)).await?;
    Ok(with_etag(realm.version, Json(View::of(&app, realm))))
}

/// Changes a realm by a merge patch, its settings too. Its host and its switch are the server's to set.
#[utoipa::path(patch, path = "/v1/realms/{realm}", tag = "realms", request_body(content = ref("#/components/schemas/RealmPatch")),
    params(("realm" = String, Path, description = "the name of the realm"), ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the realm", body = ref("#/components/schemas/Realm")), (status = 412, description = "it has changed meanwhile")))]
pub async fn update(
    State(app): State<App>,
    permit: Permit<RealmWrite>,
    seen: IfMatch,
    Json(patch): Json<RealmPatch>,
) -> Result<Response, Problem> {
    let is_control = permit.realm.realm.is_control();
    if is_control && (patch.host.is_some() || patch.disabled.is_some() || patch.metadata.is_some()) {
        return Err(answer::built_in("The realm operators, but for its settings,"));
    }
    if patch.host.is_some() || patch.disabled.is_some() || is_control {
        must_manage_server(&permit)?;
    }
    if let Some(Some(settings)) = &patch.settings {
        must_have_mail(&app, settings)?;
    }
    let host = patch.host.map(|host| host.map(|host| own_host(&app, &host)).transpose()).transpose()?;
    let metadata = patch.metadata.map(read_metadata).transpose()?;
    let (id, now, disabled, settings) = (permit.realm_id(), permit.now, patch.disabled, patch.settings);
    let event = event(&permit, &app, "realm.updated", id);
    let changed = work::write(&app, move |tx| {
        let old = find(tx, id)?;
        seen.judge(old.version)?;
        let mut new = old.clone();
        if let Some(host) = &host {
            new.host.clone_from(host);
        }
        if let Some(disabled) = disabled {
            new.disabled_at = disabled.then(|| old.disabled_at.unwrap_or(now));
        }
        if let Some(metadata) = &metadata {
            new.metadata.clone_from(metadata);
        }
        if let Some(settings) = &settings {
            new.settings = patched_settings(&old, settings.as_ref())?;
        }
        must_be_free(tx, &new)?;
        let changed = tx.update_realm(&new, now)?.ok_or_else(etag::changed)?;
        let detail = json!({ "name": changed.name, "host": changed.host, "disabled": changed.disabled_at.is_some(),
            "settings": changed.settings });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(changed)
    });
    changed.await.map(|realm| with_etag(realm.version, Json(View::of(&app, realm))))
}

/// Ends everything that was issued in a realm before this moment.
#[utoipa::path(post, path = "/v1/realms/{realm}/revoke-all", tag = "realms",
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "from when on", body = ref("#/components/schemas/Revoked"))))]
pub async fn revoke_all(
    State(app): State<App>,
    permit: Permit<RealmWrite>,
    seen: IfMatch,
    attempt: Attempt,
) -> Result<Response, Problem> {
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (id, now, cutoff) = (permit.realm_id(), permit.now, cutoff(permit.now));
    let event = event(&permit, &app, "realm.revoked_all", id);
    let done = work::write(&app, move |tx| {
        let realm = find(tx, id)?;
        seen.judge(realm.version)?;
        tx.update_realm(&Realm { valid_after: Some(cutoff), ..realm.clone() }, now)?.ok_or_else(etag::changed)?;
        tx.insert_event(&Event { detail: json!({ "name": realm.name }), ..event.clone() })?;
        answer::revoked(&pledge, tx, cutoff)
    });
    done.await
}

impl NewRealm {
    fn resolve(self, app: &App, now: Time) -> Result<Realm, Problem> {
        if RealmId::looks_like(self.name.as_str()) {
            return Err(Problem::invalid(vec![Flaw::new("name", "must not look like an id")]));
        }
        let taken = || "must be said: choose what keys of this realm begin with, such as acme_live".to_owned();
        let rule = |text: &str| {
            format!(
                "is {text:?}: must be a-z, 0-9 and single _, begin with a letter, have at most 20 letters and be none of Admit's own kinds"
            )
        };
        let prefix = match &self.prefix {
            Some(text) => Prefix::parse(text).ok_or_else(|| rule(text)),
            None => default_prefix(&self.name).ok_or_else(taken),
        };
        let prefix = prefix.map_err(|message| Problem::invalid(vec![Flaw::new("prefix", message)]))?;
        let host = self.host.map(|host| own_host(app, &host)).transpose()?;
        let metadata = read_metadata(self.metadata)?;
        let id = app.id(now);
        Ok(Realm { host, metadata, ..Realm::new(id, self.name, prefix, now) })
    }
}

fn find(tx: &mut Tx<'_>, id: RealmId) -> Result<Realm, Stop> {
    tx.find_realm(id)?.ok_or_else(|| Problem::not_found("realm", &id.to_string()).into())
}

/// Refuses a name, a prefix or a host that another realm has; the name is told of first, for prefixes are made of names.
fn must_be_free(tx: &mut Tx<'_>, realm: &Realm) -> Result<(), Stop> {
    let other = |found: Option<Realm>| found.filter(|known| known.id != realm.id);
    let taken = |found: Option<Realm>, what: &str, value: &str| {
        let Some(known) = found else { return Ok(()) };
        let detail = format!(
            "The realm {} has the {what} \"{value}\" already. Choose another {what}, or see that one.",
            known.name
        );
        Err(Problem::new(409, "already_exists", detail).with_next(format!("admit realm show {}", known.name)))
    };
    let (name, prefix) = (realm.name.as_str(), realm.prefix.as_str());
    taken(other(tx.find_realm_named(name)?), "name", name)?;
    taken(other(tx.find_realm_by_prefix(prefix)?), "prefix", prefix)?;
    let Some(host) = &realm.host else { return Ok(()) };
    Ok(taken(other(tx.find_realm_by_host(host)?), "host", host)?)
}

/// A host of the realm's own. That of `public_url` is the realm `default`'s.
fn own_host(app: &App, written: &str) -> Result<String, Problem> {
    let flaw = |message: String| Problem::invalid(vec![Flaw::new("host", message)]);
    let canonical =
        host::from_rule(written).map_err(|_| flaw(format!("is {written:?}: must be a host such as auth.acme.com")))?;
    let config = app.config.load();
    let public = host::from_rule(public_authority(&config.public_url)).unwrap_or_default();
    if canonical == public {
        return Err(flaw("is that of public_url, which belongs to the realm default".to_owned()));
    }
    Ok(canonical)
}

/// What a realm sets for itself after a merge patch; `null` is as by default in everything.
fn patched_settings(realm: &Realm, patch: Option<&Map<String, Value>>) -> Result<Settings, Problem> {
    let Some(patch) = patch else { return Ok(Settings::default()) };
    let settings: Settings = answer::patched(&realm.settings, patch)?;
    let problems = settings.judge(realm);
    if problems.is_empty() { Ok(settings) } else { Err(Problem::invalid(problems)) }
}

/// Who makes an account for himself proves his address by a mail: without one nobody could.
fn must_have_mail(app: &App, settings: &Map<String, Value>) -> Result<(), Problem> {
    if settings.get("self_registration") != Some(&Value::Bool(true)) || mail::is_there(app) {
        return Ok(());
    }
    let flaw = Flaw::new("settings.self_registration", "needs mail, and none is sent from here");
    Err(Problem::invalid(vec![flaw]).with_next("set [mail] in admit.toml, then: admit config check"))
}

fn read_metadata(metadata: Value) -> Result<Value, Problem> {
    check_metadata(&metadata).map_err(|message| Problem::invalid(vec![Flaw::new("metadata", message)]))?;
    Ok(metadata)
}

fn must_manage_server(access: &Access) -> Result<(), Problem> {
    if access.may_do_everything() {
        return Ok(());
    }
    let detail = "The host and the switch of a realm are the server's to set: this needs server:write.";
    Err(Problem::new(403, "insufficient_scope", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_takes_away_and_nothing_leaves_alone() {
        let patch = |text: &str| serde_json::from_str::<RealmPatch>(text).unwrap();
        assert_eq!(patch("{}").host, None);
        assert_eq!(patch(r#"{"host":null}"#).host, Some(None));
        assert_eq!(patch(r#"{"host":"a.test"}"#).host, Some(Some("a.test".to_owned())));
        assert_eq!((patch("{}").metadata, patch(r#"{"metadata":null}"#).metadata), (None, Some(Value::Null)));
        assert!(
            serde_json::from_str::<RealmPatch>(r#"{"name":"b"}"#).unwrap_err().to_string().contains("unknown field")
        );
    }
}
