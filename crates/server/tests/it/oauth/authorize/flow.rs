//! From the application through sign-in to a code, and everything that may be in between.

use admit_core::time::Span;
use serde_json::json;

use super::*;

#[tokio::test]
async fn az_30_a_person_signs_in_to_an_application_without_a_script() {
    let world = World::new().await;
    let mut alice = Person::new(&world.app);
    let sent = alice.get(&world.address(&[])).await;
    let login = sent.header("location");
    assert!(sent.status == 303 && login.starts_with("/login?flow="), "{login} {}", sent.text);
    let page = alice.get(&login).await;
    assert!(page.text.contains("to go on to") && page.text.contains("<bdi>Wiki</bdi>"), "{}", page.text);
    assert!(page.header("content-security-policy").ends_with("form-action 'self' https://wiki.test"), "se_12");
    let before = alice.cookies["admit-pre.default"].clone();
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let signed_in = alice.submit("/login", &fields).await;
    let onward = signed_in.header("location");
    assert!(signed_in.status == 303 && onward.starts_with("/consent?flow="), "az_30: {onward} {}", signed_in.text);
    assert_ne!(alice.cookies["admit-pre.default"], before, "se_01");
    assert_ne!(onward, format!("/consent?flow={flow}"), "se_01: sealed anew, for the cookie is another");
    let consent = alice.get(&onward).await;
    assert_eq!(consent.status, 200, "{}", consent.text);
    for part in ["<bdi>Wiki</bdi>", "<bdi>wiki.test</bdi>", "Read orders", "<bdi>alice</bdi>", "id=\"consent-deny\""] {
        assert!(consent.text.contains(part), "{part}: {}", consent.text);
    }
    let flow = alice.value("flow");
    let allow = [("flow", flow.as_str()), ("decision", "allow"), ("scope:orders:read", "on")];
    let back = told(&alice.submit("/consent", &allow).await);
    assert_eq!(back["state"], "s t&");
    assert_eq!(back["iss"], world.app.url, "rfc_9207");
    assert!(back["code"].starts_with("admit_ac_"));
    let tokens = world.redeem(&back["code"], VERIFIER).await.expect(200);
    assert_eq!(tokens["scope"], "openid orders:read");

    let again = alice.get(&world.address(&[("prompt", "none")])).await;
    assert!(told(&again).contains_key("code"), "it is remembered, and one sign-in serves");
    let more = alice.get(&world.address(&[("scope", "openid orders:read orders:write")])).await;
    assert!(more.header("location").starts_with("/consent?flow="), "what is new is asked");
}

#[tokio::test]
async fn az_12_az_16_az_17_a_code_goes_with_its_verifier_and_its_minute() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    let mut code = async || told(&alice.get(&world.address(&[])).await).remove("code").unwrap();
    let (first, second) = (code().await, code().await);
    let refused = async |code: &str, verifier: &str| {
        let reply = world.redeem(code, verifier).await;
        format!("{} {}", reply.status, reply.json()["error"].as_str().unwrap_or_default())
    };
    assert_eq!(refused(&first, "").await, "400 invalid_grant");
    assert_eq!(refused(&first, &VERIFIER.to_uppercase()).await, "400 invalid_grant");
    assert_eq!(world.redeem(&first, VERIFIER).await.status, 200, "a wrong one uses nothing up");
    assert_eq!(refused(&first, VERIFIER).await, "400 invalid_grant", "az_13");
    world.app.clock.advance(Span::seconds(60));
    assert_eq!(refused(&second, VERIFIER).await, "400 invalid_grant");
}

#[tokio::test]
async fn az_09_az_20_az_21_az_24_az_25_az_27_who_must_see_no_page_sees_none() {
    let world = World::new().await;
    let mut stranger = Person::new(&world.app);
    assert_eq!(error(&stranger.get(&world.address(&[("prompt", "none")])).await), "login_required");
    let mut alice = world.alice().await;
    let mut asked = async |more: &[(&str, &str)]| {
        let reply = alice.get(&world.address(more)).await;
        let location = reply.header("location");
        match location.split_once("?flow=") {
            Some((page, _)) => page.to_owned(),
            None => told(&reply).remove("error").unwrap_or_else(|| "code".to_owned()),
        }
    };
    assert_eq!(asked(&[("prompt", "none")]).await, "consent_required");
    for (name, value, what) in [
        ("prompt", "none login", "invalid_request"),
        ("prompt", "create", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "0", "/login"),
        ("prompt", "login", "/login"),
        ("prompt", "select_account", "/login"),
        ("prompt", "", "/consent"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "x", "invalid_request"),
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "http://169.254.169.254/", "request_uri_not_supported"),
        ("request_uri", "file:///etc/passwd", "request_uri_not_supported"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", &"a".repeat(42), "invalid_request"),
        ("code_challenge", &"a".repeat(129), "invalid_request"),
        ("scope", "openid address", "invalid_scope"),
        ("scope", "a  b", "invalid_scope"),
        ("resource", "orders", "invalid_target"),
        ("resource", "https://api.example.com#x", "invalid_target"),
        ("resource", "https://other.example.com", "invalid_target"),
        ("claims", "{", "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("nonce", &"n".repeat(513), "invalid_request"),
        ("acr_values", "urn:admit:aal3", "/consent"),
        (
            "claims",
            r#"{"id_token":{"acr":{"essential":true,"value":"urn:admit:aal3"}}}"#,
            "unmet_authentication_requirements",
        ),
        ("claims", r#"{"id_token":{"acr":{"essential":true,"values":[3]}}}"#, "invalid_request"),
        ("claims", r#"{"id_token":{"sub":{"value":5}}}"#, "invalid_request"),
        ("claims", r#"{"userinfo":{"sub":{"values":["usr_other"]}}}"#, "login_required"),
        ("authorization_details", r#"[{"type":"payment"}]"#, "invalid_authorization_details"),
        ("authorization_details", "{", "invalid_authorization_details"),
        ("unknown", "x", "/consent"),
    ] {
        assert_eq!(asked(&[(name, value)]).await, what, "{name}={value}");
    }
    world.app.clock.advance(Span::seconds(5));
    assert_eq!(asked(&[("max_age", "1")]).await, "/login");
    assert_eq!(asked(&[("max_age", "1"), ("prompt", "none")]).await, "login_required");
    world.app.clock.advance(Span::minutes(5));
    assert_eq!(asked(&[("scope", "openid offline_access")]).await, "/login", "an old sign-in is no word for later");
}

#[tokio::test]
async fn az_25_a_new_sign_in_is_a_new_one() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    let login = alice.get(&world.address(&[("prompt", "login")])).await.header("location");
    let skipped = alice.get(&login.replace("/login", "/consent")).await;
    assert_eq!(skipped.header("location"), login, "the page between cannot be left out");
    alice.get(&login).await;
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let onward = alice.submit("/login", &fields).await.header("location");
    assert!(told(&alice.get(&onward).await).contains_key("code"));
    let nobody = alice.get(&world.address(&[("claims", r#"{"id_token":{"sub":{"value":"usr_other"}}}"#)])).await;
    assert_eq!(error(&nobody), "login_required", "oidc_core_5_5_1: whoever it is, it is not he");
}

#[tokio::test]
async fn az_25_a_sign_in_that_one_application_wants_anew_ends_nothing_of_another() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    let code = told(&alice.get(&world.address(&[])).await).remove("code").unwrap();
    let before = world.redeem(&code, VERIFIER).await.expect(200);
    let old = alice.cookies.clone();
    world.app.clock.advance(Span::minutes(6));

    let login = alice.get(&world.address(&[("prompt", "login")])).await.header("location");
    alice.get(&login).await;
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let onward = alice.submit("/login", &fields).await.header("location");
    let code = told(&alice.get(&onward).await).remove("code").unwrap();
    let after = world.redeem(&code, VERIFIER).await.expect(200);

    let claims = |tokens: &Value| super::super::decode(tokens["id_token"].as_str().unwrap()).1;
    let (first, second) = (claims(&before), claims(&after));
    assert_eq!(first["sid"], second["sid"], "the same session");
    let apart = second["auth_time"].as_i64().unwrap() - first["auth_time"].as_i64().unwrap();
    assert!(apart >= 360, "the new moment, and a busy machine takes one of its own: {apart}");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", before["refresh_token"].as_str().unwrap());
    let basic = world.basic();
    let renewed = super::super::post(&world.app, "/oauth/token", &[("authorization", &basic)], &refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    alice.cookies = old;
    assert_eq!(alice.get("/account").await.status, 303, "se_01: with another secret");
}

#[tokio::test]
async fn az_09_se_01_a_request_goes_on_in_its_browser_as_it_was_and_not_for_long() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let consent = alice.get(&world.address(&[])).await.header("location");
    let sealed = consent.strip_prefix("/consent?flow=").unwrap().to_owned();
    let mut victim = world.alice().await;
    for page in ["login", "consent"] {
        is_page(&victim.get(&format!("/{page}?flow={sealed}")).await, "This sign-in is over");
        let mut changed = sealed.clone().into_bytes();
        changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
        for bad in [String::from_utf8(changed).unwrap(), "x".to_owned(), "A".repeat(9000)] {
            is_page(&alice.get(&format!("/{page}?flow={bad}")).await, "This sign-in is over");
        }
    }
    assert_eq!(alice.get(&consent).await.status, 200);
    let mut planted = Person::new(&world.app);
    planted.cookies = alice
        .cookies
        .iter()
        .filter(|(name, _)| *name == "admit-pre.default")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let login = planted.get(&consent).await;
    assert!(login.header("location").starts_with("/login?flow="), "nobody is signed in there");
    world.app.clock.advance(Span::minutes(10));
    is_page(&alice.get(&consent).await, "This sign-in is over");
}

#[tokio::test]
async fn a_request_that_is_posted_by_another_site_goes_on_as_an_address() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    let kept = std::mem::take(&mut alice.cookies);
    let site = [("origin", "https://wiki.test"), ("sec-fetch-site", "cross-site")];
    let sent = alice.send("POST", "/oauth/authorize", &site, Some(world.query(&[]))).await;
    let onward = sent.header("location");
    assert!(sent.status == 303 && onward.starts_with("/oauth/authorize?flow="), "{onward} {}", sent.text);
    assert!(!onward.contains(CHALLENGE));
    alice.cookies = kept;
    assert!(told(&alice.get(&onward).await).contains_key("code"));
    let sealed = onward.split_once('=').unwrap().1;
    is_page(&alice.get(&format!("/consent?flow={sealed}")).await, "This sign-in is over");
    let bad = alice.send("POST", "/oauth/authorize", &site, Some(world.query(&[("scope", "x")]))).await;
    assert_eq!(error(&bad), "invalid_scope");
    let both = format!("/oauth/authorize?{}", encode(&[("state", "x")]));
    let twice = alice.send("POST", &both, &site, Some(world.query(&[]))).await;
    assert_eq!(error(&twice), "invalid_request", "az_07: one in each");
}

#[tokio::test]
async fn what_is_too_long_for_an_address_is_to_be_pushed() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let (state, nonce) = ("s".repeat(2048), "n".repeat(400));
    let long = format!("{{\"userinfo\":{{\"{}\":null}}}}", "c".repeat(1200));
    let asked = alice.get(&world.address(&[("state", &state), ("nonce", &nonce), ("claims", &long)])).await;
    let told = told(&asked);
    assert_eq!(told["error"], "invalid_request");
    assert!(told["error_description"].contains("push it") && told["state"] == state, "{told:?}");
    let fits = alice.get(&world.address(&[("state", &state), ("nonce", &nonce)])).await;
    assert!(fits.header("location").starts_with("/consent?flow="));
}

#[tokio::test]
async fn nobody_asks_after_the_client_is_switched_off() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let consent = alice.get(&world.address(&[])).await.header("location");
    alice.get(&consent).await;
    let flow = alice.value("flow");
    world.change(json!({"disabled": true})).await;
    is_page(
        &alice.submit("/consent", &[("flow", &flow), ("decision", "allow")]).await,
        "Nobody here knows this application",
    );
    is_page(&alice.get(&world.address(&[])).await, "Nobody here knows this application");
}
