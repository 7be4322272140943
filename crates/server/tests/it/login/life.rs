//! How a session begins, goes on and ends.

use admit::login::session::{self, Entry, Seen, Why};
use admit_core::check::code::Reason;
use admit_core::login::session::{Factor, Factors};
use admit_core::time::Span;
use admit_store::{End, SessionUse};
use serde_json::{Value, json};

use super::{REALM, Shop, admitted, cookie_of, nobody};
use crate::app::TestApp;

#[tokio::test]
async fn who_signed_in_is_admitted_with_what_he_may_now() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    let reply = shop.ask("GET", &cookie_of(&begun)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let rows = [
        ("admit-subject", shop.alice.to_string()),
        ("admit-kind", "user".to_owned()),
        ("admit-name", "alice".to_owned()),
        ("admit-email", "alice@example.com".to_owned()),
        ("admit-grant", begun.grant.to_string()),
        ("admit-key", String::new()),
        ("admit-scope", "orders:read".to_owned()),
        ("admit-roles", "buyer".to_owned()),
        ("admit-acr", "urn:admit:aal1".to_owned()),
        ("admit-upstream-cookie", String::new()),
    ];
    for (name, value) in rows {
        assert_eq!(reply.header(name), value, "{name}");
    }
    let reply = shop.ask("PUT", &cookie_of(&begun)).await;
    assert_eq!((reply.status, shop.app.last_reason()), (403, Some(Reason::ScopeMissing)));

    let described =
        json!({"url": "http://127.0.0.1/orders/1", "ip": "127.0.0.1", "headers": {"cookie": cookie_of(&begun)}});
    let told = shop.app.manage("POST", &format!("{REALM}/check"), described).await.expect(200);
    let principal = &told["principal"];
    assert_eq!(told["admitted"], true, "{told}");
    assert_eq!((&principal["credential"], &principal["amr"]), (&json!("session"), &json!(["pwd"])));
    assert_eq!((&principal["acr"], &principal["api"]), (&json!("urn:admit:aal1"), &json!("https://api.shop.test")));

    shop.app.manage("PATCH", &format!("{REALM}/users/alice"), json!({"roles": []})).await.expect(200);
    assert_eq!(shop.ask("GET", &cookie_of(&begun)).await.status, 403, "a right that is taken is gone at once");
    assert_eq!(shop.app.last_reason(), Some(Reason::ScopeMissing));
}

#[tokio::test]
async fn se_01_each_sign_in_and_each_rise_has_a_new_secret_and_the_older_is_dead() {
    let shop = Shop::new().await;
    let first = shop.begin(None).await;
    assert_eq!(shop.opens(&first).await, admitted());
    let second = shop.begin(Some(first.grant)).await;
    assert_ne!(first.secret.expose(), second.secret.expose());
    assert_eq!((shop.opens(&first).await, shop.opens(&second).await), (nobody(), admitted()));
    assert_eq!(shop.passed(), Some(Reason::Revoked));

    shop.app.clock.advance(Span::minutes(6));
    let before = shop.of_request(&cookie_of(&second)).unwrap();
    assert!(!before.is_fresh);
    let (app, now) = (&shop.app.app, shop.app.app.now());
    let raised = session::raise(app, &shop.realm(), second.grant, &[Factor::Password], now).await.unwrap().unwrap();
    assert_eq!(
        (raised.grant, raised.ends_at),
        (second.grant, second.ends_at),
        "the same session, no longer than before"
    );
    assert_eq!((shop.opens(&second).await, shop.opens(&raised).await), (nobody(), admitted()));
    assert_eq!(shop.passed(), Some(Reason::UnknownSecret));
    assert!(shop.of_request(&cookie_of(&raised)).unwrap().is_fresh);
}

#[tokio::test]
async fn se_01_who_signs_in_again_goes_on_with_his_session_and_nobody_else_does() {
    let shop = Shop::new().await;
    let first = shop.begin(None).await;
    shop.app.clock.advance(Span::days(1));
    let enter = async |user, before: &session::Begun| {
        let before = shop.of_request(&cookie_of(before));
        let (entry, now) = (Entry::new(user, &[Factor::Password], Seen::default(), None), shop.app.app.now());
        session::enter(&shop.app.app, &shop.realm(), entry, before.as_ref(), now).await.unwrap()
    };
    let again = enter(shop.alice, &first).await;
    assert_eq!(again.grant, first.grant);
    let more = again.ends_at.since(first.ends_at);
    assert!(more >= Span::days(1) && more < Span::days(2), "it has all of its time again: {more:?}");
    assert_eq!((shop.opens(&first).await, shop.opens(&again).await), (nobody(), admitted()));
    assert!(shop.of_request(&cookie_of(&again)).unwrap().is_fresh);

    let bob = Shop::person(&shop.app, "bob").await;
    let of_bob = enter(bob, &again).await;
    assert_ne!(of_bob.grant, again.grant);
    assert_eq!((shop.opens(&again).await, shop.opens(&of_bob).await), (nobody(), admitted()));
    assert_eq!(shop.passed(), Some(Reason::Revoked));
    let over = enter(shop.alice, &again).await;
    assert_ne!(over.grant, again.grant, "what is over does not begin again");
}

#[tokio::test]
async fn se_07_what_is_no_session_any_more_is_like_nothing_sent() {
    let shop = Shop::new().await;
    let ended = shop.begin(None).await;
    session::end(&shop.app.app, shop.realm().id, shop.alice, ended.grant, Why::SignedOut, shop.app.app.now())
        .await
        .unwrap();
    let bob = Shop::person(&shop.app, "bob").await;
    let of_bob = shop.enter(Entry::new(bob, &[Factor::Password], Seen::default(), None)).await;
    assert_eq!(shop.opens(&of_bob).await, admitted());
    shop.app.manage("DELETE", &format!("{REALM}/users/bob"), Value::Null).await.expect(204);
    let good = shop.begin(None).await;
    let text = good.secret.expose();
    let guess = admit_core::secret::write("admit_ss", &[9; 32]);
    let elsewhere = format!("admit.operators={text}");
    let cases = [
        ("signed out", cookie_of(&ended), Some(Reason::Revoked)),
        ("its person is gone", cookie_of(&of_bob), Some(Reason::OwnerGone)),
        ("guessed", format!("admit.default={}", guess.expose()), Some(Reason::UnknownSecret)),
        ("cut", format!("admit.default={}", &text[..text.len() - 1]), None),
        ("longer", format!("admit.default={text}0"), None),
        ("other digits", format!("admit.default={}", text.replace('0', "\u{0660}")), None),
        ("of another realm", elsewhere, None),
    ];
    let plain = shop.ask_with("GET", "/orders/1", &[]).await;
    let shape = |reply: &crate::app::Reply| {
        let mut body = reply.json();
        body["request_id"] = Value::Null;
        (reply.status, body, reply.header("www-authenticate"), reply.header("set-cookie"))
    };
    for (case, cookie, why) in cases {
        let reply = shop.ask("GET", &cookie).await;
        if case != "other digits" || text.contains('0') {
            assert_eq!(shape(&reply), shape(&plain), "{case}");
            assert_eq!(shop.passed(), why, "{case}");
        }
    }
    assert_eq!(shop.opens(&good).await, admitted());
}

#[tokio::test]
async fn se_08_a_session_ends_idle_and_at_last_whatever_is_done() {
    let shop = Shop::new().await;
    let (used, idle) = (shop.begin(None).await, shop.begin(None).await);
    for _ in 0..29 {
        shop.app.clock.advance(Span::days(1));
        assert_eq!(shop.opens(&used).await, admitted());
        admit::jobs::activity::write(&shop.app.app).await;
    }
    assert_eq!(shop.opens(&idle).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::Idle));
    shop.app.clock.advance(Span::days(1));
    assert_eq!(shop.opens(&used).await, nobody(), "30 days are over");
    assert_eq!(shop.passed(), Some(Reason::Expired));
}

#[tokio::test]
async fn a_use_elsewhere_counts_though_no_change_tells_of_it() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    assert_eq!(shop.opens(&begun).await, admitted());
    let (app, grant, realm) = (&shop.app.app, begun.grant, shop.app.app.default_realm);
    let elsewhere = SessionUse { realm, grant, at: app.now() + Span::days(6), ip: None, agent: None };
    let written = app.store.write(move |tx| tx.touch_sessions(std::slice::from_ref(&elsewhere)).map(End::Commit));
    written.await.unwrap();
    shop.app.clock.advance(Span::days(8));
    assert_eq!(shop.opens(&begun).await, admitted(), "idle by what was read a week ago only");
    shop.app.clock.advance(Span::days(7));
    assert_eq!(shop.opens(&begun).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::Idle));
}

#[tokio::test]
async fn a_use_that_is_not_written_is_lost_by_a_small_part_of_the_idle_time() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    shop.app.clock.advance(Span::days(6));
    assert_eq!(shop.opens(&begun).await, admitted());
    admit::jobs::activity::write(&shop.app.app).await;
    // Not worth a write, and so not counted.
    shop.app.clock.advance(Span::hours(8));
    assert_eq!(shop.opens(&begun).await, admitted());
    assert!(shop.app.app.activity.drain().is_empty());
    shop.app.clock.advance(Span::hours(7 * 24 - 8));
    assert_eq!(shop.opens(&begun).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::Idle));
}

#[tokio::test]
async fn se_09_while_a_factor_is_pending_nobody_is_signed_in_anywhere() {
    let shop = Shop::new().await;
    let entry = Entry::new(shop.alice, &[Factor::Password], Seen::default(), None);
    let begun = shop.enter(Entry { pending: Factors::of(&[Factor::Code]), ..entry }).await;
    let cookie = cookie_of(&begun);
    assert_eq!(shop.opens(&begun).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::FactorsPending));
    assert!(shop.of_request(&cookie).is_none(), "not on the pages of the issuer");
    for path in ["/v1/whoami", "/v1/realms/default/users"] {
        let reply = shop.app.send("GET", path, &[("cookie", &cookie)], None).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "missing_credential"), "{path}");
    }
    let described = json!({"headers": {"cookie": cookie}, "url": "http://127.0.0.1/orders/1", "ip": "127.0.0.1"});
    let told = shop.app.manage("POST", &format!("{REALM}/check"), described).await.expect(200);
    assert_eq!((&told["admitted"], &told["principal"]), (&json!(false), &Value::Null));
    // Asked twice: what the cache keeps is no session either.
    assert_eq!(shop.opens(&begun).await, nobody());

    let (app, now) = (&shop.app.app, shop.app.app.now());
    let raised = session::raise(app, &shop.realm(), begun.grant, &[Factor::Code], now).await.unwrap().unwrap();
    assert_eq!(shop.opens(&begun).await, nobody(), "the secret of before stays nothing");
    let reply = shop.ask("GET", &cookie_of(&raised)).await;
    assert_eq!((reply.status, reply.header("admit-acr")), (200, "urn:admit:aal2".to_owned()));
    shop.app.clock.advance(Span::days(6));
    assert_eq!(shop.opens(&raised).await, admitted(), "complete, it lives as long as any");
}

#[tokio::test]
async fn se_09_a_factor_that_does_not_come_ends_it() {
    let shop = Shop::new().await;
    let entry = Entry::new(shop.alice, &[Factor::Password], Seen::default(), None);
    let begun = shop.enter(Entry { pending: Factors::of(&[Factor::Code]), ..entry }).await;
    shop.app.clock.advance(Span::minutes(10));
    let (app, now) = (&shop.app.app, shop.app.app.now());
    assert!(session::raise(app, &shop.realm(), begun.grant, &[Factor::Code], now).await.unwrap().is_none());
    assert_eq!(shop.opens(&begun).await, nobody());
}

#[tokio::test]
async fn se_14_sign_out_everywhere_ends_all_others_at_the_next_request() {
    let shop = Shop::new().await;
    let [here, there, elsewhere] = [shop.begin(None).await, shop.begin(None).await, shop.begin(None).await];
    for begun in [&here, &there, &elsewhere] {
        assert_eq!(shop.opens(begun).await, admitted());
    }
    let (app, realm, now) = (&shop.app.app, shop.realm().id, shop.app.app.now());
    let count = session::end_others(app, realm, shop.alice, Some(here.grant), Why::SignedOut, now).await.unwrap();
    assert_eq!(count, 2);
    assert_eq!(shop.opens(&here).await, admitted());
    assert_eq!((shop.opens(&there).await, shop.opens(&elsewhere).await), (nobody(), nobody()));
    assert_eq!(session::end_others(app, realm, shop.alice, None, Why::SignedOut, now).await.unwrap(), 1);
    assert_eq!(shop.opens(&here).await, nobody());

    let again = shop.begin(None).await;
    assert_eq!(shop.opens(&again).await, admitted());
    shop.app.clock.advance(Span::seconds(1));
    shop.app.manage("POST", &format!("{REALM}/users/alice/revoke-all"), Value::Null).await.expect(200);
    assert_eq!(shop.opens(&again).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::IssuedBeforeCutoff));
}

#[tokio::test]
async fn who_is_switched_off_is_signed_in_nowhere_and_cannot_sign_in() {
    let shop = Shop::new().await;
    let begun = shop.begin(None).await;
    shop.app.manage("PATCH", &format!("{REALM}/users/alice"), json!({"disabled": true})).await.expect(200);
    assert_eq!(shop.opens(&begun).await, nobody());
    assert_eq!(shop.passed(), Some(Reason::OwnerDisabled));
    let entry = Entry::new(shop.alice, &[Factor::Password], Seen::default(), None);
    let refused = session::begin(&shop.app.app, &shop.realm(), entry, shop.app.app.now()).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (401, "subject_disabled"));
    shop.app.manage("PATCH", &format!("{REALM}/users/alice"), json!({"disabled": false})).await.expect(200);
    assert_eq!(shop.opens(&begun).await, admitted(), "rights that come back, come back");
}

#[tokio::test]
async fn nobody_has_more_than_a_hundred_sessions() {
    let shop = Shop::new().await;
    let first = shop.begin(None).await;
    let mut last = None;
    for _ in 0..99 {
        last = Some(shop.begin(None).await);
    }
    assert_eq!(shop.opens(&first).await, admitted());
    shop.begin(None).await;
    assert_eq!(shop.opens(&first).await, nobody(), "one more ends the oldest");
    assert_eq!(shop.opens(&last.unwrap()).await, admitted());
}

#[tokio::test]
async fn what_a_kill_leaves_behind_has_every_session() {
    let shop = Shop::new().await;
    let (kept, ended) = (shop.begin(None).await, shop.begin(None).await);
    let (app, now) = (&shop.app.app, shop.app.app.now());
    session::end(app, shop.realm().id, shop.alice, ended.grant, Why::SignedOut, now).await.unwrap();
    // The files as they lie there while the server runs: nothing that a stop would still write is in them.
    let left = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(shop.app.folder.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
        }
    }
    let alice = shop.alice;
    drop(shop);
    let shop = Shop { app: TestApp::in_folder(left, "").await, alice };
    assert_eq!((shop.opens(&kept).await, shop.opens(&ended).await), (admitted(), nobody()));
    assert_eq!(shop.of_request(&cookie_of(&kept)).map(|signed_in| signed_in.user), Some(alice));
}
