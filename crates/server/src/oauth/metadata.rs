//! `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: what an issuer can do, and where
//! (RFC 8414, OpenID Connect Discovery 1.0 §3). Only what works now.
//!
//! Both names give the same document, and both forms of a path issuer's address do. There are no ID tokens: the algorithms
//! and the kind of subject that OpenID Connect demands here are those of access tokens, because libraries take them from
//! there. Scopes are told with the API that they belong to: see [`super::resource`].

use std::sync::Arc;

use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SIGNING;
use admit_core::signing_key::PUBLISHED_FOR;
use serde_json::{Value, json};

use super::well_known::{Ready, Shelf};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::config::Config;

/// Under which name it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// RFC 8414 §3.
    OAuth,
    /// OpenID Connect Discovery 1.0 §4.
    OpenId,
}

impl Name {
    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "oauth-authorization-server" => Some(Self::OAuth),
            "openid-configuration" => Some(Self::OpenId),
            _ => None,
        }
    }
}

/// How clients say who they are, where they must.
const AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The documents of the realms in use.
#[derive(Default)]
pub struct Documents(Shelf<Made>);

/// A document, as long as the realm and the configuration stay as they are.
struct Made {
    policy: Arc<RealmPolicy>,
    config: Arc<Config>,
    ready: Arc<Ready>,
}

/// What the issuer of a realm says of itself.
pub fn of(app: &App, realm: &Arc<RealmPolicy>) -> Arc<Ready> {
    let config = app.config.load();
    let is_right = |made: &Made| Arc::ptr_eq(&made.policy, realm) && Arc::ptr_eq(&made.config, &config);
    let Documents(shelf) = &app.documents;
    let make = || Made {
        policy: realm.clone(),
        config: Arc::clone(&config),
        ready: Arc::new(Ready::new(
            "application/json",
            &document(&app.issuer(&realm.realm)),
            Some(PUBLISHED_FOR.as_ms() / 1_000),
        )),
    };
    shelf.of(realm, is_right, make).ready.clone()
}

fn document(issuer: &str) -> Value {
    let asserted: Vec<_> = Algorithm::ALL.iter().filter(|algorithm| is_asymmetric(**algorithm)).collect();
    let asserted: Vec<_> = asserted.into_iter().map(|algorithm| algorithm.as_str()).collect();
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": asserted,
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": asserted,
        // What signs answers about tokens where a caller names nothing (RFC 9701 §6).
        "introspection_signing_alg_values_supported": [Algorithm::Rs256.as_str()],
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": asserted,
        "grant_types_supported": ["client_credentials"],
        // Must be there (RFC 8414 §2), and there is none without an authorization endpoint.
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SIGNING.map(Algorithm::as_str),
    })
}

fn is_asymmetric(algorithm: Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8414_none_and_shared_secrets_are_in_no_list_of_algorithms() {
        let document = document("https://auth.example.com");
        for (name, value) in document.as_object().unwrap() {
            if name.contains("alg_values") {
                let algorithms: Vec<_> = value.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(algorithms.contains(&"RS256"), "{name}");
                assert!(algorithms.iter().all(|name| *name != "none" && !name.starts_with("HS")), "{name}");
            }
        }
    }

    #[test]
    fn rfc_8414_everything_is_below_the_issuer() {
        let document = document("https://auth.example.com/realms/acme");
        for name in ["jwks_uri", "token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
            assert!(document[name].as_str().unwrap().starts_with("https://auth.example.com/realms/acme/"), "{name}");
        }
    }
}
