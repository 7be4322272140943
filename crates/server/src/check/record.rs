//! The latest refusals of this node, where `admit why` finds them. Bounded: a storm of refusals pushes out older ones and
//! costs no more memory.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::decision::Decision;
use admit_core::check::request::Request;
use admit_core::credential::Place;
use admit_core::id::{KeyId, RealmId, RequestId};
use admit_core::secret;
use admit_core::time::Time;
use parking_lot::Mutex;

use super::Door;
use super::pipeline::Judged;
use super::policies::RealmPolicy;

/// How many refusals are kept.
const KEPT: usize = 2048;
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
    /// The place of the matched rule.
    pub rule: Option<usize>,
    /// The rules as they were; none where the realm could not be read.
    pub policy: Option<Arc<RealmPolicy>>,
}

impl Record {
    /// What is remembered of a judged request.
    pub fn of(realm: &Arc<RealmPolicy>, request: &Request<'_>, door: Door, judged: &Judged<'_>, at: Time) -> Self {
        Self {
            at,
            door,
            method: shortened(request.method.as_str()),
            host: shortened(request.host.as_str()),
            path: shortened(&secret::redact(request.path.as_str())),
            query_names: request.query_names(),
            client_ip: request.client_ip,
            credential: judged.credential.clone(),
            decision: judged.decision.clone(),
            rule: judged.rule.map(|found| found.place),
            policy: Some(realm.clone()),
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
            policy: realm.cloned(),
        }
    }

    /// The realm that judged.
    pub fn realm(&self) -> Option<RealmId> {
        self.policy.as_ref().map(|policy| policy.realm.id)
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
pub struct Ring(Mutex<VecDeque<Arc<Record>>>);

impl Ring {
    /// Keeps a record.
    pub fn keep(&self, record: Record) {
        let record = Arc::new(record);
        let oldest = {
            let mut ring = self.0.lock();
            let oldest = if ring.len() >= KEPT { ring.pop_front() } else { None };
            ring.push_back(record);
            oldest
        };
        drop(oldest);
    }

    /// The record of a request, if this realm judged it.
    pub fn find(&self, realm: RealmId, id: RequestId) -> Option<Arc<Record>> {
        let ring = self.0.lock();
        ring.iter().rev().find(|record| record.decision.request_id == id && record.realm() == Some(realm)).cloned()
    }

    /// The newest records of a realm first, of one key where that is asked.
    pub fn latest(&self, realm: RealmId, key: Option<KeyId>, limit: usize) -> Vec<Arc<Record>> {
        let of_key = |record: &Record| {
            key.is_none() || record.decision.principal.as_ref().is_some_and(|principal| principal.key == key)
        };
        let ring = self.0.lock();
        ring.iter()
            .rev()
            .filter(|record| record.realm() == Some(realm) && of_key(record))
            .take(limit)
            .cloned()
            .collect()
    }
}
