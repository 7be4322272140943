//! `/oauth/logout` and `/logout`.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::{ALICE, BYE, REALM, Wiki, alice, is_in, newest};
use crate::app::{Reply, TestApp};
use crate::browser::Tab;
use crate::pages::person::{Person, encode};

const NAVIGATION: [(&str, &str); 3] =
    [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")];

/// Goes where an application sends the browser, and on to the page.
async fn ask(person: &mut Person<'_>, fields: &[(&str, &str)]) -> Reply {
    let asked = person.send("GET", &format!("/oauth/logout?{}", encode(fields)), &NAVIGATION, None).await;
    assert_eq!(asked.status, 303, "{}", asked.text);
    let next = asked.header("location");
    assert!(next.starts_with("/logout?flow=") && next.len() < 3 * 1024 + 20, "{next}");
    assert!(asked.headers.get("set-cookie").is_none(), "nothing has ended yet");
    person.send("GET", &next, &NAVIGATION, None).await
}

#[tokio::test]
async fn lg_01_lg_06_an_id_token_of_this_session_ends_it_at_once() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let (hint, before) = (wiki.id_token(&app, ids).await, alice.cookies.clone());
    let id = wiki.id.to_string();
    let fields =
        [("id_token_hint", hint.as_str()), ("client_id", &id), ("post_logout_redirect_uri", BYE), ("state", "a b")];
    let gone = ask(&mut alice, &fields).await;
    let went = (gone.status, gone.header("location"));
    assert_eq!(went, (303, format!("{BYE}?state=a%20b")), "{}", gone.text);
    assert_eq!(gone.header("clear-site-data"), "\"cache\", \"storage\"");
    for name in ["admit.default", "admit-strict.default", "admit-pre.default"] {
        assert!(!alice.cookies.contains_key(name), "{name}");
    }
    assert!(alice.cookies.contains_key("admit-device.default"), "the device stays known");
    let mut thief = Person::new(&app);
    thief.cookies = before;
    assert!(!is_in(&mut thief).await, "the session itself is over");

    // Once more: nobody is signed in, and the application gets its browser back.
    assert_eq!(ask(&mut alice, &fields).await.header("location"), format!("{BYE}?state=a%20b"));
    let here = ask(&mut alice, &[("id_token_hint", &hint)]).await;
    assert!(here.status == 200 && here.text.contains("You are signed out"), "{}", here.text);
}

#[tokio::test]
async fn az_10_lg_01_an_application_that_registered_itself_sends_nobody_on_who_is_not_signed_in() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut mallory, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    app.registered_itself(&wiki.id.to_string()).await;
    let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
    let mut victim = Person::new(&app);
    let page = ask(&mut victim, &fields).await;
    assert_eq!((page.status, page.header("location").as_str()), (200, ""), "an ID token of somebody else's");
    assert!(page.text.contains(&format!("id=\"back\" href=\"{BYE}\"")), "a link: {}", page.text);
    assert_eq!(ask(&mut mallory, &fields).await.header("location"), BYE, "whose session it is goes back");
}

#[tokio::test]
async fn lg_01_whatever_is_not_proved_ends_nothing_and_leads_nowhere() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let other = Wiki::new(&app, "other", json!({"post_logout_redirect_uris": []})).await;
    let off = Wiki::new(&app, "off", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    let of_off = off.id_token(&app, ids).await;
    app.manage("PATCH", &format!("{REALM}/clients/off"), json!({"disabled": true})).await.expect(200);
    let claims = json!({"sub": ids.0, "sid": ids.1});
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let mut forged = hint.clone().into_bytes();
    let middle = hint.find('.').unwrap() + 20;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let at = wiki.signed(&app, "at+jwt", &claims).await;
    let out = wiki.signed(&app, "logout+jwt", &claims).await;
    let foreign = wiki.signed(&app, "JWT", &with("iss", json!("https://evil.test"))).await;
    let sessionless = wiki.signed(&app, "JWT", &json!({"sub": ids.0})).await;
    let (id, other_id) = (wiki.id.to_string(), other.id.to_string());
    for (why, fields) in [
        (
            "an address that is not registered",
            vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.test/")],
        ),
        ("a query more", vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://wiki.test/bye?x=1")]),
        (
            "another application's hint",
            vec![("id_token_hint", &hint), ("client_id", &other_id), ("post_logout_redirect_uri", BYE)],
        ),
        ("no address of the application", vec![("client_id", &other_id), ("post_logout_redirect_uri", BYE)]),
        ("nobody's address", vec![("post_logout_redirect_uri", BYE)]),
        ("nobody", vec![("client_id", "cli_01hzzzzzzzzzzzzzzzzzzzzzzz")]),
        ("forged", vec![("id_token_hint", &forged), ("post_logout_redirect_uri", BYE)]),
        ("no token", vec![("id_token_hint", "x.y.z"), ("client_id", &id), ("post_logout_redirect_uri", BYE)]),
        (
            "unsigned",
            vec![("id_token_hint", "eyJhbGciOiJub25lIn0.e30."), ("client_id", &id), ("post_logout_redirect_uri", BYE)],
        ),
        ("an access token", vec![("id_token_hint", &at), ("post_logout_redirect_uri", BYE)]),
        ("a logout token", vec![("id_token_hint", &out), ("post_logout_redirect_uri", BYE)]),
        ("another issuer's", vec![("id_token_hint", &foreign), ("post_logout_redirect_uri", BYE)]),
        ("of no session", vec![("id_token_hint", &sessionless), ("post_logout_redirect_uri", BYE)]),
        ("a client that is off", vec![("id_token_hint", &of_off), ("post_logout_redirect_uri", BYE)]),
    ] {
        let page = ask(&mut alice, &fields).await;
        assert!(
            page.status == 200 && page.text.contains("id=\"logout-confirm\""),
            "{why}: {} {}",
            page.status,
            page.text
        );
        assert!(page.text.contains("id=\"error\""), "{why}: {}", page.text);
        assert!(!page.header("content-security-policy").contains("wiki.test"), "{why}");
        assert!(is_in(&mut alice).await, "{why}");
    }
    let page = ask(&mut alice, &[("id_token_hint", &forged), ("post_logout_redirect_uri", BYE)]).await;
    let flow = page.text.split("name=\"flow\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let left = alice.submit("/logout", &[("flow", &flow)]).await;
    assert!(left.header("location").starts_with("/logout"), "{}", left.header("location"));
    assert!(!is_in(&mut alice).await, "who confirms is signed out all the same");
}

#[tokio::test]
async fn lg_01_a_hint_of_another_session_is_asked_about_and_its_application_gets_the_browser_back() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut elsewhere, of_elsewhere) = alice(&app, &password).await;
    let (mut here, _) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, of_elsewhere).await;
    let page = ask(&mut here, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    assert!(
        page.status == 200 && page.text.contains("<bdi>wiki</bdi></strong> wants you to sign out."),
        "{}",
        page.text
    );
    assert!(!page.text.contains("id=\"error\""), "{}", page.text);
    assert!(
        page.header("content-security-policy").contains("form-action 'self' https://wiki.test"),
        "or browsers stay"
    );
    assert!(is_in(&mut here).await && is_in(&mut elsewhere).await);
    let page = ask(&mut here, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE), ("state", "s")]).await;
    let flow = page.text.split("name=\"flow\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let left = here.submit("/logout", &[("flow", &flow)]).await;
    assert_eq!((left.status, left.header("location")), (303, format!("{BYE}?state=s")));
    assert!(!is_in(&mut here).await && is_in(&mut elsewhere).await, "this browser's alone");
    let nobody = ask(&mut here, &[("client_id", &wiki.id.to_string()), ("post_logout_redirect_uri", BYE)]).await;
    assert!(nobody.status == 200 && nobody.text.contains(&format!("href=\"{BYE}\"")), "a link: {}", nobody.text);
}

#[tokio::test]
async fn lg_01_a_picture_a_frame_or_a_script_signs_nobody_out() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    let path = format!("/oauth/logout?id_token_hint={hint}");
    for (mode, dest) in [("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty"), ("no-cors", "script")] {
        let own = [("sec-fetch-mode", mode), ("sec-fetch-dest", dest), ("sec-fetch-site", "cross-site")];
        let refused = alice.send("GET", &path, &own, None).await;
        assert_eq!(refused.status, 403, "{mode} {dest}: {}", refused.text);
        let led = alice.send("GET", &path, &NAVIGATION, None).await.header("location");
        assert_eq!(alice.send("GET", &led, &own, None).await.status, 200, "{mode} {dest}");
        alice.send("HEAD", &led, &NAVIGATION, None).await;
        assert!(is_in(&mut alice).await, "{mode} {dest}");
    }
}

#[tokio::test]
async fn oidc_logout_1_a_form_of_the_application_does_it_too() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    let form = encode(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]);
    // The browser leaves the cookie out where another site sends a form, and shows it where it is led on.
    let cookies = std::mem::take(&mut alice.cookies);
    let led = alice.send("POST", "/oauth/logout", &NAVIGATION, Some(form)).await;
    assert_eq!(led.status, 303, "{}", led.text);
    alice.cookies = cookies;
    let gone = alice.send("GET", &led.header("location"), &NAVIGATION, None).await;
    assert_eq!((gone.status, gone.header("location").as_str()), (303, BYE));
    assert!(!is_in(&mut alice).await);
    let twice = alice.send("GET", "/oauth/logout?state=a&state=b", &NAVIGATION, None).await;
    assert_eq!(twice.status, 400, "{}", twice.text);
}

#[tokio::test]
async fn lg_01_a_key_that_signs_no_more_is_still_known_and_a_revoked_one_is_not() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    let keys = format!("{REALM}/signing-keys");
    let all = app.manage("GET", &keys, Value::Null).await.expect(200);
    let old = all["items"].as_array().unwrap().iter().find(|key| key["algorithm"] == "RS256").unwrap()["id"].clone();
    app.manage("POST", &keys, json!({"algorithm": "RS256", "now": true})).await.expect(201);
    app.clock.advance(Span::hours(1));
    let published = app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200);
    assert_eq!(published["keys"].as_array().unwrap().len(), 1, "only the new one is");
    let page = alice.get("/account").await;
    assert_eq!(page.status, 200);
    let asked = ask(&mut alice, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    assert_eq!((asked.status, asked.header("location").as_str()), (303, BYE), "{}", asked.text);
    app.manage("DELETE", &format!("{keys}/{}", old.as_str().unwrap()), Value::Null).await.expect(204);
    let asked = ask(&mut alice, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    assert_eq!(asked.status, 200, "nothing is believed that it signed");
}

#[tokio::test]
async fn what_is_sealed_is_good_in_its_realm_and_for_ten_minutes() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let hint = wiki.id_token(&app, ids).await;
    let led = alice.send("GET", &format!("/oauth/logout?id_token_hint={hint}"), &NAVIGATION, None).await;
    let led = led.header("location");
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    assert_eq!(alice.send("GET", &format!("/realms/acme{led}"), &NAVIGATION, None).await.status, 200);
    let (start, end) = led.split_at(led.len() - 4);
    let bent = format!("{start}{}", if end == "AAAA" { "BBBB" } else { "AAAA" });
    assert_eq!(alice.send("GET", &bent, &NAVIGATION, None).await.status, 200);
    app.clock.advance(Span::minutes(10));
    assert_eq!(alice.send("GET", &led, &NAVIGATION, None).await.status, 200, "too late: asked");
    assert!(is_in(&mut alice).await);
}

#[tokio::test]
async fn the_page_says_what_ends_and_what_ended() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "<b>wiki</b>", json!({})).await;
    let mails = Wiki::new(&app, "mails", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    wiki.let_in(&app, ids, false).await;
    mails.let_in(&app, ids, true).await;
    let page = alice.get("/logout").await;
    assert!(page.text.contains("<li><bdi>&#60;b&#62;wiki&#60;/b&#62;</bdi></li>"), "se_12: {}", page.text);
    assert!(page.text.contains("<li><bdi>mails</bdi> · keeps its access"), "{}", page.text);
    let left = alice.submit("/logout", &[]).await;
    let told = alice.send("GET", &left.header("location"), &[], None).await;
    assert!(told.text.contains("You are signed out") && told.text.contains("&#60;b&#62;wiki"), "{}", told.text);
    assert!(!told.text.contains("mails"), "{}", told.text);
    let mut other = Person::new(&app);
    other.get("/login").await;
    let elsewhere = other.get(&left.header("location")).await;
    assert!(elsewhere.text.contains("You are signed out") && !elsewhere.text.contains("wiki"), "{}", elsewhere.text);
    let german = alice.send("GET", "/oauth/logout?ui_locales=xx%20de-AT", &NAVIGATION, None).await;
    let german = alice.send("GET", &german.header("location"), &NAVIGATION, None).await;
    assert!(german.text.contains("Sie sind abgemeldet"), "{}", german.text);
}

#[tokio::test]
async fn lg_04_no_page_of_a_sign_out_frames_an_application() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "wiki", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    wiki.let_in(&app, ids, false).await;
    let uri = json!({"frontchannel_logout_uri": "https://wiki.test/out"});
    let refused = app.manage("PATCH", &format!("{REALM}/clients/wiki"), uri).await;
    assert!(refused.status == 400 && refused.text.contains("frontchannel_logout_uri"), "{}", refused.text);
    let says = app.send("GET", "/.well-known/openid-configuration", &[], None).await.expect(200);
    let promised = says.as_object().unwrap().keys().find(|name| name.starts_with("frontchannel"));
    assert_eq!(promised, None);
    let asked = alice.get("/logout").await;
    let left = alice.submit("/logout", &[]).await;
    let told = alice.get(&left.header("location")).await;
    for page in [asked, told] {
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("frame-src"), "{policy}");
        assert!(!page.text.contains("<iframe"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_browser_is_led_through_a_sign_out() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "The wiki of a company with a rather long name", json!({})).await;
    let mut tab = Tab::open().await;
    let url = |path: &str| format!("{}{path}", app.url);
    tab.go(&url("/login")).await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    wiki.let_in(&app, newest(&app).await, false).await;
    tab.go(&url(&format!("/oauth/logout?client_id={}&post_logout_redirect_uri=https%3A%2F%2Fevil.test", wiki.id)))
        .await;
    tab.inspect("logout-wrong").await;
    tab.go(&url(&format!("/oauth/logout?client_id={}", wiki.id))).await;
    tab.inspect("logout-asked").await;
    tab.click("#logout-confirm").await;
    assert_eq!(tab.text("h1").await, "You are signed out");
    assert_eq!(tab.text("#ended").await.trim(), "The wiki of a company with a rather long name");
    tab.inspect("logout-ended").await;
    tab.go(&url("/account")).await;
    assert_eq!(tab.url().await, url("/login"));
}
