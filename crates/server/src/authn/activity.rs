//! Last uses of sessions on their way to the store. Most uses are not worth a write (`SignIn::is_due`): they touch nothing here.
//!
//! Nobody has to hear of a use that is written: here it counts from when it is noted, and who thinks a session idle asks the
//! store before he says so.
//!
//! What waits is lost by a kill; then the session ends as if the use had not been, earlier by a small part of its idle time.

use std::collections::HashMap;
use std::net::IpAddr;

use admit_core::id::{GrantId, RealmId};
use admit_core::principal::Principal;
use admit_core::time::Time;
use admit_store::SessionUse;
use http::HeaderMap;
use http::header::USER_AGENT;
use parking_lot::Mutex;

use crate::check::usage::readable;

/// The most sessions whose uses wait between two writes; more are dropped, and noted again at their next use.
const KEPT_MAX: usize = 100_000;

/// The uses that wait, by session.
#[derive(Default)]
pub struct Activity(Mutex<HashMap<GrantId, SessionUse>>);

impl Activity {
    /// Notes that a session was used where that is worth a write: of the session, and of the one that it grew from. False
    /// where it had to be dropped.
    pub fn note(
        &self,
        realm: RealmId,
        principal: &Principal,
        ip: Option<IpAddr>,
        headers: &HeaderMap,
        now: Time,
    ) -> bool {
        let Some(sign_in) = principal.sign_in.as_ref().filter(|sign_in| sign_in.is_due(now)) else { return true };
        let agent = headers.get(USER_AGENT).map(|agent| String::from(readable(agent)));
        let own = principal.grant.filter(|grant| Some(*grant) != sign_in.root);
        let mut waiting = self.0.lock();
        for grant in [sign_in.root, own].into_iter().flatten() {
            if waiting.len() >= KEPT_MAX && !waiting.contains_key(&grant) {
                return false;
            }
            waiting.insert(grant, SessionUse { realm, grant, at: now, ip, agent: agent.clone() });
        }
        sign_in.last_use.note(now);
        true
    }

    /// Takes out what waits, in the order in which it is to be written.
    pub fn drain(&self) -> Vec<SessionUse> {
        let mut uses: Vec<_> = std::mem::take(&mut *self.0.lock()).into_values().collect();
        uses.sort_by_key(|used| used.grant);
        uses
    }

    /// Puts back what could not be written, but for what was noted again meanwhile.
    pub fn put_back(&self, uses: &[SessionUse]) {
        let mut waiting = self.0.lock();
        for used in uses.iter().take(KEPT_MAX.saturating_sub(waiting.len())) {
            waiting.entry(used.grant).or_insert_with(|| used.clone());
        }
    }
}
