//! What a person lets an application do, and what he does not: a decision that is remembered, per person and client. Not a grant:
//! what is granted is each authorization, and this says whether somebody has to be asked before the next.
//!
//! Knows nothing of who asks, and nothing of whether the rights are still there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::{ApiUri, ScopeName};
use crate::oauth::identity::IdentityScope;

/// One of them, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// What was given.
    #[serde(flatten)]
    pub given: Scopes,
    /// What was asked for and is not to be asked for again.
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub declined: Scopes,
}

/// Scopes about who somebody is, and scopes of APIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes {
    /// Identity scopes.
    #[serde(default)]
    pub identity: BTreeSet<ScopeName>,
    /// Per API the scopes; an API without any may be told who it is.
    #[serde(default)]
    pub apis: BTreeMap<ApiUri, BTreeSet<ScopeName>>,
}

impl Scopes {
    fn has(&self, api: Option<&ApiUri>, scope: &ScopeName) -> bool {
        match IdentityScope::of(scope) {
            Some(_) => self.identity.contains(scope),
            None => api.and_then(|api| self.apis.get(api)).is_some_and(|known| known.contains(scope)),
        }
    }

    fn add(&mut self, api: Option<&ApiUri>, scope: &ScopeName) {
        match (IdentityScope::of(scope), api) {
            (Some(_), _) => drop(self.identity.insert(scope.clone())),
            (None, Some(api)) => drop(self.apis.entry(api.clone()).or_default().insert(scope.clone())),
            (None, None) => {}
        }
    }

    fn remove(&mut self, api: Option<&ApiUri>, scope: &ScopeName) {
        match IdentityScope::of(scope) {
            Some(_) => drop(self.identity.remove(scope)),
            None => drop(api.and_then(|api| self.apis.get_mut(api)).map(|known| known.remove(scope))),
        }
    }

    fn is_empty(&self) -> bool {
        self.identity.is_empty() && self.apis.values().all(BTreeSet::is_empty)
    }
}

impl Consent {
    /// Whether all of this was decided before, one way or the other.
    pub fn covers(&self, api: Option<&ApiUri>, scopes: &[ScopeName]) -> bool {
        let is_known = |scope| self.given.has(api, scope) || self.declined.has(api, scope);
        api.is_none_or(|api| self.given.apis.contains_key(api)) && scopes.iter().all(is_known)
    }

    /// Whether this was asked for and not given.
    pub fn declines(&self, api: Option<&ApiUri>, scope: &ScopeName) -> bool {
        self.declined.has(api, scope)
    }

    /// What was decided now, in place of what was decided about the same before.
    pub fn decide(&mut self, api: Option<&ApiUri>, given: &[ScopeName], declined: &[ScopeName]) {
        if let Some(api) = api {
            self.given.apis.entry(api.clone()).or_default();
        }
        for scope in given {
            self.declined.remove(api, scope);
            self.given.add(api, scope);
        }
        for scope in declined {
            self.given.remove(api, scope);
            self.declined.add(api, scope);
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
        consent.decide(None, &scopes("openid email"), &[]);
        assert!(consent.covers(None, &scopes("openid")) && consent.covers(None, &scopes("email openid")));
        assert!(!consent.covers(None, &scopes("openid profile")));
        assert!(!consent.covers(Some(&shop), &scopes("openid")), "an API that was never asked about");
        consent.decide(Some(&shop), &scopes("openid read"), &[]);
        assert!(consent.covers(Some(&shop), &scopes("read")) && !consent.covers(Some(&shop), &scopes("read write")));
        assert!(!consent.covers(Some(&bills), &scopes("read")), "a scope is one of its API");
    }

    #[test]
    fn what_was_declined_is_no_question_and_the_last_word_counts() {
        let (shop, bills) = (ApiUri::parse("https://shop").unwrap(), ApiUri::parse("https://bills").unwrap());
        let [email, write] = ["email", "write"].map(|name| ScopeName::parse(name).unwrap());
        let mut consent = Consent::default();
        consent.decide(Some(&shop), &scopes("openid read"), &scopes("email write"));
        assert!(consent.covers(Some(&shop), &scopes("email openid read write")), "all of it was asked for");
        assert!(consent.declines(None, &email) && consent.declines(Some(&shop), &write));
        assert!(!consent.declines(Some(&bills), &write) && !consent.covers(Some(&bills), &scopes("write")));
        consent.decide(Some(&shop), &scopes("write"), &scopes("read"));
        assert!(!consent.declines(Some(&shop), &write) && consent.declines(Some(&shop), &scopes("read")[0]));
        assert_eq!(consent.given.apis[&shop], scopes("write").into_iter().collect());
        consent.decide(Some(&shop), &[], &scopes("write"));
        assert!(consent.covers(Some(&shop), &[]), "it may be told who it is");
    }

    #[test]
    fn it_is_kept_as_json() {
        let shop = ApiUri::parse("https://shop").unwrap();
        let mut consent = Consent::default();
        consent.decide(Some(&shop), &scopes("openid read"), &[]);
        let text = serde_json::to_string(&consent).unwrap();
        assert_eq!(text, r#"{"identity":["openid"],"apis":{"https://shop":["read"]}}"#);
        assert_eq!(serde_json::from_str::<Consent>(&text).unwrap(), consent);
        consent.decide(Some(&shop), &[], &scopes("email write"));
        let text = serde_json::to_string(&consent).unwrap();
        let declined = r#""declined":{"identity":["email"],"apis":{"https://shop":["write"]}}"#;
        assert_eq!(text, format!(r#"{{"identity":["openid"],"apis":{{"https://shop":["read"]}},{declined}}}"#));
        assert_eq!(serde_json::from_str::<Consent>(&text).unwrap(), consent);
    }
}
