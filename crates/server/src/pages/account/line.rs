//! What can act as somebody, each as a line of a list.

use std::cmp::Reverse;
use std::collections::HashMap;

use admit_core::id::{GrantId, KeyId, SubjectId, UserId};
use admit_core::time::Time;
use admit_store::{DayUse, IssuedKey, IssuedSession};

use crate::http::problem::Problem;
use crate::pages::agent;
use crate::pages::graph::{self, Spark};
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
    /// How often it was used on each of the last days; none where that is not asked for.
    pub(in crate::pages) graph: Option<Spark>,
}

/// How many days a graph shows.
const DAYS: i64 = 30;

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
        graph: None,
    }
}

/// Adds to each key how often it was used on each of the last days.
pub fn add_graphs(visit: &Visit, owner: UserId, keys: &mut [KeyLine]) -> Result<(), Problem> {
    if keys.is_empty() {
        return Ok(());
    }
    let first = visit.now.day() - DAYS + 1;
    let used = visit.app.store.point(|tx| tx.list_usage_of(visit.row().id, SubjectId::User(owner), first))?;
    let mut days: HashMap<KeyId, Vec<u64>> = HashMap::new();
    for DayUse { key, day, count } in used {
        let of_key = days.entry(key).or_insert_with(|| vec![0; DAYS as usize]);
        if let Some(bar) = usize::try_from(day - first).ok().and_then(|place| of_key.get_mut(place)) {
            *bar = u64::try_from(count).unwrap_or_default();
        }
    }
    for line in keys {
        let Some(values) = days.get(&line.id) else { continue };
        let total = values.iter().sum::<u64>().to_string();
        let label = visit.words.fill("account.used_days", &[("n", &total), ("days", &DAYS.to_string())]);
        line.graph = Some(graph::spark(values, &label));
    }
    Ok(())
}
