//! A client as answers show it: never a secret, only hints of them.

use admit_core::client::Client;
use admit_core::client::secret::ClientSecret;
use admit_core::id::SecretId;
use admit_core::time::Time;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// One client: every member, also where nothing was said.
#[derive(Debug)]
pub struct View(Client);

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
        Self(client)
    }
}

impl Serialize for View {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Client { id, spec, disabled_at, created_at, updated_at, .. } = &self.0;
        let mut whole = json!({
            "id": id,
            "rights": {},
            "roles": [],
            "redirect_uris": [],
            "origins": [],
            "token_endpoint_auth_method": null,
            "jwks": null,
            "jwks_uri": null,
            "post_logout_redirect_uris": [],
            "backchannel_logout_uri": null,
            "id_token_signed_response_alg": null,
            "require_pkce": true,
            "require_pushed_authorization_requests": false,
            "rotate_refresh_tokens": null,
            "default_max_age": null,
            "client_uri": null,
            "policy_uri": null,
            "tos_uri": null,
            "first_party": false,
            "dynamic": false,
            "external_id": null,
            "metadata": {},
            "disabled_at": disabled_at,
            "created_at": created_at,
            "updated_at": updated_at,
        });
        let said = serde_json::to_value(spec).map_err(S::Error::custom)?;
        if let (Value::Object(whole), Value::Object(said)) = (&mut whole, said) {
            whole.extend(said);
        }
        whole.serialize(serializer)
    }
}
