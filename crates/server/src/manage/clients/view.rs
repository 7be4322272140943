//! A client as answers show it: never a secret, only hints of them.

use admit_core::client::secret::ClientSecret;
use admit_core::client::{AuthMethod, Client, ClientSpec, ClientType};
use admit_core::id::{ClientId, SecretId};
use admit_core::name::{ExternalId, Label, RoleName};
use admit_core::scope::Rights;
use admit_core::time::Time;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::manage::answer;

/// One client.
#[derive(Debug, Serialize)]
pub struct View {
    id: ClientId,
    name: Label,
    #[serde(rename = "type")]
    kind: ClientType,
    rights: Rights,
    roles: Vec<RoleName>,
    redirect_uris: Vec<String>,
    origins: Vec<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    jwks: Value,
    jwks_uri: Option<String>,
    first_party: bool,
    external_id: Option<ExternalId>,
    metadata: Value,
    disabled_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// One client with what may be shown of its secrets.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    client: View,
    secrets: Vec<SecretView>,
    /// The first secret itself, where it was made just now: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// One secret of a client.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ClientSecret)]
pub struct SecretView {
    #[schema(value_type = String)]
    pub id: SecretId,
    pub hint: String,
    #[schema(value_type = String)]
    pub created_at: Time,
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Time>,
    /// Whether it still proves its client.
    pub live: bool,
    /// About when it last did.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Time>,
}

impl SecretView {
    /// A secret as it is now.
    pub fn of(secret: &ClientSecret, now: Time) -> Self {
        Self {
            id: secret.id,
            hint: secret.hint.clone(),
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            live: secret.is_live(now),
            last_used_at: secret.last_used_at,
        }
    }
}

impl Shown {
    /// A client as it is now.
    pub fn of(client: Client, secrets: &[ClientSecret], now: Time) -> Self {
        let secrets = secrets.iter().map(|secret| SecretView::of(secret, now)).collect();
        Self { client: View::from(client), secrets, secret: None }
    }

    /// The same with the secret that was just made.
    pub fn with(self, secret: Option<String>) -> Self {
        Self { secret, ..self }
    }
}

impl From<Client> for View {
    fn from(client: Client) -> Self {
        let Client { id, spec, disabled_at, created_at, updated_at, .. } = client;
        let ClientSpec {
            name, kind, rights, roles, redirect_uris, origins, first_party, external_id, metadata, ..
        } = spec;
        Self {
            id,
            name,
            kind,
            rights,
            roles,
            redirect_uris,
            origins,
            token_endpoint_auth_method: spec.token_endpoint_auth_method,
            jwks: spec.jwks,
            jwks_uri: spec.jwks_uri,
            first_party,
            external_id,
            metadata: answer::shown(metadata),
            disabled_at,
            created_at,
            updated_at,
        }
    }
}
