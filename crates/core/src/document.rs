//! The declared state of a realm: what a file for `admit apply` holds, and what it would change.
//!
//! A kind that a document does not mention is left alone; of a mentioned kind, what stands in the document is made so,
//! and with `prune` what does not is removed. What Admit itself is (built-in APIs, ready roles) is never touched. Names
//! are identities: APIs by URI, everything else by name. Knows no ids, no store and nobody's rights.

mod diff;
mod order;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::api::ApiSpec;
use crate::client::ClientSpec;
use crate::name::{self, ApiUri, RoleName, ScopeName};
use crate::policy::index::{ApiRealm, Policy};
use crate::policy::loosen;
use crate::policy::rule::{Problem, RawRule, Rule};
use crate::role::{self, RoleSpec};
use crate::scope::{self, Rights};
use crate::user::UserSpec;

/// The most items of one kind in one document.
pub const ITEMS_MAX: usize = 10_000;

/// `[[api]] [[role]] [[client]] [[user]] [[rule]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// APIs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Vec<ApiSpec>>,
    /// Roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Vec<RoleSpec>>,
    /// Clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Vec<ClientSpec>>,
    /// Users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Vec<UserSpec>>,
    /// Rules; of one priority the earlier is tried first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Vec<RawRule>>,
}

/// What a realm has now: all APIs, roles and rules, built-in ones too, and those clients and users that the document
/// names or `prune` may remove.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Current {
    /// APIs.
    pub apis: Vec<ApiSpec>,
    /// Roles.
    pub roles: Vec<RoleSpec>,
    /// Clients.
    pub clients: Vec<ClientSpec>,
    /// Users.
    pub users: Vec<UserSpec>,
    /// Rules in the order of judgement, each with its name and its place.
    pub rules: Vec<(RawRule, i64)>,
}

/// What is done to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// It becomes another.
    Update,
    /// It goes.
    Delete,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An API.
    Api,
    /// A role.
    Role,
    /// A client.
    Client,
    /// A user.
    User,
    /// A rule.
    Rule,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which.
    pub name: String,
    /// What somebody may do after it who could not before, to complete "it …".
    pub loosens: Option<String>,
    /// Which members become others; empty unless it is an update.
    pub fields: Vec<String>,
}

/// What has to be done, in an order in which it can be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
    /// The document in canonical form: what the changes make.
    pub wanted: Document,
    /// All rules that there will be with their places, in the order of judgement.
    pub places: Vec<(String, i64)>,
}

impl Kind {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Role => "role",
            Self::Client => "client",
            Self::User => "user",
            Self::Rule => "rule",
        }
    }
}

impl Document {
    /// Brings everything into canonical form, or says everything that is wrong.
    pub fn resolve(self) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let api = each(Kind::Api, self.api, |spec| spec.uri.to_string(), ApiSpec::resolve, &mut problems);
        let role = each(Kind::Role, self.role, |spec| spec.name.to_string(), RoleSpec::resolve, &mut problems);
        let client = each(Kind::Client, self.client, |spec| spec.name.to_string(), ClientSpec::resolve, &mut problems);
        let user = each(Kind::User, self.user, |spec| spec.name.to_string(), UserSpec::resolve, &mut problems);
        let rule = each(Kind::Rule, self.rule, rule_name, with_name, &mut problems);
        let built_in = |kind: Kind, name: &dyn std::fmt::Display| {
            Problem::new(format!("{} {name}", kind.as_str()), "is built in: leave it out")
        };
        let apis = api.iter().flatten().filter(|spec| name::is_built_in(&spec.uri));
        problems.extend(apis.map(|spec| built_in(Kind::Api, &spec.uri)));
        let roles = role.iter().flatten().filter(|spec| role::is_ready(&spec.name));
        problems.extend(roles.map(|spec| built_in(Kind::Role, &spec.name)));
        if problems.is_empty() { Ok(Self { api, role, client, user, rule }) } else { Err(problems) }
    }

    /// What makes the realm what the document says, or everything that stands against it.
    pub fn plan(self, current: &Current, prune: bool) -> Result<Plan, Vec<Problem>> {
        let wanted = self.resolve()?;
        let mut found = diff::Found::default();
        found.compare(Kind::Api, &current.apis, wanted.api.as_deref(), prune, &diff::APIS);
        found.compare(Kind::Role, &current.roles, wanted.role.as_deref(), prune, &diff::ROLES);
        found.compare(Kind::Client, &current.clients, wanted.client.as_deref(), prune, &diff::CLIENTS);
        found.compare(Kind::User, &current.users, wanted.user.as_deref(), prune, &diff::USERS);
        let stored: Vec<_> = current.rules.iter().map(|(rule, _)| rule.clone()).collect();
        found.compare(Kind::Rule, &stored, wanted.rule.as_deref(), prune, &diff::RULES);

        let apis = after(
            &current.apis,
            wanted.api.as_deref(),
            prune,
            |spec| spec.uri.as_str(),
            |spec| name::is_built_in(&spec.uri),
        );
        let roles = after(
            &current.roles,
            wanted.role.as_deref(),
            prune,
            |spec| spec.name.as_str(),
            |spec| role::is_ready(&spec.name),
        );
        let (places, moved) = order::places(&current.rules, wanted.rule.as_deref(), prune);
        let mut problems = refer(&wanted, &found, &apis, &roles);
        if wanted.role.is_some() && prune {
            problems.extend(bereft(current, &wanted, &roles, &places));
        }
        if wanted.api.is_some() || wanted.rule.is_some() {
            match policies(current, &wanted, &apis, &places) {
                Ok((before, after)) => found.mark_rules(&loosen::loosenings(&before, &after), &moved),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Plan { changes: found.in_order(), wanted, places }) } else { Err(problems) }
    }
}

/// What a change of rules or APIs breaks that was whole before, so that what is broken already can be mended piece by piece.
pub fn broken(before: &Policy, after: &Policy) -> Vec<Problem> {
    let known: HashSet<(&str, &str)> =
        before.problems().iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    let is_new = |problem: &&Problem| !known.contains(&(problem.path.as_str(), problem.message.as_str()));
    after.problems().iter().filter(is_new).cloned().collect()
}

/// Resolves each item and puts its name before its problems.
fn each<T>(
    kind: Kind,
    items: Option<Vec<T>>,
    name: impl Fn(&T) -> String,
    resolve: impl Fn(T) -> Result<T, Vec<Problem>>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<T>> {
    let items = items?;
    if items.len() > ITEMS_MAX {
        let message = format!("has {} items: at most {ITEMS_MAX} are allowed in one document", items.len());
        problems.push(Problem::new(kind.as_str(), message));
        return None;
    }
    let mut seen = HashSet::new();
    let mut resolved = Vec::with_capacity(items.len());
    for item in items {
        let path = format!("{} {}", kind.as_str(), name(&item));
        if !seen.insert(path.clone()) {
            problems.push(Problem::new(&path, "stands in the document twice"));
        }
        match resolve(item) {
            Ok(item) => resolved.push(item),
            Err(found) => {
                problems.extend(
                    found.into_iter().map(|problem| Problem { path: format!("{path}: {}", problem.path), ..problem }),
                );
            }
        }
    }
    Some(resolved)
}

fn rule_name(raw: &RawRule) -> String {
    raw.resolve_or_deny().0.name.to_string()
}

/// A stored rule carries its name, so that it stays itself when what it matches changes.
fn with_name(raw: RawRule) -> Result<RawRule, Vec<Problem>> {
    let name = raw.resolve()?.name;
    Ok(RawRule { name: Some(name.to_string()), ..raw })
}

/// What there will be of one kind.
fn after<'a, T>(
    current: &'a [T],
    wanted: Option<&'a [T]>,
    prune: bool,
    name: impl Fn(&T) -> &str,
    is_fixed: impl Fn(&T) -> bool,
) -> Vec<&'a T> {
    let Some(wanted) = wanted else { return current.iter().collect() };
    let named: HashSet<&str> = wanted.iter().map(&name).collect();
    let stays = |item: &&T| is_fixed(item) || !(prune || named.contains(name(item)));
    current.iter().filter(stays).chain(wanted).collect()
}

/// What the written items refer to and is not there.
fn refer(wanted: &Document, found: &diff::Found, apis: &[&ApiSpec], roles: &[&RoleSpec]) -> Vec<Problem> {
    let by_uri: HashMap<&ApiUri, &BTreeMap<ScopeName, String>> =
        apis.iter().map(|spec| (&spec.uri, &spec.scopes)).collect();
    let by_name: HashSet<&RoleName> = roles.iter().map(|spec| &spec.name).collect();
    let rights = |kind: Kind, name: &str, rights: &Rights| {
        let path = format!("{} {name}", kind.as_str());
        let problems = scope::undefined(rights, |uri| by_uri.get(uri).copied());
        problems.into_iter().map(move |problem| Problem { path: format!("{path}: {}", problem.path), ..problem })
    };
    let held = |kind: Kind, name: &str, held: &[RoleName]| {
        let missing = held.iter().filter(|role| !by_name.contains(role));
        let path = format!("{} {name}: roles", kind.as_str());
        missing.map(|role| Problem::new(path.clone(), no_role(role))).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    for spec in wanted.role.iter().flatten().filter(|spec| found.writes(Kind::Role, spec.name.as_str())) {
        problems.extend(rights(Kind::Role, spec.name.as_str(), &spec.rights));
    }
    for spec in wanted.client.iter().flatten().filter(|spec| found.writes(Kind::Client, spec.name.as_str())) {
        problems.extend(rights(Kind::Client, spec.name.as_str(), &spec.rights));
        problems.extend(held(Kind::Client, spec.name.as_str(), &spec.roles));
    }
    for spec in wanted.user.iter().flatten() {
        problems.extend(held(Kind::User, spec.name.as_str(), &spec.roles));
    }
    for raw in wanted.rule.iter().flatten() {
        let rule = raw.resolve_or_deny().0;
        let missing = unknown_roles(&rule, |role| by_name.contains(role));
        problems.extend(missing.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
    }
    problems
}

/// What rules that stay as they are ask for and is taken away.
fn bereft(current: &Current, wanted: &Document, roles: &[&RoleSpec], places: &[(String, i64)]) -> Vec<Problem> {
    let stays: HashSet<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    let written: HashSet<String> = wanted.rule.iter().flatten().map(rule_name).collect();
    let is_gone = |name: &RoleName| {
        current.roles.iter().any(|role| role.name == *name) && !roles.iter().any(|role| role.name == *name)
    };
    let rules = current.rules.iter().map(|(raw, _)| raw.resolve_or_deny().0);
    let untouched = rules.filter(|rule| stays.contains(rule.name.as_str()) && !written.contains(rule.name.as_str()));
    untouched.flat_map(|rule| asked_for(&rule, is_gone)).collect()
}

/// What stands against taking away roles that a rule asks for: it would admit nobody any more.
pub fn asked_for(rule: &Rule, is_gone: impl Fn(&RoleName) -> bool) -> Vec<Problem> {
    let asked = rule.require().into_iter().flat_map(|require| &require.roles);
    let gone = asked.filter(|role| is_gone(role)).map(|role| {
        let message = format!("asks for role {role}: change or remove the rule first");
        Problem::new("require.roles", message).of_rule(rule.name.as_str())
    });
    gone.collect()
}

/// The roles that a rule asks for and that there are not.
pub fn unknown_roles(rule: &Rule, is_known: impl Fn(&RoleName) -> bool) -> Vec<Problem> {
    let asked = rule.require().into_iter().flat_map(|require| &require.roles);
    asked.filter(|role| !is_known(role)).map(|role| Problem::new("require.roles", no_role(role))).collect()
}

/// What to do about a role that is not there.
pub fn no_role(role: &RoleName) -> String {
    format!("there is no role {role}. Create it: admit role create --name {role}")
}

/// The rules as they are and as they will be.
fn policies(
    current: &Current,
    wanted: &Document,
    apis: &[&ApiSpec],
    places: &[(String, i64)],
) -> Result<(Policy, Policy), Vec<Problem>> {
    let before: Vec<ApiRealm> = current.apis.iter().map(ApiSpec::owned).collect();
    let before = Policy::load(&before, current.rules.iter().map(|(rule, _)| rule.resolve_or_deny().0).collect());
    let mut known: HashMap<String, &RawRule> = current.rules.iter().map(|(rule, _)| (rule_name(rule), rule)).collect();
    known.extend(wanted.rule.iter().flatten().map(|rule| (rule_name(rule), rule)));
    let mut problems = Vec::new();
    let mut rules: Vec<Rule> = Vec::with_capacity(places.len());
    for rule in places.iter().filter_map(|(name, _)| known.get(name)) {
        let (rule, found) = rule.resolve_or_deny();
        problems.extend(found.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
        rules.push(rule);
    }
    let after: Vec<ApiRealm> = apis.iter().map(|spec| spec.owned()).collect();
    match Policy::build(&after, rules) {
        Ok(policy) if problems.is_empty() => Ok((before, policy)),
        Ok(_) => Err(problems),
        Err(found) => Err(problems.into_iter().chain(found).collect()),
    }
}

#[cfg(test)]
mod tests;
