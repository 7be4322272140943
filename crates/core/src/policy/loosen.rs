//! What a change of rules loosens: what somebody could not do before and might after. For `apply --dry-run`.
//!
//! Errs on the side of telling: a rule that moves may loosen nothing, and is told of. Knows nothing of APIs, whose hosts
//! and scopes may change too.

use std::collections::HashMap;

use super::index::Policy;
use super::rule::{Audience, Demand, Require, Rule, RuleLimit};

/// One change that loosens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loosening {
    /// The name of the rule.
    pub rule: String,
    /// What it does, to complete "the rule …".
    pub what: String,
}

/// What a change of all rules loosens, rule by rule; rules are the same when they have the same name.
pub fn loosenings(before: &Policy, after: &Policy) -> Vec<Loosening> {
    let (known, stays) = (by_name(before), by_name(after));
    let tell = |rule: &Rule, what: &str| Loosening { rule: rule.name.to_string(), what: what.to_owned() };
    let mut found = Vec::new();
    for rule in after.rules().map(|matched| matched.rule) {
        let what = loosens(known.get(rule.name.as_str()).copied(), Some(rule));
        found.extend(what.map(|what| tell(rule, what)));
    }
    for rule in before.rules().map(|matched| matched.rule) {
        if stays.contains_key(rule.name.as_str()) {
            continue;
        }
        let uncovers =
            || after.rules().any(|matched| matched.rule.overlaps(rule) && matched.rule.demand != Demand::Deny);
        let what = loosens(Some(rule), None).or_else(|| uncovers().then_some("leaves its requests to another rule"));
        found.extend(what.map(|what| tell(rule, what)));
    }
    found
}

/// Of two rules with one name the first counts.
fn by_name(policy: &Policy) -> HashMap<&str, &Rule> {
    let mut rules = HashMap::new();
    for matched in policy.rules() {
        rules.entry(matched.rule.name.as_str()).or_insert(matched.rule);
    }
    rules
}

/// What a change of one rule loosens, the gravest first; none where it only tightens or nothing changes. A rule that
/// goes is told of where it denied: what else it kept from later rules is seen by [`loosenings`].
pub fn loosens(before: Option<&Rule>, after: Option<&Rule>) -> Option<&'static str> {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (Some(before), None) => return (before.demand == Demand::Deny).then_some("drops a deny"),
        (None, Some(after)) => return opens(after),
        (None, None) => return None,
    };
    opens_demand(before, after)
        .or_else(|| (after.observe && !before.observe).then_some("observes instead of refusing"))
        .or_else(|| widens_match(before, after))
        .or_else(|| widens_limit(before.limit, after.limit))
        .or_else(|| (after.stale_for > before.stale_for).then_some("goes on longer without the store"))
        .or_else(|| widens_input(before, after))
        .or_else(|| moves(before, after))
}

/// What a new rule does.
fn opens(rule: &Rule) -> Option<&'static str> {
    match &rule.demand {
        _ if rule.observe => Some("observes instead of refusing"),
        Demand::Public => Some("opens to the public"),
        Demand::Require(_) => Some("admits callers whom no rule of that name admitted"),
        Demand::Deny => None,
    }
}

fn opens_demand(before: &Rule, after: &Rule) -> Option<&'static str> {
    match (&before.demand, &after.demand) {
        (Demand::Public, Demand::Public) | (_, Demand::Deny) => None,
        (_, Demand::Public) => Some("opens to the public"),
        (Demand::Deny, Demand::Require(_)) => Some("drops a deny"),
        (Demand::Public, Demand::Require(_)) => None,
        (Demand::Require(old), Demand::Require(new)) => {
            widens_audience(&before.audience, &after.audience).or_else(|| asks_less(old, new))
        }
    }
}

fn widens_audience(before: &Audience, after: &Audience) -> Option<&'static str> {
    match (before, after) {
        (Audience::Any, _) | (_, Audience::None) => None,
        (_, Audience::Any) => Some("takes callers of any API"),
        (before, after) => (before != after).then_some("takes callers of another API"),
    }
}

fn asks_less(before: &Require, after: &Require) -> Option<&'static str> {
    if !has_all(&after.scopes, &before.scopes) {
        return Some("asks for fewer scopes");
    }
    if takes_more(&before.roles, &after.roles) {
        return Some("takes more roles");
    }
    if takes_more(&before.subjects, &after.subjects) {
        return Some("takes more kinds of subject");
    }
    if takes_more(&before.credentials, &after.credentials) {
        return Some("takes more kinds of credential");
    }
    (before.own.is_some() && after.own != before.own)
        .then_some("no longer asks that the same part of the path be the caller")
}

/// A rule that admits widens when it matches more, one that denies when it matches less. A guarded one that matches less
/// leaves the rest to other rules.
fn widens_match(before: &Rule, after: &Rule) -> Option<&'static str> {
    let (more, less) = (!before.covers(after), !after.covers(before));
    match after.demand {
        Demand::Deny => less.then_some("denies fewer requests"),
        Demand::Public => more.then_some("matches more requests"),
        Demand::Require(_) if more => Some("matches more requests"),
        Demand::Require(_) => less.then_some("leaves some of its requests to other rules"),
    }
}

fn widens_limit(before: Option<RuleLimit>, after: Option<RuleLimit>) -> Option<&'static str> {
    let before = before?;
    let Some(after) = after else { return Some("drops a limit") };
    if before.per != after.per {
        return Some("counts its limit for others");
    }
    let faster = after.limit.rate().is_faster_than(before.limit.rate());
    (faster || after.limit.burst() > before.limit.burst()).then_some("raises a limit")
}

fn widens_input(before: &Rule, after: &Rule) -> Option<&'static str> {
    let more_origins = match (&before.cors, &after.cors) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => !before.covers(after),
    };
    if more_origins {
        return Some("lets more origins read its answers");
    }
    if after.accept_query.is_some() && after.accept_query != before.accept_query {
        return Some("takes keys in the query string");
    }
    (after.keep_encoded_slash && !before.keep_encoded_slash).then_some("lets encoded slashes pass")
}

/// A deny loosens when it comes later, any other rule when it comes earlier.
fn moves(before: &Rule, after: &Rule) -> Option<&'static str> {
    let loosens = match after.demand {
        Demand::Deny => after.priority > before.priority,
        Demand::Public => after.priority < before.priority,
        Demand::Require(_) => after.priority != before.priority,
    };
    loosens.then_some("is tried at another place")
}

fn has_all<T: PartialEq>(list: &[T], all: &[T]) -> bool {
    all.iter().all(|word| list.contains(word))
}

/// Of lists of which one word must fit, and whose emptiness means any.
fn takes_more<T: PartialEq>(before: &[T], after: &[T]) -> bool {
    !before.is_empty() && (after.is_empty() || !has_all(before, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RawRule;

    fn rule(text: &str) -> Rule {
        toml::from_str::<RawRule>(&format!("name = 'r'\n{text}")).unwrap().resolve().unwrap()
    }

    fn on(path: &str, rest: &str) -> String {
        format!("match = {{ host = 'a.test', path = '{path}' }}\n{rest}")
    }

    #[test]
    fn each_loosening_is_told() {
        let scopes = |list: &str| on("/**", &format!("require = {{ api = 'https://a', scopes = [{list}] }}"));
        let with = |rest: &str| on("/**", &format!("require = {{ authenticated = true }}\n{rest}"));
        let require = |rest: &str| on("/{id}/{no}", &format!("require = {{ authenticated = true, {rest} }}"));
        let rows = [
            (on("/**", "deny = true"), on("/**", "public = true"), "opens to the public"),
            (scopes("'a'"), on("/**", "public = true"), "opens to the public"),
            (on("/**", "deny = true"), scopes("'a'"), "drops a deny"),
            (scopes("'a', 'b'"), scopes("'a'"), "asks for fewer scopes"),
            (scopes("'a'"), scopes("'b'"), "asks for fewer scopes"),
            (require("roles = ['x']"), require("roles = ['x', 'y']"), "takes more roles"),
            (require("roles = ['x']"), require(""), "takes more roles"),
            (require("subjects = ['user']"), require("subjects = ['client']"), "takes more kinds of subject"),
            (require("credentials = ['api_key']"), require(""), "takes more kinds of credential"),
            (
                require("self = 'id'"),
                require("self = 'no'"),
                "no longer asks that the same part of the path be the caller",
            ),
            (require("api = 'https://a'"), require("api = 'https://b'"), "takes callers of another API"),
            (require("api = 'https://a'"), format!("audience = 'any'\n{}", require("")), "takes callers of any API"),
            (with(""), with("mode = 'observe'"), "observes instead of refusing"),
            (with("limit = { rate = '1/1s' }"), with(""), "drops a limit"),
            (with(""), with("stale_for = '30s'"), "goes on longer without the store"),
            (with("limit = { rate = '1/1s' }"), with("limit = { rate = '61/1m', burst = 1 }"), "raises a limit"),
            (with("limit = { rate = '1/1s' }"), with("limit = { rate = '1/1s', burst = 2 }"), "raises a limit"),
            (
                with("limit = { rate = '1/1s', per = 'rule' }"),
                with("limit = { rate = '1/1s' }"),
                "counts its limit for others",
            ),
            (on("/a/**", "deny = true"), on("/a", "deny = true"), "denies fewer requests"),
            (on("/a", "public = true"), on("/a/**", "public = true"), "matches more requests"),
            (
                on("/{a}", "require = { authenticated = true }"),
                on("/b", "require = { authenticated = true }"),
                "leaves some of its requests to other rules",
            ),
            (with(""), with("cors = { origins = ['https://a.test'] }"), "lets more origins read its answers"),
            (with(""), with("accept = { query = 'k' }"), "takes keys in the query string"),
            (with(""), with("encoded_slash = 'keep'"), "lets encoded slashes pass"),
            (with(""), with("priority = 5"), "is tried at another place"),
            (on("/**", "deny = true"), on("/**", "deny = true\npriority = 101"), "is tried at another place"),
        ];
        for (before, after, what) in rows {
            assert_eq!(loosens(Some(&rule(&before)), Some(&rule(&after))), Some(what), "{before}\n→\n{after}");
        }
    }

    #[test]
    fn tightening_is_not_told() {
        let with = |rest: &str| rule(&on("/**", &format!("require = {{ {rest} }}")));
        let rows = [
            (rule(&on("/**", "public = true")), with("authenticated = true")),
            (with("scopes = ['a']"), with("scopes = ['a', 'b']")),
            (with("roles = ['a', 'b']"), with("roles = ['b']")),
            (with("scopes = ['a']"), rule(&on("/**", "deny = true"))),
            (rule(&on("/a/**", "public = true")), rule(&on("/a", "public = true"))),
            (rule(&on("/a", "deny = true")), rule(&on("/a/**", "deny = true"))),
        ];
        for (before, after) in rows {
            assert_eq!(loosens(Some(&before), Some(&after)), None, "{before:?}\n→\n{after:?}");
            assert_eq!(loosens(Some(&before), Some(&before)), None);
        }
    }

    #[test]
    fn rules_that_come_and_go_are_told() {
        let named = |name: &str, text: &str| Rule { name: name.parse().unwrap(), ..rule(text) };
        let deny = named("deny", &on("/admin/**", "deny = true"));
        let public = named("public", &on("/**", "public = true"));
        let strict = named("strict", &on("/users/**", "require = { authenticated = true, api = 'https://a' }"));
        let far = named("far", "match = { host = 'b.test' }\nrequire = { authenticated = true, api = 'https://a' }");
        let api = crate::policy::index::ApiRealm {
            uri: "https://a".parse().unwrap(),
            scopes: vec![],
            hosts: vec![],
            cors: None,
        };
        let policy = |rules: &[&Rule]| {
            Policy::build(std::slice::from_ref(&api), rules.iter().map(|rule| (*rule).clone()).collect()).unwrap()
        };
        let told = |before: &[&Rule], after: &[&Rule]| {
            let found = loosenings(&policy(before), &policy(after));
            found.into_iter().map(|one| format!("{}: {}", one.rule, one.what)).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&[&deny, &strict, &far, &public], &[&public]),
            ["deny: drops a deny", "strict: leaves its requests to another rule"]
        );
        assert_eq!(told(&[&deny], &[&deny, &public]), ["public: opens to the public"]);
        assert_eq!(told(&[], &[&deny, &strict]), ["strict: admits callers whom no rule of that name admitted"]);
        assert_eq!(told(&[&deny, &public], &[&deny, &public]), [""; 0]);
    }
}
