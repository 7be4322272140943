//! `clients/{client}/secrets`: what proves that a client is the one. A secret is in one answer and nowhere else.
//!
//! To add one is to make a credential with all rights of the client: nobody does that who has not those rights over Admit
//! himself. To take one away is never too much.

use admit_core::audit::Event;
use admit_core::client::Client;
use admit_core::client::secret::{ClientSecret, LIVE_MAX, SecretRequest};
use admit_core::id::{RealmId, SecretId};
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::shell::operand;
use admit_core::time::Time;
use admit_store::Tx;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{SecretView, find, may_have};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::manage::answer;
use crate::manage::event::event;
use crate::manage::guard::{ClientsRead, ClientsWrite, Permit};
use crate::manage::idempotency::{Begun, Once};
use crate::manage::page::List;
use crate::manage::work::{self, Stop};

/// What stands before the `_`.
const PREFIX: &str = "admit_cs";

/// A new secret of a client.
#[derive(Serialize, ToSchema)]
pub struct NewClientSecret {
    #[serde(flatten)]
    view: SecretView,
    /// The id of its client.
    client: String,
    /// The secret itself, shown this once.
    secret: String,
}

/// A secret before anybody has it.
pub struct Drawn {
    /// Its text, for the one answer.
    pub text: Secret,
    id: SecretId,
    hash: SecretHash,
    lookup_key: i64,
    realm: RealmId,
    now: Time,
}

impl Drawn {
    /// A new secret.
    pub fn draw(app: &App, realm: RealmId, now: Time) -> Self {
        let text = secret::write(PREFIX, &app.random());
        let master = app.master.keys();
        let hash = master.active().lookup.hash(realm, SecretKind::ClientSecret, text.expose());
        Self { text, id: app.id(now), hash, lookup_key: master.active().number, realm, now }
    }

    /// Stores it, where the client may have one more.
    pub fn insert(&self, tx: &mut Tx<'_>, client: &Client, request: &SecretRequest) -> Result<ClientSecret, Stop> {
        let expires_at = request.expires_at(self.now).map_err(|problem| Problem::invalid(vec![problem]))?;
        let live =
            tx.list_client_secrets(self.realm, client.id)?.iter().filter(|known| known.is_live(self.now)).count();
        if live >= LIVE_MAX {
            return Err(too_many(client).into());
        }
        let made = ClientSecret {
            id: self.id,
            hash: self.hash,
            lookup_key: self.lookup_key,
            realm: self.realm,
            client: client.id,
            hint: secret::hint(self.text.expose()),
            created_at: self.now,
            expires_at,
            last_used_at: None,
        };
        tx.insert_client_secret(&made)?;
        Ok(made)
    }
}

/// Lists the secrets of a client: when each was made, ends and was last used.
#[utoipa::path(get, path = "/v1/realms/{realm}/clients/{client}/secrets", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name")),
    responses((status = 200, description = "all of them", body = List<SecretView>), (status = 404, description = "there is no such client")))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<ClientsRead>,
    Path(path): Path<(String, String)>,
) -> Result<Json<List<SecretView>>, Problem> {
    flush::now(&app).await;
    let (realm, now) = (permit.realm_id(), permit.now);
    let secrets = work::read(&app, move |tx| {
        let client = find(tx, realm, &path.1)?;
        Ok(tx.list_client_secrets(realm, client.id)?)
    });
    let items = secrets.await?.iter().map(|secret| SecretView::of(secret, now)).collect();
    Ok(Json(List { items, next: None }))
}

/// Gives a client one more secret; the other one goes on.
#[utoipa::path(post, path = "/v1/realms/{realm}/clients/{client}/secrets", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    request_body(content = serde_json::Value, example = json!({"expires_in_s": 7776000})),
    responses((status = 201, description = "made; the secret is shown this once", body = NewClientSecret),
              (status = 403, description = "the client has rights that the caller has not"),
              (status = 409, description = "it has two, or proves in another way who it is, or the answer was given before")))]
pub async fn add(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    Path(path): Path<(String, String)>,
    once: Once<SecretRequest>,
) -> Result<Response, Problem> {
    let Once { body: request, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (drawn, event) =
        (Drawn::draw(&app, permit.realm_id(), permit.now), event(&permit, &app, "client.secret_added", ""));
    let text = drawn.text.expose().to_owned();
    let made = work::write_alone(&app, permit.realm_id(), move |tx| {
        work::must_be_on_time(tx, permit.now)?;
        let client = find(tx, permit.realm_id(), &path.1)?;
        may_have(tx, &permit, client.realm, &client.spec)?;
        must_have_secrets(&client)?;
        let made = drawn.insert(tx, &client, &request)?;
        let ClientSecret { id, hint, expires_at, .. } = &made;
        let detail = json!({ "name": client.spec.name, "secret": id, "hint": hint, "expires_at": expires_at });
        tx.insert_event(&Event { target: client.id.to_string(), detail, ..event.clone() })?;
        pledge.keep_secret(tx, StatusCode::CREATED, made.id.to_string())?;
        Ok((SecretView::of(&made, permit.now), client.id))
    });
    let (view, client) = made.await?;
    Ok(answer::created(1, NewClientSecret { view, client: client.to_string(), secret: text }))
}

/// Ends a secret at once.
#[utoipa::path(delete, path = "/v1/realms/{realm}/clients/{client}/secrets/{secret}", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name"), ("secret" = String, Path, description = "its id, sec_…")),
    responses((status = 204, description = "it proves nothing any more"), (status = 404, description = "the client has no such secret")))]
pub async fn revoke(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    Path(path): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let (realm, now) = (permit.realm_id(), permit.now);
    let event = event(&permit, &app, "client.secret_revoked", "");
    let gone = work::write_alone(&app, realm, move |tx| {
        let client = find(tx, realm, &path.1)?;
        let secrets = tx.list_client_secrets(realm, client.id)?;
        let id = path.2.parse::<SecretId>().ok();
        let known = secrets.iter().find(|secret| Some(secret.id) == id).ok_or_else(|| unknown(&client, &path.2))?;
        tx.delete_client_secret(realm, client.id, known.id, now)?;
        let detail = json!({ "name": client.spec.name, "secret": known.id, "hint": known.hint });
        Ok(tx.insert_event(&Event { target: client.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// A secret of a client that proves in another way who it is would prove nothing.
fn must_have_secrets(client: &Client) -> Result<(), Problem> {
    if client.spec.has_secrets() {
        return Ok(());
    }
    let name = client.spec.name.as_str();
    let (detail, next) = match client.spec.kind.is_confidential() {
        true => (
            format!("Client \"{name}\" signs to prove who it is (private_key_jwt): a secret would prove nothing."),
            format!("admit client update --auth-method client_secret_basic {}", operand(name)),
        ),
        false => (
            format!("A {} client cannot keep a secret: whoever has it could read it.", client.spec.kind.as_str()),
            "admit client create --name NAME --type web".to_owned(),
        ),
    };
    Err(Problem::new(409, "wrong_auth_method", detail).with_next(next))
}

fn too_many(client: &Client) -> Problem {
    let name = client.spec.name.as_str();
    let detail =
        format!("Client \"{name}\" has {LIVE_MAX} secrets that go on: revoke the one that is used no more first.");
    let next = format!("admit client secret list {0}, then admit client secret revoke {0} SECRET", operand(name));
    Problem::new(409, "too_many_secrets", detail).with_next(next)
}

fn unknown(client: &Client, secret: &str) -> Problem {
    let next = format!("admit client secret list {}", operand(client.spec.name.as_str()));
    Problem::not_found("secret of this client", secret).with_next(next)
}
