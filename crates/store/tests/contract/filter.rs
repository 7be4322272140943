//! Lists narrowed by the id of another system and by metadata.

use admit_core::metadata::MetadataFilter;
use admit_store::{Filter, KeyFilter, Page};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, api, client, user};

both!(a_page_is_filled_past_what_only_looks_like_it, each_kind_is_found_by_what_it_carries_and_in_its_realm_only);

fn metadata(name: &str, value: &str) -> MetadataFilter {
    MetadataFilter::parse(vec![(name.to_owned(), value.to_owned())]).unwrap()
}

fn a_page_is_filled_past_what_only_looks_like_it() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let mut clients: Vec<_> = (0..9).map(|number| client(home, &format!("c{number}"))).collect();
    clients.sort_by_key(|client| *client.id.bytes());
    for (place, client) in clients.iter_mut().enumerate() {
        let plan = json!({ "plan": "it's \"100%\" _pro\\" });
        client.spec.metadata = if place % 3 == 2 { plan } else { json!({ "deep": plan }) };
    }
    let wanted: Vec<_> = clients.iter().skip(2).step_by(3).map(|client| client.id).collect();
    store.put(move |tx| clients.iter().try_for_each(|client| tx.insert_client(client)));
    let list = |filter: Filter, page: Page| {
        let found = store.get(|tx| tx.list_clients_of(home, &filter, &page));
        found.into_iter().map(|client| client.id).collect::<Vec<_>>()
    };
    let sought = || Filter { metadata: metadata("plan", "it's \"100%\" _pro\\"), ..Filter::default() };
    assert_eq!(list(sought(), Page::first(9)), wanted);
    assert_eq!(list(sought(), Page::first(2)), wanted[..2]);
    assert_eq!(list(sought(), Page { limit: 2, after: Some(*wanted[1].bytes()) }), wanted[2..]);
    assert_eq!(list(Filter { external_id: Some("x".to_owned()), ..sought() }, Page::first(9)), []);
    assert_eq!(list(Filter { metadata: metadata("plan", "it's"), ..Filter::default() }, Page::first(9)), []);
}

fn each_kind_is_found_by_what_it_carries_and_in_its_realm_only() {
    let store = TestStore::new();
    let (home, away) = (Population::new(&store, "acme").realm.id, Population::new(&store, "other").realm.id);
    let (mut shop, mut carol, mut orders) = (client(home, "shop"), user(home, "carol"), api(home, "https://o.test"));
    for (external_id, metadata) in [
        (&mut shop.spec.external_id, &mut shop.spec.metadata),
        (&mut carol.spec.external_id, &mut carol.spec.metadata),
        (&mut orders.spec.external_id, &mut orders.spec.metadata),
    ] {
        *external_id = Some("cus_42".parse().unwrap());
        *metadata = json!({ "empty": "", "on": true });
    }
    let made = (shop.clone(), carol.clone(), orders.clone());
    store.put(move |tx| {
        tx.insert_client(&made.0)?;
        tx.insert_user(&made.1)?;
        tx.insert_api(&made.2)
    });
    let page = Page::first(9);
    for filter in [
        Filter { external_id: Some("cus_42".to_owned()), ..Filter::default() },
        Filter { metadata: metadata("empty", ""), ..Filter::default() },
        Filter { metadata: metadata("on", "true"), external_id: Some("cus_42".to_owned()) },
    ] {
        assert_eq!(store.get(|tx| tx.list_clients_of(home, &filter, &page)), [shop.clone()], "{filter:?}");
        assert_eq!(store.get(|tx| tx.list_users_of(home, &filter, &page)), [carol.clone()], "{filter:?}");
        assert_eq!(store.get(|tx| tx.list_apis_of(home, &filter, &page)), [orders.clone()], "{filter:?}");
        assert!(store.get(|tx| tx.list_clients_of(away, &filter, &page)).is_empty());
    }
    let keys = KeyFilter { metadata: metadata("on", "true"), ..KeyFilter::default() };
    assert!(store.get(|tx| tx.list_keys(home, &keys, &page, NOW)).is_empty());
}
