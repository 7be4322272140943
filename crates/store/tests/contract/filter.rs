//! Lists narrowed by the id of another system and by metadata.

use admit_core::metadata::MetadataFilter;
use admit_core::search::Search;
use admit_store::{Filter, KeyFilter, Page, Searched, Sought};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, api, client, user};

both!(
    a_page_is_filled_past_what_only_looks_like_it,
    each_kind_is_found_by_what_it_carries_and_in_its_realm_only,
    a_search_finds_letters_as_they_are_and_stops_where_it_is_told
);

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
        Filter { metadata: metadata("on", "true"), external_id: Some("cus_42".to_owned()), ..Filter::default() },
    ] {
        assert_eq!(store.get(|tx| tx.list_clients_of(home, &filter, &page)), [shop.clone()], "{filter:?}");
        assert_eq!(store.get(|tx| tx.list_users_of(home, &filter, &page)), [carol.clone()], "{filter:?}");
        assert_eq!(store.get(|tx| tx.list_apis_of(home, &filter, &page)), [orders.clone()], "{filter:?}");
        assert!(store.get(|tx| tx.list_clients_of(away, &filter, &page)).is_empty());
    }
    let keys = KeyFilter { metadata: metadata("on", "true"), ..KeyFilter::default() };
    assert!(store.get(|tx| tx.list_keys(home, &keys, &page, NOW)).is_empty());
}

fn a_search_finds_letters_as_they_are_and_stops_where_it_is_told() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, away) = (all.realm.id, Population::new(&store, "other").realm.id);
    let names = ["Shop One", "shop_two", "shopxtwo", "50% off", "Ärzte!"];
    let clients: Vec<_> = names.iter().map(|name| client(home, name)).collect();
    let mut carol = user(home, "carol");
    carol.spec.email = Some("Carol@Example.TEST".parse().unwrap());
    let made = (clients.clone(), carol.clone());
    store.put(move |tx| {
        made.0.iter().try_for_each(|client| tx.insert_client(client))?;
        tx.insert_user(&made.1)
    });
    let filter = |text: &str, until| {
        let search = Search::parse(text).unwrap().unwrap();
        Filter { sought: Some(Sought { search, until }), ..Filter::default() }
    };
    let found = |realm, text: &str| {
        let found = store.get(|tx| tx.list_clients_of(realm, &filter(text, None), &Page::first(99)));
        let mut found: Vec<_> = found.into_iter().map(|client| client.spec.name.to_string()).collect();
        found.sort();
        found
    };
    for (text, wanted) in [
        ("SHOP", &["Shop One", "shop_two", "shopxtwo"][..]),
        ("p_t", &["shop_two"]),
        ("0% o", &["50% off"]),
        ("Ärzte!", &["Ärzte!"]),
        ("%", &["50% off"]),
        ("shopp", &[]),
    ] {
        assert_eq!(found(home, text), wanted, "{text}");
    }
    assert!(found(away, "shop_").is_empty());
    let people = |text: &str| store.get(|tx| tx.list_users_of(home, &filter(text, None), &Page::first(99)));
    assert_eq!(people("carol@example"), [carol.clone()]);
    let keys = |text: &str| {
        let wanted = KeyFilter { sought: filter(text, None).sought, ..KeyFilter::default() };
        store.get(|tx| tx.list_keys(home, &wanted, &Page::first(99), NOW)).len()
    };
    let name = all.key.name.to_string();
    assert_eq!((keys(&name.to_uppercase()), keys("no such key")), (1, 0));

    let mut ids: Vec<_> =
        store.get(|tx| tx.list_clients(home, &Page::first(99))).iter().map(|one| *one.id.bytes()).collect();
    ids.sort_unstable();
    let reach = |page: Page, rows| store.get(|tx| tx.reach(Searched::Clients, home, &page, rows));
    assert_eq!(reach(Page::first(9), 2), Some(ids[1]));
    assert_eq!(reach(Page { limit: 9, after: Some(ids[1]) }, 2), Some(ids[3]));
    let count = u32::try_from(ids.len()).unwrap();
    assert_eq!((reach(Page::first(9), count), reach(Page::first(9), count + 1)), (Some(ids[ids.len() - 1]), None));
    for what in [Searched::Keys, Searched::Users] {
        assert!(store.get(|tx| tx.reach(what, home, &Page::first(9), 1)).is_some(), "{what:?}");
        assert_eq!(store.get(|tx| tx.reach(what, home, &Page::first(9), 99)), None, "{what:?}");
    }
    let until = store.get(|tx| tx.list_clients_of(home, &filter("o", Some(ids[0])), &Page::first(99)));
    assert!(until.iter().all(|client| *client.id.bytes() == ids[0]), "{until:?}");
}
