//! Verification of sealed events: walks a chain of seals with their rows and names everything that is not as it was.
//!
//! Knows neither where rows come from nor how many there are: [`Walk::check`] is given one seal after another, each with
//! the rows that bear its number and those that it speaks of, wherever they are. What was never sealed cannot be judged.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::seal::{self, Anchor, Entry, Keys, Mac, Seal, Tag, same};

/// Something that is not as it was sealed, by the numbers of seals and events.
#[expect(missing_docs, reason = "the fields are the numbers that their names say")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The row of an event has another content.
    EventChanged { seal: i64, event: i64 },
    /// There is no row any more.
    EventDeleted { seal: i64, event: i64 },
    /// A row that was not there when its seal was made.
    EventAdded { seal: i64, event: i64 },
    /// Under this number stands what was sealed under another.
    EventMoved { seal: i64, event: i64, from: i64 },
    /// The row is right but says to be in another seal, or in none.
    EventReassigned { seal: i64, event: i64, to: Option<i64> },
    /// A column of the seal was changed.
    SealChanged { seal: i64 },
    /// Seals are gone.
    SealMissing { first: i64, last: i64 },
    /// A true seal, and not the one that stood here.
    SealOutOfChain { seal: i64 },
    /// This server has no such master key.
    SealKeyUnknown { seal: i64, key: i64 },
    /// What the sweep left for a beginning was changed.
    AnchorChanged,
    /// The end of the audit that was noted down is not there any more.
    EndCutOff { last: i64, noted: i64 },
    /// The seal that was noted down was another one.
    NotAsNoted { seal: i64 },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventChanged { seal, event } => write!(f, "event {event} (seal {seal}) was changed"),
            Self::EventDeleted { seal, event } => write!(f, "event {event} (seal {seal}) was deleted"),
            Self::EventAdded { seal, event } => write!(f, "event {event} was added to seal {seal} after it was made"),
            Self::EventMoved { seal, event, from } => {
                write!(f, "event {event} (seal {seal}) shows what was sealed as event {from}")
            }
            Self::EventReassigned { seal, event, to: Some(to) } => {
                write!(f, "event {event} was moved from seal {seal} to seal {to}")
            }
            Self::EventReassigned { seal, event, to: None } => write!(f, "event {event} was taken out of seal {seal}"),
            Self::SealChanged { seal } => write!(f, "seal {seal} was changed"),
            Self::SealMissing { first, last } if first == last => write!(f, "seal {first} was deleted"),
            Self::SealMissing { first, last } => write!(f, "seals {first} to {last} were deleted"),
            Self::SealOutOfChain { seal } => write!(f, "seal {seal} does not follow the one before it"),
            Self::SealKeyUnknown { seal, key } => {
                write!(f, "seal {seal} says to be made with master key {key}, which this server does not have")
            }
            Self::AnchorChanged => f.write_str("the beginning that the sweep of old seals left was changed"),
            Self::EndCutOff { last, noted } => {
                write!(f, "the audit ends with seal {last}, but seal {noted} was noted down: the end was cut off")
            }
            Self::NotAsNoted { seal } => write!(f, "seal {seal} is not the one that was noted down"),
        }
    }
}

/// The seal that the next one has to follow.
#[derive(Debug, Clone)]
struct Link {
    number: i64,
    /// What it says its digest is; nothing where it is gone.
    stored: Vec<u8>,
    /// What its digest should be, where that can be said.
    computed: Option<Mac>,
}

impl Link {
    fn of(keys: &[Keys], seal: &Seal) -> Self {
        let computed = seal::find(keys, seal.key_number).map(|keys| keys.mac(seal));
        Self { number: seal.number, stored: seal.mac.clone(), computed }
    }

    /// A digest that was changed in the seal before is that seal's finding, not that of the one behind it.
    fn is_followed_by(&self, seal: &Seal) -> bool {
        same(&self.stored, &seal.previous_mac)
            || self.computed.is_some_and(|computed| same(&computed, &seal.previous_mac))
    }
}

/// A walk along the chain.
pub struct Walk<'k> {
    keys: &'k [Keys],
    before: Link,
    /// How many seals were looked at.
    pub seals: usize,
    /// How many of their events.
    pub events: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl<'k> Walk<'k> {
    /// From the beginning: the first seal of all, or the one behind the anchor.
    pub fn begin(keys: &'k [Keys], anchor: Option<&Anchor>) -> Self {
        let (number, mac) = anchor.map_or((0, [0; 32]), |anchor| (anchor.number, anchor.mac));
        Self::behind(keys, Link { number, stored: mac.to_vec(), computed: None })
    }

    /// From behind a seal of which an earlier walk has told, as far as it is still there.
    pub fn go_on(keys: &'k [Keys], after: i64, seal: Option<&Seal>) -> Self {
        let gone = || Link { number: after, stored: Vec::new(), computed: None };
        Self::behind(keys, seal.map_or_else(gone, |seal| Link::of(keys, seal)))
    }

    fn behind(keys: &'k [Keys], before: Link) -> Self {
        Self { keys, before, seals: 0, events: 0, findings: Vec::new() }
    }

    /// The number of the seal that was looked at last.
    pub fn last(&self) -> i64 {
        self.before.number
    }

    /// Looks at the next seal. `entries` are the rows that bear its number and those whose numbers it lists.
    pub fn check(&mut self, seal: &Seal, entries: &[Entry]) {
        self.seals += 1;
        let is_true = self.check_seal(seal);
        self.before = Link::of(self.keys, seal);
        let Some(keys) = seal::find(self.keys, seal.key_number) else { return };
        let Some(rows) = seal.rows() else { return };
        let rows: Vec<_> = rows.collect();
        self.events += rows.len();
        // A list that was itself changed proves of no row that it was not there.
        let is_proven =
            |finding: &Finding| is_true || !matches!(finding, Finding::EventAdded { .. } | Finding::EventMoved { .. });
        self.findings.extend(compare(keys, seal.number, &rows, entries).into_iter().filter(is_proven));
    }

    /// True where the seal is as it was made.
    fn check_seal(&mut self, seal: &Seal) -> bool {
        let (number, expected) = (seal.number, self.before.number.saturating_add(1));
        if number > expected {
            self.findings.push(Finding::SealMissing { first: expected, last: number - 1 });
        }
        let Some(keys) = seal::find(self.keys, seal.key_number) else {
            self.findings.push(Finding::SealKeyUnknown { seal: number, key: seal.key_number });
            return false;
        };
        if !same(&keys.mac(seal), &seal.mac) {
            self.findings.push(Finding::SealChanged { seal: number });
            return false;
        }
        if number == expected && !self.before.stored.is_empty() && !self.before.is_followed_by(seal) {
            self.findings.push(Finding::SealOutOfChain { seal: number });
        }
        true
    }

    /// Compares with a seal that was noted down out of reach of who writes rows. Called once, at the end.
    pub fn check_end(&mut self, noted: i64) {
        let last = self.last();
        if last < noted {
            self.findings.push(Finding::EndCutOff { last, noted });
        }
    }
}

/// How many of these seals, from the first one on, are as they were made and follow each other behind the anchor. Their
/// events are not looked at.
pub fn count_true(keys: &[Keys], anchor: Option<&Anchor>, seals: &[Seal]) -> usize {
    let mut walk = Walk::begin(keys, anchor);
    let is_true = |seal: &&Seal| {
        let is_true = walk.check_seal(seal) && walk.findings.is_empty();
        walk.before = Link::of(keys, seal);
        is_true
    };
    seals.iter().take_while(is_true).count()
}

/// Names every row that is not what its seal lists.
fn compare(keys: &Keys, seal: i64, rows: &[(i64, Tag)], entries: &[Entry]) -> Vec<Finding> {
    let sealed: HashMap<i64, Tag> = rows.iter().copied().collect();
    let origin: HashMap<Tag, i64> = rows.iter().map(|(number, tag)| (*tag, *number)).collect();
    let mut findings = Vec::new();
    let mut moved_from = Vec::new();
    for entry in entries {
        let (event, tag) = (entry.number, keys.tag(entry));
        let is_as_sealed = entry.columns.is_some() && sealed.get(&event).is_some_and(|sealed| same(sealed, &tag));
        if is_as_sealed {
            if entry.seal != Some(seal) {
                findings.push(Finding::EventReassigned { seal, event, to: entry.seal });
            }
            continue;
        }
        let from = origin.get(&tag).copied().filter(|_| entry.columns.is_some());
        findings.push(match from {
            Some(from) => {
                moved_from.push(from);
                Finding::EventMoved { seal, event, from }
            }
            None if sealed.contains_key(&event) => Finding::EventChanged { seal, event },
            None => Finding::EventAdded { seal, event },
        });
    }
    let present: HashSet<i64> = entries.iter().map(|entry| entry.number).chain(moved_from).collect();
    let gone = rows.iter().filter(|(number, _)| !present.contains(number));
    findings.extend(gone.map(|(event, _)| Finding::EventDeleted { seal, event: *event }));
    findings.sort_by_key(place);
    findings
}

/// In the order of the rows.
fn place(finding: &Finding) -> i64 {
    match finding {
        Finding::EventChanged { event, .. }
        | Finding::EventDeleted { event, .. }
        | Finding::EventAdded { event, .. }
        | Finding::EventMoved { event, .. }
        | Finding::EventReassigned { event, .. } => *event,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
