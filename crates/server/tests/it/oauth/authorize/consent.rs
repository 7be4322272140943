//! What people are asked, and what becomes of the answer.

use admit_core::time::Span;
use serde_json::json;

use super::*;

/// Opens the page that asks, and gives what it carries.
async fn ask(world: &World, alice: &mut Person<'_>, more: &[(&str, &str)]) -> (String, String) {
    let sent = alice.get(&world.address(more)).await;
    let consent = sent.header("location");
    assert!(consent.starts_with("/consent?flow="), "{consent} {}", sent.text);
    let page = alice.get(&consent).await;
    assert_eq!(page.status, 200, "{}", page.text);
    (page.text, alice.value("flow"))
}

#[tokio::test]
async fn who_says_no_is_not_asked_why() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    for decision in ["deny", "", "x"] {
        let (_, flow) = ask(&world, &mut alice, &[]).await;
        let told = told(&alice.submit("/consent", &[("flow", &flow), ("decision", decision)]).await);
        assert_eq!((told["error"].as_str(), told["state"].as_str()), ("access_denied", "s t&"));
        assert_eq!(told["iss"], world.app.url, "rfc_9207: with errors, too");
    }
    let none = alice.get(&world.address(&[("prompt", "none")])).await;
    assert_eq!(error(&none), "consent_required", "nothing is remembered");
}

#[tokio::test]
async fn what_is_unticked_is_not_given() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let all = [("scope", "openid email profile orders:read orders:write offline_access")];
    let (page, flow) = ask(&world, &mut alice, &all).await;
    for name in ["email", "profile", "orders:read", "orders:write", "offline_access"] {
        assert!(page.contains(&format!("name=\"scope:{name}\" checked")), "{name}: {page}");
    }
    assert!(!page.contains("scope:openid"), "who signs in is known there: {page}");
    for text in ["Read orders", "Change orders", "See your e-mail address", "Go on while you are not signed in"] {
        assert!(page.contains(text), "{text}");
    }
    let ticked = [
        ("flow", flow.as_str()),
        ("decision", "allow"),
        ("scope:email", "on"),
        ("scope:orders:read", "on"),
        ("scope:admin", "on"),
    ];
    let back = told(&alice.submit("/consent", &ticked).await);
    assert_eq!(world.redeem(&back["code"], VERIFIER).await.expect(200)["scope"], "email openid orders:read");
    let quiet = alice.get(&world.address(&[("scope", "openid email orders:read"), ("prompt", "none")])).await;
    assert!(told(&quiet).contains_key("code"));
    let events = world.app.manage("GET", "/v1/realms/default/events?kind=consent.given", Value::Null).await.expect(200);
    let event = &events["items"][0];
    assert_eq!(event["target"], world.client.as_str(), "{events}");
    assert_eq!(event["detail"]["scopes"], json!(["email", "openid", "orders:read"]), "{events}");
    assert_eq!(event["detail"]["declined"], json!(["offline_access", "orders:write", "profile"]), "{events}");
}

#[tokio::test]
async fn what_was_unticked_is_remembered_until_the_application_asks_anew() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let some = [("scope", "openid email orders:read")];
    let (_, flow) = ask(&world, &mut alice, &some).await;
    let ticked = [("flow", flow.as_str()), ("decision", "allow"), ("scope:email", "on")];
    alice.submit("/consent", &ticked).await;
    for prompt in ["", "none"] {
        let quiet = told(&alice.get(&world.address(&[some[0], ("prompt", prompt)])).await);
        assert_eq!(world.redeem(&quiet["code"], VERIFIER).await.expect(200)["scope"], "email openid", "{prompt}");
    }
    let more = [("scope", "openid email orders:read orders:write")];
    let new = alice.get(&world.address(&[more[0], ("prompt", "none")])).await;
    assert_eq!(error(&new), "consent_required", "what is new is asked");
    let (page, _) = ask(&world, &mut alice, &more).await;
    for ticked in ["email", "orders:write"] {
        assert!(page.contains(&format!("name=\"scope:{ticked}\" checked")), "{ticked}: {page}");
    }
    assert!(page.contains("name=\"scope:orders:read\">"), "he said no to it: {page}");

    let (page, flow) = ask(&world, &mut alice, &[("prompt", "consent"), ("scope", "openid email")]).await;
    assert!(page.contains("scope:email"), "asked again, because the application wants it");
    let narrowed = told(&alice.submit("/consent", &[("flow", &flow), ("decision", "allow")]).await);
    assert_eq!(world.redeem(&narrowed["code"], VERIFIER).await.expect(200)["scope"], "openid");
    let quiet = told(&alice.get(&world.address(&[("scope", "openid email")])).await);
    assert_eq!(
        world.redeem(&quiet["code"], VERIFIER).await.expect(200)["scope"],
        "openid",
        "what was given once and is not any more"
    );
    let nothing = alice.get(&world.address(&[("scope", "email")])).await;
    assert!(nothing.header("location").starts_with("/consent?flow="), "where nothing else would be given");
}

#[tokio::test]
async fn oidc_core_5_5_who_wants_claims_by_their_names_goes_around_nobody() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let claims = r#"{"userinfo":{"email":null,"name":null},"id_token":{"email":{"essential":true}}}"#;
    let wanted = [("scope", "openid"), ("claims", claims)];
    let userinfo = async |code: &str| {
        let tokens = world.redeem(code, VERIFIER).await.expect(200);
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let told = world.app.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], None).await.expect(200);
        let id = super::super::decode(tokens["id_token"].as_str().unwrap()).1;
        let told: Vec<_> = told.as_object().unwrap().keys().cloned().collect();
        (told.join(" "), id["email"].is_string(), tokens["scope"].as_str().unwrap().to_owned())
    };
    let (page, flow) = ask(&world, &mut alice, &wanted).await;
    assert!(page.contains("name=\"scope:email\" checked") && page.contains("name=\"scope:profile\" checked"), "{page}");
    let none = told(&alice.submit("/consent", &[("flow", &flow), ("decision", "allow")]).await);
    assert_eq!(userinfo(&none["code"]).await, ("sub".to_owned(), false, "openid".to_owned()), "nothing was ticked");

    let (_, flow) = ask(&world, &mut alice, &[wanted[0], wanted[1], ("prompt", "consent")]).await;
    let ticked = [("flow", flow.as_str()), ("decision", "allow"), ("scope:email", "on")];
    let some = told(&alice.submit("/consent", &ticked).await);
    let given = ("email sub".to_owned(), true, "openid".to_owned());
    assert_eq!(userinfo(&some["code"]).await, given, "what was asked for, and no scope that was not");
    let quiet = told(&alice.get(&world.address(&[wanted[0], wanted[1], ("prompt", "none")])).await);
    assert_eq!(userinfo(&quiet["code"]).await, given, "and remembered");
}

#[tokio::test]
async fn what_was_decided_is_about_an_application_as_it_was() {
    let world = World::new().await;
    world.app.registered_itself(&world.client).await;
    let mut alice = world.alice().await;
    let mut allow = async || {
        let (_, flow) = ask(&world, &mut alice, &[]).await;
        let ticked = [("flow", flow.as_str()), ("decision", "allow"), ("scope:orders:read", "on")];
        assert!(told(&alice.submit("/consent", &ticked).await).contains_key("code"));
        told(&alice.get(&world.address(&[("prompt", "none")])).await).contains_key("code")
    };
    assert!(allow().await, "remembered");
    world.app.clock.advance(Span::seconds(1));
    world.app.registered_itself(&world.client).await;
    assert!(allow().await, "asked anew, since it changed what it said of itself, and remembered again");
    let events = world.app.manage("GET", "/v1/realms/default/events?kind=consent.given", Value::Null).await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "the same decision: {events}");
}

#[tokio::test]
async fn se_04_another_site_gives_nothing_in_somebody_s_name() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let (_, flow) = ask(&world, &mut alice, &[]).await;
    let fields =
        |token: &str| encode(&[("csrf", token), ("flow", &flow), ("decision", "allow"), ("scope:orders:read", "on")]);
    let (own, token) = (world.app.url.clone(), alice.token());
    let foreign = alice.send("POST", "/consent", &[("origin", "https://evil.test")], Some(fields(&token))).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(alice.send("POST", "/consent", &[("origin", &own)], Some(fields("x"))).await.status, 403);
    let given = alice.send("POST", "/consent", &[("origin", &own)], Some(fields(&token))).await;
    assert!(told(&given).contains_key("code"));
}

#[tokio::test]
async fn somebody_else_signs_in_instead() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let (page, _) = ask(&world, &mut alice, &[]).await;
    let another = page.split("id=\"another\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let login = alice.get(&another).await;
    assert!(login.status == 200 && login.text.contains("id=\"login\""), "{}", login.text);
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let onward = alice.submit("/login", &fields).await.header("location");
    assert_eq!(alice.get(&onward).await.status, 200, "asked, by who it is now");
}

#[tokio::test]
async fn the_operator_s_own_applications_ask_nobody_where_they_are_sure_to_be_they() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    assert!(told(&alice.get(&world.address(&[])).await).contains_key("code"));
    let again = alice.get(&world.address(&[("prompt", "consent")])).await;
    assert!(again.header("location").starts_with("/consent?flow="), "where it wants that");
    world.change(json!({"redirect_uris": ["http://localhost:3000/cb"]})).await;
    let local = alice.get(&world.address(&[("redirect_uri", "http://localhost:3000/cb")])).await;
    assert!(local.header("location").starts_with("/consent?flow="), "any program of a machine could be it");
    let page = alice.get(&local.header("location")).await;
    assert!(page.text.contains("It says that it runs on your device"), "{}", page.text);
}

#[tokio::test]
async fn what_somebody_may_not_do_is_not_asked_about() {
    let world = World::new().await;
    world.app.manage("PATCH", "/v1/realms/default/users/alice", json!({"roles": []})).await.expect(200);
    let mut alice = world.alice().await;
    let (page, _) = ask(&world, &mut alice, &[]).await;
    assert!(!page.contains("orders:read"), "{page}");
    assert_eq!(error(&alice.get(&world.address(&[("scope", "orders:read")])).await), "access_denied");
}
