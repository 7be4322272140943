//! All rules of a realm: their order, their audiences, and which one a request meets.
//!
//! Rules are tried by priority, then place; the first that matches wins. Whether the caller meets what it demands is
//! [`super::judge`]'s. [`Policy::build`] is for rules that somebody wants to store and refuses all of them for one
//! problem; [`Policy::load`] is for rules that are stored and turns each one with a problem into a denial.

use std::collections::{HashMap, HashSet};
use std::fmt;

use http::Method;

use crate::name::ApiUri;
use crate::shell::{flag, quote};

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
        let (exact, below, anywhere) = (HashMap::new(), HashMap::new(), Tree::default());
        let mut policy = Self { apis: apis.to_vec(), owners, rules, problems, exact, below, anywhere };
        policy.index();
        policy.find_never_reached();
        policy.settle_all();
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

    /// Reports rules that an earlier one covers whole.
    fn find_never_reached(&mut self) {
        for (number, (rule, _)) in self.rules.iter().enumerate() {
            let covering =
                self.earlier_candidates(number).into_iter().find(|earlier| self.rules[*earlier].0.covers(rule));
            if let Some(earlier) = covering {
                let message = never_reached(&self.rules[earlier].0, rule);
                self.problems.push(Problem::new("match", message).of_rule(rule.name.as_str()));
            }
        }
    }

    /// The earlier rules, in their order, whose host and path cover those of this one: few beside all that there are.
    fn earlier_candidates(&self, number: usize) -> Vec<usize> {
        let rule = &self.rules[number].0;
        let mut found = Vec::new();
        let mut see = |list: &[usize]| found.extend(list.iter().copied().take_while(|earlier| *earlier < number));
        let (literal, suffixes_of) = match &rule.host {
            HostPattern::Any => (None, None),
            HostPattern::Exact(host) => (self.exact.get(host), Some(&host[1.min(host.len())..])),
            HostPattern::Below(suffix) => (None, Some(&**suffix)),
        };
        if let Some(tree) = literal {
            tree.visit_covering(&rule.path, &mut see);
        }
        let text = suffixes_of.unwrap_or_default();
        let suffixes = text.match_indices('.').filter_map(|(place, _)| self.below.get(&text[place..]));
        for tree in suffixes.chain([&self.anywhere]) {
            tree.visit_covering(&rule.path, &mut see);
        }
        found.sort_unstable();
        found
    }

    /// Gives guarded rules their audience; one with a problem denies.
    fn settle_all(&mut self) {
        for (rule, _) in &mut self.rules {
            let mut found = settle(rule, &self.apis, &self.owners);
            found.extend(judge_token(rule, &self.apis));
            if !found.is_empty() {
                rule.deny();
            }
            self.problems.extend(found.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
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

fn never_reached(earlier: &Rule, rule: &Rule) -> String {
    format!(
        "can never match: rule {:?} ({}) comes before it and takes all of {}. \
         Put this one first (a priority below {}), or remove it",
        earlier.name.as_str(),
        earlier.summary(),
        rule.summary(),
        earlier.priority,
    )
}

/// Gives a guarded rule its audience, with what stands against it.
fn settle(rule: &mut Rule, apis: &[ApiRealm], owners: &Owners) -> Vec<Problem> {
    let Demand::Require(require) = &rule.demand else { return Vec::new() };
    let first_scope = require.scopes.first().map_or(String::new(), |scope| flag("scope", scope.as_str()));
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
                let create = format!("admit api create {}{first_scope}", quote(uri.as_str()));
                let message = format!("is {uri}, which is no API here. Create it: {create}");
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
            let update = format!("admit api update {} --scope {scope}", quote(uri.as_str()));
            format!("has {scope}, which {uri} does not define. Add it: {update}")
        }
        _ => format!("has {scope}, which no API defines. Add it: admit api update API --scope {scope}"),
    };
    missing.into_iter().map(|scope| Problem::new("require.scopes", tell(scope))).collect()
}

/// What is minted for an application must be worth nothing at any API.
fn judge_token(rule: &Rule, apis: &[ApiRealm]) -> Option<Problem> {
    let audience = rule.token_audience.as_deref()?;
    apis.iter().find(|api| api.uri.as_str() == audience)?;
    let message =
        format!("is {audience}, which is an API: name the application another way, such as its internal address");
    Some(Problem::new("token.audience", message))
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
#[path = "index_tests.rs"]
mod tests;
