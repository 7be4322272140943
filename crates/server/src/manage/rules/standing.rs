//! What stands in a realm of rules, APIs and roles, and how a change of it is judged outside of its transaction.
//!
//! To judge is to compile every rule, twice: nobody who writes should wait for that. So a change is judged over a
//! snapshot, and carried out where the transaction finds the same versions of everything; where somebody was faster it
//! is judged there once more.

use std::sync::Arc;

use admit_core::api::Api;
use admit_core::document;
use admit_core::id::RealmId;
use admit_core::policy::index::Policy;
use admit_core::policy::rule::Rule;
use admit_core::role::Role;
use admit_store::{StoredRule, Tx};

use super::resolved;
use crate::app::App;
use crate::check::policies::{all_apis, all_rules};
use crate::http::problem::Problem;
use crate::manage::roles;
use crate::manage::work::{self, Stop};

/// What every change of rules or APIs is judged with.
#[derive(Clone)]
pub struct Standing {
    /// The APIs.
    pub apis: Vec<Api>,
    /// The rules in the order of judgement.
    pub rules: Vec<StoredRule>,
    roles: Vec<Role>,
}

impl Standing {
    /// Reads a realm.
    pub fn read(tx: &mut Tx<'_>, realm: RealmId) -> Result<Self, Stop> {
        Ok(Self { apis: all_apis(tx, realm)?, rules: all_rules(tx, realm)?, roles: roles::all(tx, realm)? })
    }

    /// The rules, compiled; one that cannot be enforced denies.
    pub fn policy(&self) -> Policy {
        let apis: Vec<_> = self.apis.iter().map(Api::owned).collect();
        Policy::load(&apis, self.rules.iter().map(resolved).collect())
    }

    /// Refuses what this breaks that was whole before. What was broken before may stay until it is mended.
    pub fn must_stay_whole(&self, before: &Policy) -> Result<(), Problem> {
        let problems = document::broken(before, &self.policy());
        if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems)) }
    }

    /// Refuses a rule that asks for a role that there is not.
    pub fn must_know_roles_of(&self, rule: &Rule) -> Result<(), Problem> {
        let is_known = |name: &_| self.roles.iter().any(|role| role.spec.name == *name);
        let problems = document::unknown_roles(rule, is_known);
        if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems)) }
    }

    /// The same with another rule in place of the one of its id, or behind all.
    pub fn with(&self, rule: &StoredRule) -> Self {
        let mut changed = self.without(rule);
        changed.rules.push(rule.clone());
        changed.rules.sort_by_key(|rule| (rule.priority, rule.place, rule.id));
        changed
    }

    /// The same without this rule.
    pub fn without(&self, rule: &StoredRule) -> Self {
        let mut changed = self.clone();
        changed.rules.retain(|known| known.id != rule.id);
        changed
    }

    /// The same with another API in place of the one of its id, or besides.
    pub fn with_api(&self, api: &Api) -> Self {
        let mut changed = self.without_api(api);
        changed.apis.push(api.clone());
        changed
    }

    /// The same without this API.
    pub fn without_api(&self, api: &Api) -> Self {
        let mut changed = self.clone();
        changed.apis.retain(|known| known.id != api.id);
        changed
    }
}

/// Carries out a change of rules, APIs or roles that was judged before. Both closures may run again.
pub async fn change<J: Send + Sync + 'static, T: Send + 'static>(
    app: &App,
    realm: RealmId,
    judge: impl Fn(&mut Tx<'_>) -> Result<J, Stop> + Send + Sync + 'static,
    carry_out: impl Fn(&mut Tx<'_>, &J) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Problem> {
    let judge = Arc::new(judge);
    let outside = judge.clone();
    let look = move |tx: &mut Tx<'_>| Ok((tx.list_rule_versions(realm)?, outside(tx)?));
    let (seen, judged) = work::read(app, look).await?;
    let settled = work::write_alone(app, realm, move |tx| {
        if tx.list_rule_versions(realm)? == seen {
            return carry_out(tx, &judged);
        }
        let judged = judge(tx)?;
        carry_out(tx, &judged)
    });
    settled.await
}
