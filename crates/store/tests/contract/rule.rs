//! Rules and their order.

use admit_store::{ChangeKind, Error, StoredRule};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, rule};

both!(rules_come_in_the_order_in_which_they_are_tried_page_by_page, a_rule_is_made_changed_and_ended);

fn rules_come_in_the_order_in_which_they_are_tried_page_by_page() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let made = [
        rule(home, "late", 200, 1),
        rule(home, "third", 100, 3),
        rule(home, "second", 100, 2),
        rule(home, "first", -5, 9),
    ];
    store.put(move |tx| made.iter().try_for_each(|rule| tx.insert_rule(rule)));
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = store.get(|tx| tx.list_rules(home, after, 2));
        let Some(last) = page.last() else { break };
        after = Some((last.priority, last.place, last.id));
        names.extend(page.into_iter().map(|rule| rule.name));
    }
    assert_eq!(names, ["first", "orders", "second", "third", "late"]);
    assert_eq!(store.get(|tx| tx.last_rule_place(home)), Some(9));
}

fn a_rule_is_made_changed_and_ended() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id, twin) = (all.realm.id, all.rule.id, rule(all.realm.id, "orders", 1, 1));
    assert_eq!(store.get(|tx| tx.find_rule(home, id)), Some(all.rule.clone()));
    assert_eq!(store.get(|tx| tx.find_rule_named(home, "orders")), Some(all.rule.clone()));
    assert_eq!(store.try_put(move |tx| tx.insert_rule(&twin)), Err(Error::Conflict { what: "name" }));
    let wanted = StoredRule { name: "renamed".to_owned(), spec: json!({ "public": true }), priority: 7, ..all.rule };
    let (asked, stale) = (wanted.clone(), wanted.clone());
    assert_eq!(store.put(move |tx| tx.update_rule(home, &asked, NOW)), Some(StoredRule { version: 2, ..wanted }));
    assert_eq!(store.put(move |tx| tx.update_rule(home, &stale, NOW)), None);
    assert!(store.put(move |tx| tx.delete_rule(home, id, NOW)));
    assert!(!store.put(move |tx| tx.delete_rule(home, id, NOW)));
    assert_eq!((store.get(|tx| tx.find_rule(home, id)), store.get(|tx| tx.last_rule_place(home))), (None, None));
    let told: Vec<_> = store.told().iter().rev().take(3).map(|change| (change.kind, change.id)).collect();
    assert_eq!(told, [(ChangeKind::Rule, *id.bytes()); 3]);
}
