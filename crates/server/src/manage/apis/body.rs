//! An API as the management API writes it: what a document says of it, with every member shown and durations as numbers
//! of seconds.

use std::collections::BTreeMap;

use admit_core::api::{ApiSpec, TokenAlg, TokenFormat, TokenTyp};
use admit_core::name::{ApiUri, ExternalId, Label, ScopeName};
use admit_core::policy::cors::RawCors;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::time::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::problem::Problem;
use crate::manage::answer;

/// What is sent and shown of an API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    uri: ApiUri,
    #[serde(default)]
    name: Option<Label>,
    #[serde(default)]
    scopes: BTreeMap<ScopeName, String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    token_format: TokenFormat,
    #[serde(default)]
    token_lifetime_s: Option<i64>,
    #[serde(default)]
    token_alg: TokenAlg,
    #[serde(default)]
    token_typ: TokenTyp,
    #[serde(default)]
    cors: Option<RawCors>,
    #[serde(default)]
    external_id: Option<ExternalId>,
    #[serde(default)]
    metadata: Value,
}

impl Body {
    /// The specification in canonical form, or everything that is wrong with it.
    pub fn resolve(self) -> Result<ApiSpec, Problem> {
        let blank = ApiSpec::new(self.uri, self.scopes);
        let spec = ApiSpec {
            name: self.name,
            hosts: self.hosts,
            token_format: self.token_format,
            token_lifetime: self.token_lifetime_s.map_or(self.token_format.usual_lifetime(), Span::seconds),
            token_alg: self.token_alg,
            token_typ: self.token_typ,
            cors: self.cors,
            external_id: self.external_id,
            metadata: self.metadata,
            ..blank
        };
        spec.resolve().map_err(|flaws| Problem::invalid(flaws.into_iter().map(in_seconds).collect()))
    }
}

impl From<ApiSpec> for Body {
    fn from(spec: ApiSpec) -> Self {
        Self {
            uri: spec.uri,
            name: spec.name,
            scopes: spec.scopes,
            hosts: spec.hosts,
            token_format: spec.token_format,
            token_lifetime_s: Some(spec.token_lifetime.as_seconds_up()),
            token_alg: spec.token_alg,
            token_typ: spec.token_typ,
            cors: spec.cors,
            external_id: spec.external_id,
            metadata: answer::shown(spec.metadata),
        }
    }
}

/// The same flaw in the words of this form.
fn in_seconds(flaw: Flaw) -> Flaw {
    match flaw.path.as_str() {
        "token_lifetime" => Flaw::new("token_lifetime_s", "must be 30 to 86400"),
        _ => flaw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(token_lifetime_s: Value) -> Result<ApiSpec, Problem> {
        let body = json!({"uri": "https://a.test", "token_lifetime_s": token_lifetime_s});
        serde_json::from_value::<Body>(body).unwrap().resolve()
    }

    #[test]
    fn durations_are_seconds() {
        assert_eq!(resolve(json!(300)).unwrap().token_lifetime, Span::minutes(5));
        assert_eq!(resolve(Value::Null).unwrap().token_lifetime, Span::minutes(10), "unless said");
        let opaque = json!({"uri": "https://a.test", "token_format": "opaque"});
        let opaque = serde_json::from_value::<Body>(opaque).unwrap().resolve().unwrap();
        assert_eq!(opaque.token_lifetime, Span::minutes(60), "which only the server can judge");
        let shown = serde_json::to_value(Body::from(resolve(json!(86_400)).unwrap())).unwrap();
        assert_eq!(shown["token_lifetime_s"], 86_400);
        for edge in [29, 86_401, -1, i64::MAX] {
            assert_eq!(resolve(json!(edge)).unwrap_err().detail(), "token_lifetime_s: must be 30 to 86400", "{edge}");
        }
        assert!(resolve(json!(30)).is_ok());
        let text =
            serde_json::from_value::<Body>(json!({"uri": "https://a.test", "token_lifetime": "5m"})).unwrap_err();
        assert!(text.to_string().contains("`token_lifetime_s`"), "{text}");
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        let bare = resolve(Value::Null).unwrap();
        let shown = serde_json::to_value(Body::from(bare.clone())).unwrap();
        assert_eq!((&shown["name"], &shown["hosts"], &shown["metadata"]), (&Value::Null, &json!([]), &json!({})));
        assert_eq!(serde_json::from_value::<Body>(shown).unwrap().resolve().unwrap(), bare);
    }
}
