//! A new client as it is sent: what a document says of it, and the id that it shall have where somebody else knows it
//! already.

use admit_core::client::{AuthMethod, ClientSpec, ClientType};
use admit_core::id::ClientId;
use admit_core::name::{ExternalId, Label, RoleName};
use admit_core::scope::Rights;
use serde::Deserialize;
use serde_json::Value;

use crate::http::problem::Problem;

/// What is sent of a new client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Drawn where it is not said.
    pub id: Option<ClientId>,
    name: Label,
    #[serde(rename = "type")]
    kind: ClientType,
    #[serde(default)]
    rights: Rights,
    #[serde(default)]
    roles: Vec<RoleName>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<AuthMethod>,
    #[serde(default)]
    jwks: Value,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    first_party: bool,
    #[serde(default)]
    external_id: Option<ExternalId>,
    #[serde(default)]
    metadata: Value,
}

impl NewClient {
    /// The specification in canonical form, or everything that is wrong with it.
    pub fn resolve(self) -> Result<ClientSpec, Problem> {
        let Self { id: _, name, kind, rights, roles, redirect_uris, origins, .. } = self;
        let Self { token_endpoint_auth_method, jwks, jwks_uri, first_party, external_id, metadata, .. } = self;
        let spec = ClientSpec {
            kind,
            roles,
            redirect_uris,
            origins,
            token_endpoint_auth_method,
            jwks,
            jwks_uri,
            first_party,
            external_id,
            metadata,
            ..ClientSpec::service(name, rights)
        };
        spec.resolve().map_err(Problem::invalid)
    }
}
