//! `POST keys`: a new key. Its secret is in this answer and nowhere else.

use admit_core::audit::Event;
use admit_core::client::{Client, ClientSpec};
use admit_core::grant::{Grant, GrantKind, Subject};
use admit_core::id::{ClientId, GrantId, KeyId, OrgId, SubjectId};
use admit_core::key::{Key, KeyPlan, KeyRequest, KeySecret};
use admit_core::name::Label;
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::time::Time;
use admit_store::Tx;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::view::{KeyView, view};
use crate::app::App;
use crate::check::policies::all_apis;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::manage::etag::with_key_etag;
use crate::manage::event::event;
use crate::manage::guard::{Access, KeysWrite, Permit};
use crate::manage::idempotency::{Begun, Once, Pledge};
use crate::manage::subject;
use crate::manage::work::{self, Stop};

/// The most keys of one owner that are neither revoked nor past their end.
pub const LIVE_KEYS_MAX: i64 = 10_000;

/// Further names that are tried for the client that is made along with a key.
const NAMES_MAX: u32 = 20;

/// A new key with its secret.
#[derive(Serialize, ToSchema)]
pub struct NewKey {
    #[serde(flatten)]
    view: KeyView,
    /// The key itself, shown this once.
    key: String,
}

/// Makes a key. Without an owner a service client of its name is made to own it.
#[utoipa::path(post, path = "/v1/realms/{realm}/keys", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    request_body(content = serde_json::Value, example = json!({"name": "ci", "owner": "billing", "api": "https://api.example.com",
        "scopes": ["orders:read"], "expires_in_s": 7776000, "never_expires": false, "ip": ["203.0.113.0/24"], "limit": "100/1m",
        "metadata": {"plan": "pro"}, "external_id": "cus_42"})),
    responses((status = 201, description = "made; the secret is shown this once", body = NewKey),
              (status = 400, description = "what is wrong, all of it"), (status = 403, description = "it would exceed the caller's own rights"),
              (status = 409, description = "a quota is used up, or the answer was given before")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    once: Once<KeyRequest>,
) -> Result<Response, Problem> {
    let Once { body: request, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let drawn = Drawn::draw(&app, &permit);
    let key = drawn.secret.text.expose().to_owned();
    let view = work::write(&app, move |tx| {
        work::must_be_on_time(tx, permit.now)?;
        Creation { access: &permit, request: &request, drawn: &drawn }.run(tx, Some(&pledge))
    })
    .await?;
    let (version, state, made) = (view.version, view.state, NewKey { view, key });
    let answer = with_key_etag(version, state, &made.view, Json(&made));
    Ok((StatusCode::CREATED, answer).into_response())
}

/// Makes a key that acts as whoever asks for it, from a page; `request` names him as its owner. Its secret, for the one answer.
pub async fn create_own(app: &App, access: Access, request: KeyRequest) -> Result<Secret, Problem> {
    let drawn = Drawn::draw(app, &access);
    let key = drawn.secret.text.clone();
    work::write(app, move |tx| {
        work::must_be_on_time(tx, access.now)?;
        Creation { access: &access, request: &request, drawn: &drawn }.run(tx, None).map(drop)
    })
    .await?;
    Ok(key)
}

/// A secret before anybody has it.
pub struct DrawnSecret {
    /// Its text, for the one answer.
    pub text: Secret,
    hash: SecretHash,
    lookup_key: i64,
}

impl DrawnSecret {
    /// A new secret of the realm.
    pub fn draw(app: &App, access: &Access) -> Self {
        let text = secret::write(access.realm.realm.prefix.as_str(), &app.random());
        let master = app.master.keys();
        let hash = master.active().lookup.hash(access.realm_id(), SecretKind::ApiKey, text.expose());
        Self { text, hash, lookup_key: master.active().number }
    }

    /// What is stored of it.
    pub fn stored(&self, key: KeyId, number: u32, now: Time) -> KeySecret {
        let hint = secret::hint(self.text.expose());
        KeySecret { hash: self.hash, lookup_key: self.lookup_key, key, number, hint, created_at: now, expires_at: None }
    }
}

/// What must be random is drawn outside of the unit of work, which may run twice.
struct Drawn {
    secret: DrawnSecret,
    key: KeyId,
    grant: GrantId,
    client: ClientId,
    key_event: Event,
    client_event: Event,
}

impl Drawn {
    fn draw(app: &App, access: &Access) -> Self {
        let (key, client): (KeyId, ClientId) = (app.id(access.now), app.id(access.now));
        Self {
            secret: DrawnSecret::draw(app, access),
            grant: app.id(access.now),
            key_event: event(access, app, "key.created", key),
            client_event: event(access, app, "client.created", client),
            key,
            client,
        }
    }
}

struct Creation<'c> {
    access: &'c Access,
    request: &'c KeyRequest,
    drawn: &'c Drawn,
}

impl Creation<'_> {
    fn run(&self, tx: &mut Tx<'_>, pledge: Option<&Pledge>) -> Result<KeyView, Stop> {
        let (access, drawn) = (self.access, self.drawn);
        let (realm, now) = (access.realm_id(), access.now);
        let apis = all_apis(tx, realm)?;
        let owner = match &self.request.owner {
            Some(text) => Some(subject::find(tx, realm, text, "owner")?),
            None => None,
        };
        let roles = match &owner {
            Some(owner) => tx.list_roles_of(realm, owner.id())?,
            None => Vec::new(),
        };
        let plan = self
            .request
            .plan(&apis, owner.as_ref().map(|owner| (owner, roles.as_slice())))
            .map_err(Problem::invalid)?;
        access.must_hold(&plan.rights())?;
        let (subject, org) = match &owner {
            Some(owner) => {
                access.must_hold(&owner.rights(&roles))?;
                keep_quota(tx, access, owner)?;
                (owner.id(), org_of(owner))
            }
            None => (SubjectId::Client(self.insert_client(tx, &plan)?), None),
        };
        let grant = self.grant(&plan, subject, org);
        tx.insert_key(&grant, &self.key(&plan, org), &drawn.secret.stored(drawn.key, 1, now))?;
        let api = plan.api.map(|api| &api.spec.uri);
        let detail = json!({ "name": self.request.name, "owner": subject.to_string(), "api": api, "scopes": grant.scopes,
            "expires_at": grant.expires_at });
        tx.insert_event(&Event { detail, ..drawn.key_event.clone() })?;
        if let Some(pledge) = pledge {
            pledge.keep_secret(tx, StatusCode::CREATED, drawn.key.to_string())?;
        }
        let issued = tx.find_key(realm, drawn.key)?;
        view(tx, issued.ok_or_else(|| Problem::unavailable("a new key cannot be read back"))?, now)
    }

    fn grant(&self, plan: &KeyPlan<'_>, subject: SubjectId, org: Option<OrgId>) -> Grant {
        let (id, now) = (self.drawn.grant, self.access.now);
        Grant {
            id,
            realm: self.access.realm_id(),
            org,
            kind: GrantKind::Key,
            subject,
            client: None,
            parent: None,
            root: id,
            api: plan.api.map(|api| api.id),
            scopes: plan.scopes.clone(),
            created_at: now,
            expires_at: plan.lifetime.map(|lifetime| now + lifetime),
            revoked_at: None,
        }
    }

    fn key(&self, plan: &KeyPlan<'_>, org: Option<OrgId>) -> Key {
        let (request, now) = (self.request, self.access.now);
        Key {
            id: self.drawn.key,
            realm: self.access.realm_id(),
            org,
            grant: self.drawn.grant,
            name: request.name.clone(),
            lifetime: plan.lifetime,
            rate: request.limit,
            ip: request.ip.clone(),
            external_id: request.external_id.clone(),
            metadata: request.metadata.clone(),
            disabled_at: None,
            seen_in_browser_at: None,
            created_by: self.access.actor(),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// The service client that owns the key and may do what the key may, no more.
    fn insert_client(&self, tx: &mut Tx<'_>, plan: &KeyPlan<'_>) -> Result<ClientId, Stop> {
        let (id, now, realm) = (self.drawn.client, self.access.now, self.access.realm_id());
        // Two who look for a free name at once would find the same one.
        tx.lock_realm(realm)?;
        let name = free_name(&self.request.name, id, |name| Ok(tx.find_client_named(realm, name)?.is_none()))?;
        let spec = ClientSpec::service(name, plan.rights());
        let detail = json!({ "name": spec.name, "for": self.drawn.key });
        let (disabled_at, valid_after, org) = (None, None, None);
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
        tx.insert_event(&Event { detail, ..self.drawn.client_event.clone() })?;
        Ok(id)
    }
}

/// `name`, else `name-2`, `name-3`, …; at last one that ends in the client's own id.
fn free_name(name: &Label, id: ClientId, mut is_free: impl FnMut(&str) -> Result<bool, Stop>) -> Result<Label, Stop> {
    if is_free(name.as_str())? {
        return Ok(name.clone());
    }
    let id = id.to_string();
    let numbers = (2..=NAMES_MAX).map(|number| number.to_string());
    for ending in numbers.chain([id[id.len() - 10..].to_owned()]) {
        let room = 200 - 1 - ending.chars().count();
        let beginning: String = name.as_str().chars().take(room).collect();
        let tried = format!("{beginning}-{ending}");
        if is_free(&tried)? {
            return Label::parse(&tried)
                .map_err(|bad| Problem::new(400, "invalid_request", format!("name {bad}")).into());
        }
    }
    Err(Problem::new(409, "already_exists", "Every name for the client that would own this key is taken.").into())
}

/// AK-09: the row of the owner is locked before keys are counted, so that no two requests count the same.
fn keep_quota(tx: &mut Tx<'_>, access: &Access, owner: &Subject) -> Result<(), Stop> {
    let realm = access.realm_id();
    if !tx.lock_subject(realm, owner.id())? {
        return Err(Problem::not_found("owner", owner.name()).into());
    }
    if tx.count_live_keys(realm, owner.id(), access.now)? < LIVE_KEYS_MAX {
        return Ok(());
    }
    let detail = format!("\"{}\" has {LIVE_KEYS_MAX} live keys, the most that one owner may have.", owner.name());
    let next = format!("admit key list --owner {}, then admit key revoke what is not needed", owner.id());
    Err(Problem::new(409, "too_many_keys", detail).with_next(next).into())
}

fn org_of(owner: &Subject) -> Option<OrgId> {
    match owner {
        Subject::User(user) => user.org,
        Subject::Client(client) => client.org,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_among(taken: &[&str], name: &str) -> String {
        let id = ClientId::from_bytes([7; 16]);
        free_name(&Label::parse(name).unwrap(), id, |name| Ok(!taken.contains(&name))).unwrap().to_string()
    }

    #[test]
    fn a_client_is_called_like_its_key_as_far_as_that_is_free() {
        assert_eq!(name_among(&[], "ci"), "ci");
        assert_eq!(name_among(&["ci"], "ci"), "ci-2");
        assert_eq!(name_among(&["ci", "ci-2"], "ci"), "ci-3");
        let long = "é".repeat(200);
        assert_eq!(name_among(&[&long], &long).chars().count(), 200);
        let taken: Vec<_> = (2..=20).map(|number| format!("ci-{number}")).chain(["ci".to_owned()]).collect();
        let taken: Vec<_> = taken.iter().map(String::as_str).collect();
        assert!(
            ClientId::from_bytes([7; 16]).to_string().ends_with(name_among(&taken, "ci").trim_start_matches("ci-"))
        );
    }
}
