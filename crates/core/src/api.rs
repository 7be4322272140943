//! APIs: protected resources (RFC 8707 `resource`, JWT `aud`) with the scopes they define and the hosts they own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::host;
use crate::id::{ApiId, RealmId};
use crate::jose::algorithm::Algorithm;
use crate::metadata;
use crate::name::{ApiUri, ExternalId, Label, ScopeName};
use crate::oauth::identity;
use crate::policy::cors::RawCors;
use crate::policy::index::{ApiRealm, MAX_HOSTS};
use crate::policy::rule::Problem;
use crate::scope::SCOPES_MAX;
use crate::time::{Span, Time};

/// One API of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Its id.
    pub id: ApiId,
    /// Where it belongs.
    pub realm: RealmId,
    /// What it is.
    pub spec: ApiSpec,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// The form of access tokens for an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// RFC 9068.
    #[default]
    Jwt,
    /// A random string.
    Opaque,
}

impl TokenFormat {
    /// How long tokens of this form live where nothing is said: what others verify by themselves lives shorter.
    pub const fn usual_lifetime(self) -> Span {
        match self {
            Self::Jwt => Span::minutes(10),
            Self::Opaque => Span::minutes(60),
        }
    }
}

/// What signs access tokens that are JWTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TokenAlg {
    /// ECDSA on P-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5: what every verifier knows.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS.
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl TokenAlg {
    /// The algorithm of JOSE.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Rs256 => Algorithm::Rs256,
            Self::Ps256 => Algorithm::Ps256,
            Self::EdDsa => Algorithm::EdDsa,
        }
    }
}

/// The `typ` in the header of access tokens that are JWTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TokenTyp {
    /// RFC 9068 §2.1.
    #[default]
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// For verifiers that are older than that.
    #[serde(rename = "JWT")]
    Jwt,
}

impl TokenTyp {
    /// The word in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

/// What an operator says of an API: the same words in JSON, in TOML and in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSpec {
    /// The audience; never changes.
    pub uri: ApiUri,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Scopes with what they mean to a person.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<ScopeName, String>,
    /// Hosts that it protects, `shop.test` or `shop.test/api`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The form of its access tokens.
    #[serde(default)]
    pub token_format: TokenFormat,
    /// How long its access tokens live; where nothing is said, as long as is usual for their form.
    #[serde(default = "unsaid")]
    pub token_lifetime: Span,
    /// What signs its access tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token_alg: TokenAlg,
    /// The `typ` of its access tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token_typ: TokenTyp,
    /// Browser origins that may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<RawCors>,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Longer than anything may live, and no whole seconds, so that nobody can say it: [`ApiSpec::resolve`] puts the usual life
/// in its place.
const fn unsaid() -> Span {
    Span::ms(i64::MAX - 1)
}

impl ApiSpec {
    /// An API of which only the audience and the scopes are said.
    pub fn new(uri: ApiUri, scopes: BTreeMap<ScopeName, String>) -> Self {
        Self {
            uri,
            name: None,
            scopes,
            hosts: Vec::new(),
            token_format: TokenFormat::Jwt,
            token_lifetime: TokenFormat::Jwt.usual_lifetime(),
            token_alg: TokenAlg::default(),
            token_typ: TokenTyp::default(),
            cors: None,
            external_id: None,
            metadata: serde_json::Value::Null,
        }
    }

    /// What rules need to know of it.
    pub fn owned(&self) -> ApiRealm {
        ApiRealm {
            uri: self.uri.clone(),
            scopes: self.scopes.keys().cloned().collect(),
            hosts: self.hosts.clone(),
            cors: self.cors.as_ref().and_then(|cors| cors.resolve().ok()),
        }
    }

    /// Brings hosts into canonical form and reports everything that cannot be.
    pub fn resolve(mut self) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |path: String, message: String| problems.push(Problem { path, message });
        if self.scopes.len() > SCOPES_MAX {
            problem("scopes".into(), format!("an API may define at most {SCOPES_MAX} scopes"));
        }
        for (scope, description) in &self.scopes {
            if identity::is_reserved(scope) {
                problem(format!("scopes.{scope}"), "is a scope of OpenID Connect: no API may define it".into());
            }
            if description.chars().count() > 200 || description.chars().any(crate::name::is_unprintable) {
                problem(format!("scopes.{scope}"), "the description must be one line of at most 200 letters".into());
            }
        }
        if self.hosts.len() > MAX_HOSTS {
            problem("hosts".into(), format!("an API may own at most {MAX_HOSTS} hosts"));
        }
        for message in self.cors.as_ref().and_then(|cors| cors.resolve().err()).into_iter().flatten() {
            problem("cors.origins".into(), message);
        }
        for (place, written) in self.hosts.iter_mut().enumerate() {
            match canonical_host(written) {
                Ok(canonical) => *written = canonical,
                Err(message) => problem(format!("hosts[{place}]"), message),
            }
        }
        if self.token_lifetime == unsaid() {
            self.token_lifetime = self.token_format.usual_lifetime();
        }
        let is_whole = self.token_lifetime.as_ms() % 1000 == 0;
        if !is_whole || !(Span::seconds(30)..=Span::hours(24)).contains(&self.token_lifetime) {
            problem("token_lifetime".into(), "must be whole seconds between 30s and 24h".into());
        }
        if let Err(message) = check_metadata(&self.metadata) {
            problem("metadata".into(), message);
        }
        self.metadata = metadata::canonical(self.metadata);
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

impl Api {
    /// What rules need to know of it.
    pub fn owned(&self) -> ApiRealm {
        self.spec.owned()
    }
}

/// `Shop.Test:443/api/` becomes `shop.test/api`.
fn canonical_host(written: &str) -> Result<String, String> {
    let (name, path) = written.split_at(written.find('/').unwrap_or(written.len()));
    let name =
        host::from_rule(name).map_err(|_| format!("{written:?} is no host such as shop.test or shop.test/api"))?;
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(name);
    }
    let path = crate::check::path::Path::parse(path).map_err(|reason| format!("the path of {written:?}: {reason}"))?;
    Ok(format!("{name}{}", path.as_str()))
}

/// Metadata is an object (or nothing) of at most 4 kB as JSON.
pub fn check_metadata(metadata: &serde_json::Value) -> Result<(), String> {
    let is_object = metadata.is_null() || metadata.is_object();
    if !is_object {
        return Err("must be a JSON object".to_owned());
    }
    let size = if metadata.is_null() { 0 } else { metadata.to_string().len() };
    if size > 4096 { Err(format!("is {size} bytes as JSON, at most 4096 are kept")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn tokens_live_as_long_as_is_usual_for_their_form_unless_it_is_said() {
        let lifetime = |more: Value| {
            let mut spec = json!({"uri": "https://a.test"});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<ApiSpec>(spec).unwrap().resolve().map(|spec| spec.token_lifetime).ok()
        };
        assert_eq!(lifetime(json!({})), Some(Span::minutes(10)));
        assert_eq!(lifetime(json!({"token_format": "opaque"})), Some(Span::minutes(60)));
        assert_eq!(lifetime(json!({"token_format": "opaque", "token_lifetime": "5m"})), Some(Span::minutes(5)));
        assert_eq!(lifetime(json!({"token_lifetime": "0s"})), None);
        assert_eq!(lifetime(json!({"token_lifetime": "25h"})), None);
    }
}
