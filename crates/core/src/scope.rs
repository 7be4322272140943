//! Scopes and rights. A scope is always the pair (API, name); the bare form is for the wire only.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{self, ApiUri, ScopeName};
use crate::policy::rule::Problem;
use crate::shell::{flag, quote};

/// What may be done where: per API the names of its scopes.
pub type Rights = BTreeMap<ApiUri, BTreeSet<ScopeName>>;

/// The most scopes that one API may define or one grant may have.
pub const SCOPES_MAX: usize = 200;

/// The scope that lets its holder ask for decisions. Every API has it without defining it: a grant with `check` on an API
/// may judge credentials of that API; on a realm's management API, those of every API of the realm.
pub const CHECK: &str = "check";

/// Adds what `more` has to `rights`.
pub fn unite(rights: &mut Rights, more: &Rights) {
    for (api, scopes) in more {
        rights.entry(api.clone()).or_default().extend(scopes.iter().cloned());
    }
}

/// What `wanted` has and `held` has not, counting only rights over Admit: the APIs that Admit itself is, and [`CHECK`] on any
/// API. Nobody hands out one that he does not hold. The other scopes of ordinary APIs are the realm's to give.
pub fn exceeding(wanted: &Rights, held: &Rights) -> Rights {
    let holds = |api: &ApiUri, scope: &ScopeName| held.get(api).is_some_and(|held| held.contains(scope));
    let may_check_all = held.iter().any(|(api, scopes)| name::is_built_in(api) && scopes.contains(CHECK));
    let mut excess = Rights::new();
    for (api, scopes) in wanted {
        let is_built_in = name::is_built_in(api);
        let counts = |scope: &&ScopeName| is_built_in || scope.as_str() == CHECK && !may_check_all;
        let missing: BTreeSet<_> = scopes.iter().filter(counts).filter(|scope| !holds(api, scope)).cloned().collect();
        if !missing.is_empty() {
            excess.insert(api.clone(), missing);
        }
    }
    excess
}

/// The most APIs that one set of rights may name.
pub const RIGHTS_MAX: usize = 100;

/// What is too long in a set of rights.
pub fn too_many(rights: &Rights) -> Vec<Problem> {
    let apis = (rights.len() > RIGHTS_MAX)
        .then(|| Problem::new("rights", format!("names {} APIs: at most {RIGHTS_MAX} are allowed", rights.len())));
    let long = rights.iter().filter(|(_, scopes)| scopes.len() > SCOPES_MAX);
    let scopes = long.map(|(api, scopes)| {
        Problem::new(format!("rights.{api}"), format!("has {} scopes: at most {SCOPES_MAX} are allowed", scopes.len()))
    });
    apis.into_iter().chain(scopes).collect()
}

/// What of a set of rights no API defines, each with the command that would define it.
pub fn undefined<'a>(
    rights: &Rights,
    find: impl Fn(&ApiUri) -> Option<&'a BTreeMap<ScopeName, String>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (api, scopes) in rights {
        let Some(defined) = find(api) else {
            let first = scopes.first().map_or_else(String::new, |scope| flag("scope", scope.as_str()));
            let message = format!("there is no such API. Create it: admit api create {}{first}", quote(api.as_str()));
            problems.push(Problem::new(format!("rights.{api}"), message));
            continue;
        };
        for scope in scopes.iter().filter(|scope| scope.as_str() != CHECK && !defined.contains_key(*scope)) {
            let message = format!(
                "it defines no scope {scope}. Add it: admit api update {}{}",
                quote(api.as_str()),
                flag("scope", scope.as_str())
            );
            problems.push(Problem::new(format!("rights.{api}"), message));
        }
    }
    problems
}

/// The scope of a realm's management API that lets its holder register applications (RFC 7591).
pub const REGISTER: &str = "clients:register";

/// The scopes of a realm's management API: for each resource `read` and `write`, and the two that gateways use.
pub const RESOURCES: &[&str] = &[
    "apis",
    "clients",
    "users",
    "roles",
    "rules",
    "keys",
    "grants",
    "sessions",
    "signing-keys",
    "events",
    "decisions",
    "realm",
];

/// Every scope of a realm's management API with its description.
pub fn management_scopes() -> BTreeMap<ScopeName, String> {
    let mut scopes = BTreeMap::new();
    let mut add = |name: String, description: String| {
        if let Ok(name) = ScopeName::parse(&name) {
            scopes.insert(name, description);
        }
    };
    for resource in RESOURCES {
        add(format!("{resource}:read"), format!("See {resource}"));
        add(format!("{resource}:write"), format!("Change {resource}"));
    }
    add(REGISTER.to_owned(), "Register applications".to_owned());
    add(CHECK.to_owned(), "Ask for decisions".to_owned());
    add("feed:read".to_owned(), "Follow revocations".to_owned());
    scopes
}

/// The scopes of the server's own API, known in the control realm.
pub fn server_scopes() -> BTreeMap<ScopeName, String> {
    [("server:read", "See every realm"), ("server:write", "Manage every realm")]
        .into_iter()
        .filter_map(|(name, description)| Some((ScopeName::parse(name).ok()?, description.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(api: &str, scopes: &[&str]) -> Rights {
        let scopes = scopes.iter().map(|scope| ScopeName::parse(scope).unwrap()).collect();
        Rights::from([(ApiUri::parse(api).unwrap(), scopes)])
    }

    #[test]
    fn ak_01_rights_over_admit_are_handed_out_by_those_who_hold_them() {
        let held = rights("urn:admit:realm:default", &["keys:write"]);
        assert!(exceeding(&rights("urn:admit:realm:default", &["keys:write"]), &held).is_empty());
        assert_eq!(
            exceeding(&rights("urn:admit:realm:default", &["keys:write", "rules:write"]), &held),
            rights("urn:admit:realm:default", &["rules:write"])
        );
        assert_eq!(exceeding(&rights("urn:admit:server", &["server:read"]), &held).len(), 1);
        assert!(exceeding(&rights("https://api.example.com", &["orders:read"]), &held).is_empty());
        let oracle = rights("https://api.example.com", &["orders:read", "check"]);
        assert_eq!(exceeding(&oracle, &held), rights("https://api.example.com", &["check"]));
        assert!(exceeding(&oracle, &rights("https://api.example.com", &["check"])).is_empty());
        assert!(exceeding(&oracle, &rights("urn:admit:realm:default", &["check"])).is_empty());
        assert_eq!(exceeding(&oracle, &rights("https://other.example.com", &["check"])).len(), 1);
    }

    #[test]
    fn rights_are_bounded_and_defined() {
        let long = |count: usize| {
            let scopes = (0..count).map(|number| ScopeName::parse(&format!("s{number}")).unwrap()).collect();
            Rights::from([(ApiUri::parse("https://a").unwrap(), scopes)])
        };
        assert!(too_many(&long(SCOPES_MAX)).is_empty());
        assert_eq!(too_many(&long(SCOPES_MAX + 1))[0].path, "rights.https://a");
        let wide = |count: usize| {
            (0..count).map(|number| (ApiUri::parse(&format!("https://a{number}")).unwrap(), BTreeSet::new())).collect()
        };
        assert!(too_many(&wide(RIGHTS_MAX)).is_empty());
        assert_eq!(too_many(&wide(RIGHTS_MAX + 1))[0].path, "rights");

        let defined = BTreeMap::from([(ScopeName::parse("a").unwrap(), String::new())]);
        let wanted = rights("https://known", &["a", "b", "check"]);
        let problems = undefined(&wanted, |api| (api.as_str() == "https://known").then_some(&defined));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("admit api update https://known --scope b"));
        let problems = undefined(&wanted, |_| None);
        assert!(problems[0].message.contains("admit api create https://known --scope a"));
    }
}
