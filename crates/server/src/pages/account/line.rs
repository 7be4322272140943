//! What can act as somebody, each as a line of a list.

use std::cmp::Reverse;
use std::collections::HashMap;

use admit_core::id::{GrantId, KeyId};
use admit_core::time::Time;
use admit_store::{IssuedKey, IssuedSession};

use crate::pages::agent;
use crate::pages::visit::Visit;

/// A session or a known device, as the page shows it.
pub struct SessionLine {
    pub(super) grant: GrantId,
    pub(super) is_this: bool,
    /// A session of a host, which hangs on the one above it.
    pub(super) is_child: bool,
    pub(super) agent: String,
    pub(super) host: String,
    pub(super) used: String,
    pub(super) since: String,
    pub(super) ip: String,
}

/// A key, as pages show it.
pub struct KeyLine {
    pub(in crate::pages) id: KeyId,
    pub(in crate::pages) name: String,
    pub(in crate::pages) hint: String,
    pub(in crate::pages) scopes: String,
    pub(in crate::pages) used: String,
    pub(in crate::pages) ends: String,
}

/// Sessions: this browser's first, then the latest; below each those of hosts that grew from it.
pub fn of_sessions(visit: &Visit, mut sessions: Vec<IssuedSession>, this: GrantId) -> Vec<SessionLine> {
    let used: HashMap<GrantId, Time> =
        sessions.iter().map(|issued| (issued.grant.id, issued.session.last_at)).collect();
    sessions.sort_by_key(|issued| {
        let (root, own) = (issued.grant.root, issued.session.last_at);
        let is_child = issued.grant.parent.is_some();
        (root != this, Reverse(used.get(&root).copied().unwrap_or(own)), root, is_child, Reverse(own))
    });
    sessions.iter().map(|issued| line(visit, issued, issued.grant.id == this)).collect()
}

/// Known devices, the latest first.
pub fn of_devices(visit: &Visit, mut devices: Vec<IssuedSession>, this: Option<GrantId>) -> Vec<SessionLine> {
    devices.sort_by_key(|issued| (Some(issued.grant.id) != this, Reverse(issued.session.last_at)));
    devices.iter().map(|issued| line(visit, issued, Some(issued.grant.id) == this)).collect()
}

fn line(visit: &Visit, issued: &IssuedSession, is_this: bool) -> SessionLine {
    let (words, session) = (visit.words, &issued.session);
    SessionLine {
        grant: issued.grant.id,
        is_this,
        is_child: issued.grant.parent.is_some(),
        agent: agent::describe(session.last_agent.as_deref(), words),
        host: session.host.clone().unwrap_or_default(),
        used: words.with("account.used", "when", words.ago(session.last_at, visit.now)),
        since: words.with("account.since", "when", words.date(session.signed_in_at)),
        ip: session.last_ip.map(|ip| ip.to_string()).unwrap_or_default(),
    }
}

/// One key.
pub fn key_line(visit: &Visit, issued: &IssuedKey) -> KeyLine {
    let words = visit.words;
    KeyLine {
        id: issued.key.id,
        name: issued.key.name.to_string(),
        hint: issued.hint.clone().unwrap_or_default(),
        scopes: issued.grant.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        used: match issued.last_used_at {
            Some(at) => words.with("account.used", "when", words.ago(at, visit.now)),
            None => words.say("account.never_used").to_owned(),
        },
        ends: match issued.grant.expires_at {
            Some(at) => words.with("account.ends", "when", words.date(at)),
            None => words.say("account.ends_never").to_owned(),
        },
    }
}
