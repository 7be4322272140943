//! Up to which change each id is known: what keeps caches honest.
//!
//! Every change names an id, and an id has one of 65,536 slots. A change raises its slot to the change's number before the
//! change is acknowledged. An entry remembers the number that its snapshot saw and the slots of all ids it depends on, and
//! counts only while none of them stands higher. So a fill that raced with a revocation loses, whatever the order: the
//! test is made at each use, not at the insertion. Two ids in one slot cost a needless read, never a stale answer.

use std::sync::atomic::{AtomicI64, Ordering};

use admit_core::id::RealmId;
use admit_store::{Change, ChangeKind};

/// How many slots there are; a slot is a `u16`.
const SLOTS: usize = 1 << 16;

/// The slots.
pub struct Epochs {
    slots: Box<[AtomicI64]>,
}

impl Default for Epochs {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicI64::new(0)).collect() }
    }
}

/// The slot of an id. The last octets of an id and of a hash are random.
pub fn slot(id: &[u8; 16]) -> u16 {
    u16::from_le_bytes([id[14], id[15]])
}

/// The slot of a realm's rules and APIs, apart from that of the realm itself: a changed rule unsettles no credential.
pub fn policy_slot(realm: RealmId) -> u16 {
    slot(realm.bytes()) ^ 0x5A5A
}

impl Epochs {
    /// Takes in committed changes. Called before any of them is acknowledged.
    pub fn apply(&self, changes: &[Change]) {
        for change in changes {
            self.raise(slot(&change.id), change.number);
            let of_realm = slot(change.realm.bytes());
            match change.kind {
                ChangeKind::Rule => self.raise(policy_slot(change.realm), change.number),
                ChangeKind::Role => self.raise(of_realm, change.number),
                ChangeKind::Api | ChangeKind::Realm => {
                    self.raise(of_realm, change.number);
                    self.raise(policy_slot(change.realm), change.number);
                }
                ChangeKind::Client
                | ChangeKind::User
                | ChangeKind::Grant
                | ChangeKind::Key
                | ChangeKind::Credential => {}
            }
        }
    }

    fn raise(&self, slot: u16, number: i64) {
        self.slots[usize::from(slot)].fetch_max(number, Ordering::AcqRel);
    }

    /// True while none of the slots has changed after `position`.
    pub fn is_current(&self, slots: &[u16], position: i64) -> bool {
        slots.iter().all(|slot| self.slots[usize::from(*slot)].load(Ordering::Acquire) <= position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, id: [u8; 16], number: i64) -> Change {
        Change { number, realm: RealmId::from_bytes([1; 16]), kind, id }
    }

    #[test]
    fn a_change_ends_what_depends_on_it_and_nothing_else() {
        let epochs = Epochs::default();
        let (key, other) = (slot(&[7; 16]), slot(&[8; 16]));
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 5)]);
        assert!(!epochs.is_current(&[key], 4), "read before the change");
        assert!(epochs.is_current(&[key], 5), "read with the change");
        assert!(epochs.is_current(&[other], 0));
    }

    #[test]
    fn a_changed_rule_unsettles_the_policy_but_no_credential() {
        let epochs = Epochs::default();
        let realm = RealmId::from_bytes([1; 16]);
        epochs.apply(&[change(ChangeKind::Rule, [9; 16], 3)]);
        assert!(!epochs.is_current(&[policy_slot(realm)], 2));
        assert!(epochs.is_current(&[slot(realm.bytes())], 2));
        epochs.apply(&[change(ChangeKind::Role, [9; 16], 4)]);
        assert!(!epochs.is_current(&[slot(realm.bytes())], 3), "a role changes what every subject of the realm may");
    }

    #[test]
    fn numbers_never_go_back() {
        let epochs = Epochs::default();
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 9), change(ChangeKind::Key, [7; 16], 4)]);
        assert!(!epochs.is_current(&[slot(&[7; 16])], 8));
    }
}
