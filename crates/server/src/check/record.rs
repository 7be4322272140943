//! The latest refusals of this node, where `admit why` finds them. Bounded: a storm of refusals pushes out older ones and
//! costs no more memory.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use admit_core::check::code::{Code, Reason};
use admit_core::check::decision::Decision;
use admit_core::check::request::Request;
use admit_core::credential::Place;
use admit_core::id::{KeyId, RealmId, RequestId, RuleId};
use admit_core::name::Label;
use admit_core::secret;
use admit_core::time::Time;
use parking_lot::Mutex;

use super::Door;
use super::pipeline::Judged;
use super::policies::RealmPolicy;

/// How many refusals are kept.
const RECORDS_MAX: usize = 2048;
/// How many versions of rules are kept for them.
const POLICIES_MAX: usize = 8;
/// The most bytes that are kept of a host, path or method.
const TEXT_MAX: usize = 256;

/// One judged request as it is remembered: paths and *names* of query parameters, never a secret.
pub struct Record {
    /// When.
    pub at: Time,
    /// Through which door.
    pub door: Door,
    /// The method, as far as it could be read.
    pub method: String,
    /// The host, as far as it could be read.
    pub host: String,
    /// The path, as far as it could be read.
    pub path: String,
    /// The names of the query's parameters.
    pub query_names: Vec<String>,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// Where the credential stood and what may be shown of it.
    pub credential: Option<(Place, String)>,
    /// What was decided.
    pub decision: Decision,
    /// The matched rule's id, name and place.
    pub rule: Option<(Option<RuleId>, Label, usize)>,
    realm: Option<RealmId>,
    policy: Weak<RealmPolicy>,
}

impl Record {
    /// What is remembered of a judged request.
    pub fn of(realm: &Arc<RealmPolicy>, request: &Request<'_>, door: Door, judged: &Judged<'_>, at: Time) -> Self {
        Self {
            at,
            door,
            method: shortened(&secret::redact(request.method.as_str())),
            host: shortened(request.host.as_str()),
            path: shortened(&secret::redact(request.path.as_str())),
            query_names: request.query_names(),
            client_ip: request.client_ip,
            credential: judged.credential.clone(),
            decision: judged.decision.clone(),
            rule: judged
                .rule
                .map(|found| (realm.rule_ids.get(found.place).copied(), found.rule.name.clone(), found.place)),
            realm: Some(realm.realm.id),
            policy: Arc::downgrade(realm),
        }
    }

    /// A request that could not be read as one.
    pub fn unread(realm: Option<&Arc<RealmPolicy>>, door: Door, decision: &Decision, at: Time) -> Self {
        Self {
            at,
            door,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            query_names: Vec::new(),
            client_ip: None,
            credential: None,
            decision: decision.clone(),
            rule: None,
            realm: realm.map(|realm| realm.realm.id),
            policy: realm.map_or_else(Weak::new, Arc::downgrade),
        }
    }

    /// The key that was shown, where it is known.
    pub fn key(&self) -> Option<KeyId> {
        self.decision.principal.as_ref().and_then(|principal| principal.key)
    }

    /// What the answer was, or would have been where a rule only observes.
    pub fn code(&self) -> Code {
        self.decision.observed.map_or(self.decision.code(), Reason::code)
    }

    /// The realm that judged.
    pub fn realm(&self) -> Option<RealmId> {
        self.realm
    }

    /// The rules as they were; none where they changed so often since that they are no longer kept.
    pub fn policy(&self) -> Option<Arc<RealmPolicy>> {
        self.policy.upgrade()
    }
}

/// Cuts text to what is kept, on a letter's border.
fn shortened(text: &str) -> String {
    match text.char_indices().map(|(at, _)| at).find(|at| *at >= TEXT_MAX) {
        Some(end) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The ring.
#[derive(Default)]
pub struct Ring(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    records: VecDeque<Arc<Record>>,
    /// The rules that judged last, so that a change of rules does not take the reasons of older refusals with it. Few:
    /// each may be large.
    policies: VecDeque<Arc<RealmPolicy>>,
}

impl Ring {
    /// Keeps a record.
    pub fn keep(&self, record: Arc<Record>) {
        let policy = record.policy();
        let oldest = {
            let mut kept = self.0.lock();
            let oldest = if kept.records.len() >= RECORDS_MAX { kept.records.pop_front() } else { None };
            kept.records.push_back(record);
            (oldest, policy.and_then(|policy| kept.hold(policy)))
        };
        drop(oldest);
    }

    /// The record of a request, if this realm judged it.
    pub fn find(&self, realm: RealmId, id: RequestId) -> Option<Arc<Record>> {
        let kept = self.0.lock();
        kept.records
            .iter()
            .rev()
            .find(|record| record.decision.request_id == id && record.realm() == Some(realm))
            .cloned()
    }

    /// The newest records of a realm first, of one key where that is asked.
    pub fn latest(&self, realm: RealmId, key: Option<KeyId>, limit: usize) -> Vec<Arc<Record>> {
        let is_meant = |record: &Arc<Record>| key.is_none() || record.key() == key;
        self.of_realm(realm).into_iter().filter(is_meant).take(limit).collect()
    }

    /// All records of a realm, the newest first. Whoever looks through them does so beside the lock.
    pub fn of_realm(&self, realm: RealmId) -> Vec<Arc<Record>> {
        let kept = self.0.lock();
        kept.records.iter().rev().filter(|record| record.realm() == Some(realm)).cloned().collect()
    }
}

impl Kept {
    /// Keeps these rules and gives back those that made room.
    fn hold(&mut self, policy: Arc<RealmPolicy>) -> Option<Arc<RealmPolicy>> {
        if self.policies.iter().any(|held| Arc::ptr_eq(held, &policy)) {
            return None;
        }
        let oldest = if self.policies.len() >= POLICIES_MAX { self.policies.pop_front() } else { None };
        self.policies.push_back(policy);
        oldest
    }
}
