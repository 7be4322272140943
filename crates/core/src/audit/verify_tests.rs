use proptest::prelude::*;

use super::*;
use crate::audit::seal::Columns;
use crate::audit::seal::tests::{entry, keys};
use crate::secret::MasterKey;
use crate::time::Time;

/// Seals of three events each, and all events: what a store would hold.
#[derive(Clone)]
struct Store {
    seals: Vec<Seal>,
    entries: Vec<Entry>,
}

fn store(seals: i64) -> Store {
    let mut store = Store { seals: Vec::new(), entries: Vec::new() };
    for number in 1..=seals {
        let events: Vec<_> = (number * 3 - 2..=number * 3).map(entry).collect();
        let seal = keys().seal(store.seals.last(), &events, Time::from_unix_ms(number)).unwrap();
        store.entries.extend(events.into_iter().map(|event| Entry { seal: Some(number), ..event }));
        store.seals.push(seal);
    }
    store
}

impl Store {
    fn verify(&self) -> Vec<Finding> {
        let keys = [keys()];
        let mut walk = Walk::begin(&keys, None);
        for seal in &self.seals {
            let listed: Vec<_> = seal.rows().into_iter().flatten().map(|(number, _)| number).collect();
            let belongs = |entry: &&Entry| entry.seal == Some(seal.number) || listed.contains(&entry.number);
            walk.check(seal, &self.entries.iter().filter(belongs).cloned().collect::<Vec<_>>());
        }
        walk.findings
    }

    fn columns(&mut self, event: usize) -> &mut Columns {
        self.entries[event - 1].columns.as_mut().unwrap()
    }
}

/// The findings of a store after something was done to it.
fn after(change: impl FnOnce(&mut Store)) -> Vec<Finding> {
    let mut store = store(3);
    change(&mut store);
    store.verify()
}

#[test]
fn what_is_as_it_was_is_found_to_be_so() {
    assert_eq!(store(5).verify(), []);
    let keys = [keys()];
    let mut walk = Walk::begin(&keys, None);
    let one = store(1);
    walk.check(&one.seals[0], &one.entries);
    assert_eq!((walk.seals, walk.events, walk.last(), walk.findings), (1, 3, 1, vec![]));
}

#[test]
fn every_column_of_an_event_counts() {
    let changes: [fn(&mut Columns); 9] = [
        |columns| columns.id = crate::id::EventId::from_bytes([99; 16]),
        |columns| columns.realm = None,
        |columns| columns.at = Time::from_unix_ms(0),
        |columns| columns.kind.push('x'),
        |columns| columns.actor.clear(),
        |columns| columns.target.push(' '),
        |columns| columns.reason = Some(String::new()),
        |columns| columns.request_id = None,
        |columns| columns.detail.as_mut().unwrap().push(' '),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let found = after(|store| change(store.columns(5)));
        assert_eq!(found, [Finding::EventChanged { seal: 2, event: 5 }], "column {place}");
    }
    assert_eq!(after(|store| store.entries[4].columns = None), [Finding::EventChanged { seal: 2, event: 5 }]);
}

#[test]
fn every_column_of_a_seal_counts() {
    let changes: [fn(&mut Seal); 7] = [
        |seal| seal.first_event -= 1,
        |seal| seal.last_event += 1,
        |seal| seal.event_count += 1,
        |seal| seal.previous_mac[0] ^= 1,
        |seal| seal.mac[31] ^= 1,
        |seal| seal.sealed_at = Time::from_unix_ms(7),
        |seal| seal.previous_mac.clear(),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        assert_eq!(after(|store| change(&mut store.seals[1])), [Finding::SealChanged { seal: 2 }], "column {place}");
    }
    let found = after(|store| store.seals[1].key_number = 2);
    assert_eq!(found, [Finding::SealKeyUnknown { seal: 2, key: 2 }]);
    for octet in 0..72 {
        let found = after(|store| store.seals[1].tags[octet] ^= 1);
        assert_eq!(found[0], Finding::SealChanged { seal: 2 }, "octet {octet}");
    }
    assert_eq!(after(|store| store.seals[1].tags.truncate(71))[0], Finding::SealChanged { seal: 2 });
}

#[test]
fn what_is_gone_new_or_elsewhere_is_named() {
    let found = after(|store| drop(store.entries.remove(4)));
    assert_eq!(found, [Finding::EventDeleted { seal: 2, event: 5 }]);
    let found = after(|store| store.entries.push(Entry { seal: Some(2), ..entry(77) }));
    assert_eq!(found, [Finding::EventAdded { seal: 2, event: 77 }]);
    let found = after(|store| {
        let (four, six) = (store.entries[3].columns.clone(), store.entries[5].columns.clone());
        (store.entries[3].columns, store.entries[5].columns) = (six, four);
    });
    let moved = |event, from| Finding::EventMoved { seal: 2, event, from };
    assert_eq!(found, [moved(4, 6), moved(6, 4)]);
    let found = after(|store| store.entries[4].number = 77);
    assert_eq!(found, [moved(77, 5)], "moved, not deleted and added");
    let found = after(|store| store.entries[4].seal = Some(1));
    let (one, two) =
        (Finding::EventAdded { seal: 1, event: 5 }, Finding::EventReassigned { seal: 2, event: 5, to: Some(1) });
    assert_eq!(found, [one, two]);
    let found = after(|store| store.entries[4].seal = None);
    assert_eq!(found, [Finding::EventReassigned { seal: 2, event: 5, to: None }]);
}

#[test]
fn a_seal_that_is_gone_or_another_is_named() {
    assert_eq!(after(|store| drop(store.seals.remove(1))), [Finding::SealMissing { first: 2, last: 2 }]);
    assert_eq!(after(|store| drop(store.seals.drain(..2))), [Finding::SealMissing { first: 1, last: 2 }]);
    // A true seal of another store with the same key: its events were never those of this one.
    let found = after(|store| {
        let mut first = store.seals[0].clone();
        first.mac = vec![5; 32];
        let events: Vec<_> = store.entries[3..6].iter().map(|event| Entry { seal: None, ..event.clone() }).collect();
        store.seals[1] = keys().seal(Some(&first), &events, Time::from_unix_ms(2)).unwrap();
    });
    assert_eq!(found, [Finding::SealOutOfChain { seal: 2 }, Finding::SealOutOfChain { seal: 3 }]);
}

#[test]
fn who_lacks_the_key_cannot_make_a_seal() {
    let forger = Keys::new(&MasterKey::new([8; 32]), 1);
    let found = after(|store| {
        store.columns(5).actor = "nobody".to_owned();
        let events = store.entries[3..6].to_vec();
        store.seals[1] = forger.seal(store.seals.first(), &events, Time::from_unix_ms(2)).unwrap();
    });
    assert_eq!(found[0], Finding::SealChanged { seal: 2 });
}

#[test]
fn a_walk_goes_on_where_another_ended() {
    let (all, keys) = (store(3), [keys()]);
    let mut walk = Walk::go_on(&keys, 1, all.seals.first());
    walk.check(&all.seals[1], &all.entries[3..6]);
    assert_eq!(walk.findings, []);
    let mut walk = Walk::go_on(&keys, 1, None);
    walk.check(&all.seals[1], &all.entries[3..6]);
    assert_eq!(walk.findings, [], "that the one before is gone was told before");
    let anchor = seal::read_anchor(&keys, &keys[0].anchor(&all.seals[0])).unwrap();
    let mut walk = Walk::begin(&keys, Some(&anchor));
    walk.check(&all.seals[1], &all.entries[3..6]);
    assert_eq!(walk.findings, []);
    walk.check_end(2);
    assert_eq!(walk.findings, []);
    walk.check_end(3);
    assert_eq!(walk.findings, [Finding::EndCutOff { last: 2, noted: 3 }]);
}

#[test]
fn seals_are_true_up_to_the_first_that_is_not() {
    let (all, keys) = (store(3).seals, [keys()]);
    let count = |change: fn(&mut Vec<Seal>)| {
        let mut seals = all.clone();
        change(&mut seals);
        count_true(&keys, None, &seals)
    };
    assert_eq!(count(|_| ()), 3);
    assert_eq!(count(|seals| seals[1].sealed_at = Time::from_unix_ms(0)), 1, "who is called old");
    assert_eq!(count(|seals| drop(seals.remove(1))), 1, "a gap");
    assert_eq!(count(|seals| drop(seals.remove(0))), 0, "a gap at the beginning");
    assert_eq!(count(|seals| seals[1].key_number = 9), 1, "an unknown key");
    let anchor = |at: usize| seal::read_anchor(&keys, &keys[0].anchor(&all[at])).unwrap();
    assert_eq!(count_true(&keys, Some(&anchor(0)), &all[1..]), 2);
    assert_eq!(count_true(&keys, Some(&anchor(0)), &all[2..]), 0);
    let other = Anchor { mac: [1; 32], ..anchor(0) };
    assert_eq!(count_true(&keys, Some(&other), &all[1..]), 0, "another chain");
}

proptest! {
    #[test]
    fn whatever_is_done_to_the_rows_is_found(
        deeds in prop::collection::vec((0_u8..6, 0_usize..9, 0_usize..9, any::<u8>()), 1..5)
    ) {
        let whole = store(3);
        let mut changed = whole.clone();
        for (deed, one, other, octet) in deeds {
            if changed.entries.is_empty() {
                break;
            }
            let (one, other) = (one % changed.entries.len(), other % changed.entries.len());
            match deed {
                0 => drop(changed.entries.remove(one)),
                1 => {
                    let number = changed.entries[one].number;
                    changed.entries[one].number = changed.entries[other].number;
                    changed.entries[other].number = number;
                }
                2 => changed.entries[one].columns = entry(i64::from(octet)).columns,
                3 => changed.entries[one].seal = Some(i64::from(octet % 4)),
                4 => changed.seals[one % 3].mac[usize::from(octet % 32)] ^= octet,
                _ => changed.seals[one % 3].sealed_at = Time::from_unix_ms(i64::from(octet)),
            }
        }
        changed.entries.sort_by_key(|entry| entry.number);
        let is_whole = changed.entries == whole.entries && changed.seals == whole.seals;
        prop_assert_eq!(changed.verify().is_empty(), is_whole);
    }

    #[test]
    fn any_octets_are_a_list_of_rows_or_none(tags in prop::collection::vec(any::<u8>(), 0..100)) {
        let seal = Seal { tags: tags.clone(), ..store(1).seals.remove(0) };
        prop_assert_eq!(seal.rows().is_some(), tags.len() % 24 == 0);
        let keys = [keys()];
        let mut walk = Walk::begin(&keys, None);
        walk.check(&seal, &[]);
        prop_assert!(!walk.findings.is_empty());
    }
}
