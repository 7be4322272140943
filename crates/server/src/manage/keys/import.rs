//! `POST keys/import`: keys of another system, by their SHA-256, at most a thousand at a time.
//!
//! No quota applies, and what is known is not taken over twice. The secrets are never seen here.

use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::client::{Client, ClientSpec};
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ApiId, ClientId, SubjectId};
use admit_core::key::import::{ImportedKey, KEYS_MAX, KeyImport, Pattern};
use admit_core::key::{Key, KeyPlan, KeySecret};
use admit_core::name::{ApiUri, Label, ScopeName};
use admit_core::policy::rule::Problem as Wrong;
use admit_core::scope;
use admit_core::secret::{Prefix, SecretHash, SecretKind};
use admit_core::time::Span;
use admit_store::{Page, Tx};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::App;
use crate::check::policies::all_apis;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::manage::event::event;
use crate::manage::guard::{Access, KeysWrite, Permit};
use crate::manage::idempotency::{Begun, Once, OnceLarge};
use crate::manage::subject;
use crate::manage::work::{self, Stop};

/// How many rows one unit of work writes; others wait for it.
const BATCH: usize = 500;

/// What was taken over.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    imported: usize,
    /// Those that were there already.
    known: usize,
    /// Those that cannot be taken over.
    #[schema(value_type = Vec<serde_json::Value>)]
    problems: Vec<Wrong>,
}

/// Takes keys over. Without an owner a service client named after the pattern owns them.
#[utoipa::path(post, path = "/v1/realms/{realm}/keys/import", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    request_body(content = serde_json::Value, example = json!({"pattern": "sk_*", "api": "https://api.example.com", "scopes": ["orders:read"],
        "owner": "billing", "never_expires": true,
        "keys": [{"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "name": "ci", "external_id": "cus_42", "metadata": {}}]})),
    responses((status = 200, description = "what was taken over", body = Imported), (status = 400, description = "what is wrong with all of them"),
              (status = 403, description = "it would exceed the caller's own rights")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    OnceLarge(once): OnceLarge<KeyImport>,
) -> Result<Response, Problem> {
    let Once { body: import, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    if import.keys.len() > KEYS_MAX {
        return Err(wrong("keys", format!("at most {KEYS_MAX} keys may be sent at once")));
    }
    let fallback = Label::parse(&import.pattern).map_err(|bad| wrong("pattern", bad.to_string()))?;
    let (keys, problems) = import.read(&fallback);
    let permit = Arc::new(permit);
    let terms = settle(&app, permit.clone(), import).await?;
    let mut imported = 0;
    for batch in keys.chunks(BATCH) {
        let rows: Vec<_> = batch.iter().map(|key| terms.row(&app, &permit, key)).collect();
        imported += insert(&app, &permit, &terms, rows, older_hashes(&app, &permit, batch)).await?;
    }
    let answer = Imported { imported, known: keys.len() - imported, problems };
    // Each batch is durable by itself: a repetition that comes before this finds them known.
    let body = serde_json::to_string(&answer).map_err(Problem::unavailable)?;
    work::write(&app, move |tx| pledge.keep(tx, StatusCode::OK, body.clone())).await?;
    Ok(Json(answer).into_response())
}

/// Under what each key would be stored if it was taken over before the last rotation of the master key.
fn older_hashes(app: &App, access: &Access, batch: &[ImportedKey]) -> Vec<Vec<SecretHash>> {
    let master = app.master.keys();
    let older = &master.usable()[1..];
    let of = |key: &ImportedKey| {
        older
            .iter()
            .map(|master| master.lookup.hash_digest(access.realm_id(), SecretKind::ApiKey, &key.digest))
            .collect()
    };
    batch.iter().map(of).collect()
}

fn wrong(path: &str, message: String) -> Problem {
    Problem::invalid(vec![Wrong { path: path.to_owned(), message }])
}

/// What the keys of every realm of this server begin with.
fn prefixes(tx: &mut Tx<'_>) -> Result<Vec<Prefix>, Stop> {
    let (mut prefixes, mut after) = (Vec::new(), None);
    loop {
        let realms = tx.list_realms(&Page { limit: 200, after })?;
        let Some(last) = realms.last() else { return Ok(prefixes) };
        after = Some(*last.id.bytes());
        prefixes.extend(realms.into_iter().map(|realm| realm.prefix));
    }
}

/// What all the keys of one call have in common.
#[derive(Clone)]
struct Terms {
    owner: SubjectId,
    api: Option<ApiId>,
    uri: Option<ApiUri>,
    scopes: Vec<ScopeName>,
    lifetime: Option<Span>,
    pattern: Pattern,
}

/// Settles owner, API and scopes, and declares the pattern.
async fn settle(app: &App, permit: Arc<Permit<KeysWrite>>, import: KeyImport) -> Result<Terms, Problem> {
    let client: ClientId = app.id(permit.now);
    let drawn = event(&permit, app, "client.created", client);
    work::write_alone(app, permit.realm_id(), move |tx| {
        let (realm, now) = (permit.realm_id(), permit.now);
        work::must_be_on_time(tx, now)?;
        let prefixes = prefixes(tx)?;
        let prefixes: Vec<_> = prefixes.iter().map(Prefix::as_str).collect();
        let pattern = Pattern::parse(&import.pattern, &prefixes).map_err(|problem| Problem::invalid(vec![problem]))?;
        let name = Label::parse(&format!("imported {}", pattern.as_str()));
        let name = name.map_err(|bad| wrong("pattern", bad.to_string()))?;
        let apis = all_apis(tx, realm)?;
        let owner = match &import.owner {
            Some(text) => Some(subject::find(tx, realm, text, "owner")?),
            None => None,
        };
        let roles = match &owner {
            Some(owner) => tx.list_roles_of(realm, owner.id())?,
            None => Vec::new(),
        };
        let request = import.request(name.clone());
        let plan =
            request.plan(&apis, owner.as_ref().map(|owner| (owner, roles.as_slice()))).map_err(Problem::invalid)?;
        permit.must_hold(&plan.rights())?;
        let subject = match &owner {
            Some(owner) => {
                permit.must_hold(&owner.rights(&roles))?;
                owner.id()
            }
            None => SubjectId::Client(own_client(tx, &permit, &plan, name, client, &drawn)?),
        };
        tx.insert_key_pattern(realm, pattern.as_str(), now)?;
        Ok(Terms {
            owner: subject,
            api: plan.api.map(|api| api.id),
            uri: plan.api.map(|api| api.spec.uri.clone()),
            lifetime: plan.lifetime,
            scopes: plan.scopes,
            pattern,
        })
    })
    .await
}

/// The service client that owns the keys of a pattern; it may do what any of them may.
fn own_client(
    tx: &mut Tx<'_>,
    access: &Access,
    plan: &KeyPlan<'_>,
    name: Label,
    id: ClientId,
    drawn: &Event,
) -> Result<ClientId, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    let Some(mut known) = tx.find_client_named(realm, name.as_str())? else {
        let detail = json!({ "name": name });
        let spec = ClientSpec::service(name, plan.rights());
        let (org, disabled_at, valid_after) = (None, None, None);
        tx.insert_client(&Client {
            id,
            realm,
            org,
            spec,
            disabled_at,
            valid_after,
            created_at: now,
            updated_at: now,
            version: 1,
        })?;
        tx.insert_event(&Event { detail, ..drawn.clone() })?;
        return Ok(id);
    };
    access.must_hold(&known.spec.rights)?;
    let before = known.spec.rights.clone();
    scope::unite(&mut known.spec.rights, &plan.rights());
    if known.spec.rights != before {
        let target = known.id.to_string();
        tx.update_client(realm, &known, now)?;
        let detail = json!({ "name": name, "fields": ["rights"] });
        tx.insert_event(&Event { kind: "client.updated".to_owned(), target, detail, ..drawn.clone() })?;
    }
    Ok(known.id)
}

impl Terms {
    fn row(&self, app: &App, access: &Access, imported: &ImportedKey) -> (Grant, Key, KeySecret) {
        let (realm, now) = (access.realm_id(), access.now);
        let master = app.master.keys();
        let active = master.active();
        let id = app.id(now);
        let grant = Grant {
            id,
            realm,
            org: None,
            kind: GrantKind::Key,
            subject: self.owner,
            client: None,
            parent: None,
            root: id,
            api: self.api,
            scopes: self.scopes.clone(),
            created_at: now,
            expires_at: self.lifetime.map(|lifetime| now + lifetime),
            revoked_at: None,
        };
        let key = Key {
            id: app.id(now),
            realm,
            org: None,
            grant: grant.id,
            name: imported.name.clone(),
            lifetime: self.lifetime,
            rate: None,
            ip: Vec::new(),
            external_id: imported.external_id.clone(),
            metadata: imported.metadata.clone(),
            disabled_at: None,
            seen_in_browser_at: None,
            created_by: access.actor(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let secret = KeySecret {
            hash: active.lookup.hash_digest(realm, SecretKind::ApiKey, &imported.digest),
            lookup_key: active.number,
            key: key.id,
            number: 1,
            hint: self.pattern.hint(),
            created_at: now,
            expires_at: None,
        };
        (grant, key, secret)
    }
}

async fn insert(
    app: &App,
    access: &Access,
    terms: &Terms,
    rows: Vec<(Grant, Key, KeySecret)>,
    older: Vec<Vec<SecretHash>>,
) -> Result<usize, Problem> {
    let drawn = event(access, app, "key.imported", terms.owner);
    let terms = terms.clone();
    work::write_alone(app, access.realm_id(), move |tx| {
        let mut new = Vec::with_capacity(rows.len());
        for (row, older) in rows.iter().zip(&older) {
            if tx.find_credential_among(row.0.realm, older)?.is_none() {
                new.push(row.clone());
            }
        }
        let imported = tx.insert_imported_keys(&new)?.iter().filter(|is_new| **is_new).count();
        let detail = json!({ "pattern": terms.pattern.as_str(), "imported": imported, "api": terms.uri, "scopes": terms.scopes });
        if imported > 0 {
            tx.insert_event(&Event { detail, ..drawn.clone() })?;
        }
        Ok(imported)
    })
    .await
}
