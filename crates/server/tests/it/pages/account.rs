//! `/account`: everything that can act as Alice, and the end of each.

use admit_core::grant::{Grant, GrantKind};
use admit_core::login::session::{Session, SessionSecret};
use admit_core::secret::SecretHash;
use admit_core::time::Span;
use admit_store::{End, Page};
use serde_json::json;

use super::person::Person;
use crate::app::TestApp;
use crate::browser::Tab;

const ALICE: &str = "alice@example.com";
const CHOSEN: &str = "quiet harbours keep their lamps";

#[tokio::test]
async fn a_personal_key_is_made_used_and_revoked_without_a_script() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    let page = alice.get("/account/keys/new").await;
    assert!(page.text.contains("scope:0:orders:read") && page.text.contains("Read orders"), "{}", page.text);
    let wanted = [("name", "my laptop"), ("days", "7"), ("scope:0:orders:read", "on"), ("scope:0:orders:admin", "on")];
    let made = alice.submit("/account/keys/new", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let key = made.text.split("id=\"key\" tabindex=\"0\">").nth(1).unwrap().split('<').next().unwrap().to_owned();

    let bearer = format!("Bearer {key}");
    let ask = async |method: &str| app.send(method, "/demo/orders", &[("authorization", &bearer)], None).await;
    let admitted = ask("GET").await;
    assert_eq!(
        (admitted.status, admitted.json()["headers"]["admit-name"].as_str()),
        (200, Some("alice")),
        "{}",
        admitted.text
    );
    assert_eq!((ask("POST").await.status, ask("POST").await.code().as_str()), (403, "insufficient_scope"));
    let mails = app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.json();
    assert!(mails["items"][0]["text"].as_str().unwrap().contains("“my laptop”"), "{mails}");
    assert!(!mails.to_string().contains(&key), "lo_02: the key itself is on the page only");

    let account = alice.get("/account").await;
    assert!(account.text.contains("my laptop") && !account.text.contains(&key), "{}", account.text);
    let id = alice.value("key");
    let mut mallory = stranger(&app, "mallory").await;
    mallory.get("/account").await;
    let foreign = mallory.submit("/account/keys/revoke", &[("key", &id)]).await;
    assert_eq!(foreign.status, 404, "not his");
    assert_eq!(ask("GET").await.status, 200);
    assert_eq!(alice.submit("/account/keys/revoke", &[("key", &id)]).await.status, 303);
    assert_eq!((ask("GET").await.status, ask("GET").await.code().as_str()), (401, "revoked_credential"));
}

/// Another person of the realm, signed in.
async fn stranger<'a>(app: &'a TestApp, name: &str) -> Person<'a> {
    app.manage("POST", "/v1/realms/default/users", json!({"name": name, "email": format!("{name}@example.com")}))
        .await
        .expect(201);
    let path = format!("/v1/realms/default/users/{name}/password");
    let set = app.manage("PUT", &path, json!({"password": CHOSEN})).await;
    assert!((200..300).contains(&set.status), "{}", set.text);
    let mut person = Person::new(app);
    assert_eq!(person.sign_in(name, CHOSEN).await.status, 303);
    person
}

#[tokio::test]
async fn a_key_is_made_only_a_moment_after_signing_in() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    alice.get("/account/keys/new").await;
    app.clock.advance(Span::minutes(5));
    for reply in [alice.submit("/account/keys/new", &[("name", "k")]).await, alice.get("/account/keys/new").await] {
        assert_eq!((reply.status, reply.header("location").as_str()), (303, "/login?for=key"));
    }
    alice.get("/login?for=key").await;
    let again = alice.submit("/login", &[("identifier", ALICE), ("password", &password), ("for", "key")]).await;
    assert_eq!(again.header("location"), "/account/keys/new");
    assert_eq!(alice.get("/account/keys/new").await.status, 200);
}

#[tokio::test]
async fn se_14_signing_out_everywhere_ends_the_others_at_once() {
    let (app, password) = TestApp::demo().await;
    let (mut here, mut there) = (Person::new(&app), Person::new(&app));
    here.sign_in(ALICE, &password).await;
    there.sign_in(ALICE, &password).await;
    let made = app
        .key(json!({"name": "old key", "owner": ALICE, "api": "https://api.example.com", "scopes": ["orders:read"]}))
        .await;
    let (id, bearer) = (made["id"].as_str().unwrap(), format!("Bearer {}", made["key"].as_str().unwrap()));
    here.get("/account/everywhere").await;
    let done = here.submit("/account/everywhere", &[(&format!("key:{id}"), "on")]).await;
    assert_eq!(done.header("location"), "/account?done=everywhere", "{}", done.text);
    assert_eq!(there.get("/account").await.status, 303);
    assert_eq!(app.send("GET", "/demo/orders", &[("authorization", &bearer)], None).await.code(), "revoked_credential");
    let account = here.get("/account?done=everywhere").await;
    assert!(account.status == 200 && account.text.contains("You are signed out everywhere else."), "{}", account.text);
    assert!(!account.text.contains("Known devices"), "every device is forgotten");
}

#[tokio::test]
async fn pw_07_a_password_is_changed_by_who_knows_it() {
    let (app, password) = TestApp::demo().await;
    let (mut here, mut there) = (Person::new(&app), Person::new(&app));
    here.sign_in(ALICE, &password).await;
    there.sign_in(ALICE, &password).await;
    here.get("/account/password").await;
    let wrong = here.submit("/account/password", &[("current", "a wrong password"), ("password", CHOSEN)]).await;
    assert!(wrong.status == 403 && wrong.text.contains("The current password is not right."), "{}", wrong.text);
    let weak = here.submit("/account/password", &[("current", &password), ("password", "short")]).await;
    assert!(weak.status == 422 && weak.text.contains("Use at least 15 characters."), "{}", weak.text);
    let done = here.submit("/account/password", &[("current", &password), ("password", CHOSEN)]).await;
    assert_eq!(done.header("location"), "/account?done=password", "{}", done.text);
    let account = here.get("/account").await;
    assert!(account.status == 200 && account.text.contains("Known devices"), "this browser is known anew");
    assert_eq!(there.get("/account").await.status, 303, "others are signed out");
    assert_eq!(Person::new(&app).sign_in(ALICE, &password).await.status, 401);
    assert_eq!(Person::new(&app).sign_in(ALICE, CHOSEN).await.status, 303);
    let mails = app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.json();
    assert_eq!(mails["items"][0]["subject"], "Your password was changed");
}

#[tokio::test]
async fn se_12_what_others_typed_is_shown_and_not_run() {
    let (app, _) = TestApp::demo().await;
    let mut eve = stranger(&app, "eve").await;
    let hostile = "<img src=x onerror=alert(1)>\"'";
    app.key(json!({"name": hostile, "owner": "eve"})).await;
    let account = eve.send("GET", "/account", &[("user-agent", hostile)], None).await;
    assert!(account.status == 200 && !account.text.contains("<img"), "{}", account.text);
    assert!(account.text.contains("&#60;img src=x onerror=alert(1)&#62;"), "{}", account.text);
}

/// Signs alice in at a host, below the session that began last.
async fn at_host(app: &TestApp, host: &str) {
    let (realm, now) = (app.app.default_realm, app.app.now());
    let listed = app.app.store.point(|tx| tx.list_sessions(realm, None, true, &Page::first(100), now)).unwrap();
    let root = listed.into_iter().rfind(|issued| issued.grant.kind == GrantKind::Session).unwrap();
    let id = app.app.id(now);
    let grant =
        Grant { id, kind: GrantKind::Site, parent: Some(root.grant.id), root: root.grant.id, ..root.grant.clone() };
    let session = Session { grant: id, host: Some(host.to_owned()), idle: None, ..root.session };
    let (hash, created_at) = (SecretHash(app.app.random()), now);
    let secret = SessionSecret { hash, lookup_key: 1, grant: id, created_at };
    let begun = move |tx: &mut admit_store::Tx<'_>| tx.insert_session(&grant, &session, &secret).map(End::Commit);
    app.app.store.write(begun).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_led_to_stands_below_it() {
    let (app, password) = TestApp::demo().await;
    Person::new(&app).sign_in(ALICE, &password).await;
    app.clock.advance(Span::seconds(1));
    at_host(&app, "other.test").await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    at_host(&app, "shop.test").await;
    tab.go(&format!("{}/account", app.url)).await;
    tab.inspect("account-sites").await;
    let lines = "[...document.querySelectorAll('section[aria-labelledby=sessions] li')].map(l => [l.id, l.className, l.innerText])";
    let lines = tab.evaluate(lines).await;
    let shown: Vec<_> = lines.as_array().unwrap().iter().map(|line| (line[0].as_str(), line[1].as_str())).collect();
    let (root, child) = ((Some(""), Some("")), (Some(""), Some("child")));
    assert_eq!(shown, [(Some("this-session"), Some("")), child, root, child], "{lines}");
    assert!(lines[1][2].as_str().unwrap().contains("at shop.test · reached through the session above"), "{lines}");
    assert!(lines[3][2].as_str().unwrap().contains("at other.test"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_makes_a_key_and_revokes_it_in_the_browser() {
    let (app, password) = TestApp::demo().await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    tab.click("#new-key").await;
    tab.inspect("new-key").await;
    tab.fill("#name", "my laptop").await;
    tab.evaluate("document.querySelector('input[name=\"scope:0:orders:read\"]').click()").await;
    tab.click("#create-key").await;
    let key = tab.text("#key").await;
    tab.inspect("key-made").await;
    let bearer = format!("Bearer {key}");
    assert_eq!(app.send("GET", "/demo/orders", &[("authorization", &bearer)], None).await.status, 200);
    tab.click("a.button").await;
    tab.inspect("account-with-key").await;
    tab.click("form[action='/account/keys/revoke'] button").await;
    assert_eq!(tab.text("#done").await, "The key is revoked. It is refused from now on.");
    tab.inspect("account-done").await;
    assert_eq!(app.send("GET", "/demo/orders", &[("authorization", &bearer)], None).await.status, 401);
    tab.click("a[href='/account/password']").await;
    tab.inspect("password").await;
    tab.go(&format!("{}/account/everywhere", app.url)).await;
    tab.inspect("everywhere").await;
}
