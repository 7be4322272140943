//! What ends an application's access ends it at the next request.

use std::time::Duration;

use admit::login::session::{self, Why};
use admit::manage::lane::RUNNING;
use admit_core::time::Span;
use admit_store::End;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{ALL, Apps, Client, OFFLINE, REALM, SHOP, Tokens, client_id, error, sign_in};

impl Apps {
    /// Both applications lose all of it, for this reason.
    async fn all_over(&self, client: &Client, tokens: &Tokens, why: &str) {
        assert_eq!(error(&self.refresh(client, &tokens.refresh).await), "400 invalid_grant", "{why}");
        assert_eq!(self.last_why().await, why);
        assert_eq!((self.reads(&tokens.access).await, self.userinfo(&tokens.access).await.status), (401, 401), "{why}");
    }

    async fn all_good(&self, client: &Client, tokens: &Tokens) {
        assert_eq!((self.reads(&tokens.access).await, self.userinfo(&tokens.access).await.status), (200, 200));
        Tokens::of(self.refresh(client, &tokens.refresh).await);
    }
}

#[tokio::test]
async fn tk_11_a_person_or_client_that_is_disabled_takes_its_tokens_along_and_brings_them_back() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.web, OFFLINE).await;
    let person = format!("users/{}", apps.alice);
    apps.all_good(&apps.web, &tokens).await;
    apps.change(&person, json!({"disabled": true})).await;
    apps.all_over(&apps.web, &tokens, "owner_disabled").await;
    apps.change(&person, json!({"disabled": false})).await;
    apps.all_good(&apps.web, &tokens).await;
    let client = format!("clients/{}", apps.web.id);
    apps.change(&client, json!({"disabled": true})).await;
    assert_eq!(error(&apps.refresh(&apps.web, &tokens.refresh).await), "401 invalid_client");
    assert_eq!((apps.reads(&tokens.access).await, apps.userinfo(&tokens.access).await.status), (401, 401));
    assert_eq!(apps.app.last_reason().map(|reason| reason.as_str()), Some("client_disabled"));
    apps.change(&client, json!({"disabled": false})).await;
    apps.all_good(&apps.web, &tokens).await;
}

#[tokio::test]
async fn tk_11_everything_of_a_person_or_of_a_client_before_a_moment_ends() {
    let apps = Apps::new().await;
    for subject in [format!("users/{}", apps.alice), format!("clients/{}", apps.web.id)] {
        let approved = admit_core::oauth::approved::Approved {
            session: sign_in(&apps.app, apps.alice).await,
            ..apps.approved(&apps.web, OFFLINE)
        };
        let code = apps.code_of(&approved).await;
        let tokens = Tokens::of(apps.redeem(&apps.web, &code).await);
        let waiting = apps.code_of(&approved).await;
        apps.all_good(&apps.web, &tokens).await;
        apps.app.clock.advance(Span::seconds(1));
        apps.app.manage("POST", &format!("{REALM}/{subject}/revoke-all"), json!({})).await.expect(200);
        apps.all_over(&apps.web, &tokens, "issued_before_cutoff").await;
        assert_eq!(error(&apps.redeem(&apps.web, &waiting).await), "400 invalid_grant", "a code of before");
        apps.app.clock.advance(Span::seconds(1));
    }
}

#[tokio::test]
async fn lg_06_what_was_not_granted_offline_ends_with_the_session() {
    let apps = Apps::new().await;
    let [online, offline] = [apps.tokens(&apps.web, ALL).await, apps.tokens(&apps.web, OFFLINE).await];
    let realm = apps.app.app.default_realm;
    let ended = session::end(&apps.app.app, realm, apps.alice, apps.session, Why::SignedOut, apps.app.app.now()).await;
    assert!(ended.unwrap());
    apps.all_over(&apps.web, &online, "parent_ended").await;
    apps.all_good(&apps.web, &offline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_06_who_signs_out_while_a_code_is_exchanged_leaves_nothing_behind() {
    for scopes in [ALL, OFFLINE] {
        let apps = Apps::new().await;
        let code = apps.code(&apps.web, scopes).await;
        let (app, realm) = (&apps.app.app, apps.app.app.default_realm);
        let places = join_all((0..RUNNING).map(|_| app.lanes.enter(realm))).await;
        let exchange = apps.redeem(&apps.web, &code);
        let sign_out = async {
            // It has judged the code and waits for its turn to write.
            while app.lanes.count(realm) <= RUNNING {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let (session, now) = (apps.session, app.now());
            let ended = app.store.write(move |tx| tx.revoke_grant(realm, session, now).map(End::Commit));
            assert!(ended.await.unwrap());
            drop(places);
        };
        let (reply, ()) = tokio::join!(exchange, sign_out);
        assert_eq!(error(&reply), "400 invalid_grant");
        assert_eq!(apps.last_why().await, "approval_ended");
        assert_eq!(apps.authorizations().await, [], "{scopes:?}");
    }
}

#[tokio::test]
async fn an_online_one_is_renewed_no_longer_than_its_session_is_used() {
    let apps = Apps::new().await;
    let online = apps.tokens(&apps.web, ALL).await;
    apps.app.clock.advance(Span::seconds(7 * 86_400 - 1));
    Tokens::of(apps.refresh(&apps.web, &online.refresh).await);
    apps.app.clock.advance(Span::seconds(1));
    assert_eq!(
        error(&apps.refresh(&apps.web, &online.refresh).await),
        "400 invalid_grant",
        "an application's use is none of hers"
    );
    assert_eq!(apps.last_why().await, "idle");
}

#[tokio::test]
async fn tk_11_what_a_person_took_back_is_over_at_once() {
    let apps = Apps::new().await;
    let [first, second, other] = [
        apps.tokens(&apps.web, OFFLINE).await,
        apps.tokens(&apps.web, ALL).await,
        apps.tokens(&apps.spa, OFFLINE).await,
    ];
    let [waiting, of_other] = [apps.code(&apps.web, OFFLINE).await, apps.code(&apps.spa, OFFLINE).await];
    let (realm, alice, web, now) = (apps.app.app.default_realm, apps.alice, client_id(&apps.web), apps.app.app.now());
    let listed = apps.app.app.store.point(|tx| tx.list_authorizations_of(realm, alice, now)).unwrap();
    assert_eq!(listed.len(), 3);
    apps.all_good(&apps.web, &first).await;
    apps.all_good(&apps.web, &second).await;
    assert!(listed.iter().any(|one| one.authorized.client == web && one.authorized.session == apps.session));
    let ended = apps
        .app
        .app
        .store
        .write(move |tx| tx.revoke_authorizations(realm, alice, web, now).map(admit_store::End::Commit));
    assert_eq!(ended.await.unwrap(), 2);
    for tokens in [&first, &second] {
        apps.all_over(&apps.web, tokens, "revoked").await;
    }
    assert_eq!(error(&apps.redeem(&apps.web, &waiting).await), "400 invalid_grant", "what was not exchanged yet");
    assert_eq!(apps.last_why().await, "code_unknown");
    apps.all_good(&apps.spa, &other).await;
    let left = apps.app.app.store.point(|tx| tx.list_authorizations_of(realm, alice, now)).unwrap();
    assert_eq!(left.len(), 1);
    Tokens::of(apps.redeem(&apps.spa, &of_other).await);
}

#[tokio::test]
async fn rights_that_shrink_narrow_what_is_given_next_and_refuse_what_has_too_much() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.web, OFFLINE).await;
    apps.change("roles/buyer", json!({"rights": {SHOP: ["orders:read"]}})).await;
    assert_eq!(apps.reads(&tokens.access).await, 401, "it has a scope that she has not");
    let narrow = Tokens::of(apps.refresh(&apps.web, &tokens.refresh).await);
    assert_eq!(narrow.scope, "offline_access openid orders:read");
    assert_eq!(apps.reads(&narrow.access).await, 200);
    let client = format!("clients/{}", apps.web.id);
    apps.change(&client, json!({"rights": {SHOP: ["orders:write"]}})).await;
    let none = Tokens::of(apps.refresh(&apps.web, &tokens.refresh).await);
    assert_eq!(none.scope, "offline_access openid", "what it may not ask for any more");
    apps.change(&client, json!({"rights": {SHOP: ["orders:read", "orders:write"]}})).await;
    apps.change("roles/buyer", json!({"rights": {SHOP: ["orders:read", "orders:write"]}})).await;
    assert_eq!(apps.reads(&tokens.access).await, 200, "rights that come back, come back");
    assert_eq!(Tokens::of(apps.refresh(&apps.web, &tokens.refresh).await).scope, tokens.scope);
}

#[tokio::test]
async fn tk_11_a_client_or_person_that_is_gone_leaves_nothing_behind() {
    let apps = Apps::new().await;
    let [of_web, of_spa] = [apps.tokens(&apps.web, OFFLINE).await, apps.tokens(&apps.spa, OFFLINE).await];
    apps.all_good(&apps.web, &of_web).await;
    let of_spa = Tokens::of(apps.refresh(&apps.spa, &of_spa.refresh).await);
    let gone = apps.app.manage("DELETE", &format!("{REALM}/clients/{}", apps.web.id), Value::Null).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(apps.reads(&of_web.access).await, 401);
    assert_eq!(apps.app.last_reason().map(|reason| reason.as_str()), Some("client_gone"));
    assert_eq!(error(&apps.refresh(&apps.web, &of_web.refresh).await), "401 invalid_client");
    let erased = apps.app.manage("POST", &format!("{REALM}/users/{}/erase", apps.alice), json!({})).await;
    assert!(erased.status < 300, "{}", erased.text);
    assert_eq!(apps.reads(&of_spa.access).await, 401);
    assert_eq!(error(&apps.refresh(&apps.spa, &of_spa.refresh).await), "400 invalid_grant");
}
