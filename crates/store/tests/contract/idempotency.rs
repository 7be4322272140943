//! Answers that are given again.

use admit_core::time::Span;
use admit_store::Remembered;

use crate::fixture::{NOW, TestStore};

both!(the_first_answer_is_kept_until_its_time_is_over, another_caller_method_path_or_key_is_another_request);

fn answer(body: &str) -> Remembered {
    Remembered {
        caller: "cli_1".to_owned(),
        key: "k".to_owned(),
        method: "POST".to_owned(),
        path: "/v1/keys".to_owned(),
        digest: [1; 32],
        status: 201,
        body: Some(body.to_owned()),
        target: Some("key_1".to_owned()),
        created_at: NOW,
        expires_at: NOW + Span::hours(24),
    }
}

fn the_first_answer_is_kept_until_its_time_is_over() {
    let store = TestStore::new();
    let put = |answer: Remembered| store.put(move |tx| tx.insert_idempotent(&answer));
    let find = |now| store.get(|tx| tx.find_idempotent("cli_1", "k", "POST", "/v1/keys", now));
    assert_eq!(put(answer("first")), None);
    assert_eq!(put(answer("second")), Some(answer("first")));
    let end = NOW + Span::hours(24);
    assert_eq!((find(end - Span::ms(1)), find(end)), (Some(answer("first")), None));
    let later = Remembered { created_at: end, expires_at: end + Span::hours(24), body: None, ..answer("") };
    assert_eq!(put(later.clone()), None, "what is past its time makes room");
    assert_eq!(find(end), Some(later));
}

fn another_caller_method_path_or_key_is_another_request() {
    let store = TestStore::new();
    store.put(|tx| tx.insert_idempotent(&answer("first")));
    let others = [
        Remembered { caller: "cli_2".to_owned(), ..answer("a") },
        Remembered { key: "l".to_owned(), ..answer("b") },
        Remembered { method: "PUT".to_owned(), ..answer("c") },
        Remembered { path: "/v1/rules".to_owned(), ..answer("d") },
    ];
    for other in others {
        assert_eq!(store.put(move |tx| tx.insert_idempotent(&other)), None);
    }
}
