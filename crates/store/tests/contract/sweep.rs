//! What is forgotten, and what is not.

use admit_core::check::code::Code;
use admit_core::id::RealmId;
use admit_core::time::{Span, Time};
use admit_store::{ChangeKind, Remembered, UsageRow};

use crate::fixture::{NOW, Population, TestStore};

both!(
    the_last_ten_thousand_changes_stay_however_old,
    an_empty_feed_has_no_oldest_change,
    usage_stays_for_400_days,
    st_13_answers_go_when_their_time_is_over_and_no_others
);

fn add_changes(store: &TestStore, count: usize, at: Time) {
    store.put(move |tx| {
        let realm = RealmId::from_bytes([1; 16]);
        (0..count).try_for_each(|_| tx.change(ChangeKind::Key, realm, &[2; 16], at))
    });
}

fn the_last_ten_thousand_changes_stay_however_old() {
    let store = TestStore::new();
    add_changes(&store, 10_150, NOW);
    let old = NOW + Span::hours(24) + Span::ms(1);
    assert_eq!(store.put(|tx| tx.sweep_changes(NOW + Span::hours(24))), 0, "younger than a day");
    assert_eq!(store.put(move |tx| tx.sweep_changes(old)), 100, "at most so many at once");
    assert_eq!(store.put(move |tx| tx.sweep_changes(old)), 50);
    assert_eq!(store.put(move |tx| tx.sweep_changes(old)), 0);
    assert_eq!(store.get(|tx| tx.oldest_change()), Some(151));
    assert_eq!(store.get(|tx| tx.position()), 10_150);
    assert_eq!(store.get(|tx| tx.list_changes(10_148, 1))[0].number, 10_149);
}

fn an_empty_feed_has_no_oldest_change() {
    let store = TestStore::new();
    assert_eq!(store.get(|tx| Ok((tx.oldest_change()?, tx.position()?))), (None, 0));
}

fn usage_stays_for_400_days() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let key = all.key.id;
    let of_day = move |ago: i64| UsageRow {
        key,
        number: 1,
        day: NOW.day() - ago,
        code: Code::Ok,
        count: 1,
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    store.put(move |tx| tx.add_usage(&(399..=505).map(of_day).collect::<Vec<_>>()));
    assert_eq!(store.put(|tx| tx.sweep_usage(NOW)), 100);
    assert_eq!(store.put(|tx| tx.sweep_usage(NOW)), 5);
    let days: Vec<_> =
        store.get(|tx| tx.list_usage(all.realm.id, key, 0)).iter().map(|row| NOW.day() - row.day).collect();
    assert_eq!(days, [400, 399]);
}

fn st_13_answers_go_when_their_time_is_over_and_no_others() {
    let store = TestStore::new();
    for (name, expires_at) in [("over", NOW), ("not yet", NOW + Span::ms(1))] {
        store.put(move |tx| {
            tx.insert_idempotent(&Remembered {
                caller: name.to_owned(),
                key: "k".to_owned(),
                method: "POST".to_owned(),
                path: "/".to_owned(),
                digest: [0; 32],
                status: 200,
                body: None,
                target: None,
                created_at: NOW - Span::hours(24),
                expires_at,
            })
        });
    }
    assert_eq!(store.put(|tx| tx.sweep_idempotency(NOW)), 1);
    assert!(store.get(|tx| tx.find_idempotent("not yet", "k", "POST", "/", NOW)).is_some());
}
