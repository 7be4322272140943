//! Rules and APIs of the realms in use, compiled, and read again when one of them changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use admit_core::api::Api;
use admit_core::check::code::Reason;
use admit_core::id::{RealmId, RuleId};
use admit_core::policy::index::Policy;
use admit_core::policy::rule::{Problem, RawRule, Rule};
use admit_core::realm::Realm;
use admit_core::time::Span;
use admit_store::{Page, Result, StoredRule, Tx};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::app::App;
use crate::authn::epoch::{policy_slot, slot};
use crate::authn::freshness::{self, Overdue};
use crate::authn::resolve::unreadable;

/// Above this many compiled realms, one is dropped for each that is added.
const KEPT_MAX: usize = 2_000;
/// How long one waits for another who reads the same realm.
const TURN_WAIT: Duration = Duration::from_millis(50);
/// How many realms may be read at a time.
const TURNS: usize = 64;
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
    position: i64,
    /// When it was read, by the monotonic clock.
    read_at_us: i64,
    /// The longest `stale_for` of its rules.
    stale_for: Span,
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
            position: self.position,
            read_at_us: self.read_at_us,
            stale_for: self.stale_for,
        }
    }

    /// The rule at a place.
    pub fn rule(&self, place: usize) -> Option<&Rule> {
        self.policy.rules().find(|matched| matched.place == place).map(|matched| matched.rule)
    }

    /// How old it is, where that is older than it may be: only a rule that says so may be judged by it.
    pub fn overdue(&self, app: &App) -> Option<Overdue> {
        freshness::overdue_since(app, self.read_at_us)
    }

    /// Up to which change it is known to hold: what is made of it together with something else holds no longer.
    pub fn position(&self, app: &App) -> i64 {
        let slots = [policy_slot(self.realm.id), slot(self.realm.id.bytes())];
        app.epochs.renew(slots, self.position).unwrap_or(self.position)
    }

    /// Reads a realm in one snapshot that began after `position` was taken.
    pub fn read(tx: &mut Tx<'_>, id: RealmId, position: i64, read_at_us: i64) -> Result<Option<Self>> {
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
        Ok(Some(Self { realm, apis, policy, rule_ids, problems, patterns, position, read_at_us, stale_for }))
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
pub struct Policies {
    kept: ArcSwap<HashMap<RealmId, Arc<RealmPolicy>>>,
    /// Held by who reads a realm anew; the others wait for what he finds instead of compiling it too.
    turns: [Mutex<()>; TURNS],
}

impl Default for Policies {
    fn default() -> Self {
        Self { kept: ArcSwap::default(), turns: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Policies {
    /// The policy of a realm as it is now. None where there is no such realm.
    pub fn of(&self, app: &App, realm: RealmId) -> std::result::Result<Option<Arc<RealmPolicy>>, Reason> {
        if let Some(known) = self.current(app, realm) {
            return Ok(Some(known));
        }
        // Not longer: the thread has other realms' requests to answer, and the store may be slow.
        let _turn = self.turns[usize::from(realm.bytes()[15]) % TURNS].try_lock_for(TURN_WAIT);
        if let Some(known) = self.current(app, realm) {
            return Ok(Some(known));
        }
        let (position, read_at_us) = (app.epochs.position(), app.clock.monotonic_us());
        let read = match app.store.point(|tx| RealmPolicy::read(tx, realm, position, read_at_us)) {
            Ok(read) => read,
            Err(error) => {
                freshness::log_unread(app, &error, "the rules of a realm");
                return self.older(app, realm).map(Some).ok_or(unreadable(&error));
            }
        };
        let Some(policy) = read.map(Arc::new) else { return Ok(None) };
        for problem in &policy.problems {
            tracing::warn!(realm = %policy.realm.name, rule = problem.path, "a rule refuses everything: {}", problem.message);
        }
        self.keep(&policy);
        Ok(Some(policy))
    }

    fn current(&self, app: &App, realm: RealmId) -> Option<Arc<RealmPolicy>> {
        let slots = [policy_slot(realm), slot(realm.bytes())];
        let kept = self.kept.load();
        let is_current = |known: &Arc<RealmPolicy>| app.epochs.is_current(slots, known.position);
        kept.get(&realm).filter(|known| is_current(known) && known.overdue(app).is_none()).cloned()
    }

    /// What was read earlier and not changed since, as far as is known: where the store is away and some rule allows it.
    fn older(&self, app: &App, realm: RealmId) -> Option<Arc<RealmPolicy>> {
        let slots = [policy_slot(realm), slot(realm.bytes())];
        let kept = self.kept.load();
        let known = kept.get(&realm).filter(|known| app.epochs.is_current(slots, known.position))?;
        known.overdue(app)?.within(known.stale_for).map(|_| known.clone())
    }

    /// Readers never wait: the map is copied for each realm that is read anew, which is rare.
    fn keep(&self, policy: &Arc<RealmPolicy>) {
        let realm = policy.realm.id;
        self.kept.rcu(|kept| {
            let mut kept = HashMap::clone(kept);
            if kept.len() >= KEPT_MAX
                && !kept.contains_key(&realm)
                && let Some(any) = kept.keys().next().copied()
            {
                kept.remove(&any);
            }
            let newest = kept.entry(realm).or_insert_with(|| policy.clone());
            if newest.position < policy.position || newest.read_at_us < policy.read_at_us {
                *newest = policy.clone();
            }
            kept
        });
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
