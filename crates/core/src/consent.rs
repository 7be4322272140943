//! What a person lets an application do: a decision that is remembered, per person and client. Not a grant: what is granted is
//! each authorization, and this says whether somebody has to be asked before the next.
//!
//! Knows nothing of who asks, and nothing of whether the rights are still there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::{ApiUri, ScopeName};
use crate::oauth::identity::IdentityScope;

/// One of them, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Identity scopes.
    #[serde(default)]
    pub identity: BTreeSet<ScopeName>,
    /// Per API the scopes; an API without any may be told who it is.
    #[serde(default)]
    pub apis: BTreeMap<ApiUri, BTreeSet<ScopeName>>,
}

impl Consent {
    /// Whether all of this was decided before.
    pub fn covers(&self, api: Option<&ApiUri>, scopes: &[ScopeName]) -> bool {
        let on_api = api.and_then(|api| self.apis.get(api));
        let is_known = |scope: &ScopeName| match IdentityScope::of(scope) {
            Some(_) => self.identity.contains(scope),
            None => on_api.is_some_and(|known| known.contains(scope)),
        };
        on_api.is_some() == api.is_some() && scopes.iter().all(is_known)
    }

    /// Adds what was decided now.
    pub fn add(&mut self, api: Option<&ApiUri>, scopes: &[ScopeName]) {
        let (identity, of_api): (Vec<_>, Vec<_>) =
            scopes.iter().cloned().partition(|scope| IdentityScope::of(scope).is_some());
        self.identity.extend(identity);
        if let Some(api) = api {
            self.apis.entry(api.clone()).or_default().extend(of_api);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Vec<ScopeName> {
        text.split_whitespace().map(|name| ScopeName::parse(name).unwrap()).collect()
    }

    #[test]
    fn what_was_decided_is_not_asked_again_and_what_is_new_is() {
        let (shop, bills) = (ApiUri::parse("https://shop").unwrap(), ApiUri::parse("https://bills").unwrap());
        let mut consent = Consent::default();
        assert!(!consent.covers(None, &scopes("openid")));
        consent.add(None, &scopes("openid email"));
        assert!(consent.covers(None, &scopes("openid")) && consent.covers(None, &scopes("email openid")));
        assert!(!consent.covers(None, &scopes("openid profile")));
        assert!(!consent.covers(Some(&shop), &scopes("openid")), "an API that was never asked about");
        consent.add(Some(&shop), &scopes("openid read"));
        assert!(consent.covers(Some(&shop), &scopes("read")) && !consent.covers(Some(&shop), &scopes("read write")));
        assert!(!consent.covers(Some(&bills), &scopes("read")), "a scope is one of its API");
    }

    #[test]
    fn it_is_kept_as_json() {
        let mut consent = Consent::default();
        consent.add(Some(&ApiUri::parse("https://shop").unwrap()), &scopes("openid read"));
        let text = serde_json::to_string(&consent).unwrap();
        assert_eq!(text, r#"{"identity":["openid"],"apis":{"https://shop":["read"]}}"#);
        assert_eq!(serde_json::from_str::<Consent>(&text).unwrap(), consent);
    }
}
