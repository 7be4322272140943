//! `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: what an issuer can do, and where
//! (RFC 8414, OpenID Connect Discovery 1.0 §3). Only what works now.
//!
//! Both names give the same document, and both forms of a path issuer's address do. Scopes are those that ask who somebody is;
//! those of an API are told with it: see [`super::resource`].

use std::sync::Arc;

use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SIGNING;
use admit_core::login::session::{Factor, Factors};
use admit_core::oauth::authorization::Mode;
use admit_core::oauth::identity::IdentityScope;
use admit_core::oauth::userinfo;
use admit_core::signing_key::PUBLISHED_FOR;
use admit_core::text::Language;
use serde_json::{Value, json};

use super::grants;
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

/// How clients say who they are: those that must, and, behind them, those that cannot.
const AUTH_METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

/// The endpoints and where they are below the issuer.
const ENDPOINTS: [(&str, &str); 9] = [
    ("authorization_endpoint", "/oauth/authorize"),
    ("pushed_authorization_request_endpoint", "/oauth/par"),
    ("device_authorization_endpoint", "/oauth/device"),
    ("jwks_uri", "/.well-known/jwks.json"),
    ("token_endpoint", "/oauth/token"),
    ("introspection_endpoint", "/oauth/introspect"),
    ("revocation_endpoint", "/oauth/revoke"),
    ("userinfo_endpoint", "/oauth/userinfo"),
    ("end_session_endpoint", "/oauth/logout"),
];
/// Where applications register themselves, in realms that let them.
const REGISTRATION: (&str, &str) = ("registration_endpoint", "/oauth/register");
/// The words of `prompt` (OpenID Connect Core §3.1.2.1).
const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];
/// The endpoints at which clients say who they are, and how many of the ways are good there: nobody learns about tokens who
/// cannot prove who he is.
const AUTHENTICATING: [(&str, usize); 3] =
    [("token_endpoint", 4), ("introspection_endpoint", 3), ("revocation_endpoint", 4)];
/// What ID tokens say besides what is asked for (OpenID Connect Core §2).
const ID_TOKEN_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"];

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
            &document(&app.issuer(&realm.realm), realm.realm.lets_clients_register()),
            Some(PUBLISHED_FOR.as_ms() / 1_000),
        )),
    };
    shelf.of(realm, is_right, make).ready.clone()
}

fn document(issuer: &str, is_registration_open: bool) -> Value {
    let asserted: Vec<_> = Algorithm::ALL.iter().filter(|algorithm| is_asymmetric(**algorithm)).collect();
    let asserted: Vec<_> = asserted.into_iter().map(|algorithm| algorithm.as_str()).collect();
    let claims = ID_TOKEN_CLAIMS.into_iter().chain(userinfo::CLAIMS.into_iter().map(|(name, _)| name));
    let mut document = json!({
        "issuer": issuer,
        // What signs answers about tokens where a caller names nothing (RFC 9701 §6).
        "introspection_signing_alg_values_supported": [Algorithm::Rs256.as_str()],
        "grant_types_supported": grants::KNOWN,
        "response_types_supported": ["code"],
        "response_modes_supported": Mode::ALL.map(Mode::as_str),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": PROMPTS,
        "claims_parameter_supported": true,
        "scopes_supported": IdentityScope::ALL.map(IdentityScope::as_str),
        "claims_supported": claims.collect::<Vec<_>>(),
        "claim_types_supported": ["normal"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SIGNING.map(Algorithm::as_str),
        "acr_values_supported": [Factors::of(&[Factor::Password]).acr()],
        "ui_locales_supported": Language::ALL.map(Language::tag),
        // Where nothing is said, the second counts as supported (OpenID Connect Discovery §3).
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    let registration = is_registration_open.then_some(REGISTRATION);
    for (name, path) in ENDPOINTS.into_iter().chain(registration) {
        document[name] = format!("{issuer}{path}").into();
    }
    for (name, count) in AUTHENTICATING {
        document[format!("{name}_auth_methods_supported")] = json!(AUTH_METHODS[..count]);
        document[format!("{name}_auth_signing_alg_values_supported")] = json!(asserted);
    }
    document
}

fn is_asymmetric(algorithm: Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::oauth::authorization::Prompt;

    #[test]
    fn rfc_8414_none_and_shared_secrets_are_in_no_list_of_algorithms() {
        let document = document("https://auth.example.com", true);
        for (name, value) in document.as_object().unwrap() {
            if name.contains("alg_values") {
                let algorithms: Vec<_> = value.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(algorithms.contains(&"RS256"), "{name}");
                assert!(algorithms.iter().all(|name| *name != "none" && !name.starts_with("HS")), "{name}");
            }
        }
    }

    #[test]
    fn rfc_8414_every_prompt_that_is_named_is_known() {
        assert!(PROMPTS.into_iter().all(|word| Prompt::parse(word).is_some()));
        assert!(Prompt::parse("create").is_none());
    }

    #[test]
    fn rfc_8414_everything_is_below_the_issuer() {
        let document = document("https://auth.example.com/realms/acme", true);
        let of_endpoints = document
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.ends_with("_endpoint") || name.ends_with("_uri"));
        for (name, value) in of_endpoints {
            assert!(value.as_str().unwrap().starts_with("https://auth.example.com/realms/acme/"), "{name}");
        }
    }
}
