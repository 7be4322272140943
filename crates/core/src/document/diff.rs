//! What differs between what is there and what is wanted, kind by kind.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use super::{Action, Change, Kind};
use crate::api::{ApiSpec, TokenTyp};
use crate::client::ClientSpec;
use crate::name::{self, RoleName};
use crate::policy::cors::{Cors, RawCors};
use crate::policy::loosen::Loosening;
use crate::policy::rule::RawRule;
use crate::role::{self, RoleSpec};
use crate::scope::Rights;
use crate::user::UserSpec;

/// How things of one kind are told apart.
pub struct Ways<T> {
    name: fn(&T) -> String,
    /// True for what is never removed.
    is_fixed: fn(&T) -> bool,
    /// What the new one lets happen that the old one did not.
    loosens: fn(Option<&T>, &T) -> Option<&'static str>,
}

pub const APIS: Ways<ApiSpec> =
    Ways { name: |spec| spec.uri.to_string(), is_fixed: |spec| name::is_built_in(&spec.uri), loosens: loosens_api };
pub const ROLES: Ways<RoleSpec> =
    Ways { name: |spec| spec.name.to_string(), is_fixed: |spec| role::is_ready(&spec.name), loosens: loosens_role };
pub const CLIENTS: Ways<ClientSpec> =
    Ways { name: |spec| spec.name.to_string(), is_fixed: |spec| spec.dynamic, loosens: loosens_client };
pub const USERS: Ways<UserSpec> =
    Ways { name: |spec| spec.name.to_string(), is_fixed: |_| false, loosens: loosens_user };
pub const RULES: Ways<RawRule> = Ways { name: super::rule_name, is_fixed: |_| false, loosens: |_, _| None };

/// The changes, as they are found.
#[derive(Default)]
pub struct Found {
    written: Vec<Change>,
    removed: Vec<Change>,
    names: HashSet<(Kind, String)>,
}

impl Found {
    /// Compares all things of one kind.
    pub fn compare<T: Serialize>(
        &mut self,
        kind: Kind,
        current: &[T],
        wanted: Option<&[T]>,
        prune: bool,
        ways: &Ways<T>,
    ) {
        let Some(wanted) = wanted else { return };
        let known: HashMap<String, &T> = current.iter().map(|item| ((ways.name)(item), item)).collect();
        for item in wanted {
            let name = (ways.name)(item);
            let before = known.get(&name).copied();
            let fields = before.map_or_else(Vec::new, |before| differing(before, item));
            let action = if before.is_none() { Action::Create } else { Action::Update };
            if action == Action::Create || !fields.is_empty() {
                let loosens = (ways.loosens)(before, item).map(str::to_owned);
                self.names.insert((kind, name.clone()));
                self.written.push(Change { action, kind, name, loosens, fields });
            }
        }
        if !prune {
            return;
        }
        let named: HashSet<String> = wanted.iter().map(ways.name).collect();
        let gone =
            current.iter().filter(|item| !(ways.is_fixed)(item)).map(ways.name).filter(|name| !named.contains(name));
        let removed = gone.map(|name| Change { action: Action::Delete, kind, name, loosens: None, fields: Vec::new() });
        self.removed.extend(removed);
    }

    /// True where this one is made or becomes another.
    pub fn writes(&self, kind: Kind, name: &str) -> bool {
        self.names.contains(&(kind, name.to_owned()))
    }

    /// Says of rules what only all of them together tell: what loosens, and which move.
    pub fn mark_rules(&mut self, loosenings: &[Loosening], moved: &HashSet<String>) {
        let written = self.written.iter().enumerate().filter(|(_, change)| change.kind == Kind::Rule);
        let places: HashMap<String, usize> = written.map(|(place, change)| (change.name.clone(), place)).collect();
        for name in moved {
            match places.get(name) {
                Some(place) => self.written[*place].fields.push("place".to_owned()),
                None => self.written.push(Change {
                    action: Action::Update,
                    kind: Kind::Rule,
                    name: name.clone(),
                    loosens: None,
                    fields: vec!["place".to_owned()],
                }),
            }
        }
        let told_of: HashMap<&str, &Loosening> =
            loosenings.iter().rev().map(|told| (told.rule.as_str(), told)).collect();
        for change in self.written.iter_mut().chain(&mut self.removed).filter(|change| change.kind == Kind::Rule) {
            let told = told_of.get(change.name.as_str());
            let is_moved = change.fields.iter().any(|field| field == "place");
            change.loosens =
                told.map(|told| told.what.clone()).or_else(|| is_moved.then(|| "is tried at another place".to_owned()));
        }
    }

    /// What is referred to is made first and removed last.
    pub fn in_order(self) -> Vec<Change> {
        let rank = |kind: Kind| match kind {
            Kind::Api => 0,
            Kind::Role => 1,
            Kind::Client => 2,
            Kind::User => 3,
            Kind::Rule => 4,
        };
        let (mut written, mut removed) = (self.written, self.removed);
        written.sort_by(|a, b| (rank(a.kind), &a.name).cmp(&(rank(b.kind), &b.name)));
        removed.sort_by(|a, b| (rank(b.kind), &a.name).cmp(&(rank(a.kind), &b.name)));
        written.into_iter().chain(removed).collect()
    }
}

/// The members in which two differ.
fn differing<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    let object = |item: &T| match serde_json::to_value(item) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (object(before), object(after));
    let mut names: Vec<_> =
        before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name)).cloned().collect();
    names.sort();
    names.dedup();
    names
}

fn loosens_api(before: Option<&ApiSpec>, after: &ApiSpec) -> Option<&'static str> {
    let cors = |spec: &ApiSpec| spec.cors.as_ref().map(RawCors::resolve).and_then(Result::ok);
    let after_cors: Option<Cors> = cors(after);
    let wider = after_cors.is_some_and(|after| !before.and_then(cors).is_some_and(|before| before.covers(&after)));
    let longer = before.is_some_and(|before| after.token_lifetime > before.token_lifetime);
    if wider {
        return Some("lets more origins read its answers");
    }
    if longer {
        return Some("lets its tokens live longer");
    }
    let untyped = |spec: &ApiSpec| spec.token_typ == TokenTyp::Jwt;
    (untyped(after) && !before.is_some_and(untyped)).then_some("lets its tokens be taken for other JWTs")
}

fn loosens_role(before: Option<&RoleSpec>, after: &RoleSpec) -> Option<&'static str> {
    gives_more(before.map(|spec| &spec.rights), &after.rights).then_some("gives more rights")
}

fn loosens_client(before: Option<&ClientSpec>, after: &ClientSpec) -> Option<&'static str> {
    if gives_more(before.map(|spec| &spec.rights), &after.rights) {
        return Some("may do more");
    }
    if holds_more(before.map(|spec| spec.roles.as_slice()), &after.roles) {
        return Some("holds more roles");
    }
    let more = |uris: fn(&ClientSpec) -> &Vec<String>| {
        uris(after).iter().any(|uri| !before.is_some_and(|before| uris(before).contains(uri)))
    };
    if more(|spec| &spec.redirect_uris) || more(|spec| &spec.post_logout_redirect_uris) {
        return Some("may send browsers to more places");
    }
    let newly = |is_so: fn(&ClientSpec) -> bool| is_so(after) && !before.is_some_and(is_so);
    if newly(|spec| spec.first_party) {
        return Some("asks nobody whether it may");
    }
    if newly(|spec| !spec.require_pkce) {
        return Some("needs no proof that a code is its own");
    }
    let was_pushed = before.is_some_and(|before| before.require_pushed_authorization_requests);
    (was_pushed && !after.require_pushed_authorization_requests).then_some("may send its requests through browsers")
}

fn loosens_user(before: Option<&UserSpec>, after: &UserSpec) -> Option<&'static str> {
    holds_more(before.map(|spec| spec.roles.as_slice()), &after.roles).then_some("holds more roles")
}

fn gives_more(before: Option<&Rights>, after: &Rights) -> bool {
    after.iter().any(|(api, scopes)| {
        let known = before.and_then(|before| before.get(api));
        scopes.iter().any(|scope| !known.is_some_and(|known| known.contains(scope)))
    })
}

fn holds_more(before: Option<&[RoleName]>, after: &[RoleName]) -> bool {
    after.iter().any(|role| !before.is_some_and(|before| before.contains(role)))
}
