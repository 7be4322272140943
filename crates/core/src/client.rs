//! Clients: applications. A service client acts only as itself; the one that is made along with a key owns it.
//!
//! What kind of application it is says how it may prove who it is ([`kind`]) and where browsers may be sent back to
//! ([`address`]). Its secrets are in [`secret`]. Knows nothing of requests.

pub mod address;
pub mod kind;
pub mod secret;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use kind::{AuthMethod, ClientType};

use crate::api::{TokenAlg, check_metadata};
use crate::id::{ClientId, OrgId, RealmId};
use crate::jose::jwk::KeySet;
use crate::metadata;
use crate::name::{ExternalId, Label, RoleName};
use crate::outbound;
use crate::policy::rule::Problem;
use crate::role;
use crate::scope::{self, Rights};
use crate::time::Time;

/// One client of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where it belongs.
    pub realm: RealmId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What it is.
    pub spec: ClientSpec,
    /// Since when it is switched off.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// What an operator says of a client: the same words in JSON, in TOML and in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its identity in files; unique within the realm.
    pub name: Label,
    /// What kind of application it is.
    #[serde(rename = "type")]
    pub kind: ClientType,
    /// What it may do as itself.
    #[serde(default, skip_serializing_if = "Rights::is_empty")]
    pub rights: Rights,
    /// The roles that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// Where browsers may be sent back to, compared byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Where scripts run that may read what the token endpoint answers (RFC 6454), for applications in browsers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// How it proves who it is (RFC 7591 §2). Where nothing is said, whatever suits its kind: a confidential client shows a
    /// secret in either place, a public one nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Its public keys (RFC 7517 §5), for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub jwks: Value,
    /// Where its public keys are to be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Where browsers may be sent after a sign-out, compared byte for byte (OpenID Connect RP-Initiated Logout 1.0 §2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where the application is told of a sign-out (OpenID Connect Back-Channel Logout 1.0 §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// What signs its ID tokens (OpenID Connect Registration 1.0 §2); RS256 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<TokenAlg>,
    /// False for a confidential client that cannot do PKCE (RFC 7636): then it has to send a `nonce`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub require_pkce: bool,
    /// True for one whose requests must be pushed (RFC 9126 §6).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_pushed_authorization_requests: bool,
    /// Whether a refresh token is good once. Where nothing is said, those of public clients are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_refresh_tokens: Option<bool>,
    /// After how many seconds a sign-in is too old for it (OpenID Connect Registration 1.0 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// A page about the application (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// What it does with what it learns (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// The terms of its service (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// True for the operator's own applications.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_party: bool,
    /// True for one that registered itself (RFC 7591): never the operator's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// The longest time that an application may call a sign-in recent enough, in seconds: a year.
pub const MAX_AGE_MAX_S: u32 = 31_536_000;
/// The longest set of keys that a client may bring along, in bytes as JSON.
pub const JWKS_MAX: usize = 16 << 10;
/// The most keys of it.
pub const KEYS_MAX: usize = 10;

impl ClientSpec {
    /// The client with its roles in order, or everything that is wrong with it.
    pub fn resolve(mut self) -> Result<Self, Vec<Problem>> {
        let mut problems = scope::too_many(&self.rights);
        if ClientId::looks_like(self.name.as_str()) {
            problems.push(Problem::new("name", "must not look like an id"));
        }
        match role::resolve_held(self.roles) {
            Ok(roles) => self.roles = roles,
            Err(problem) => {
                self.roles = Vec::new();
                problems.push(problem);
            }
        }
        problems.extend(address::redirects(self.kind, "redirect_uris", &self.redirect_uris));
        problems.extend(address::answered("redirect_uris", &self.redirect_uris));
        problems.extend(address::origins(self.kind, &self.origins));
        problems.extend(self.proof());
        problems.extend(self.sign_in());
        if self.dynamic && self.first_party {
            problems.push(Problem::new("first_party", "must be false: the client registered itself"));
        }
        if let Err(message) = check_metadata(&self.metadata) {
            problems.push(Problem::new("metadata", message));
        }
        self.metadata = metadata::canonical(self.metadata);
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// What is wrong with how it proves who it is.
    fn proof(&self) -> Vec<Problem> {
        let problem = |path: &str, message: &str| vec![Problem::new(path, message)];
        let method = self.token_endpoint_auth_method;
        if let Some(method) = method.filter(|method| !self.kind.auth_methods().contains(method)) {
            let known: Vec<_> = self.kind.auth_methods().iter().map(|method| method.as_str()).collect();
            let message = format!("is {method}: a {} client may use {}", self.kind.as_str(), known.join(", "));
            return problem("token_endpoint_auth_method", &message);
        }
        let (has_keys, uri) = (!self.jwks.is_null(), self.jwks_uri.as_deref());
        if method != Some(AuthMethod::PrivateKeyJwt) {
            let path = if has_keys { "jwks" } else { "jwks_uri" };
            let is_idle = has_keys || uri.is_some();
            let message = "is for clients whose token_endpoint_auth_method is private_key_jwt";
            return if is_idle { problem(path, message) } else { Vec::new() };
        }
        match uri {
            None if !has_keys => {
                problem("jwks", "private_key_jwt needs the client's public keys: set jwks or jwks_uri")
            }
            None => judge_keys(&self.jwks).err().map_or_else(Vec::new, |message| problem("jwks", &message)),
            Some(_) if has_keys => problem("jwks_uri", "jwks and jwks_uri exclude each other (RFC 7591, section 2)"),
            Some(uri) => {
                outbound::Target::parse(uri).err().map_or_else(Vec::new, |bad| problem("jwks_uri", &bad.to_string()))
            }
        }
    }

    /// What is wrong with how people sign in to it and out of it.
    fn sign_in(&self) -> Vec<Problem> {
        let after = &self.post_logout_redirect_uris;
        let mut problems = address::redirects(self.kind, "post_logout_redirect_uris", after);
        if let Some(uri) = &self.backchannel_logout_uri {
            problems.extend(match outbound::Target::parse(uri) {
                _ if self.kind == ClientType::Service => Some(Problem::new(
                    "backchannel_logout_uri",
                    "must be left out: nobody signs in to a service client",
                )),
                Ok(_) => None,
                Err(bad) => Some(Problem::new("backchannel_logout_uri", bad.to_string())),
            });
        }
        if !self.require_pkce && self.kind != ClientType::Web {
            let message = "may be false for web clients only: what cannot keep a secret has nothing else to show";
            problems.push(Problem::new("require_pkce", message));
        }
        if self.rotate_refresh_tokens == Some(false) && !self.kind.is_confidential() {
            let message = "may be false for clients that prove who they are: those of others are good once";
            problems.push(Problem::new("rotate_refresh_tokens", message));
        }
        if self.default_max_age.is_some_and(|seconds| seconds > MAX_AGE_MAX_S) {
            problems.push(Problem::new("default_max_age", format!("must be at most {MAX_AGE_MAX_S} seconds")));
        }
        let pages = [("client_uri", &self.client_uri), ("policy_uri", &self.policy_uri), ("tos_uri", &self.tos_uri)];
        problems.extend(pages.iter().filter_map(|(path, uri)| address::page(path, uri.as_deref())));
        problems
    }

    /// What signs its ID tokens.
    pub fn id_token_alg(&self) -> TokenAlg {
        self.id_token_signed_response_alg.unwrap_or(TokenAlg::Rs256)
    }

    /// Whether this is a way in which it proves who it is.
    pub fn proves_by(&self, method: AuthMethod) -> bool {
        match self.token_endpoint_auth_method {
            Some(said) => said == method,
            None => self.kind.usual_auth_methods().contains(&method),
        }
    }

    /// Whether a secret proves who it is.
    pub fn has_secrets(&self) -> bool {
        self.proves_by(AuthMethod::ClientSecretBasic) || self.proves_by(AuthMethod::ClientSecretPost)
    }

    /// A service client of this name with these rights.
    pub fn service(name: Label, rights: Rights) -> Self {
        Self {
            name,
            kind: ClientType::Service,
            rights,
            roles: Vec::new(),
            redirect_uris: Vec::new(),
            origins: Vec::new(),
            token_endpoint_auth_method: None,
            jwks: Value::Null,
            jwks_uri: None,
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            id_token_signed_response_alg: None,
            require_pkce: true,
            require_pushed_authorization_requests: false,
            rotate_refresh_tokens: None,
            default_max_age: None,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
            first_party: false,
            dynamic: false,
            external_id: None,
            metadata: Value::Null,
        }
    }
}

/// Public keys for signatures, at least one that can be used.
fn judge_keys(jwks: &Value) -> Result<(), String> {
    let size = jwks.to_string().len();
    if size > JWKS_MAX {
        return Err(format!("is {size} bytes as JSON, at most {JWKS_MAX} are kept"));
    }
    match KeySet::of(jwks) {
        Ok(set) if set.keys().len() > KEYS_MAX => {
            Err(format!("has {} keys, at most {KEYS_MAX} are kept", set.keys().len()))
        }
        Ok(set) if set.keys().is_empty() => Err("has no key that signatures can be verified by".to_owned()),
        Ok(_) => Ok(()),
        Err(flaw) => Err(format!("must be a set of public keys ({{\"keys\": [..]}}): {flaw}")),
    }
}

#[cfg(test)]
mod tests;
