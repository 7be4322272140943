//! All rules of a realm: their order, their audiences, and which one a request meets.
//!
//! Rules are tried by priority, then place; the first that matches wins. Whether the caller meets what it demands is
//! [`super::judge`]'s. [`Policy::build`] is for rules that somebody wants to store and refuses all of them for one
//! problem; [`Policy::load`] is for rules that are stored and turns each one with a problem into a denial.

use std::collections::{HashMap, HashSet};
use std::fmt;

use http::Method;

use crate::name::ApiUri;

use super::cors::Cors;
use super::host::HostPattern;
use super::owner::Owners;
use super::rule::{Audience, Demand, Problem, Rule};
use super::tree::Tree;

pub use super::owner::{ApiHost, ApiRealm, MAX_HOSTS};

/// The most rules of a realm.
pub const MAX_RULES: usize = 10_000;
/// The most rules that [`Policy::near_misses`] tells of.
pub const MAX_NEAR_MISSES: usize = 3;

/// What of a request rules are matched with.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Canonical: lower case, no port, no trailing dot.
    pub host: &'a str,
    /// Exactly as sent.
    pub method: &'a Method,
    /// In normal form; begins with `/`, an encoded slash is spelled `%2F`.
    pub path: &'a str,
    /// Whether the path has one.
    pub has_encoded_slash: bool,
}

/// The rules of a realm.
#[derive(Debug)]
pub struct Policy {
    apis: Vec<ApiRealm>,
    owners: Owners,
    /// In the order in which they are tried, with their place in what was given.
    rules: Vec<(Rule, usize)>,
    problems: Vec<Problem>,
    exact: HashMap<Box<str>, Tree>,
    /// By the suffix with its dot.
    below: HashMap<Box<str>, Tree>,
    anywhere: Tree,
}

/// The rule that a request meets.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// Its place in what the policy was made of, from 0.
    pub place: usize,
}

/// A rule that a request met in all but one part.
#[derive(Debug, Clone, Copy)]
pub struct NearMiss<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// Its place in what the policy was made of, from 0.
    pub place: usize,
    /// The part that is different.
    pub why: Missed,
}

/// The part of a request that kept a rule from matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missed {
    /// The method.
    Method,
    /// The path.
    Path,
    /// The host.
    Host,
}

impl Policy {
    /// The policy of these rules, or everything that is wrong with them.
    pub fn build(apis: &[ApiRealm], rules: Vec<Rule>) -> Result<Self, Vec<Problem>> {
        let policy = Self::load(apis, rules);
        if policy.problems.is_empty() { Ok(policy) } else { Err(policy.problems) }
    }

    /// The policy of these rules; each one with a problem denies what it matches. Never fails.
    pub fn load(apis: &[ApiRealm], rules: Vec<Rule>) -> Self {
        let (owners, mut problems) = Owners::of(apis);
        if rules.len() > MAX_RULES {
            problems.push(Problem::new("rule", format!("has {} rules: at most {MAX_RULES} are allowed", rules.len())));
        }
        let mut rules: Vec<_> = rules.into_iter().enumerate().map(|(place, rule)| (rule, place)).collect();
        rules.sort_by_key(|(rule, place)| (rule.priority, *place));
        problems.extend(twice_named(&rules));
        problems.extend(never_reached(&rules));
        for (rule, _) in &mut rules {
            let found = settle(rule, apis, &owners);
            if !found.is_empty() {
                rule.deny();
            }
            problems.extend(found.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
        }
        let (exact, below, anywhere) = (HashMap::new(), HashMap::new(), Tree::default());
        let mut policy = Self { apis: apis.to_vec(), owners, rules, problems, exact, below, anywhere };
        policy.index();
        policy
    }

    /// The rule that a request meets.
    pub fn find(&self, target: &Target<'_>) -> Option<Matched<'_>> {
        self.find_for(target, target.method)
    }

    /// The rule that the request would meet with another method: the one that a preflight asks for.
    pub fn find_for(&self, target: &Target<'_>, method: &Method) -> Option<Matched<'_>> {
        let mut first = usize::MAX;
        self.visit(target, |list| {
            let earlier = list.iter().take_while(|rule| **rule < first);
            if let Some(rule) = earlier.copied().find(|rule| self.rules[*rule].0.methods.has(method)) {
                first = rule;
            }
        });
        self.rules.get(first).map(|(rule, place)| Matched { rule, place: *place })
    }

    /// The rules that the request missed in one part only, the nearest first: by method, then by the end of the path,
    /// then by host.
    pub fn near_misses(&self, target: &Target<'_>) -> Vec<NearMiss<'_>> {
        let mut misses: Vec<_> = self.rules.iter().filter_map(|(rule, place)| near(rule, *place, target)).collect();
        misses.sort_by_key(|(rank, _)| *rank);
        misses.into_iter().take(MAX_NEAR_MISSES).map(|(_, miss)| miss).collect()
    }

    /// The API that owns this place.
    pub fn owner_api(&self, host: &str, path: &str) -> Option<&ApiUri> {
        self.owners.of_path(host, path).map(|place| &self.apis[place].uri)
    }

    /// The `cors` list for an answer: the rule's, else that of its API, else that of the API that owns the place.
    pub fn cors<'p>(&'p self, rule: Option<&'p Rule>, target: &Target<'_>) -> Option<&'p Cors> {
        if let Some(own) = rule.and_then(|rule| rule.cors.as_ref()) {
            return Some(own);
        }
        let api = match rule.map(|rule| &rule.audience) {
            Some(Audience::Api(uri)) => self.apis.iter().find(|api| api.uri == *uri),
            _ => self.owners.of_path(target.host, target.path).map(|place| &self.apis[place]),
        };
        api?.cors.as_ref()
    }

    /// The rules in the order in which they are tried.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = Matched<'_>> {
        self.rules.iter().map(|(rule, place)| Matched { rule, place: *place })
    }

    /// What is wrong with what was loaded.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn index(&mut self) {
        for (number, (rule, _)) in self.rules.iter().enumerate() {
            let tree = match &rule.host {
                HostPattern::Any => &mut self.anywhere,
                HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
                HostPattern::Below(suffix) => self.below.entry(suffix.clone()).or_default(),
            };
            tree.insert(&rule.path, number);
        }
    }

    /// Shows the lists of rules whose host and path fit.
    fn visit<'p>(&'p self, target: &Target<'_>, mut see: impl FnMut(&'p [usize])) {
        if let Some(tree) = self.exact.get(target.host) {
            tree.visit(target.path, &mut see);
        }
        if !self.below.is_empty() {
            let dots = target.host.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'.');
            for tree in dots.filter_map(|(place, _)| self.below.get(&target.host[place..])) {
                tree.visit(target.path, &mut see);
            }
        }
        self.anywhere.visit(target.path, &mut see);
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Host => "host",
        })
    }
}

/// A miss in one part, and how far it is.
fn near<'p>(rule: &'p Rule, place: usize, target: &Target<'_>) -> Option<((u8, usize), NearMiss<'p>)> {
    let fits = (rule.host.matches(target.host), rule.methods.has(target.method), rule.path.matches(target.path));
    let common = rule.path.common_segments(target.path);
    let (far, why) = match fits {
        (true, false, true) => (0, Missed::Method),
        (true, true, false) if common > 0 => (1, Missed::Path),
        (false, true, true) => (2, Missed::Host),
        (true, true, false) => (3, Missed::Path),
        _ => return None,
    };
    Some(((far, usize::MAX - common), NearMiss { rule, place, why }))
}

fn twice_named(rules: &[(Rule, usize)]) -> Vec<Problem> {
    let mut known = HashSet::new();
    let mut problems = Vec::new();
    for (rule, _) in rules {
        if !known.insert(rule.name.as_str()) {
            let problem = Problem::new("name", "is another rule's too: give each its own");
            problems.push(problem.of_rule(rule.name.as_str()));
        }
    }
    problems
}

/// Rules that an earlier one covers whole.
fn never_reached(rules: &[(Rule, usize)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, (rule, _)) in rules.iter().enumerate() {
        if let Some((earlier, _)) = rules[..number].iter().find(|(earlier, _)| earlier.covers(rule)) {
            let message = format!(
                "can never match: rule {:?} ({}) comes before it and takes all of {}. Put this one first (a priority below {}), or remove it",
                earlier.name.as_str(),
                earlier.summary(),
                rule.summary(),
                earlier.priority,
            );
            problems.push(Problem::new("match", message).of_rule(rule.name.as_str()));
        }
    }
    problems
}

/// Gives a guarded rule its audience, with what stands against it.
fn settle(rule: &mut Rule, apis: &[ApiRealm], owners: &Owners) -> Vec<Problem> {
    let Demand::Require(require) = &rule.demand else { return Vec::new() };
    let first_scope = require.scopes.first().map_or(String::new(), |scope| format!(" --scope {scope}"));
    if rule.audience == Audience::None {
        match follow(rule, apis, owners, &first_scope) {
            Ok(audience) => rule.audience = audience,
            Err(problem) => return vec![problem],
        }
    }
    let lacking =
        |api: &ApiRealm| require.scopes.iter().filter(|scope| !api.scopes.contains(scope)).cloned().collect::<Vec<_>>();
    let missing = match &rule.audience {
        Audience::Api(uri) => match apis.iter().find(|api| api.uri == *uri) {
            None => {
                let message = format!("is {uri}, which is no API here. Create it: admit api create {uri}{first_scope}");
                return vec![Problem::new("require.api", message)];
            }
            Some(api) => lacking(api),
        },
        Audience::Any | Audience::None => {
            let defined = |scope| apis.iter().any(|api| api.scopes.contains(scope));
            require.scopes.iter().filter(|scope| !defined(scope)).cloned().collect()
        }
    };
    let tell = |scope| match &rule.audience {
        Audience::Api(uri) => {
            format!("has {scope}, which {uri} does not define. Add it: admit api update {uri} --scope {scope}")
        }
        _ => format!("has {scope}, which no API defines. Add it: admit api update API --scope {scope}"),
    };
    missing.into_iter().map(|scope| Problem::new("require.scopes", tell(scope))).collect()
}

/// The audience of a rule that names none: the API that owns its place.
fn follow(rule: &Rule, apis: &[ApiRealm], owners: &Owners, first_scope: &str) -> Result<Audience, Problem> {
    let remedy = "say require.api, or audience = \"any\" for callers of whatever API";
    let Some(host) = rule.host.literal() else {
        return Err(Problem::new("require.api", format!("is needed, for the rule names no single host: {remedy}")));
    };
    if let Some(place) = owners.of_pattern(host, &rule.path) {
        return Ok(Audience::Api(apis[place].uri.clone()));
    }
    let create = format!("admit api create https://{host} --host {host}{first_scope}");
    Err(Problem::new(
        "require.api",
        format!("is needed, for no API owns {host}{}. Create one: {create}; or {remedy}", rule.path),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RawRule;
    use proptest::prelude::*;

    fn apis() -> Vec<ApiRealm> {
        let cors = crate::policy::cors::RawCors { origins: vec!["https://app.test".to_owned()], credentials: None };
        let api = |uri: &str, host: &str, cors| ApiRealm {
            uri: ApiUri::parse(uri).unwrap(),
            scopes: vec!["orders:read".parse().unwrap()],
            hosts: vec![host.to_owned()],
            cors,
        };
        vec![
            api("https://api.shop.test", "shop.test", Some(cors.resolve().unwrap())),
            api("https://v2.shop.test", "shop.test/v2", None),
        ]
    }

    fn rule(text: &str) -> Rule {
        toml::from_str::<RawRule>(text).unwrap().resolve().unwrap()
    }

    /// A guarded rule of shop.test.
    fn guarded(methods: &str, path: &str) -> Rule {
        let methods = if methods.is_empty() { String::new() } else { format!("methods = ['{methods}'], ") };
        rule(&format!(
            "match = {{ host = 'shop.test', {methods}path = '{path}' }}\nrequire = {{ authenticated = true }}"
        ))
    }

    fn build(rules: Vec<Rule>) -> Policy {
        Policy::build(&apis(), rules).unwrap()
    }

    fn refused(rules: Vec<Rule>) -> String {
        let problems = Policy::build(&apis(), rules).unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    fn found(policy: &Policy, method: &str, host: &str, path: &str) -> Option<usize> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        policy
            .find(&Target { host, method: &method, path, has_encoded_slash: path.contains("%2F") })
            .map(|matched| matched.place)
    }

    #[test]
    fn priority_then_place_then_first_match() {
        let mut late = guarded("", "/**");
        late.priority = 200;
        let policy = build(vec![
            late,
            guarded("GET", "/orders/{id}"),
            guarded("", "/orders/**"),
            rule("deny = true\npriority = 150\nmatch = { host = '*.test', path = '/secret' }"),
        ]);
        assert_eq!(found(&policy, "GET", "shop.test", "/orders/7"), Some(1));
        assert_eq!(found(&policy, "POST", "shop.test", "/orders/7"), Some(2));
        assert_eq!(found(&policy, "GET", "shop.test", "/secret"), Some(3));
        assert_eq!(found(&policy, "GET", "shop.test", "/x"), Some(0));
        assert_eq!(found(&policy, "GET", "a.b.test", "/secret"), Some(3));
        assert_eq!(found(&policy, "GET", "other.test", "/orders/7"), None);
        assert_eq!(policy.rules().map(|matched| matched.place).collect::<Vec<_>>(), [1, 2, 3, 0]);
    }

    #[test]
    fn fa_07_an_unknown_verb_finds_no_rule() {
        let policy = build(vec![guarded("", "/**")]);
        for method in ["GETX", "get", "PRI"] {
            assert_eq!(found(&policy, method, "shop.test", "/orders"), None, "{method}");
        }
    }

    #[test]
    fn fa_06_head_finds_the_rule_of_get_and_a_preflight_that_of_its_method() {
        let policy = build(vec![guarded("GET", "/orders")]);
        assert_eq!(found(&policy, "HEAD", "shop.test", "/orders"), Some(0));
        assert_eq!(found(&policy, "OPTIONS", "shop.test", "/orders"), None);
        let target = Target { host: "shop.test", method: &Method::OPTIONS, path: "/orders", has_encoded_slash: false };
        assert!(policy.find_for(&target, &Method::GET).is_some() && policy.find_for(&target, &Method::POST).is_none());
        assert!(policy.cors(policy.find_for(&target, &Method::GET).map(|matched| matched.rule), &target).is_some());
        assert!(policy.cors(None, &target).is_some());
        assert!(policy.cors(None, &Target { path: "/v2", ..target }).is_none());
    }

    #[test]
    fn a_rule_is_for_the_api_that_owns_its_place() {
        let any = rule("audience = 'any'\nmatch = { path = '/any' }\nrequire = { authenticated = true }");
        let policy = build(vec![guarded("", "/v2/**"), guarded("", "/**"), any]);
        let audiences: Vec<_> = policy.rules().map(|matched| matched.rule.audience.clone()).collect();
        let api = |uri| Audience::Api(ApiUri::parse(uri).unwrap());
        assert_eq!(audiences, [api("https://v2.shop.test"), api("https://api.shop.test"), Audience::Any]);
        assert_eq!(policy.owner_api("shop.test", "/v2/x").map(ApiUri::as_str), Some("https://v2.shop.test"));
        assert_eq!(policy.owner_api("else.test", "/"), None);
    }

    #[test]
    fn a_rule_for_which_no_api_follows_is_refused() {
        let rows = [
            (
                "match = { host = 'a.test' }\nrequire = { scopes = ['x:y'] }",
                "admit api create https://a.test --host a.test --scope x:y",
            ),
            ("match = { host = '*.shop.test' }\nrequire = { authenticated = true }", "no single host"),
            ("require = { authenticated = true }", "no single host"),
            ("require = { api = 'https://no.test', scopes = ['a'] }", "admit api create https://no.test --scope a"),
            (
                "match = { host = 'shop.test' }\nrequire = { scopes = ['a'] }",
                "admit api update https://api.shop.test --scope a",
            ),
            ("audience = 'any'\nrequire = { scopes = ['a', 'orders:read'] }", "has a, which no API defines"),
        ];
        for (text, said) in rows {
            let problems = refused(vec![rule(text)]);
            assert!(problems.contains(said) && problems.lines().count() == 1, "{text}: {problems}");
        }
        build(vec![rule("match = { host = 'a.test' }\npublic = true"), rule("deny = true")]);
    }

    #[test]
    fn a_rule_that_can_never_match_is_refused_with_both_names() {
        let problems = refused(vec![guarded("", "/orders/**"), guarded("GET", "/orders/{id}")]);
        assert!(
            problems
                .contains("rule \"GET shop.test/orders/{id}\": match can never match: rule \"* shop.test/orders/**\""),
            "{problems}"
        );
        build(vec![guarded("GET", "/orders/{id}"), guarded("", "/orders/**")]);
        let mut first = guarded("GET", "/orders/{id}");
        first.priority = 99;
        build(vec![guarded("", "/orders/**"), first]);
        assert!(refused(vec![guarded("GET", "/a"), guarded("HEAD", "/a")]).contains("can never match"));
        assert!(refused(vec![guarded("GET", "/a"), guarded("GET", "/a")]).contains("give each its own"));
    }

    #[test]
    fn a_stored_rule_with_a_problem_denies() {
        let mut orphan = rule("match = { host = 'gone.test' }\nrequire = { authenticated = true }\nmode = 'observe'");
        orphan.priority = 1;
        let policy = Policy::load(&apis(), vec![guarded("", "/**"), orphan]);
        assert_eq!(policy.problems().len(), 1);
        let matched = policy
            .find(&Target { host: "gone.test", method: &Method::GET, path: "/", has_encoded_slash: false })
            .unwrap();
        assert_eq!((&matched.rule.demand, matched.rule.observe, matched.place), (&Demand::Deny, false, 1));
        assert_eq!(found(&policy, "GET", "shop.test", "/"), Some(0));
    }

    #[test]
    fn near_misses_tell_the_part_that_differs() {
        let mut other = guarded("", "/orders");
        (other.host, other.name) = (HostPattern::parse("shop2.test").unwrap(), "other".parse().unwrap());
        other.audience = Audience::Any;
        let policy = build(vec![
            guarded("POST", "/users"),
            guarded("POST", "/orders/{id}/items"),
            other,
            guarded("GET", "/orders"),
        ]);
        let misses = |path| {
            let target = Target { host: "shop.test", method: &Method::POST, path, has_encoded_slash: false };
            policy.near_misses(&target).into_iter().map(|miss| (miss.place, miss.why)).collect::<Vec<_>>()
        };
        assert_eq!(misses("/orders"), [(3, Missed::Method), (1, Missed::Path), (2, Missed::Host)]);
        assert_eq!(misses("/orders/7/item"), [(1, Missed::Path), (0, Missed::Path)]);
    }

    #[test]
    fn w1_a_thousand_rules_cost_as_ten() {
        let candidates = |count: usize| {
            let mut rules: Vec<_> = (0..count).map(|number| guarded("GET", &format!("/v1/r{number}/{{id}}"))).collect();
            rules.extend(
                (0..count).map(|number| rule(&format!("public = true\nmatch = {{ host = 'h{number}.test' }}"))),
            );
            let policy = build(rules);
            let mut seen = 0;
            let target = Target { host: "shop.test", method: &Method::GET, path: "/v1/r7/1", has_encoded_slash: false };
            policy.visit(&target, |list| seen += list.len());
            seen
        };
        assert_eq!((candidates(10), candidates(500)), (1, 1));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let rules = |count| {
            (0..count)
                .map(|number| rule(&format!("deny = true\npriority = {number}\nmatch = {{ host = 'h{number}' }}")))
        };
        let mut most: Vec<_> = rules(3).collect();
        assert!(Policy::load(&[], most.clone()).problems().is_empty());
        most = vec![most[0].clone(); MAX_RULES];
        let counted = |rules| {
            Policy::load(&[], rules).problems().iter().filter(|problem| problem.message.contains("10001 rules")).count()
        };
        assert_eq!(counted(most.clone()), 0);
        most.push(most[0].clone());
        assert_eq!(counted(most), 1);
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_through_all_rules_finds(
            given in prop::collection::vec((0_usize..4, "(GET|POST|)", "(/(a|b|\\{x\\})){0,3}(/|/\\*\\*)?", 99_u32..102), 0..12),
            host in "(a\\.)?(shop|other)\\.test", method in "GET|HEAD|PUT", path in "(/(a|b|c)){0,3}/?",
        ) {
            let hosts = ["", "host = 'shop.test', ", "host = '*.shop.test', ", "host = '*.test', "];
            let rules: Vec<Rule> = given.iter().filter(|(_, _, path, _)| path.starts_with('/')).map(|(host, methods, path, priority)| {
                let methods = if methods.is_empty() { String::new() } else { format!("methods = ['{methods}'], ") };
                let path = path.replacen("{x}", "{y}", 1).replacen("{x}", "{z}", 1);
                rule(&format!("deny = true\npriority = {priority}\nmatch = {{ {}{methods}path = '{path}' }}", hosts[*host]))
            }).collect();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let policy = Policy::load(&apis(), rules.clone());
            let target = Target { host: &host, method: &method, path: &path, has_encoded_slash: false };
            let fits = |rule: &Rule| rule.host.matches(&host) && rule.methods.has(&method) && rule.path.matches(&path);
            let first = rules.iter().enumerate().filter(|(_, rule)| fits(rule)).min_by_key(|(place, rule)| (rule.priority, *place));
            prop_assert_eq!(policy.find(&target).map(|matched| matched.place), first.map(|(place, _)| place));
            for miss in policy.near_misses(&target) {
                prop_assert!(!fits(miss.rule));
            }
        }
    }
}
