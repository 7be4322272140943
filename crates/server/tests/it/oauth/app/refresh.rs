//! `grant_type=refresh_token`.

use std::collections::BTreeSet;

use admit_core::id::SubjectId;
use admit_core::time::Span;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{ALL, Apps, BACK, OFFLINE, REALM, SHOP, TOKEN, Tokens, VERIFIER, decode, error, events, post};

#[tokio::test]
async fn a_public_client_gets_another_each_time_and_a_confidential_one_keeps_its_own() {
    let apps = Apps::new().await;
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    assert_ne!((&second.refresh, &second.access), (&first.refresh, &first.access));
    assert_eq!((second.scope.as_str(), second.grant()), (first.scope.as_str(), first.grant()));
    let (_, id) = decode(&second.id);
    assert_eq!((&id["sub"], id.get("nonce")), (&json!(apps.alice), None), "a nonce is for the first only");
    assert_eq!(id["auth_time"], decode(&first.id).1["auth_time"]);
    assert_eq!(id["sid"], json!(apps.session));

    let first = apps.tokens(&apps.web, OFFLINE).await;
    for _ in 0..3 {
        let again = Tokens::of(apps.refresh(&apps.web, &first.refresh).await);
        assert_eq!(again.refresh, first.refresh);
        assert_ne!(again.jti(), first.jti());
    }
    assert_eq!(error(&apps.refresh(&apps.spa, &first.refresh).await), "400 invalid_grant", "another client's");
    assert_eq!(apps.last_why().await, "refresh_token_of_other_client");
    Tokens::of(apps.refresh(&apps.web, &first.refresh).await);
}

#[tokio::test]
async fn tk_08_a_client_that_did_not_get_the_answer_gets_the_same_again_for_ten_seconds() {
    let apps = Apps::new().await;
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    apps.app.clock.advance(Span::ms(9_000));
    let again = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    assert_eq!((&again.refresh, again.jti()), (&second.refresh, second.jti()), "the same successor, the same content");
    assert_eq!(again.scope, second.scope);
    let dates = |tokens: &Tokens| {
        let claims = decode(&tokens.access).1;
        (claims["iat"].clone(), claims["exp"].clone())
    };
    assert_eq!(dates(&again), dates(&second));
    let narrow = Tokens::of(apps.refresh_with(&apps.spa, &first.refresh, "&scope=orders:read").await);
    assert_eq!((narrow.refresh.as_str(), narrow.scope.as_str()), (second.refresh.as_str(), "orders:read"));
    assert_ne!(narrow.jti(), second.jti(), "another token beside the same successor");

    apps.app.clock.advance(Span::seconds(2));
    assert_eq!(error(&apps.refresh(&apps.spa, &first.refresh).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "refresh_token_spent");
    assert_eq!(apps.reads(&second.access).await, 200, "nobody used the successor: all goes on");
    Tokens::of(apps.refresh(&apps.spa, &second.refresh).await);
}

#[tokio::test]
async fn tk_08_an_opaque_token_is_told_again_as_it_was() {
    let apps = Apps::new().await;
    let api = format!("{REALM}/apis/https%3A%2F%2Fapi.shop.test");
    apps.app.manage("PATCH", &api, json!({"token_format": "opaque"})).await.expect(200);
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    assert!(second.access.starts_with("admit_at_"));
    let again = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    assert_eq!((&again.access, &again.refresh), (&second.access, &second.refresh));
    for access in [&first.access, &second.access] {
        assert_eq!((apps.reads(access).await, apps.userinfo(access).await.status), (200, 200));
    }
}

#[tokio::test]
async fn tk_06_a_token_that_comes_after_its_successor_was_used_ends_the_family() {
    let apps = Apps::new().await;
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    let other = apps.tokens(&apps.spa, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    let third = Tokens::of(apps.refresh(&apps.spa, &second.refresh).await);
    assert_eq!(apps.reads(&third.access).await, 200);
    assert_eq!(error(&apps.refresh(&apps.spa, &first.refresh).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "refresh_token_reused");
    for tokens in [&first, &second, &third] {
        assert_eq!((apps.reads(&tokens.access).await, apps.userinfo(&tokens.access).await.status), (401, 401));
        assert_eq!(error(&apps.refresh(&apps.spa, &tokens.refresh).await), "400 invalid_grant");
    }
    let told = events(&apps.app, "refresh_token.reused").await;
    assert_eq!((told.len(), &told[0]["actor"], &told[0]["target"]), (1, &json!(apps.spa.id), &json!(first.grant())));
    assert_eq!(apps.reads(&other.access).await, 200, "what else she lets it do goes on");
    Tokens::of(apps.refresh(&apps.spa, &other.refresh).await);
}

#[tokio::test]
async fn tk_06_its_person_is_told() {
    let apps = Apps::at(crate::app::TestApp::dev().await).await;
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    Tokens::of(apps.refresh(&apps.spa, &second.refresh).await);
    assert_eq!(apps.refresh(&apps.spa, &first.refresh).await.status, 400);
    let mails = apps.app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.expect(200);
    let mail = &mails["items"][0];
    assert_eq!(
        (&mail["to"], &mail["subject"]),
        (&json!("alice@example.com"), &json!("The access of an app was ended"))
    );
    assert!(mail["text"].as_str().unwrap().contains("“shop in a browser”"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tk_07_a_hundred_at_once_get_one_successor() {
    let apps = Apps::new().await;
    let mut token = apps.tokens(&apps.spa, OFFLINE).await.refresh;
    for round in 0..200 {
        let replies = join_all((0..100).map(|_| apps.refresh(&apps.spa, &token))).await;
        let given: BTreeSet<_> = replies.into_iter().map(|reply| Tokens::of(reply).refresh).collect();
        assert_eq!(given.len(), 1, "round {round}: a second lineage");
        token = given.into_iter().next().unwrap();
    }
    assert_eq!(apps.authorizations().await.len(), 1);
}

#[tokio::test]
async fn tk_05_a_refresh_narrows_and_never_widens() {
    let apps = Apps::new().await;
    let mut tokens = apps.tokens(&apps.spa, &["offline_access", "openid", "orders:read"]).await;
    for bad in ["orders:write", "orders:read+email", "unknown", "orders:read%09openid", "%22orders:read%22", "check"] {
        let reply = apps.refresh_with(&apps.spa, &tokens.refresh, &format!("&scope={bad}")).await;
        assert_eq!(error(&reply), "400 invalid_scope", "{bad}");
    }
    let other = apps.refresh_with(&apps.spa, &tokens.refresh, "&resource=https://bills.shop.test").await;
    assert_eq!(error(&other), "400 invalid_target", "rfc_8707_3");
    tokens = Tokens::of(apps.refresh_with(&apps.spa, &tokens.refresh, "&scope=orders:read").await);
    assert_eq!((tokens.scope.as_str(), tokens.id.as_str()), ("orders:read", ""), "none of that used it up");
    let wide = Tokens::of(apps.refresh_with(&apps.spa, &tokens.refresh, &format!("&resource={SHOP}")).await);
    assert_eq!(wide.scope, "offline_access openid orders:read", "what was granted stays granted");
}

#[tokio::test]
async fn tk_21_long_parameters_are_refused_before_anybody_is_looked_up() {
    let apps = Apps::new().await;
    let long = "a".repeat(4097);
    let many = vec!["s"; 100_000].join("+");
    for form in [
        format!("grant_type=refresh_token&refresh_token={long}"),
        format!("grant_type=refresh_token&refresh_token=x&scope={long}"),
        format!("grant_type=refresh_token&refresh_token=x&scope={many}"),
        format!("grant_type=authorization_code&code=x&resource=https://a/{long}"),
    ] {
        let reply = post(&apps.app, TOKEN, &[], &format!("{form}&client_id=nobody")).await;
        assert_eq!(error(&reply), "400 invalid_request");
    }
}

#[tokio::test]
async fn what_is_not_used_ends_and_what_is_used_goes_on_to_its_end() {
    let apps = Apps::new().await;
    let [idle, used] = [apps.tokens(&apps.web, OFFLINE).await, apps.tokens(&apps.web, OFFLINE).await];
    for _ in 0..9 {
        apps.app.clock.advance(Span::days(9));
        Tokens::of(apps.refresh(&apps.web, &used.refresh).await);
    }
    assert_eq!(error(&apps.refresh(&apps.web, &idle.refresh).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "idle");
    apps.app.clock.advance(Span::seconds(9 * 86_400 - 30));
    let last = Tokens::of(apps.refresh(&apps.web, &used.refresh).await);
    let claims = decode(&last.access).1;
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 60, "no token outlives what it is of");
    apps.app.clock.advance(Span::minutes(1));
    assert_eq!(error(&apps.refresh(&apps.web, &used.refresh).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "expired");
}

#[tokio::test]
async fn that_an_authorization_was_used_is_written_once_in_a_while() {
    let apps = Apps::new().await;
    let (realm, alice) = (apps.app.app.default_realm, apps.alice);
    let mut tokens = apps.tokens(&apps.spa, OFFLINE).await;
    let begun = apps.app.app.now();
    let mut written_at = async |after: Span| {
        apps.app.clock.advance(after);
        tokens = Tokens::of(apps.refresh(&apps.spa, &tokens.refresh).await);
        let grant = tokens.grant().parse().unwrap();
        let known = apps.app.app.store.point(|tx| tx.find_authorization(realm, grant)).unwrap().unwrap();
        assert_eq!(known.grant.subject, SubjectId::User(alice));
        known.authorized.unwrap().last_at
    };
    assert!(written_at(Span::minutes(1)).await <= begun);
    let written = written_at(Span::days(1)).await;
    assert!(written > begun + Span::days(1));
    assert_eq!(written_at(Span::minutes(1)).await, written, "what was read before the write is not believed");
}

#[tokio::test]
async fn a_confidential_client_may_be_told_to_change_its_tokens() {
    let apps = Apps::new().await;
    let (realm, id, now) = (apps.app.app.default_realm, super::client_id(&apps.web), super::now_of(&apps.app));
    let rotate = move |tx: &mut admit_store::Tx<'_>| {
        let mut client = tx.find_client(realm, id)?.unwrap();
        client.spec.rotate_refresh_tokens = Some(true);
        tx.update_client(realm, &client, now)?;
        Ok(admit_store::End::Commit(()))
    };
    apps.app.app.store.write(rotate).await.unwrap();
    let first = apps.tokens(&apps.web, OFFLINE).await;
    let second = Tokens::of(apps.refresh(&apps.web, &first.refresh).await);
    assert_ne!(second.refresh, first.refresh);
    apps.app.clock.advance(Span::hours(5));
    admit::jobs::reply::run_long(&apps.app.app).await;
    let again = Tokens::of(apps.refresh(&apps.web, &first.refresh).await);
    assert_eq!(again.refresh, second.refresh, "it proves who it is: until the successor is used");
    assert_ne!(again.jti(), second.jti(), "the first has expired");
    assert_eq!(apps.reads(&again.access).await, 200);
    Tokens::of(apps.refresh(&apps.web, &second.refresh).await);
    assert_eq!(error(&apps.refresh(&apps.web, &first.refresh).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "refresh_token_reused");
}

#[tokio::test]
async fn the_answer_is_forgotten_when_the_moment_is_over() {
    let apps = Apps::new().await;
    let first = apps.tokens(&apps.spa, OFFLINE).await;
    Tokens::of(apps.refresh(&apps.spa, &first.refresh).await);
    let kept = async || {
        let realm = apps.app.app.default_realm;
        let hashes =
            apps.app.app.master.keys().hashes(realm, admit_core::secret::SecretKind::RefreshToken, &first.refresh);
        let shown = apps.app.app.store.point(|tx| tx.find_refresh_token(realm, &hashes)).unwrap().unwrap();
        shown.successor.unwrap().reply
    };
    let looked = admit::jobs::reply::Looked::default();
    admit::jobs::reply::run(&apps.app.app, &looked).await;
    let sealed = kept().await.expect("the moment is not over");
    assert!(!sealed.windows(9).any(|part| part == b"admit_rt_"), "sealed");
    apps.app.clock.advance(Span::seconds(11));
    admit::jobs::reply::run(&apps.app.app, &looked).await;
    assert_eq!(kept().await, None);
}

#[tokio::test]
async fn se_11_a_refresh_token_is_good_at_the_token_endpoint_only() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, OFFLINE).await;
    assert_eq!(apps.reads(&tokens.refresh).await, 401);
    assert_eq!(apps.app.last_reason().map(|reason| reason.as_str()), Some("secret_in_wrong_place"));
    assert_eq!(apps.userinfo(&tokens.refresh).await.status, 401);
    for form in [
        format!("grant_type=refresh_token&refresh_token={}", tokens.access),
        format!("grant_type=authorization_code&code={}&redirect_uri={BACK}&code_verifier={VERIFIER}", tokens.refresh),
    ] {
        assert_eq!(error(&apps.post(&apps.spa, &form).await), "400 invalid_grant");
    }
    Tokens::of(apps.refresh(&apps.spa, &tokens.refresh).await);
}

#[tokio::test]
async fn floods_of_unknown_refresh_tokens_are_bounded_where_nobody_proved_who_he_is() {
    let app = crate::app::TestApp::with("[limits.unknown]\nnetwork = \"5/1m\"\n").await;
    let apps = Apps::at(app).await;
    for client in [&apps.spa, &apps.web] {
        apps.tokens(client, ALL).await;
    }
    let unknown = |number: u8| {
        let text = admit_core::secret::write("admit_rt", &[number; 32]);
        format!("grant_type=refresh_token&refresh_token={}", text.expose())
    };
    let mut last = String::new();
    for number in 0..20 {
        last = error(&apps.post(&apps.spa, &unknown(number)).await);
    }
    assert_eq!(last, "429 slow_down");
    assert_eq!(
        error(&apps.post(&apps.web, &unknown(0)).await),
        "400 invalid_grant",
        "who proves who he is answers for it"
    );
}

#[tokio::test]
async fn a_refresh_token_follows_the_master_key_when_it_is_used() {
    let apps = Apps::new().await;
    let [kept, rotated] = [apps.tokens(&apps.web, OFFLINE).await, apps.tokens(&apps.spa, OFFLINE).await];
    let spent = Tokens::of(apps.refresh(&apps.spa, &rotated.refresh).await);
    let file = apps.app.folder.path().join("master.key");
    admit::master::source::add(&file, 2, &[2; 32]).unwrap();
    apps.app.manage("POST", "/v1/master-keys/rotate", Value::Null).await.expect(200);
    let needs = async || {
        let status = apps.app.manage("GET", "/v1/master-keys", Value::Null).await.expect(200);
        let of = |number: usize| status["keys"][number - 1]["refresh_tokens"].as_i64().unwrap();
        (of(1), of(2))
    };
    assert_eq!(needs().await, (2, 0));
    let again = Tokens::of(apps.refresh(&apps.spa, &rotated.refresh).await);
    assert_eq!(again.refresh, spent.refresh, "what was sealed under the old key is read");
    Tokens::of(apps.refresh(&apps.spa, &spent.refresh).await);
    assert_eq!(needs().await, (1, 1));
    Tokens::of(apps.refresh(&apps.web, &kept.refresh).await);
    admit::master::write_moves(&apps.app.app).await;
    assert_eq!(needs().await, (0, 2));
    Tokens::of(apps.refresh(&apps.web, &kept.refresh).await);
}
