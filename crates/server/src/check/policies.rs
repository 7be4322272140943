//! Rules and APIs of the realms in use, compiled, and read again when one of them changes.

use std::sync::Arc;

use admit_core::api::Api;
use admit_core::check::code::Reason;
use admit_core::id::{RealmId, RuleId};
use admit_core::policy::index::Policy;
use admit_core::policy::rule::{Problem, RawRule, Rule};
use admit_core::realm::Realm;
use admit_core::time::Span;
use admit_store::{Page, Result, StoredRule, Tx};

use crate::app::App;
use crate::authn::epoch::{Slot, policy_slot, slot};
use crate::authn::freshness::{self, Before, Overdue};
use crate::authn::realms::{Realms, Whole};
use crate::authn::resolve::unreadable;

/// The most rules of a realm.
pub const RULES_MAX: usize = 10_000;
/// The most APIs of a realm.
pub const APIS_MAX: usize = 1_000;

/// Everything that judging a request of a realm needs beside the caller.
pub struct RealmPolicy {
    /// The realm.
    pub realm: Realm,
    /// Its APIs, the built-in one too.
    pub apis: Vec<Api>,
    /// Its rules, compiled.
    pub policy: Policy,
    /// The ids of the rules, in the order of [`Self::policy`].
    pub rule_ids: Vec<RuleId>,
    /// Rules that cannot be enforced as they stand and therefore refuse.
    pub problems: Vec<Problem>,
    /// The shapes of imported keys, `sk_*`.
    patterns: Vec<String>,
    before: Before,
    /// The longest `stale_for` of its rules.
    stale_for: Span,
}

impl Whole for RealmPolicy {
    fn before(&self) -> Before {
        self.before
    }

    fn slots(realm: RealmId) -> impl IntoIterator<Item = Slot> {
        [policy_slot(realm), slot(realm.bytes())]
    }
}

impl RealmPolicy {
    /// True where the text has the declared shape of keys of another system.
    pub fn has_imported_shape(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| has_shape(pattern, text))
    }

    /// The same realm with one rule in place of all.
    pub fn with_only(&self, rule: Rule) -> Self {
        let owned: Vec<_> = self.apis.iter().map(Api::owned).collect();
        Self {
            realm: self.realm.clone(),
            apis: self.apis.clone(),
            policy: Policy::load(&owned, vec![rule]),
            rule_ids: Vec::new(),
            problems: Vec::new(),
            patterns: self.patterns.clone(),
            before: self.before,
            stale_for: self.stale_for,
        }
    }

    /// The rule at a place.
    pub fn rule(&self, place: usize) -> Option<&Rule> {
        self.policy.rules().find(|matched| matched.place == place).map(|matched| matched.rule)
    }

    /// How old it is, where that is older than it may be: only a rule that says so may be judged by it.
    pub fn overdue(&self, app: &App) -> Option<Overdue> {
        self.before.overdue(app)
    }

    /// Up to which change it is known to hold: what is made of it together with something else holds no longer.
    pub fn position(&self, app: &App) -> i64 {
        let position = self.before.position;
        app.epochs.renew(Self::slots(self.realm.id), position).unwrap_or(position)
    }

    fn warn(&self) {
        for problem in &self.problems {
            tracing::warn!(realm = %self.realm.name, rule = problem.path, "a rule refuses everything: {}", problem.message);
        }
    }

    /// Reads a realm in one snapshot that began after that moment.
    fn read(tx: &mut Tx<'_>, id: RealmId, before: Before) -> Result<Option<Self>> {
        let Some(realm) = tx.find_realm(id)? else { return Ok(None) };
        let apis = all_apis(tx, id)?;
        let stored = all_rules(tx, id)?;
        let patterns = tx.list_key_patterns(id)?;
        let owned: Vec<_> = apis.iter().map(Api::owned).collect();
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for rule in &stored {
            // A rule that cannot be read refuses what it matches: here everything.
            let raw: RawRule = serde_json::from_value(rule.spec.clone()).unwrap_or_default();
            let (rule, found) = raw.resolve_or_deny();
            problems.extend(found.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
            rules.push(rule);
        }
        let policy = Policy::load(&owned, rules);
        problems.extend(policy.problems().iter().cloned());
        let stale_for = policy.rules().map(|found| found.rule.stale_for).max().unwrap_or_default();
        let rule_ids = stored.iter().map(|rule| rule.id).collect();
        Ok(Some(Self { realm, apis, policy, rule_ids, problems, patterns, before, stale_for }))
    }
}

/// `sk_*` covers every text that begins with `sk_`; at most one `*`.
fn has_shape(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

/// Every API of a realm.
pub fn all_apis(tx: &mut Tx<'_>, realm: RealmId) -> Result<Vec<Api>> {
    let mut apis: Vec<Api> = Vec::new();
    while apis.len() < APIS_MAX {
        let page = Page { limit: 200, after: apis.last().map(|api| *api.id.bytes()) };
        let more = tx.list_apis(realm, &page)?;
        if more.is_empty() {
            break;
        }
        apis.extend(more);
    }
    Ok(apis)
}

/// Every rule of a realm, in the order of judgement.
pub fn all_rules(tx: &mut Tx<'_>, realm: RealmId) -> Result<Vec<StoredRule>> {
    let mut rules: Vec<StoredRule> = Vec::new();
    while rules.len() < RULES_MAX {
        let after = rules.last().map(|rule| (rule.priority, rule.place, rule.id));
        let more = tx.list_rules(realm, after, 200)?;
        if more.is_empty() {
            break;
        }
        rules.extend(more);
    }
    Ok(rules)
}

/// The compiled realms.
#[derive(Default)]
pub struct Policies(Realms<RealmPolicy>);

impl Policies {
    /// The policy of a realm as it is now. None where there is no such realm.
    pub fn of(&self, app: &App, realm: RealmId) -> std::result::Result<Option<Arc<RealmPolicy>>, Reason> {
        let read = |before, _: Option<&RealmPolicy>| {
            let read = app.store.point(|tx| RealmPolicy::read(tx, realm, before))?;
            read.iter().for_each(RealmPolicy::warn);
            Ok(read)
        };
        self.0.of(app, realm, read).or_else(|error| {
            freshness::log_unread(app, &error, "the rules of a realm");
            self.older(app, realm).map(Some).ok_or(unreadable(&error))
        })
    }

    /// What was read earlier and not changed since, as far as is known: where the store is away and some rule allows it.
    fn older(&self, app: &App, realm: RealmId) -> Option<Arc<RealmPolicy>> {
        let known = self.0.unchanged(app, realm)?;
        known.overdue(app)?.within(known.stale_for).map(|_| known)
    }

    /// The policy of the realm of this name; `None` is the realm `default`.
    pub fn named(&self, app: &App, name: Option<&str>) -> std::result::Result<Option<Arc<RealmPolicy>>, Reason> {
        let id = match name {
            None => Some(app.default_realm),
            Some(name) => app.directory.named(name, &app.store).map_err(|_| Reason::StoreUnavailable)?,
        };
        id.map_or(Ok(None), |id| self.of(app, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_shape_has_one_wildcard() {
        assert!(has_shape("sk_*", "sk_live_1"));
        assert!(!has_shape("sk_*", "pk_live_1"));
        assert!(has_shape("sk_*_x", "sk_1_x"));
        assert!(!has_shape("ab*bc", "abc"), "the two ends may not overlap");
    }
}
