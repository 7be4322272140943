//! Usage counters.

use admit_core::check::code::Code;
use admit_core::id::KeyId;
use admit_core::time::{Span, Time};
use admit_store::{DayUse, LastUse, UsageRow};

use crate::fixture::{NOW, Population, TestStore};

both!(
    counters_add_up_and_the_latest_caller_stays,
    after_a_roll_each_secret_tells_who_still_uses_it,
    what_an_owner_used_is_summed_by_key_and_day,
    usage_without_address_or_agent_is_usage
);

fn row(key: KeyId, number: u32, at: Time, code: Code, count: i64, agent: &str) -> UsageRow {
    let last_ip = Some("192.0.2.7".parse().unwrap());
    UsageRow { key, number, day: at.day(), code, count, last_at: at, last_ip, last_agent: Some(agent.to_owned()) }
}

fn counters_add_up_and_the_latest_caller_stays() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, key) = (all.realm.id, all.key.id);
    let later = NOW + Span::seconds(9);
    store.put(move |tx| tx.add_usage(&[row(key, 1, later, Code::Ok, 5, "late")]));
    store.put(move |tx| {
        tx.add_usage(&[row(key, 1, NOW, Code::Ok, 2, "early"), row(key, 1, NOW, Code::NoRule, 1, "lost")])
    });
    let rows = store.get(|tx| tx.list_usage(home, key, 0));
    assert_eq!(rows, [row(key, 1, NOW, Code::NoRule, 1, "lost"), row(key, 1, later, Code::Ok, 7, "late")]);
    assert_eq!(store.get(|tx| tx.find_key(home, key)).unwrap().last_used_at, Some(later));
}

fn after_a_roll_each_secret_tells_who_still_uses_it() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, key, day) = (all.realm.id, all.key.id, Span::days(1));
    let rows = vec![
        row(key, 1, NOW, Code::Ok, 3, "old job"),
        row(key, 1, NOW + day, Code::Ok, 4, "old job, next day"),
        row(key, 1, NOW + day, Code::InsufficientScope, 1, "same moment"),
        row(key, 2, NOW, Code::Ok, 10, "new job"),
    ];
    store.put(move |tx| tx.add_usage(&rows));
    let ip = Some("192.0.2.7".parse().unwrap());
    let of =
        |number, at, code, agent: &str, count| LastUse { number, at, code, ip, agent: Some(agent.to_owned()), count };
    let expected = [of(1, NOW + day, Code::InsufficientScope, "same moment", 8), of(2, NOW, Code::Ok, "new job", 10)];
    assert_eq!(store.get(|tx| tx.last_use(home, key)), expected);
    assert_eq!(store.get(|tx| tx.list_usage(home, key, (NOW + day).day())).len(), 2);
}

fn what_an_owner_used_is_summed_by_key_and_day() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (home, key, day) = (ours.realm.id, ours.key.id, Span::days(1));
    let owner = store.get(|tx| tx.find_key(home, key)).unwrap().grant.subject;
    let rows = vec![
        row(key, 1, NOW - day, Code::Ok, 9, "before"),
        row(key, 1, NOW, Code::Ok, 3, "a"),
        row(key, 1, NOW, Code::NoRule, 1, "a"),
        row(key, 2, NOW, Code::Ok, 2, "b"),
        row(key, 2, NOW + day, Code::Ok, 5, "b"),
        row(theirs.key.id, 1, NOW, Code::Ok, 7, "c"),
    ];
    store.put(move |tx| tx.add_usage(&rows));
    let used = |realm| store.get(|tx| tx.list_usage_of(realm, owner, NOW.day()));
    let of = |day, count| DayUse { key, day, count };
    assert_eq!(used(home), [of(NOW.day(), 6), of(NOW.day() + 1, 5)]);
    assert_eq!(used(theirs.realm.id), [], "ad_01");
    store.put(move |tx| tx.revoke_grant(home, ours.key.grant, NOW));
    assert_eq!(used(home), [], "it is over");
}

fn usage_without_address_or_agent_is_usage() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let bare = UsageRow { last_ip: None, last_agent: None, ..row(all.key.id, 1, NOW, Code::Ok, 1, "") };
    let made = bare.clone();
    store.put(move |tx| tx.add_usage(std::slice::from_ref(&made)));
    assert_eq!(store.get(|tx| tx.list_usage(all.realm.id, all.key.id, 0)), [bare]);
}
