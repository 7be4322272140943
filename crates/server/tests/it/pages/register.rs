//! `/register`: an account that somebody makes for himself, and what nobody learns by it.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::person::{Person, link, mails, without_tokens};
use crate::app::{Reply, TestApp};
use crate::browser::Tab;

const REALM: &str = "/v1/realms/default";
const NEW: &str = "dora@example.com";
const ALICE: &str = "alice@example.com";
const CHOSEN: &str = "quiet harbours keep their lamps";

/// A demo in which people may register.
async fn open() -> TestApp {
    let (app, _) = TestApp::demo().await;
    app.manage("PATCH", REALM, json!({"settings": {"self_registration": true}})).await.expect(200);
    app
}

async fn ask(app: &TestApp, email: &str) -> Reply {
    let mut person = Person::new(app);
    person.get("/register").await;
    person.submit("/register", &[("email", email)]).await
}

async fn users(app: &TestApp) -> usize {
    let users = app.manage("GET", &format!("{REALM}/users"), Value::Null).await.expect(200);
    users["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn pw_01_whoever_registers_is_told_the_same_and_the_mail_says_the_rest() {
    let app = open().await;
    let (new, known) = (ask(&app, NEW).await, ask(&app, "ALICE@Example.com").await);
    assert_eq!((new.status, known.status), (200, 200), "{}", new.text);
    assert_eq!(without_tokens(&new.text), without_tokens(&known.text));
    let names = |reply: &Reply| {
        let mut names: Vec<_> = reply.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&new), names(&known));
    link(&app, 2).await;
    let told = mails(&app).await;
    let of = |to: &str| told.iter().find(|mail| mail["to"] == to).unwrap_or_else(|| panic!("{to}: {told:?}"));
    assert_eq!(of(NEW)["subject"], "Finish your account");
    assert_eq!(of(ALICE)["subject"], "You have an account already", "pw_06: at the address that is stored");
    assert!(!of(ALICE)["text"].as_str().unwrap().contains("token="), "{told:?}");
    let wrong = ask(&app, "no address").await;
    assert!(wrong.status == 422 && wrong.text.contains("That is no e-mail address."), "{}", wrong.text);
}

#[tokio::test]
async fn pw_14_an_account_begins_with_the_mail_and_not_before() {
    let app = open().await;
    let before = users(&app).await;
    ask(&app, NEW).await;
    let older = link(&app, 1).await;
    assert_eq!(users(&app).await, before, "who types an address makes nothing");
    app.clock.advance(Span::minutes(1));
    ask(&app, NEW).await;
    let newer = link(&app, 2).await;
    let mut dora = Person::new(&app);
    for _ in 0..2 {
        let page = dora.get(&newer).await;
        assert!(page.status == 200 && page.text.contains(NEW), "pw_09: opening uses nothing up: {}", page.text);
    }
    let token = dora.value("token");
    let fields = [("token", token.as_str()), ("password", "short")];
    assert_eq!(dora.submit("/register/password", &fields).await.status, 422);
    let made = dora.submit("/register/password", &[("token", &token), ("password", CHOSEN)]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(users(&app).await, before + 1);
    for used in [&newer, &older] {
        assert_eq!(dora.get(used).await.status, 400, "there is an account by now");
    }
    assert_eq!(dora.sign_in(NEW, CHOSEN).await.status, 303);
    let shown = app.manage("GET", &format!("{REALM}/users/{NEW}"), Value::Null).await.expect(200);
    assert_ne!(shown["email_verified_at"], Value::Null);
    assert_eq!((&shown["name"], &shown["roles"]), (&json!(NEW), &json!([])), "he may nothing yet");
    let told = app.manage("GET", &format!("{REALM}/events?kind=user.registered"), Value::Null).await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pw_16_closed_is_closed_by_every_path() {
    let app = open().await;
    ask(&app, NEW).await;
    let link = link(&app, 1).await;
    let mut dora = Person::new(&app);
    dora.get(&link).await;
    let token = dora.value("token");
    app.manage("PATCH", REALM, json!({"settings": {"self_registration": null}})).await.expect(200);
    let replies = [
        dora.submit("/register/password", &[("token", &token), ("password", CHOSEN)]).await,
        dora.get(&link).await,
        dora.get("/register").await,
    ];
    assert_eq!(replies.map(|reply| reply.status), [403; 3]);
    let mut late = Person::new(&app);
    late.get("/login").await;
    let refused = late.submit("/register", &[("email", NEW)]).await;
    assert!(refused.status == 403 && refused.text.contains("Accounts are not made here"), "{}", refused.text);
    assert!(!late.get("/login").await.text.contains("/register"));
}

#[tokio::test]
async fn pw_12_an_address_gets_five_links_an_hour_and_nobody_is_told() {
    let app = open().await;
    for _ in 0..7 {
        assert_eq!(ask(&app, NEW).await.status, 200);
    }
    link(&app, 5).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(mails(&app).await.len(), 5);
}

#[tokio::test]
async fn without_mail_nobody_registers_and_the_setting_says_so() {
    let app = TestApp::new().await;
    let refused = app.manage("PATCH", REALM, json!({"settings": {"self_registration": true}})).await;
    assert!(refused.status == 400 && refused.text.contains("[mail] in admit.toml"), "{}", refused.text);
    let control = app.manage("PATCH", "/v1/realms/operators", json!({"settings": {"self_rename": true}})).await;
    assert!(
        control.status == 400 && control.text.contains("cannot be on in the realm of operators"),
        "{}",
        control.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dora_makes_her_account_in_the_browser() {
    let app = open().await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.inspect("login-open").await;
    tab.click("#register").await;
    tab.inspect("register").await;
    tab.fill("#email", NEW).await;
    tab.click("button#register").await;
    tab.inspect("register-done").await;
    link(&app, 1).await;
    tab.go(&format!("{}/dev/mail", app.url)).await;
    tab.click(".things a").await;
    tab.click(".letter a").await;
    tab.inspect("register-password").await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#set-password").await;
    tab.click("a.button").await;
    tab.fill("#identifier", NEW).await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#login").await;
    assert_eq!(tab.text("h1").await, "Your account");
    assert_eq!(tab.text("#verified").await, "confirmed");
}
