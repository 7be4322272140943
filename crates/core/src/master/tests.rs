use proptest::prelude::*;

use super::*;

fn text(keys: &[(i64, u8)]) -> String {
    keys.iter().map(|(number, octet)| line(*number, &[*octet; 32]).to_string()).collect()
}

fn keys(keys: &[(i64, u8)]) -> Vec<Derived> {
    Ring::parse(&text(keys)).unwrap().derive()
}

fn at(ms: i64) -> Time {
    Time::from_unix_ms(ms)
}

fn long_after() -> Time {
    at(1_000) + SETTLES
}

/// Key 1 was there first, key 2 is active.
fn rotated() -> Known {
    let mut known = Known::first(&keys(&[(1, 7)]));
    known.rotate(&keys(&[(1, 7), (2, 8)]), at(1_000)).unwrap();
    known
}

proptest! {
    #[test]
    fn any_text_is_a_ring_or_none_and_repeats_nothing(text in "[0-9a-f \n,x]{0,200}") {
        if let Err(wrong) = Ring::parse(&text) {
            prop_assert!(!wrong.to_string().contains(text.trim()) || text.trim().len() < 16);
        }
    }

    #[test]
    fn any_octets_are_a_memory_or_none(octets in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Known::read(&octets);
    }
}

#[test]
fn a_source_is_digits_or_numbered_lines() {
    let digits = "aB".repeat(32);
    for good in [digits.clone(), format!("{digits}\n"), format!("1 {digits}"), format!("\n 1\t{digits} \n\n")] {
        assert_eq!(Ring::parse(&good).unwrap().numbers().collect::<Vec<_>>(), [1], "{good:?}");
    }
    let two = format!("{digits},2 {}", "cd".repeat(32));
    assert_eq!(Ring::parse(&two).unwrap().newest(), 2);
    let short = &digits[1..];
    for bad in ["", "\n", short, &format!("0 {digits}"), &format!("-1 {digits}"), &format!("1 1 {digits}"), "1"] {
        assert_eq!(Ring::parse(bad).err(), Some(NoRing::Form), "{bad:?}");
    }
    assert_eq!(Ring::parse(&text(&[(2, 1), (2, 2)])).err(), Some(NoRing::Twice(2)));
    assert_eq!(Ring::parse(&text(&[(1, 5), (2, 5)])).err(), Some(NoRing::Same(1, 2)));
}

#[test]
fn a_source_has_1_to_8_keys() {
    let many: Vec<_> = (1..=9).map(|number| (i64::from(number), number)).collect();
    assert_eq!(Ring::parse(&text(&many[..8])).unwrap().numbers().count(), KEYS_MAX);
    assert_eq!(Ring::parse(&text(&many)).err(), Some(NoRing::TooMany));
}

#[test]
fn a_store_of_one_key_reads_as_key_1() {
    let check = MasterKey::new([7; 32]).check_value();
    let known = Known::read(&check).unwrap();
    assert_eq!((known.active(), known.judge(&keys(&[(1, 7)]))), (1, Ok(())));
    assert_eq!(known, Known::first(&keys(&[(1, 7)])));
    assert_eq!(Known::read(&rotated().octets()), Some(rotated()));
}

#[test]
fn every_key_that_counts_must_be_there_and_the_same() {
    let known = rotated();
    for (source, verdict) in [
        (&[(1, 7), (2, 8)][..], Ok(())),
        (&[(1, 7), (2, 8), (3, 9)], Ok(())),
        (&[(1, 7), (2, 9)], Err(Unfit::Other(2))),
        (&[(1, 7)], Err(Unfit::NoActive(2))),
        (&[(2, 8)], Err(Unfit::Missing(1))),
    ] {
        assert_eq!(known.judge(&keys(source)), verdict, "{source:?}");
        assert_eq!(Keys::settle(keys(source), known.clone()).err(), verdict.err(), "{source:?}");
    }
}

#[test]
fn rotation_takes_the_newest_key_and_needs_one() {
    let mut known = rotated();
    assert_eq!((known.active(), known.rotated_at()), (2, Some(at(1_000))));
    assert_eq!(known.rotate(&keys(&[(1, 7), (2, 8)]), at(2_000)), Err(NoRotation::NoNewer));
    assert_eq!(known.rotate(&keys(&[(2, 8), (3, 9)]), at(2_000)), Err(NoRotation::Unfit(Unfit::Missing(1))));
    assert_eq!(known, rotated(), "a rotation that cannot be changes nothing");
    let in_use = Keys::settle(keys(&[(1, 7), (2, 8), (3, 9)]), known).unwrap();
    let numbers: Vec<_> = in_use.usable().iter().map(|key| key.number).collect();
    assert_eq!((in_use.active().number, numbers), (2, vec![2, 1]), "what the store does not count is not used");
}

#[test]
fn a_number_is_never_given_twice() {
    let mut known = Known::first(&keys(&[(1, 7)]));
    assert!(known.join(&keys(&[(1, 7), (2, 8)])) && !known.join(&keys(&[(1, 7), (2, 8)])));
    known.remove(2, at(0)).unwrap();
    assert_eq!((known.last(), known.join(&keys(&[(1, 7), (2, 9)]))), (2, false));
    assert_eq!(known.judge(&keys(&[(1, 7), (2, 9)])), Ok(()), "a number that counts no more may be anything");
}

#[test]
fn the_active_key_stays_and_others_go_once_every_node_has_followed() {
    let mut known = rotated();
    assert_eq!(known.remove(2, long_after()), Err(NoRemoval::Active));
    assert_eq!(known.remove(3, long_after()), Err(NoRemoval::Unknown));
    assert_eq!(known.remove(1, at(999) + SETTLES), Err(NoRemoval::TooSoon));
    known.remove(1, long_after()).unwrap();
    let keys = Keys::settle(keys(&[(1, 7), (2, 8)]), known).unwrap();
    assert_eq!(keys.usable().len(), 1, "a key that was taken away is not used, whatever the source has");
}

#[test]
fn a_secret_is_looked_for_under_every_key_that_counts() {
    let keys = Keys::settle(keys(&[(1, 7), (2, 8)]), rotated()).unwrap();
    let realm = RealmId::from_bytes([1; 16]);
    let hash = |octet: u8| MasterKey::new([octet; 32]).lookup_key().hash(realm, SecretKind::ApiKey, "x");
    assert_eq!(keys.hashes(realm, SecretKind::ApiKey, "x"), [hash(8), hash(7)]);
}
