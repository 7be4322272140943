//! Text of people and strangers is data, whatever it looks like.

use admit_core::audit::Event;
use admit_core::client::ClientSpec;
use admit_core::key::Key;
use admit_core::name::ExternalId;
use admit_core::user::UserSpec;
use admit_store::{Error, EventFilter, KeyFilter, Page, Remembered, StoredRule, UsageRow};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, client, id, label, rule, user};

both!(
    ht_09_names_come_back_byte_for_byte,
    ht_09_what_strangers_send_comes_back_byte_for_byte,
    ht_09_nul_is_refused_by_name
);

const HOSTILE: &[&str] = &[
    "'; DROP TABLE realm; --",
    "\" OR \"\"=\"",
    "') OR 1=1 --",
    "%_%",
    "$realm",
    "?1",
    "\\",
    "NULL",
    "é ☃ 𝕏 \u{301}",
    "{{7*7}}${7*7}",
    "/*",
];

fn ht_09_names_come_back_byte_for_byte() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    for text in HOSTILE {
        let external = Some(ExternalId::parse(text).unwrap());
        let metadata = json!({ *text: [text] });
        let mut owner = client(home, text);
        owner.spec = ClientSpec { external_id: external.clone(), metadata: metadata.clone(), ..owner.spec };
        let mut person = user(home, text);
        person.spec = UserSpec { email: Some(label(&format!("{text}@x"))), metadata: metadata.clone(), ..person.spec };
        let (granted, key, mut proof) = all.another_key(text);
        let key = Key { external_id: external, metadata, created_by: text.to_string(), ..key };
        proof.hint = text.to_string();
        let rule = StoredRule { spec: json!({ "name": text }), ..rule(home, text, 1, 1) };
        let made = (owner.clone(), person.clone(), granted.clone(), key.clone(), proof.clone(), rule.clone());
        store.put(move |tx| {
            let (owner, person, granted, key, proof, rule) = &made;
            tx.insert_client(owner)?;
            tx.insert_user(person)?;
            tx.insert_key(granted, key, proof)?;
            tx.insert_rule(rule)
        });
        assert_eq!(store.get(|tx| tx.find_client_named(home, text)), Some(owner), "{text}");
        assert_eq!(store.get(|tx| tx.find_user_named(home, text)), Some(person.clone()), "{text}");
        assert_eq!(store.get(|tx| tx.find_user_by_email(home, &format!("{text}@x"))), Some(person), "{text}");
        assert_eq!(store.get(|tx| tx.find_rule_named(home, text)), Some(rule), "{text}");
        for filter in [
            KeyFilter { name: Some(text.to_string()), ..KeyFilter::default() },
            KeyFilter { external_id: Some(text.to_string()), ..KeyFilter::default() },
        ] {
            let found = store.get(|tx| tx.list_keys(home, &filter, &Page::first(9), NOW));
            assert_eq!(found.len(), 1, "{text}: and nothing but it");
            assert_eq!((&found[0].key, found[0].hint.as_deref()), (&key, Some(*text)));
        }
    }
}

fn ht_09_what_strangers_send_comes_back_byte_for_byte() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, key) = (all.realm.id, all.key.id);
    for (place, text) in HOSTILE.iter().enumerate() {
        let event = Event {
            id: id(),
            number: 0,
            seal: None,
            realm: Some(home),
            at: NOW,
            kind: text.to_string(),
            actor: text.to_string(),
            target: text.to_string(),
            reason: Some(text.to_string()),
            request_id: Some(text.to_string()),
            detail: json!({ "it": text }),
        };
        let answer = Remembered {
            caller: text.to_string(),
            key: text.to_string(),
            method: text.to_string(),
            path: text.to_string(),
            digest: [0; 32],
            status: 200,
            body: Some(text.to_string()),
            target: Some(text.to_string()),
            created_at: NOW,
            expires_at: NOW + admit_core::time::Span::hours(1),
        };
        let usage = UsageRow {
            key,
            number: place as u32,
            day: 1,
            code: admit_core::check::code::Code::Ok,
            count: 1,
            last_at: NOW,
            last_ip: None,
            last_agent: Some(text.to_string()),
        };
        let made = (event.clone(), answer.clone(), usage.clone());
        let number = store.put(move |tx| {
            tx.insert_idempotent(&made.1)?;
            tx.add_usage(std::slice::from_ref(&made.2))?;
            tx.insert_key_pattern(home, &made.1.key, NOW)?;
            tx.update_meta(&made.1.key, made.1.key.as_bytes())?;
            tx.insert_event(&made.0)
        });
        let filter = EventFilter { kind: Some(text.to_string()), actor: Some(text.to_string()), target: None };
        let events = store.get(|tx| tx.list_latest_events(home, &filter, None, 9));
        assert_eq!(events, [Event { number, ..event }], "{text}");
        assert_eq!(store.get(|tx| tx.find_idempotent(text, text, text, text, NOW)), Some(answer), "{text}");
        assert!(store.get(|tx| tx.list_usage(home, key, 0)).contains(&usage), "{text}");
        assert!(store.get(|tx| tx.list_key_patterns(home)).contains(&text.to_string()), "{text}");
        assert_eq!(store.get(|tx| tx.find_meta(text)).as_deref(), Some(text.as_bytes()), "{text}");
    }
}

fn ht_09_nul_is_refused_by_name() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    assert_eq!(store.try_put(|tx| tx.update_meta("a\0b", b"x")), Err(Error::NulInText));
    assert_eq!(store.point(|tx| tx.find_realm_named("acme\0")), Err(Error::NulInText));
    assert_eq!(store.point(|tx| tx.find_user_by_email(home, "a\0")), Err(Error::NulInText));
    let rule = rule(home, "a\0", 1, 1);
    assert_eq!(store.try_put(move |tx| tx.insert_rule(&rule)), Err(Error::NulInText));
}
