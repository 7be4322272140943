//! What ends a token ends it at the next request.

use admit_core::check::code::Reason;
use admit_core::id::TokenId;
use admit_core::jose::claims::LEEWAY;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{API, Desk, LIFE};

const CLIENTS: &str = "/v1/realms/default/clients";

impl Desk {
    async fn both(&self) -> [String; 2] {
        let tokens = [self.token().await, self.opaque(&["orders:read"]).await.0];
        for token in &tokens {
            assert_eq!(self.read(token).await.status, 200);
            assert_eq!(self.read(token).await.status, 200, "from the cache");
        }
        tokens
    }

    async fn all_refused(&self, tokens: &[String; 2], reason: &str) {
        for token in tokens {
            assert_eq!(self.refused(token).await, reason);
            assert_eq!(self.refused(token).await, reason, "from the cache");
        }
        // What was never seen before is no better.
        let fresh = [self.token().await, self.opaque(&["orders:read"]).await.0];
        for token in &fresh {
            assert_eq!(self.refused(token).await, reason);
        }
    }

    async fn change_client(&self, change: Value) {
        self.app.manage("PATCH", &format!("{CLIENTS}/{}", self.client), change).await.expect(200);
    }
}

#[tokio::test]
async fn ir_05_a_token_that_was_taken_back_is_refused_at_the_next_request_and_no_other_is() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let (jwt, other) = (desk.sign("at+jwt", &claims).await, desk.token().await);
    let (opaque, id) = desk.opaque(&["orders:read"]).await;
    for token in [&jwt, &opaque, &other] {
        assert_eq!(desk.read(token).await.status, 200);
    }
    desk.revoke(claims["jti"].as_str().unwrap().parse().unwrap()).await;
    desk.revoke(id).await;
    for token in [&jwt, &opaque] {
        let reply = desk.read(token).await;
        assert_eq!((reply.code().as_str(), desk.reason(&reply).as_str()), ("revoked_credential", "revoked"));
    }
    assert_eq!(desk.read(&other).await.status, 200);
    // Also one that was taken back before it was ever seen.
    let unseen = desk.claims();
    desk.revoke(unseen["jti"].as_str().unwrap().parse::<TokenId>().unwrap()).await;
    assert_eq!(desk.refused(&desk.sign("at+jwt", &unseen).await).await, "revoked");
}

#[tokio::test]
async fn o5_a_client_that_is_disabled_takes_its_tokens_along_and_brings_them_back() {
    let desk = Desk::new().await;
    let tokens = desk.both().await;
    desk.change_client(json!({"disabled": true})).await;
    desk.all_refused(&tokens, "owner_disabled").await;
    desk.change_client(json!({"disabled": false})).await;
    for token in &tokens {
        assert_eq!(desk.read(token).await.status, 200, "rights that come back, come back");
    }
}

#[tokio::test]
async fn o5_a_grant_that_is_revoked_takes_all_its_tokens_along() {
    let desk = Desk::new().await;
    let tokens = desk.both().await;
    let path = format!("/v1/realms/default/grants/{}", desk.grant);
    assert_eq!(desk.app.manage("DELETE", &path, Value::Null).await.status, 204);
    desk.all_refused(&tokens, "revoked").await;
}

#[tokio::test]
async fn o5_everything_that_a_client_was_given_ends_at_a_moment() {
    let desk = Desk::new().await;
    let tokens = desk.both().await;
    desk.app.clock.advance(admit_core::time::Span::seconds(1));
    let reply = desk.app.manage("POST", &format!("{CLIENTS}/{}/revoke-all", desk.client), json!({})).await;
    assert!(reply.status < 300, "{}", reply.text);
    desk.all_refused(&tokens, "issued_before_cutoff").await;
}

#[tokio::test]
async fn a_token_with_a_scope_that_is_not_given_any_more_is_refused_whole_until_it_is_again() {
    let desk = Desk::new().await;
    let wide = desk.token_with("scope", json!("orders:read orders:write")).await;
    let narrow = desk.token().await;
    for token in [&wide, &narrow] {
        assert_eq!(desk.read(token).await.status, 200);
    }
    desk.change_client(json!({"rights": {API: ["orders:read"]}})).await;
    let reply = desk.read(&wide).await;
    assert_eq!((reply.code().as_str(), desk.reason(&reply).as_str()), ("revoked_credential", "rights_shrunk"));
    assert_eq!(desk.read(&narrow).await.status, 200, "all that it has is still given");
    desk.change_client(json!({"rights": {API: ["orders:read", "orders:write"]}})).await;
    assert_eq!(desk.read(&wide).await.status, 200);
    let never = desk.token_with("scope", json!("orders:read orders:delete")).await;
    assert_eq!(desk.refused(&never).await, "rights_shrunk");
}

#[tokio::test]
async fn a_token_of_an_api_that_is_gone_is_worth_nothing() {
    let desk = Desk::new().await;
    let tokens = desk.both().await;
    let apis = desk.app.manage("GET", "/v1/realms/default/apis", Value::Null).await.expect(200);
    let api = apis["items"].as_array().unwrap().iter().find(|api| api["uri"] == API).unwrap()["id"].clone();
    let rules = desk.app.manage("GET", "/v1/realms/default/rules", Value::Null).await.expect(200);
    let rule = rules["items"][0]["id"].as_str().unwrap().to_owned();
    desk.app.manage("DELETE", &format!("/v1/realms/default/rules/{rule}"), Value::Null).await;
    let gone =
        desk.app.manage("DELETE", &format!("/v1/realms/default/apis/{}", api.as_str().unwrap()), Value::Null).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(desk.refused(&tokens[1]).await, "parent_ended");
    assert_eq!(desk.refused(&tokens[0]).await, "other_audience");
}

#[tokio::test]
async fn ir_04_a_node_that_may_have_missed_something_asks_and_reads_all_anew() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let token = desk.sign("at+jwt", &claims).await;
    let id: TokenId = claims["jti"].as_str().unwrap().parse().unwrap();
    desk.revoke(id).await;
    let app = &desk.app.app;
    app.revoked.forget();
    let has = |id: &TokenId| app.revoked.has(app.default_realm, id);
    assert_eq!(has(&app.id(app.now())), None);
    assert_eq!(desk.refused(&token).await, "revoked");
    assert_eq!(desk.read(&desk.token().await).await.status, 200);
    app.revoked.load(&app.store, app.now()).await.unwrap();
    assert_eq!((has(&id), app.revoked.is_whole()), (Some(true), true));
}

#[tokio::test]
async fn tk_what_was_taken_back_is_remembered_until_it_would_have_ended_and_no_longer() {
    let desk = Desk::new().await;
    let (claims, app) = (desk.claims(), &desk.app.app);
    let (token, id) = (desk.sign("at+jwt", &claims).await, claims["jti"].as_str().unwrap().parse().unwrap());
    desk.revoke(id).await;
    app.revoked.settle(&app.store, app.now()).await.unwrap();
    let end = app.now() + LIFE + LEEWAY;
    app.revoked.sweep(end - Span::seconds(2));
    assert_eq!((desk.refused(&token).await.as_str(), app.revoked.count()), ("revoked", 1));
    app.revoked.sweep(end);
    assert_eq!(app.revoked.count(), 0);
}

#[tokio::test]
async fn st_a_token_that_was_taken_back_stays_so_over_a_restart() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let (token, good) = (desk.sign("at+jwt", &claims).await, desk.token().await);
    desk.revoke(claims["jti"].as_str().unwrap().parse().unwrap()).await;
    let (client, grant, address) = (desk.client, desk.grant, desk.app.address);
    let folder = desk.app.stop().await;
    // The issuer is the same whatever the port is.
    let app = crate::app::TestApp::in_folder(folder, &format!("public_url = \"http://{address}\"")).await;
    let desk = Desk { app, client, grant };
    assert_eq!(desk.refused(&token).await, "revoked");
    assert_eq!(desk.read(&good).await.status, 200);
}

#[tokio::test]
async fn what_is_handed_in_as_leaked_is_taken_back() {
    let desk = Desk::new().await;
    let tokens = desk.both().await;
    let other = desk.token().await;
    let mut forged = tokens[0].clone();
    forged.replace_range(forged.len() - 20..forged.len() - 16, "AAAA");
    let hand_in = async |credential: &str| {
        let body = json!({ "credential": credential }).to_string().into_bytes();
        let reply = desk.app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await;
        assert_eq!((reply.status, reply.text.as_str()), (202, "{}"));
    };
    hand_in(&forged).await;
    assert_eq!(desk.read(&tokens[0]).await.status, 200, "nobody ends what he does not hold");
    for token in &tokens {
        hand_in(token).await;
        hand_in(token).await;
        assert_eq!(desk.refused(token).await, "revoked");
    }
    assert_eq!(desk.read(&other).await.status, 200, "not its grant");
    let events = desk.app.manage("GET", "/v1/realms/default/events?kind=token.leaked", Value::Null).await.expect(200);
    let targets: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| &event["target"]).collect();
    assert_eq!(targets.len(), 2, "once each: {targets:?}");
    assert!(targets.iter().all(|target| target.as_str().unwrap().starts_with("tok_")));
}

#[tokio::test]
async fn a_client_s_secret_that_is_handed_in_proves_nothing_any_more() {
    let desk = Desk::new().await;
    let path = format!("{CLIENTS}/{}/secrets", desk.client);
    let made = desk.app.manage("POST", &path, json!({})).await.expect(201);
    let count =
        async || desk.app.manage("GET", &path, Value::Null).await.expect(200)["items"].as_array().unwrap().len();
    let before = count().await;
    let body = json!({ "credential": made["secret"] }).to_string().into_bytes();
    let reply = desk.app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await;
    assert_eq!((reply.status, count().await), (202, before - 1));
    let events = desk.app.manage("GET", "/v1/realms/default/events?kind=client.secret_leaked", Value::Null).await;
    assert_eq!(events.expect(200)["items"][0]["target"], json!(desk.client));
}

#[tokio::test]
async fn ir_03_what_a_text_is_can_be_asked() {
    let desk = Desk::new().await;
    let (app, now) = (&desk.app.app, desk.app.app.now());
    let realm = desk.realm();
    let claims = desk.claims();
    let jwt = desk.sign("at+jwt", &claims).await;
    let (opaque, id) = desk.opaque(&["orders:read"]).await;
    let inspect = |text: &str| admit::authn::token::inspect(app, &realm, text, now);
    let known = inspect(&jwt).unwrap();
    assert_eq!((known.live, known.id.to_string()), (Ok(()), claims["jti"].as_str().unwrap().to_owned()));
    assert_eq!(inspect(&opaque).unwrap().id, id);
    desk.revoke(id).await;
    assert_eq!(inspect(&opaque).unwrap().live, Err(Reason::Revoked), "real, and no good any more");
    let key = desk.app.shop_key("k", &["orders:read"]).await;
    assert_eq!(inspect(&key).unwrap_err(), Reason::UnknownShape, "an API key is no token");
    let unknown = desk.opaque(&[]).await.0.replace("admit_at", "admit_rt");
    assert_eq!(inspect(&unknown).unwrap_err(), Reason::UnknownShape);
}
