//! `/invite`: who was invited gets a mail, chooses a password and signs in.

use serde_json::{Value, json};

use super::person::{Person, link};
use crate::app::TestApp;
use crate::browser::Tab;

const USERS: &str = "/v1/realms/default/users";
const BOB: &str = "bob@example.com";
const CHOSEN: &str = "quiet harbours keep their lamps";

async fn invite(app: &TestApp, language: &str) {
    app.manage("POST", USERS, json!({"name": "bob", "email": BOB})).await.expect(201);
    let invited = app.manage("POST", &format!("{USERS}/bob/invite"), json!({ "language": language })).await.expect(201);
    assert_eq!((&invited["mailed"], &invited["link"]), (&json!(true), &Value::Null), "the mail alone has the link");
}

#[tokio::test]
async fn a_mailed_invitation_proves_the_address() {
    let (app, _) = TestApp::demo().await;
    invite(&app, "de").await;
    let link = link(&app, 1).await;
    let mails = app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.json();
    assert_eq!((&mails["items"][0]["subject"], &mails["items"][0]["to"]), (&json!("Sie sind eingeladen"), &json!(BOB)));
    let mut bob = Person::new(&app);
    for _ in 0..2 {
        assert_eq!(bob.get(&link).await.status, 200, "pw_09: opening uses nothing up");
    }
    let token = bob.value("token");
    bob.get("/password/forgot").await;
    let elsewhere = bob.submit("/password/reset", &[("token", &token), ("password", CHOSEN)]).await;
    assert_eq!(elsewhere.status, 400, "a link is good for what it was made for");
    bob.get(&link).await;
    assert_eq!(bob.submit("/invite", &[("token", &token), ("password", CHOSEN)]).await.status, 200);
    assert_eq!(bob.sign_in(BOB, CHOSEN).await.status, 303);
    let shown = app.manage("GET", &format!("{USERS}/bob"), Value::Null).await.expect(200);
    assert_ne!(shown["email_verified_at"], Value::Null);
}

#[tokio::test]
async fn pw_12_an_address_gets_five_invitations_an_hour() {
    let (app, _) = TestApp::demo().await;
    invite(&app, "en").await;
    let again = async || app.manage("POST", &format!("{USERS}/bob/invite"), json!({})).await;
    for _ in 0..4 {
        again().await.expect(201);
    }
    let sixth = again().await;
    assert_eq!((sixth.status, sixth.code().as_str()), (429, "rate_limited"), "{}", sixth.text);
    assert_eq!(Person::new(&app).get(&link(&app, 5).await).await.status, 200, "the one that was sent goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_is_invited_and_signs_in_in_the_browser() {
    let (app, _) = TestApp::demo().await;
    invite(&app, "en").await;
    let path = link(&app, 1).await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/dev/mail", app.url)).await;
    tab.click(".things a").await;
    tab.inspect("invite-mail").await;
    tab.click(".letter a").await;
    tab.inspect("invite").await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#set-password").await;
    tab.inspect("invite-done").await;
    tab.go_expecting(&format!("{}{path}", app.url), 400).await;
    tab.inspect("invite-used").await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", BOB).await;
    tab.fill("#password", CHOSEN).await;
    tab.click("#login").await;
    assert_eq!(tab.text("h1").await, "Your account");
}
