//! What applications are told of a sign-out (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use admit::jobs::logout;
use admit_core::id::{GrantId, UserId};
use admit_core::time::Span;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{REALM, Wiki, alice, is_in};
use crate::app::TestApp;
use crate::clients::publisher::{Publisher, Said};

/// A server, somebody who hears of sign-outs there, and an application of his.
struct Heard {
    app: TestApp,
    password: String,
    host: Publisher,
    wiki: Wiki,
}

impl Heard {
    async fn new() -> Self {
        let (app, password) = TestApp::demo().await;
        let host = Publisher::start(Said::status("200 OK")).await;
        host.introduce(&app);
        let wiki = Wiki::new(&app, "wiki", json!({"backchannel_logout_uri": host.at("/out")})).await;
        Self { app, password, host, wiki }
    }

    /// How many are still to be told; whatever is due was tried.
    async fn left(&self) -> usize {
        logout::run(&self.app.app).await;
        let asked = self.host.asked();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.host.asked() > asked {
                tokio::time::sleep(Duration::from_millis(50)).await;
                break;
            }
        }
        self.waiting().await
    }

    async fn waiting(&self) -> usize {
        let far = self.app.app.now() + Span::days(9);
        self.app.app.store.read(move |tx| tx.list_due_logout_notices(1000, far)).await.unwrap().len()
    }

    /// Waits until so many were asked.
    async fn until(&self, asked: usize) {
        for _ in 0..300 {
            if self.host.asked() >= asked {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
            logout::run(&self.app.app).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("asked {} times", self.host.asked());
    }

    /// The token that was sent last.
    fn token(&self) -> (Value, Value) {
        let request = self.host.request.lock().unwrap().clone();
        let token = request.split("\r\n\r\nlogout_token=").nth(1).unwrap_or_else(|| panic!("{request}"));
        let part = |place: usize| {
            let text = token.split('.').nth(place).unwrap();
            serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
        };
        (part(0), part(1))
    }
}

fn ids((user, session): (UserId, GrantId)) -> (Value, Value) {
    (json!(user), json!(session))
}

#[tokio::test]
async fn oidc_backchannel_1_an_application_is_told_when_somebody_signs_out() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    heard.wiki.let_in(&heard.app, signed_in, true).await;
    Wiki::new(&heard.app, "deaf", json!({})).await.let_in(&heard.app, signed_in, false).await;
    assert_eq!(heard.waiting().await, 0);
    alice.get("/logout").await;
    assert_eq!(alice.submit("/logout", &[]).await.status, 303);
    heard.until(1).await;
    assert_eq!((heard.waiting().await, heard.host.asked()), (0, 1), "once, though there were two authorizations");
    let request = heard.host.request.lock().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("post /out http/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("authorization"), "{request}");
    let ((head, said), (user, session)) = (heard.token(), ids(signed_in));
    assert_eq!((&head["typ"], &head["alg"]), (&json!("logout+jwt"), &json!("RS256")));
    assert_eq!((&said["iss"], &said["aud"]), (&json!(heard.app.url), &json!(heard.wiki.id)));
    assert_eq!((&said["sub"], &said["sid"]), (&user, &session));
    assert_eq!(said["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(said["nonce"].is_null() && said["jti"].is_string() && said["exp"].is_i64(), "{said}");
    let keys = heard.app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200);
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == head["kid"]), "by a key that is published");
}

#[tokio::test]
async fn se_14_whatever_ends_a_session_tells_its_applications() {
    let heard = Heard::new().await;
    let users = format!("{REALM}/users/alice");
    let mut count = 0;
    for (how, method, path, body) in [
        ("revoked by an operator", "DELETE", "", Value::Null),
        ("everything revoked", "POST", "/revoke-all", json!({})),
    ] {
        let (_, signed_in) = alice(&heard.app, &heard.password).await;
        heard.wiki.let_in(&heard.app, signed_in, false).await;
        let path = match how {
            "revoked by an operator" => format!("{REALM}/sessions/{}", signed_in.1),
            _ => format!("{users}{path}"),
        };
        let done = heard.app.manage(method, &path, body).await;
        assert!(done.status < 300, "{how}: {}", done.text);
        count += 1;
        heard.until(count).await;
        assert_eq!((heard.waiting().await, heard.host.asked()), (0, count), "{how}");
        assert_eq!(heard.token().1["sid"], json!(signed_in.1), "{how}");
        heard.app.clock.advance(Span::seconds(1));
    }

    let (mut here, _) = alice(&heard.app, &heard.password).await;
    let (_, elsewhere) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, elsewhere, false).await;
    here.get("/account/everywhere").await;
    assert_eq!(here.submit("/account/everywhere", &[]).await.status, 303);
    heard.until(count + 1).await;
    assert_eq!(heard.token().1["sid"], json!(elsewhere.1), "signed out everywhere");

    let (_, signed_in) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    let password = json!({"password": "quiet harbours keep their lamps"});
    heard.app.manage("PUT", &format!("{users}/password"), password).await;
    heard.until(count + 2).await;
    assert_eq!(heard.token().1["sid"], json!(signed_in.1), "another password");

    heard.app.clock.advance(Span::seconds(1));
    let (mut last, signed_in) = self::alice(&heard.app, "quiet harbours keep their lamps").await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    assert!(is_in(&mut last).await);
    heard.app.manage("PATCH", &users, json!({"disabled": true})).await.expect(200);
    heard.until(count + 3).await;
    assert_eq!(heard.token().1["sid"], json!(signed_in.1), "disabled");
    assert_eq!(heard.waiting().await, 0);
}

#[tokio::test]
async fn se_14_who_signs_in_again_is_not_signed_out_and_who_gives_way_to_another_is() {
    let heard = Heard::new().await;
    let other = json!({"name": "mallory", "password": "quiet harbours keep their lamps"});
    heard.app.manage("POST", &format!("{REALM}/users"), other).await.expect(201);
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    let grant = heard.wiki.let_in(&heard.app, signed_in, false).await;
    let old = alice.cookies["admit.default"].clone();
    heard.app.clock.advance(Span::minutes(6));
    alice.get("/login?for=key").await;
    let again = [("identifier", super::ALICE), ("password", heard.password.as_str()), ("for", "key")];
    assert_eq!(alice.submit("/login", &again).await.header("location"), "/account/keys/new");
    assert_eq!(alice.get("/account/keys/new").await.status, 200, "what it was for");
    assert_ne!(alice.cookies["admit.default"], old, "se_01");
    assert_eq!(super::newest(&heard.app).await, signed_in, "the same session");
    let (store, realm) = (&heard.app.app.store, heard.app.app.default_realm);
    let halted = || store.point(|tx| tx.find_lineage(realm, grant)).unwrap().unwrap().halted();
    assert_eq!((halted(), heard.waiting().await), (None, 0));

    heard.app.clock.advance(Span::minutes(6));
    alice.get("/login?for=key").await;
    alice.submit("/login", &[("identifier", "mallory"), ("password", "quiet harbours keep their lamps")]).await;
    assert!(halted().is_some(), "somebody else signed in in that browser");
    assert_eq!(heard.waiting().await, 1);
    heard.until(1).await;
    assert_eq!(heard.token().1["sid"], json!(signed_in.1));
}

#[tokio::test]
async fn lg_03_who_does_not_listen_is_told_again_and_holds_nobody_up() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    heard.host.say(Said::status("500 Oops"));
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    heard.until(1).await;
    assert_eq!(heard.waiting().await, 1);
    assert_eq!((heard.left().await, heard.host.asked()), (1, 1), "not at once");
    for (pause, said) in [
        (10, Said::status("302 Found").with("Location: https://keys.test/elsewhere")),
        (30, Said { body: vec![b'x'; 1 << 20], ..Said::status("400 Bad") }),
        (90, Said::status("204 No Content")),
    ] {
        let before = heard.host.asked();
        heard.host.say(said);
        heard.app.clock.advance(Span::seconds(pause - 5));
        heard.left().await;
        assert_eq!(heard.host.asked(), before, "not before {pause} s");
        heard.app.clock.advance(Span::seconds(5));
        heard.until(before + 1).await;
    }
    assert_eq!(heard.waiting().await, 0, "204 is taken");
    let metrics = heard.app.app.metrics.logout.told.get();
    assert_eq!((metrics, heard.app.app.metrics.logout.retried.get()), (1, 3));
}

#[tokio::test]
async fn lg_03_after_a_day_it_is_given_up_and_the_audit_hears_of_it() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    heard.host.say(Said::status("500 Oops"));
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    heard.until(1).await;
    heard.app.clock.advance(Span::hours(24));
    heard.until(2).await;
    assert_eq!(heard.waiting().await, 0);
    let events =
        heard.app.manage("GET", &format!("{REALM}/events?kind=logout.not_told"), Value::Null).await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["target"], &event["reason"]), (&json!(heard.wiki.id), &json!("too_late")), "{events}");
    assert_eq!(event["detail"]["why"], "the answer is 500");
}

#[tokio::test]
async fn lg_03_ir_10_nothing_that_is_not_everybody_s_is_told() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    let inside = json!({"backchannel_logout_uri": "https://10.1.2.3/out"});
    Wiki::new(&heard.app, "inside", inside).await.let_in(&heard.app, signed_in, false).await;
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    for _ in 0..100 {
        logout::run(&heard.app.app).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if heard.app.app.metrics.logout.retried.get() == 1 {
            break;
        }
    }
    assert_eq!(
        (heard.waiting().await, heard.app.app.metrics.logout.retried.get()),
        (1, 1),
        "kept, until it is allowed"
    );
}

#[tokio::test]
async fn lg_03_of_many_who_look_one_tells() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    heard.wiki.let_in(&heard.app, signed_in, false).await;
    heard.host.say(Said { after: Duration::from_millis(300), ..Said::status("200 OK") });
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    let app = &heard.app.app;
    futures_util::future::join_all((0..20).map(|_| logout::run(app))).await;
    for _ in 0..500 {
        if heard.waiting().await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((heard.host.asked(), heard.waiting().await), (1, 0));
}

#[tokio::test]
async fn oidc_backchannel_3_offline_access_goes_on_and_the_rest_is_over() {
    let heard = Heard::new().await;
    let (mut alice, signed_in) = alice(&heard.app, &heard.password).await;
    let online = heard.wiki.let_in(&heard.app, signed_in, false).await;
    let offline = heard.wiki.let_in(&heard.app, signed_in, true).await;
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    let (store, realm) = (&heard.app.app.store, heard.app.app.default_realm);
    let halted = |grant: GrantId| store.point(|tx| tx.find_lineage(realm, grant)).unwrap().unwrap().halted();
    assert!(halted(online).is_some() && halted(offline).is_none(), "{:?}", halted(offline));
}
