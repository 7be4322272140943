//! `/password/*`: who has lost his password gets a link, and nobody learns who has an account.

use admit_core::time::Span;
use serde_json::json;

use super::person::{Person, link};
use crate::app::TestApp;
use crate::browser::Tab;

const ALICE: &str = "alice@example.com";
const CHOSEN: &str = "quiet harbours keep their lamps";

async fn ask(app: &TestApp, identifier: &str) -> String {
    let mut person = Person::new(app);
    person.get("/password/forgot").await;
    let told = person.submit("/password/forgot", &[("identifier", identifier)]).await;
    assert_eq!(told.status, 200, "{}", told.text);
    told.text
}

#[tokio::test]
async fn a_lost_password_is_set_by_a_mailed_link() {
    let (app, password) = TestApp::demo().await;
    let mut signed_in = Person::new(&app);
    signed_in.sign_in(ALICE, &password).await;
    let key = app.key(json!({"name": "old key", "owner": ALICE})).await["id"].as_str().unwrap().to_owned();
    let told = ask(&app, "ALICE@example.com").await;
    assert_eq!(told, ask(&app, "nobody@example.com").await, "pw_01: nobody is told the same");
    let link = link(&app, 1).await;

    let mut alice = Person::new(&app);
    for _ in 0..3 {
        let page = alice.get(&link).await;
        assert!(page.status == 200 && page.text.contains("Set a new password"), "pw_09: opening uses nothing up");
        assert!(page.text.contains(&format!("name=\"key:{key}\" checked")), "{}", page.text);
    }
    let token = alice.value("token");
    let weak = alice.submit("/password/reset", &[("token", &token), ("password", "short")]).await;
    assert_eq!(weak.status, 422, "a password that is not taken does not cost the link");
    let fields = [("token", token.as_str()), ("password", CHOSEN), (&format!("key:{key}"), "on")];
    let set = alice.submit("/password/reset", &fields).await;
    assert!(set.status == 200 && set.text.contains("Your password is set"), "{}", set.text);
    let used = alice.get(&link).await;
    assert!(used.status == 400 && used.text.contains("This link is no good any more"), "pw_09: once");
    assert_eq!(signed_in.get("/account").await.status, 303, "se_14");
    let shown = app.manage("GET", &format!("/v1/realms/default/keys/{key}"), serde_json::Value::Null).await.expect(200);
    assert_eq!(shown["state"], "revoked", "se_14: its box was ticked");
    assert_eq!(alice.sign_in(ALICE, CHOSEN).await.status, 303);
}

#[tokio::test]
async fn pw_09_only_the_newest_link_is_good_and_not_for_long() {
    let (app, _) = TestApp::demo().await;
    ask(&app, ALICE).await;
    let older = link(&app, 1).await;
    ask(&app, ALICE).await;
    let newer = link(&app, 2).await;
    let mut alice = Person::new(&app);
    assert_eq!(alice.get(&older).await.status, 400);
    assert_eq!(alice.get(&newer).await.status, 200);
    app.clock.advance(Span::minutes(15));
    assert_eq!(alice.get(&newer).await.status, 400);
    assert_eq!(alice.get("/password/reset").await.status, 400);
}

#[tokio::test]
async fn pw_08_a_link_is_made_of_the_configuration() {
    let (app, _) = TestApp::demo().await;
    let mut person = Person::new(&app);
    person.get("/password/forgot").await;
    let form = super::person::encode(&[("csrf", &person.token()), ("identifier", ALICE)]);
    let own = app.url.clone();
    let headers = [
        ("origin", own.as_str()),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "host=evil.test"),
        ("x-original-host", "evil.test"),
        ("referer", "https://evil.test/"),
    ];
    person.send("POST", "/password/forgot", &headers, Some(form)).await;
    link(&app, 1).await;
}

#[tokio::test]
async fn without_mail_no_link_is_offered() {
    let app = TestApp::new().await;
    let mut person = Person::new(&app);
    assert_eq!(person.get("/password/forgot").await.status, 404);
    assert!(!person.get("/login").await.text.contains("/password/forgot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_sets_a_new_password_in_the_browser() {
    let (app, _) = TestApp::demo().await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.click("a[href='/password/forgot']").await;
    tab.inspect("forgot").await;
    tab.fill("#identifier", ALICE).await;
    tab.click("#forgot").await;
    tab.inspect("forgot-done").await;
    link(&app, 1).await;
    tab.go(&format!("{}/dev/mail", app.url)).await;
    tab.click(".things a").await;
    tab.click(".letter a").await;
    tab.inspect("reset").await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#set-password").await;
    tab.inspect("reset-done").await;
    tab.click("a.button").await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#login").await;
    assert_eq!(tab.text("h1").await, "Your account");
}
