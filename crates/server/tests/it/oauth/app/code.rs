//! `grant_type=authorization_code`.

use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jwk::KeySet;
use admit_core::jose::jws::Compact;
use admit_core::oauth::id_token::at_hash;
use admit_core::time::Span;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    ALL, Apps, BACK, CHALLENGE, OFFLINE, REALM, SHOP, Tokens, VERIFIER, decode, error, events, now_of, sign_in,
};

#[tokio::test]
async fn oidc_core_2_a_code_gives_tokens_that_say_who_signed_in_and_to_whom() {
    let apps = Apps::new().await;
    let code = apps.code(&apps.spa, ALL).await;
    let reply = apps.redeem(&apps.spa, &code).await;
    let told = reply.json();
    let members: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(told["expires_in"], 600);
    let tokens = Tokens::of(reply);
    assert_eq!(tokens.scope, "email openid orders:read profile");
    assert!(tokens.refresh.starts_with("admit_rt_"));

    let (header, access) = decode(&tokens.access);
    assert_eq!((&header["typ"], &access["aud"]), (&json!("at+jwt"), &json!(SHOP)));
    assert_eq!((&access["sub"], &access["client_id"]), (&json!(apps.alice), &json!(apps.spa.id)));
    assert_eq!((&access["acr"], &access["amr"]), (&json!("urn:admit:aal1"), &json!(["pwd"])), "rfc_9068_5");
    assert_eq!(access["rvk"].as_array().unwrap().len(), 3, "the person, the application and her session");

    let (header, id) = decode(&tokens.id);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    let set = KeySet::of(&apps.app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200)).unwrap();
    Compact::parse(&tokens.id).unwrap().verify(set.find(header["kid"].as_str()).unwrap()).unwrap();
    let members: Vec<_> = id.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];
    assert_eq!(members, expected);
    assert_eq!((&id["iss"], &id["aud"]), (&json!(apps.app.url), &json!(apps.spa.id)));
    assert_eq!((&id["sub"], &id["nonce"]), (&json!(apps.alice), &json!("n-0S6")));
    assert_eq!(id["at_hash"], at_hash(&tokens.access, Algorithm::Rs256));
    assert_eq!(id["sid"], json!(apps.session));
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 600);
    assert_eq!(apps.reads(&tokens.access).await, 200);
    let made = events(&apps.app, "grant.created").await;
    let made = made.last().unwrap();
    assert_eq!((&made["actor"], &made["detail"]["client"]), (&json!(apps.alice), &json!(apps.spa.id)));
}

#[tokio::test]
async fn oidc_core_1_without_openid_there_is_no_id_token() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.web, &["orders:read", "profile"]).await;
    assert_eq!((tokens.id.as_str(), tokens.scope.as_str()), ("", "orders:read profile"));
    assert_eq!(apps.userinfo(&tokens.access).await.status, 403);
}

#[tokio::test]
async fn an_application_says_what_signs_its_id_tokens() {
    let apps = Apps::new().await;
    for (alg, algorithm) in [("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa), ("PS256", Algorithm::Ps256)] {
        let realm = apps.app.app.default_realm;
        let id = super::client_id(&apps.web);
        let now = now_of(&apps.app);
        let alg_of = serde_json::from_value(json!(alg)).unwrap();
        apps.app
            .app
            .store
            .write(move |tx| {
                let mut client = tx.find_client(realm, id)?.unwrap();
                client.spec.id_token_signed_response_alg = Some(alg_of);
                tx.update_client(realm, &client, now)?;
                Ok(admit_store::End::Commit(()))
            })
            .await
            .unwrap();
        let tokens = apps.tokens(&apps.web, ALL).await;
        let (header, id) = decode(&tokens.id);
        assert_eq!(header["alg"], alg);
        assert_eq!(id["at_hash"], at_hash(&tokens.access, algorithm));
    }
}

#[tokio::test]
async fn az_16_a_code_is_not_good_with_another_redirect_client_or_verifier_and_loses_nothing_by_it() {
    let apps = Apps::new().await;
    let code = apps.code(&apps.spa, ALL).await;
    let whole = format!("grant_type=authorization_code&code={code}");
    let other = "a".repeat(43);
    for (client, form, why) in [
        (&apps.spa, format!("{whole}&code_verifier={VERIFIER}"), "redirect_uri_changed"),
        (&apps.spa, format!("{whole}&redirect_uri={BACK}/&code_verifier={VERIFIER}"), "redirect_uri_changed"),
        (&apps.spa, format!("{whole}&redirect_uri={BACK}"), "verifier_missing"),
        (&apps.spa, format!("{whole}&redirect_uri={BACK}&code_verifier="), "verifier_missing"),
        (&apps.spa, format!("{whole}&redirect_uri={BACK}&code_verifier={CHALLENGE}"), "verifier_wrong"),
        (&apps.spa, format!("{whole}&redirect_uri={BACK}&code_verifier={other}"), "verifier_wrong"),
        (&apps.web, format!("{whole}&redirect_uri={BACK}&code_verifier={VERIFIER}"), "code_of_other_client"),
    ] {
        assert_eq!(error(&apps.post(client, &form).await), "400 invalid_grant", "{why}");
        assert_eq!(apps.last_why().await, why);
    }
    let form =
        |code: &str| format!("grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={VERIFIER}");
    for unknown in ["admit_ac_x", "x", &apps.app.operator().replace("admit_op", "admit_ac"), &"a".repeat(4000)] {
        assert_eq!(error(&apps.post(&apps.spa, &form(unknown)).await), "400 invalid_grant", "{unknown}");
    }
    assert_eq!(error(&apps.post(&apps.spa, "grant_type=authorization_code").await), "400 invalid_request");
    let twice = format!("{}&code={code}", form(&code));
    assert_eq!(error(&apps.post(&apps.spa, &twice).await), "400 invalid_request", "rfc_6749_2");
    Tokens::of(apps.redeem(&apps.spa, &code).await);
}

#[tokio::test]
async fn az_16_a_code_is_good_for_a_minute() {
    let apps = Apps::new().await;
    let [first, second] = [apps.code(&apps.spa, ALL).await, apps.code(&apps.spa, ALL).await];
    apps.app.clock.advance(Span::seconds(59));
    Tokens::of(apps.redeem(&apps.spa, &first).await);
    apps.app.clock.advance(Span::seconds(1));
    assert_eq!(error(&apps.redeem(&apps.spa, &second).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "code_expired");
}

#[tokio::test]
async fn az_13_a_code_that_comes_twice_ends_all_that_it_led_to() {
    let apps = Apps::new().await;
    for client in [&apps.spa, &apps.web] {
        let code = apps.code(client, OFFLINE).await;
        let first = Tokens::of(apps.redeem(client, &code).await);
        let renewed = Tokens::of(apps.refresh(client, &first.refresh).await);
        apps.app.clock.advance(Span::seconds(31));
        assert_eq!(apps.reads(&renewed.access).await, 200);
        assert_eq!(error(&apps.redeem(client, &code).await), "400 invalid_grant");
        assert_eq!(apps.last_why().await, "code_replayed");
        for access in [&first.access, &renewed.access] {
            assert_eq!((apps.reads(access).await, apps.userinfo(access).await.status), (401, 401));
        }
        assert_eq!(error(&apps.refresh(client, &renewed.refresh).await), "400 invalid_grant");
    }
    let told = events(&apps.app, "code.replayed").await;
    assert_eq!((told.len(), &told[0]["actor"]), (2, &json!(apps.spa.id)));
}

#[tokio::test]
async fn az_12_a_used_code_that_leaked_hurts_nobody() {
    let apps = Apps::new().await;
    let code = apps.code(&apps.spa, ALL).await;
    let tokens = Tokens::of(apps.redeem(&apps.spa, &code).await);
    let other = "a".repeat(43);
    let stolen = format!("grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={other}");
    assert_eq!(error(&apps.post(&apps.spa, &stolen).await), "400 invalid_grant");
    assert_eq!(error(&apps.redeem(&apps.web, &code).await), "400 invalid_grant");
    assert_eq!(apps.reads(&tokens.access).await, 200, "who has not the verifier ends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn az_14_of_fifty_at_once_one_gets_tokens_and_they_are_not_two() {
    let apps = Apps::new().await;
    let code = apps.code(&apps.spa, OFFLINE).await;
    let replies = join_all((0..50).map(|_| apps.redeem(&apps.spa, &code))).await;
    let (good, bad): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((good.len(), bad.len()), (1, 49));
    assert!(bad.iter().all(|reply| error(reply) == "400 invalid_grant"));
    let all = apps.authorizations().await;
    assert_eq!(all.iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>(), ["revoked"], "the replay rule");
}

#[tokio::test]
async fn tk_16_who_is_not_there_any_more_begins_nothing() {
    let apps = Apps::new().await;
    let [first, second, third] =
        [apps.code(&apps.spa, ALL).await, apps.code(&apps.spa, OFFLINE).await, apps.code(&apps.spa, ALL).await];
    let person = format!("users/{}", apps.alice);
    apps.change(&person, json!({"disabled": true})).await;
    assert_eq!(error(&apps.redeem(&apps.spa, &first).await), "400 invalid_grant");
    assert_eq!(apps.last_why().await, "approval_ended");
    apps.change(&person, json!({"disabled": false})).await;
    Tokens::of(apps.redeem(&apps.spa, &first).await);
    let session = format!("{REALM}/sessions/{}", apps.session);
    assert_eq!(apps.app.manage("DELETE", &session, Value::Null).await.status, 204);
    for code in [second, third] {
        assert_eq!(error(&apps.redeem(&apps.spa, &code).await), "400 invalid_grant", "signed out since then");
    }
    assert_eq!(apps.authorizations().await.len(), 1);
}

#[tokio::test]
async fn rfc_8707_2_2_a_resource_that_was_not_granted_is_no_target() {
    let apps = Apps::new().await;
    let code = apps.code(&apps.spa, ALL).await;
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={VERIFIER}");
    for other in ["https://bills.shop.test", "https://other.test", "orders"] {
        let reply = apps.post(&apps.spa, &format!("{form}&resource={other}")).await;
        assert_eq!(error(&reply), "400 invalid_target", "{other}");
    }
    Tokens::of(apps.post(&apps.spa, &format!("{form}&resource={SHOP}")).await);
}

#[tokio::test]
async fn tk_04_a_service_exchanges_nothing_and_unknown_kinds_are_told() {
    let apps = Apps::new().await;
    let service = super::Client::new(&apps.app, "batch", json!({SHOP: ["orders:read"]})).await;
    for form in ["grant_type=authorization_code&code=x", "grant_type=refresh_token&refresh_token=x"] {
        assert_eq!(error(&apps.post(&service, form).await), "400 unauthorized_client");
    }
    for kind in ["password", "implicit", "Authorization_code", "urn:x"] {
        let form = format!("grant_type={kind}");
        assert_eq!(error(&apps.post(&apps.web, &form).await), "400 unsupported_grant_type", "{kind}");
    }
    assert_eq!(error(&apps.post(&apps.web, "grant_type=client_credentials").await), "400 unauthorized_client");
}

#[tokio::test]
async fn an_application_has_so_many_authorizations_of_a_person_and_no_more() {
    let apps = Apps::new().await;
    let most = admit_store::AUTHORIZATIONS_MAX as usize;
    let first = apps.tokens(&apps.spa, ALL).await;
    for _ in 1..most {
        apps.tokens(&apps.spa, ALL).await;
    }
    assert_eq!(apps.reads(&first.access).await, 200);
    let last = apps.tokens(&apps.spa, ALL).await;
    assert_eq!((apps.reads(&first.access).await, apps.reads(&last.access).await), (401, 200), "the oldest made room");
    let other = sign_in(&apps.app, apps.alice).await;
    let approved = admit_core::oauth::approved::Approved { session: other, ..apps.approved(&apps.web, ALL) };
    let code = apps.code_of(&approved).await;
    Tokens::of(apps.redeem(&apps.web, &code).await);
}
