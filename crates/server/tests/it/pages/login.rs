//! `/login` and `/logout`, as forms and as JSON.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::person::{Person, encode};
use crate::app::TestApp;
use crate::browser::Tab;

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_person_signs_in_and_out_without_a_script() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    let before = alice.get("/account").await;
    assert_eq!((before.status, before.header("location").as_str()), (303, "/login"));
    let page = alice.get("/login").await;
    assert_eq!(page.status, 200);
    for name in ["id=\"login\"", "name=\"identifier\"", "name=\"password\"", "name=\"csrf\""] {
        assert!(page.text.contains(name), "{name}: {}", page.text);
    }
    let pre = alice.cookies["admit-pre.default"].clone();
    let done = alice.sign_in(ALICE, &password).await;
    assert_eq!((done.status, done.header("location").as_str()), (303, "/account"), "{}", done.text);
    assert_ne!(alice.cookies["admit-pre.default"], pre, "se_01: what tells the browser is made anew");
    assert!(alice.cookies["admit.default"].starts_with("admit_ss_"));
    let account = alice.get("/account").await;
    assert!(account.status == 200 && account.text.contains("alice@example.com"), "{}", account.text);
    assert!(account.text.contains("this browser") && account.text.contains("curl"), "{}", account.text);
    assert_eq!(alice.get("/login").await.header("location"), "/account");

    alice.get("/logout").await;
    let session = alice.cookies.clone();
    assert_eq!(alice.submit("/logout", &[]).await.status, 303);
    assert!(!alice.cookies.contains_key("admit.default"));
    assert!(alice.get("/logout").await.text.contains("You are signed out"));
    alice.cookies = session;
    assert_eq!(alice.get("/account").await.status, 303, "se_07: the session itself is over, not only the cookie");
}

#[tokio::test]
async fn pw_01_whoever_fails_is_told_the_same() {
    let (app, _) = TestApp::demo().await;
    let mut told = Vec::new();
    for identifier in [ALICE, "nobody@example.com", "no name\u{0}", ""] {
        let mut stranger = Person::new(&app);
        let refused = stranger.sign_in(identifier, "a wrong password").await;
        assert_eq!(refused.status, 401, "{identifier}: {}", refused.text);
        let error = refused.text.split("id=\"error\"").nth(1).unwrap().split("</p>").next().unwrap().to_owned();
        assert!(!stranger.cookies.contains_key("admit.default"));
        told.push((error, refused.headers.keys().map(ToString::to_string).collect::<Vec<_>>()));
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

#[tokio::test]
async fn the_twin_speaks_json() {
    let (app, password) = TestApp::demo().await;
    let post = async |origin: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        app.send("POST", "/login", &headers, Some(body.to_string().into_bytes())).await
    };
    let good = json!({"identifier": ALICE, "password": password});
    let signed_in = post(&app.url, good.clone()).await;
    assert_eq!((signed_in.status, signed_in.json()["account"].as_str()), (200, Some("/account")), "{}", signed_in.text);
    assert!(signed_in.header("set-cookie").starts_with("admit.default=admit_ss_"));
    let wrong = post(&app.url, json!({"identifier": ALICE, "password": "a wrong password"})).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "invalid_credential"));
    let foreign = post("https://evil.test", good.clone()).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "cross_site"));
    assert_eq!(post(&app.url, json!({"identifier": ALICE, "password": "x", "x": 1})).await.status, 400);
}

#[tokio::test]
async fn se_04_another_site_signs_nobody_in() {
    let (app, password) = TestApp::demo().await;
    let mut victim = Person::new(&app);
    victim.get("/login").await;
    let form = |token: &str| encode(&[("csrf", token), ("identifier", ALICE), ("password", &password)]);
    let (own, token) = (app.url.clone(), victim.token());
    for origin in ["https://evil.test", "null", "http://127.0.0.1.evil.test"] {
        let refused = victim.send("POST", "/login", &[("origin", origin)], Some(form(&token))).await;
        assert_eq!(refused.status, 403, "{origin}");
        assert!(refused.text.contains("This did not come from here"), "{}", refused.text);
    }
    let site = [("origin", own.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(victim.send("POST", "/login", &site, Some(form(&token))).await.status, 403);
    assert_eq!(victim.send("POST", "/login", &[], Some(form(&token))).await.status, 403, "nobody says where from");

    let mut attacker = Person::new(&app);
    attacker.get("/login").await;
    for (bad, why) in [("", "none"), (attacker.token().as_str(), "another browser's")] {
        let refused = victim.send("POST", "/login", &[("origin", &own)], Some(form(bad))).await;
        assert!(refused.status == 403 && refused.text.contains("This page has grown old"), "{why}: {}", refused.text);
    }
    let text = [("origin", own.as_str()), ("content-type", "text/plain")];
    let body = json!({"identifier": ALICE, "password": password}).to_string();
    let plain = app.send("POST", "/login", &text, Some(body.into_bytes())).await;
    assert_eq!((plain.status, plain.code().as_str()), (415, "unsupported_media_type"));
    let twice = format!("{}&identifier=x", form(&token));
    assert_eq!(victim.send("POST", "/login", &[("origin", &own)], Some(twice)).await.status, 400);
    assert!(!victim.cookies.contains_key("admit.default"));
    assert_eq!(
        victim.send("POST", "/login", &[("origin", &own)], Some(form(&token))).await.status,
        303,
        "its own is good"
    );
}

#[tokio::test]
async fn se_11_nobody_is_sent_elsewhere_after_signing_in() {
    let (app, password) = TestApp::demo().await;
    for purpose in ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "key%0d%0a"] {
        let mut alice = Person::new(&app);
        alice.get("/login").await;
        let fields = [("identifier", ALICE), ("password", password.as_str()), ("for", purpose), ("return_to", purpose)];
        let done = alice.submit("/login", &fields).await;
        assert_eq!((done.status, done.header("location").as_str()), (303, "/account"), "{purpose}");
    }
}

#[tokio::test]
async fn se_13_a_cookie_that_is_none_of_ours_is_no_session() {
    let (app, _) = TestApp::demo().await;
    for value in ["", "x", "{}", "admit_ss_", &"a".repeat(9000)] {
        let mut person = Person::new(&app);
        person.cookies.insert("admit.default".to_owned(), value.to_owned());
        let account = person.get("/account").await;
        assert_eq!((account.status, account.header("location").as_str()), (303, "/login"), "{value:.20}");
        assert_eq!(person.get("/login").await.status, 200, "{value:.20}");
    }
}

#[tokio::test]
async fn people_of_one_realm_are_nobody_in_another() {
    let (app, password) = TestApp::demo().await;
    app.manage("POST", "/v1/realms", json!({"name": "other"})).await.expect(201);
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    alice.base = "/realms/other";
    let account = alice.get("/account").await;
    assert_eq!((account.status, account.header("location").as_str()), (303, "/realms/other/login"));
    assert_eq!(alice.sign_in(ALICE, &password).await.status, 401);
    let nowhere = alice.send("GET", "/realms/nowhere/login", &[], None).await;
    assert!(nowhere.status == 404 && nowhere.text.contains("There is nothing here"), "{}", nowhere.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_signs_in_with_a_browser() {
    let (app, password) = TestApp::demo().await;
    let mut tab = Tab::open().await;
    let url = |path: &str| format!("{}{path}", app.url);
    tab.go(&url("/login")).await;
    tab.inspect("login").await;
    assert_eq!(tab.evaluate("document.activeElement.id").await, "identifier");
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", "a wrong password").await;
    tab.expect(&url("/login"), 401);
    tab.click("#login").await;
    assert_eq!(tab.text("#error").await, "The name and the password do not go together. Check both and try again.");
    assert_eq!(tab.evaluate("document.activeElement.id").await, "error", "who cannot see it is told at once");
    tab.inspect("login-wrong").await;
    assert_eq!(tab.evaluate("document.querySelector('#identifier').value").await, ALICE, "need not be typed again");

    tab.fill("#password", &password).await;
    tab.press("Enter").await;
    tab.loaded().await;
    assert_eq!(tab.url().await, url("/account"));
    tab.inspect("account").await;
    tab.click("a[href='/logout']").await;
    tab.inspect("logout").await;
    tab.click("#logout-confirm").await;
    assert_eq!(tab.text("h1").await, "You are signed out");
    tab.inspect("signed-out").await;
    tab.go(&url("/account")).await;
    assert_eq!(tab.url().await, url("/login"));
}

#[tokio::test]
async fn se_03_every_cookie_of_a_page_says_all_that_keeps_it_in() {
    let app = TestApp::with("public_url = 'https://auth.test'").await;
    let path = "/v1/realms/default/users";
    app.manage("POST", path, json!({"name": "bob"})).await.expect(201);
    app.manage("PUT", &format!("{path}/bob/password"), json!({"password": "quiet harbours keep their lamps"})).await;
    let page = app.send("GET", "/login", &[("host", "auth.test")], None).await;
    let own = [("content-type", "application/json"), ("host", "auth.test"), ("sec-fetch-site", "same-origin")];
    let body = json!({"identifier": "bob", "password": "quiet harbours keep their lamps"}).to_string();
    let signed_in = app.send("POST", "/login", &own, Some(body.into_bytes())).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    let set = page.headers.get_all("set-cookie").iter().chain(signed_in.headers.get_all("set-cookie"));
    let set: Vec<_> = set.map(|cookie| cookie.to_str().unwrap()).collect();
    let names: Vec<_> = set.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
    let all = [
        "__Host-admit-pre.default",
        "__Host-admit.default",
        "__Host-admit-strict.default",
        "__Host-admit-pre.default",
        "__Host-admit-device.default",
    ];
    assert_eq!(names, all);
    for cookie in set {
        let said: Vec<_> = cookie.split("; ").skip(1).filter(|part| !part.starts_with("Max-Age=")).collect();
        let same_site = if cookie.contains("-strict.") { "SameSite=Strict" } else { "SameSite=Lax" };
        assert_eq!(said, ["Path=/", "HttpOnly", same_site, "Secure"], "{cookie}");
    }
}

#[tokio::test]
async fn se_08_a_session_ends_however_busy_it_is() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    for _ in 0..29 {
        app.clock.advance(Span::days(1));
        assert_eq!(alice.get("/account").await.status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        admit::jobs::activity::write(&app.app).await;
    }
    app.clock.advance(Span::days(1));
    assert_eq!(alice.get("/account").await.status, 303, "the absolute end never moves");
}

/// What a browser that goes to a page of `shop.test` is told by its gateway.
async fn invited(app: &TestApp, cookies: &str) -> (String, String) {
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders?page=2"),
        ("x-forwarded-host", "shop.test:8080"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("sec-fetch-mode", "navigate"),
        ("cookie", cookies),
    ];
    let refused = app.send("GET", "/check/forward", &headers, None).await;
    let login = refused.header("admit-login");
    let path = login.strip_prefix(&app.url).unwrap_or_else(|| panic!("{} {login}", refused.status)).to_owned();
    (path, refused.header("set-cookie").split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn who_signs_in_for_a_protected_host_is_sent_back_there() {
    let (app, password) = TestApp::demo().await;
    let rule = json!({"name": "shop", "match": {"host": "shop.test", "path": "/**"}, "require": {"authenticated": true},
        "login": true, "audience": "any"});
    app.rule(rule).await;
    let (login, _) = invited(&app, "").await;
    let mut alice = Person::new(&app);
    let page = alice.get(&login).await;
    assert!(page.header("content-security-policy").ends_with("form-action 'self' http://shop.test:8080"), "{page:?}");
    let state = alice.value("state");
    let fields = [("identifier", ALICE), ("password", password.as_str()), ("state", state.as_str())];
    let done = alice.submit("/login", &fields).await;
    assert_eq!((done.status, done.header("location")), (303, login.clone()));
    let back = alice.get(&login).await.header("location");
    assert!(back.starts_with("http://shop.test:8080/.admit/callback?code=admit_"), "{back}");
    let forged = alice.get("/login?state=AAAA").await;
    assert_eq!(forged.header("location"), "/account", "se_11: a trip of somebody else's making leads nowhere");

    let (mut kept, mut rounds) = (String::new(), 0);
    loop {
        let (login, cookie) = invited(&app, &kept).await;
        if !cookie.is_empty() {
            kept = cookie;
        }
        let page = alice.get(&login).await;
        rounds += 1;
        assert!(rounds < 6, "it never ends");
        if page.status == 400 {
            assert!(page.text.contains("This goes round in circles"), "{}", page.text);
            break;
        }
        let code = page.header("location").replace("http://shop.test:8080", "");
        let headers = [
            ("x-forwarded-host", "shop.test:8080"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "127.0.0.1"),
            ("cookie", kept.as_str()),
        ];
        let came = app.send("GET", &code, &headers, None).await;
        let mut next = came
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned());
        kept = next.rfind(|cookie| !cookie.starts_with("admit-site.")).unwrap_or(kept);
    }
}
