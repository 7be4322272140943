//! A rule as it is written: the shape of `[[rule]]` in TOML and of rules in JSON.
//!
//! Nothing is judged here but the shape: unknown keys and wrong types. What the words mean is read by
//! [`super::resolve`], so that all of a rule's problems are told at once.

use serde::{Deserialize, Serialize};

use super::cors::RawCors;

/// One rule. What is absent stays absent when it is written again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// Its identity; `<methods> <host><path>` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which requests it is for.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<RawMatch>,
    /// What a caller must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<RawRequire>,
    /// Everybody is admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Nobody is admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<bool>,
    /// Browsers are sent to sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<bool>,
    /// An `Admit-Token` is minted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<RawToken>,
    /// Which browser origins may read answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<RawCors>,
    /// Places beside the usual ones where a credential may stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<RawAccept>,
    /// `upstream`: the `Authorization` header is the application's, not Admit's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<String>,
    /// `keep`: an encoded slash is a letter of its segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded_slash: Option<String>,
    /// How long old answers serve while the store is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_for: Option<String>,
    /// `observe`: judge and record, admit anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `any`: callers of whatever API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// How fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<RawLimit>,
    /// Lower is tried first; 100 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
}

/// `match = { host, methods, path }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMatch {
    /// `shop.test` or `*.shop.test`; any unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Upper-case methods; the registered ones unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// `/orders/{id}/**`; any unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `require = { … }`: all of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRequire {
    /// Any caller that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<bool>,
    /// The API that the caller's grant must be for; that of the host unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// All of these scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// One of these roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// `user`, `client` or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// One of these kinds of credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<String>>,
    /// How well the person signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<serde_json::Value>,
    /// How long ago at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<serde_json::Value>,
    /// The `{name}` in the path that must be the caller.
    #[serde(rename = "self", skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
}

/// `token = { audience = "…" }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawToken {
    /// Who reads the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// `accept = { query = "api_key" }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAccept {
    /// The query parameter that may carry an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// `limit = { per = "grant", rate = "100/1m", burst = 20 }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimit {
    /// Whose requests are counted together; `grant` unless said, `ip` of a public rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// How many in which time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// How many at once; the count of the rate unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<i64>,
}
