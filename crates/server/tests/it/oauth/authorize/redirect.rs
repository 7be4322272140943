//! Where people are sent back to, and what is in the way of everything else.

use serde_json::json;

use super::*;

#[tokio::test]
async fn az_01_az_02_az_03_az_06_nobody_is_sent_where_nobody_registered() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    for bad in [
        "https://wiki.test/cb/../evil",
        "https://wiki.test/%2e%2e/evil",
        "https://wiki.test//cb",
        "https://wiki.test\\@evil.test/cb",
        "https://wiki.test@evil.test/cb",
        "https://wiki.test/cb#x",
        "https://wiki.test/cb?x=1",
        "https://wiki.test/cb/",
        "https://WIKI.test/cb",
        "https://wiki.test:443/cb",
        "https://wiki.test./cb",
        "https://wiki.test/cb\u{0}",
        "http://wiki.test/cb",
        "javascript:alert(1)",
        "<script>alert(1)</script>",
        "",
    ] {
        for prompt in ["", "none"] {
            let reply = alice.get(&world.address(&[("redirect_uri", bad), ("prompt", prompt)])).await;
            is_page(&reply, "The application sent you here wrongly");
            assert!(!reply.text.contains("alert(") && !reply.text.contains("evil"), "se_12: {bad}");
        }
    }
    for bad in ["", "cli_nobody", "x", "<script>"] {
        is_page(&alice.get(&world.address(&[("client_id", bad)])).await, "Nobody here knows this application");
    }
    for name in ["redirect_uri", "client_id"] {
        let twice = format!("{}&{}", world.address(&[]), encode(&[(name, "x")]));
        let reply = alice.get(&twice).await;
        assert!(reply.status == 400 && reply.header("location").is_empty(), "{name}");
    }
    world.change(json!({"redirect_uris": [CALLBACK, "https://wiki.test/other"]})).await;
    let none = alice.get(&world.address(&[("redirect_uri", ""), ("scope", "orders:read")])).await;
    is_page(&none, "The application sent you here wrongly");
}

#[tokio::test]
async fn az_07_a_parameter_that_stands_there_twice_is_told_to_the_application() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    for name in ["scope", "state", "response_type", "code_challenge", "nonce", "prompt"] {
        let twice = format!("{}&{1}&{1}", world.address(&[(name, "")]), encode(&[(name, "x")]));
        let told = told(&alice.get(&twice).await);
        assert_eq!(told["error"], "invalid_request", "{name}");
        assert!(told["error_description"].contains(name), "{told:?}");
        assert_eq!(told.contains_key("state"), name != "state");
    }
}

#[tokio::test]
async fn az_18_az_19_state_comes_back_as_it_was_and_stands_on_no_page() {
    let world = World::new().await;
    let mut stranger = Person::new(&world.app);
    for state in ["a\r\nSet-Cookie: x=y", "<script>alert(1)</script>", "\u{202e}txet", "%41+ &=?#", "\"'\\"] {
        let reply = stranger.get(&world.address(&[("state", state), ("prompt", "none")])).await;
        assert_eq!(told(&reply)["state"], state);
        assert!(reply.headers.get("set-cookie").is_none() && !reply.header("location").contains(['\r', '\n']));
    }
    let (most, more) = ("s".repeat(2048), "s".repeat(2049));
    assert_eq!(told(&stranger.get(&world.address(&[("state", &most), ("prompt", "none")])).await)["state"], most);
    let longer = told(&stranger.get(&world.address(&[("state", &more), ("prompt", "none")])).await);
    assert_eq!(longer["error_description"], "The state has more than 2048 bytes.");
    assert!(longer["error"] == "invalid_request" && !longer.contains_key("state"), "{longer:?}");
    let hint = "\"><script>alert(1)</script>";
    let login = stranger.get(&world.address(&[("login_hint", hint), ("ui_locales", "de <x>")])).await;
    let page = stranger.get(&login.header("location")).await;
    assert!(page.text.contains("value=\"&#34;&#62;&#60;script"), "escaped, and not sent: {}", page.text);
    assert!(page.text.contains("lang=\"de\"") && page.text.contains("um weiterzugehen zu"), "{}", page.text);
}

#[tokio::test]
async fn az_10_an_application_that_registered_itself_sends_nobody_on_by_an_error() {
    let world = World::new().await;
    world.app.registered_itself(&world.client).await;
    let waits = |reply: &Reply, error: &str| {
        is_page(reply, "The application asked in vain");
        assert!(
            reply.text.contains("<bdi>wiki.test</bdi>") && reply.text.contains("<bdi>Wiki</bdi>"),
            "{}",
            reply.text
        );
        let on = format!("id=\"back\" href=\"{CALLBACK}?error={error}&#38;");
        assert!(reply.text.contains(&on) && !reply.text.contains("<script"), "{error}: {}", reply.text);
    };
    let (wrong, silent) = ([("scope", "x")], [("prompt", "none")]);
    let mut stranger = Person::new(&world.app);
    waits(&stranger.get(&world.address(&silent)).await, "login_required");
    waits(&stranger.get(&world.address(&wrong)).await, "invalid_scope");
    waits(
        &stranger
            .get(
                &world.address(&[
                    ("nonce", &"n".repeat(500)),
                    ("claims", &format!("{{\"x{}\":null}}", "x".repeat(3000))),
                ]),
            )
            .await,
        "invalid_request",
    );
    let posted = stranger.send("POST", "/oauth/authorize", &[], Some(world.query(&wrong))).await;
    waits(&posted, "invalid_scope");
    let form = stranger.get(&world.address(&[wrong[0], ("response_mode", "form_post")])).await;
    is_page(&form, "The application asked in vain");
    assert!(form.text.contains(&format!("action=\"{CALLBACK}\"")) && !form.text.contains("<script"), "{}", form.text);
    assert!(form.header("content-security-policy").ends_with("form-action 'self' https://wiki.test"));

    let mut alice = world.alice().await;
    waits(&alice.get(&world.address(&wrong)).await, "invalid_scope");
    let consent = alice.get(&world.address(&[])).await.header("location");
    alice.get(&consent).await;
    let flow = alice.value("flow");
    let no = alice.submit("/consent", &[("flow", &flow), ("decision", "deny")]).await;
    assert_eq!(error(&no), "access_denied", "she has chosen to");
    waits(&alice.get(&world.address(&silent)).await, "consent_required");
    let allow = [("flow", flow.as_str()), ("decision", "allow"), ("scope:orders:read", "on")];
    alice.get(&consent).await;
    assert!(told(&alice.submit("/consent", &allow).await).contains_key("code"));
    assert_eq!(error(&alice.get(&world.address(&wrong)).await), "invalid_scope", "she has let it in before");
    waits(&stranger.get(&world.address(&wrong)).await, "invalid_scope");
}

#[tokio::test]
async fn se_12_the_name_of_an_application_is_text() {
    let world = World::with(json!({"name": "<script>alert(1)</script>\u{05d0}"})).await;
    let mut alice = world.alice().await;
    let consent = alice.get(&world.address(&[])).await.header("location");
    let page = alice.get(&consent).await;
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains("<bdi>&#60;script&#62;alert(1)"), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert_eq!((page.header("x-frame-options").as_str(), policy.contains("script-src")), ("DENY", false), "se_06");
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.ends_with("form-action 'self' https://wiki.test"),
        "{policy}"
    );
    assert_eq!(page.header("referrer-policy"), "no-referrer", "rfc_9700_8");
}

#[tokio::test]
async fn answers_come_in_the_query_in_the_fragment_or_by_a_form() {
    let world = World::with(json!({"first_party": true})).await;
    let mut alice = world.alice().await;
    let fragment = alice.get(&world.address(&[("response_mode", "fragment")])).await.header("location");
    assert!(fragment.starts_with("https://wiki.test/cb#code=admit_ac_"), "{fragment}");
    let page = alice.get(&world.address(&[("response_mode", "form_post"), ("state", "<\">")])).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("action=\"https://wiki.test/cb\"") && page.text.contains("value=\"&#60;&#34;&#62;\""),
        "{}",
        page.text
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("script-src 'sha256-") && policy.ends_with("form-action 'self' https://wiki.test"),
        "{policy}"
    );
    assert_eq!(alice.value("iss"), world.app.url, "rfc_9207");
    assert_eq!(world.redeem(&alice.value("code"), VERIFIER).await.status, 200);
    let refused = alice.get(&world.address(&[("response_mode", "form_post"), ("scope", "x")])).await;
    assert!(refused.text.contains("value=\"invalid_scope\""), "{}", refused.text);
}

#[tokio::test]
async fn az_04_a_native_application_is_reached_at_the_port_that_it_chose() {
    let world =
        World::with(json!({"type": "native", "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"]})).await;
    let mut alice = world.alice().await;
    let mut page = async |uri: &str| {
        let consent = alice.get(&world.address(&[("redirect_uri", uri)])).await;
        let location = consent.header("location");
        if !location.starts_with("/consent") {
            return (consent.status, String::new());
        }
        let page = alice.get(&location).await;
        (page.status, page.header("content-security-policy").rsplit(' ').next().unwrap().to_owned())
    };
    assert_eq!(page("http://127.0.0.1:49152/cb").await, (200, "http://127.0.0.1:49152".to_owned()));
    assert_eq!(page("com.example.app:/cb").await, (200, "com.example.app:".to_owned()));
    for bad in [
        "http://[::1]:5000/cb",
        "http://localhost:5000/cb",
        "http://127.0.0.1.evil/cb",
        "http://127.0.0.1:5000/cb?x=1",
        "http://127.1/cb",
        "http://2130706433/cb",
    ] {
        assert_eq!(page(bad).await.0, 400, "{bad}");
    }
}
