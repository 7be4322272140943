//! Up to which change each id is known: what keeps caches honest.
//!
//! This node counts the changes that it learns of, in the order in which it learns of them; the numbers of the store are of
//! no use here, because on an engine with many writers a lower one may become visible later. Every change names an id, and
//! an id has one of a million slots. A change is given the next number and raises its slot to it before it is acknowledged.
//!
//! A fill takes [`Epochs::position`] **before** its snapshot begins. What had been learned by then was committed before and
//! is seen by the snapshot; whatever is learned later raises a slot above the position. An entry remembers the position and
//! the slots of all ids it depends on, and counts only while none of them stands higher. So a fill that raced with a
//! revocation loses, whatever the order: the test is made at each use, not at the insertion. Two ids in one slot cost a
//! needless read, never a stale answer; with fewer slots a busy store would make a miss of every other request for a
//! million keys.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use admit_core::id::RealmId;
use admit_store::{Change, ChangeKind};
use parking_lot::Mutex;

/// How many bits the number of a slot has.
pub(super) const SLOT_BITS: u32 = 20;

/// Where changes of an id are noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub(super) u32);

/// The slots, how many changes were learned, and how many of these have raised their slots.
pub struct Epochs {
    learned: AtomicI64,
    settled: AtomicI64,
    /// Nothing that was filled before is worth anything.
    floor: AtomicI64,
    one_at_a_time: Mutex<()>,
    /// From where the slots count: half the memory, and half of what has to come to the processor.
    base: AtomicI64,
    slots: Box<[AtomicU32]>,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            learned: AtomicI64::new(0),
            settled: AtomicI64::new(0),
            floor: AtomicI64::new(0),
            one_at_a_time: Mutex::default(),
            base: AtomicI64::new(0),
            // Four megabytes, of which the system gives only what is written to.
            slots: bytemuck::zeroed_slice_box(1 << SLOT_BITS),
        }
    }
}

/// The slot of an id. The last octets of an id and of a hash are random.
pub fn slot(id: &[u8; 16]) -> Slot {
    Slot(u32::from_le_bytes([id[12], id[13], id[14], id[15]]) >> (32 - SLOT_BITS))
}

/// The slot of a realm's rules and APIs, apart from that of the realm itself: a changed rule unsettles no credential.
pub fn policy_slot(realm: RealmId) -> Slot {
    Slot(slot(realm.bytes()).0 ^ 0x5A5A)
}

/// The slot of a realm's signing keys: a new one unsettles no credential.
pub fn signing_slot(realm: RealmId) -> Slot {
    Slot(slot(realm.bytes()).0 ^ 0xA5A5)
}

/// The slot of a realm's clients as a whole, for what is known of all of them.
pub fn clients_slot(realm: RealmId) -> Slot {
    Slot(slot(realm.bytes()).0 ^ 0x3C3C)
}

impl Epochs {
    /// How many changes this node has learned of. To be taken before the snapshot that fills a cache begins.
    pub fn position(&self) -> i64 {
        self.learned.load(Ordering::Acquire)
    }

    /// Up to here every change has raised its slots: what any cache says from now on knows of all of them. For what is made
    /// of entries of other caches, which may have been looked at before a change that was drawn raised its slot.
    pub fn settled(&self) -> i64 {
        self.settled.load(Ordering::Acquire)
    }

    /// Takes in committed changes. Called before any of them is acknowledged.
    pub fn apply(&self, changes: &[Change]) {
        let _turn = self.one_at_a_time.lock();
        for change in changes {
            let number = self.draw();
            if number - self.base.load(Ordering::Acquire) >= i64::from(u32::MAX) {
                self.count_anew(number);
            }
            self.raise(change, number);
            self.settle(number);
        }
    }

    /// Makes every entry worthless that was filled until now: what changed meanwhile is not known.
    pub fn forget(&self) {
        let _turn = self.one_at_a_time.lock();
        let number = self.draw();
        self.floor.store(number, Ordering::Release);
        self.settled.store(number, Ordering::Release);
    }

    /// Moves the base up to a number that was just drawn, every four thousand million changes: nothing that was filled before
    /// counts any more, so no slot has to be remembered. A slot that is read under the new base and was not emptied yet
    /// stands too high, which costs a read.
    fn count_anew(&self, number: i64) {
        self.floor.store(number, Ordering::Release);
        self.base.store(number - 1, Ordering::Release);
        self.slots.iter().for_each(|slot| slot.store(0, Ordering::Release));
    }

    /// The number of a change that is committed and not yet known to any slot. A fill that takes its position from now on
    /// sees the change in its snapshot.
    pub(super) fn draw(&self) -> i64 {
        self.learned.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Ends what depends on the changed id and was filled before the number was drawn.
    pub(super) fn raise(&self, change: &Change, number: i64) {
        let above = number - self.base.load(Ordering::Acquire);
        let above = u32::try_from(above.max(0)).unwrap_or(u32::MAX);
        let raise = |slot: Slot| {
            self.at(slot).fetch_max(above, Ordering::AcqRel);
        };
        raise(slot(&change.id));
        let of_realm = slot(change.realm.bytes());
        match change.kind {
            ChangeKind::Rule => raise(policy_slot(change.realm)),
            ChangeKind::Role => raise(of_realm),
            ChangeKind::Api | ChangeKind::Realm => {
                raise(of_realm);
                raise(policy_slot(change.realm));
            }
            ChangeKind::SigningKey => raise(signing_slot(change.realm)),
            ChangeKind::Client => raise(clients_slot(change.realm)),
            ChangeKind::Token | ChangeKind::User | ChangeKind::Grant | ChangeKind::Key | ChangeKind::Credential => {}
        }
    }

    /// Notes that every change up to this number has raised its slots.
    pub(super) fn settle(&self, number: i64) {
        self.settled.store(number, Ordering::Release);
    }

    /// True while none of the slots has changed after `position`.
    pub fn is_current(&self, slots: impl IntoIterator<Item = Slot>, position: i64) -> bool {
        self.renew(slots, position).is_some()
    }

    /// The position up to which an entry is now known to be current; none where it is not. Who keeps it spares the next
    /// look at the slots, which are seldom in the processor's cache, until something else changes.
    pub fn renew(&self, slots: impl IntoIterator<Item = Slot>, position: i64) -> Option<i64> {
        if position >= self.position() {
            return Some(position);
        }
        // Read before the slots: up to here every change has raised its own.
        let settled = self.settled.load(Ordering::Acquire);
        let above = position - self.base.load(Ordering::Acquire);
        let is_unchanged =
            above >= 0 && slots.into_iter().all(|slot| i64::from(self.at(slot).load(Ordering::Acquire)) <= above);
        // Read after the slots: one that was emptied meanwhile says nothing, the floor that rose before does.
        let counts = is_unchanged && position >= self.floor.load(Ordering::Acquire);
        counts.then(|| position.max(settled))
    }

    fn at(&self, slot: Slot) -> &AtomicU32 {
        &self.slots[slot.0 as usize]
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
        let before = epochs.position();
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 5)]);
        assert!(!epochs.is_current([key], before), "read before the change");
        assert!(epochs.is_current([key], epochs.position()), "read with the change");
        assert!(epochs.is_current([other], before));
    }

    #[test]
    fn a_changed_rule_unsettles_the_policy_but_no_credential() {
        let epochs = Epochs::default();
        let realm = RealmId::from_bytes([1; 16]);
        epochs.apply(&[change(ChangeKind::Rule, [9; 16], 3)]);
        assert!(!epochs.is_current([policy_slot(realm)], 0));
        assert!(epochs.is_current([slot(realm.bytes())], 0));
        epochs.apply(&[change(ChangeKind::Role, [9; 16], 4)]);
        assert!(!epochs.is_current([slot(realm.bytes())], 1), "a role changes what every subject of the realm may");
    }

    #[test]
    fn a_change_whose_number_is_lower_than_one_that_was_learned_before_counts_all_the_same() {
        let epochs = Epochs::default();
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 9)]);
        let between = epochs.position();
        assert!(epochs.is_current([slot(&[7; 16])], between));
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 4)]);
        assert!(!epochs.is_current([slot(&[7; 16])], between), "committed later, whatever its number");
        assert!(epochs.is_current([slot(&[7; 16])], epochs.position()));
    }

    #[test]
    fn when_the_slots_are_full_they_are_emptied_and_nothing_old_counts() {
        let epochs = Epochs::default();
        let (key, other) = (slot(&[7; 16]), slot(&[8; 16]));
        // As if so many changes had come by.
        epochs.learned.store(i64::from(u32::MAX) - 2, Ordering::Release);
        let before = epochs.position();
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 1)]);
        assert!(!epochs.is_current([key], before) && epochs.is_current([other], before));
        let nearly = epochs.position();
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 2)]);
        assert_eq!(epochs.base.load(Ordering::Acquire), i64::from(u32::MAX) - 1, "they count anew");
        assert!(!epochs.is_current([key], nearly) && !epochs.is_current([other], nearly), "whatever was filled before");
        let after = epochs.position();
        assert!(epochs.is_current([key], after) && epochs.is_current([other], after));
        epochs.apply(&[change(ChangeKind::Key, [7; 16], 3)]);
        assert!(!epochs.is_current([key], after) && epochs.is_current([other], after));
    }

    #[test]
    fn what_is_forgotten_is_forgotten_for_every_id() {
        let epochs = Epochs::default();
        let before = epochs.position();
        epochs.forget();
        let every = || (0..1 << SLOT_BITS).map(Slot);
        assert!(every().all(|slot| !epochs.is_current([slot], before)));
        assert!(every().all(|slot| epochs.is_current([slot], epochs.position())));
        assert!(!epochs.is_current([], before), "what depends on nothing too");
    }

    #[test]
    fn a_renewed_entry_is_not_spared_a_change_that_is_drawn_and_not_yet_raised() {
        let epochs = Epochs::default();
        let (key, position) = (slot(&[7; 16]), epochs.position());
        epochs.apply(&[change(ChangeKind::Key, [8; 16], 1)]);
        let number = epochs.draw();
        let renewed = epochs.renew([key], position).unwrap();
        assert_eq!(renewed, 1, "as far as every slot is raised, no further");
        epochs.raise(&change(ChangeKind::Key, [7; 16], 2), number);
        assert_eq!(epochs.renew([key], renewed), None);
    }
}
