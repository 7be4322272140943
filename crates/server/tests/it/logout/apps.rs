//! The applications of a person on `/account`, and the end of what they may.

use admit_core::id::GrantId;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{ALICE, REALM, Wiki, alice, is_in, newest};
use crate::app::TestApp;
use crate::browser::Tab;
use crate::pages::person::{Person, link};

const CHOSEN: &str = "quiet harbours keep their lamps";

/// Whether what was given still gives something.
fn lives(app: &TestApp, grant: GrantId) -> bool {
    let found = app.app.store.point(|tx| tx.find_lineage(app.app.default_realm, grant)).unwrap();
    found.unwrap().halted().is_none()
}

#[tokio::test]
async fn an_application_is_on_the_account_of_its_person_and_loses_all_at_one_button() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "<b>Wiki", json!({})).await;
    let mails = Wiki::new(&app, "Mails", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let page = alice.get("/account").await;
    assert!(page.text.contains("No application knows you"), "{}", page.text);
    let [online, offline] = [wiki.let_in(&app, ids, false).await, wiki.let_in(&app, ids, true).await];
    let other = mails.let_in(&app, ids, true).await;
    let page = alice.get("/account").await;
    assert!(page.text.contains("<bdi>&#60;b&#62;Wiki</bdi>"), "se_12: {}", page.text);
    assert!(
        page.text.contains("<code>wiki.test</code>") && page.text.contains("knows that it is you"),
        "{}",
        page.text
    );
    assert!(page.text.contains("keeps its access while you are away"), "{}", page.text);
    assert_eq!(page.text.matches("<li class=\"app\">").count(), 2, "one line for an application: {}", page.text);

    let mut mallory = Person::new(&app);
    app.manage("POST", &format!("{REALM}/users"), json!({"name": "mallory"})).await.expect(201);
    let chosen = json!({"password": "quiet harbours keep their lamps"});
    app.manage("PUT", &format!("{REALM}/users/mallory/password"), chosen).await;
    mallory.sign_in("mallory", "quiet harbours keep their lamps").await;
    mallory.get("/account").await;
    let id = wiki.id.to_string();
    assert_eq!(mallory.submit("/account/apps/revoke", &[("client", &id)]).await.status, 404, "nothing of hers");
    assert!(lives(&app, online) && lives(&app, offline));

    alice.get("/account").await;
    let done = alice.submit("/account/apps/revoke", &[("client", &id)]).await;
    assert_eq!((done.status, done.header("location").as_str()), (303, "/account?done=app"), "{}", done.text);
    assert!(!lives(&app, online) && !lives(&app, offline) && lives(&app, other), "hers alone, and all of it");
    assert!(is_in(&mut alice).await, "she stays signed in");
    alice.get("/account").await;
    assert_eq!(alice.submit("/account/apps/revoke", &[("client", &id)]).await.status, 404, "twice");
    let events = app.manage("GET", &format!("{REALM}/events?kind=consent.revoked"), Value::Null).await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["target"], &event["detail"]["authorizations"]), (&json!(wiki.id), &json!(2)), "{events}");
}

#[tokio::test]
async fn se_14_applications_lose_their_access_where_their_box_is_ticked() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "Wiki", json!({})).await;
    let mails = Wiki::new(&app, "Mails", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let [away, kept] = [wiki.let_in(&app, ids, true).await, mails.let_in(&app, ids, true).await];
    let page = alice.get("/account/everywhere").await;
    let ticked = format!("app:{}", wiki.id);
    assert!(page.text.contains(&format!("name=\"{ticked}\"><span><bdi>Wiki")), "not ticked: {}", page.text);
    assert_eq!(alice.submit("/account/everywhere", &[(&ticked, "on")]).await.status, 303);
    assert!(!lives(&app, away) && lives(&app, kept));

    // After a reset by mail all of them are ticked.
    alice.get("/password/forgot").await;
    alice.submit("/password/forgot", &[("identifier", ALICE)]).await;
    let link = link(&app, 1).await;
    let page = alice.get(&link).await;
    let ticked = format!("app:{}", mails.id);
    assert!(page.text.contains(&format!("name=\"{ticked}\" checked")), "{}", page.text);
    let token = link.split("token=").nth(1).unwrap().to_owned();
    let chosen = [("token", token.as_str()), ("password", "quiet harbours keep their lamps"), (&ticked, "on")];
    assert_eq!(alice.submit("/password/reset", &chosen).await.status, 200);
    assert!(!lives(&app, kept));
}

#[tokio::test]
async fn tk_11_se_14_applications_end_with_an_old_password_but_for_those_that_are_spared() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "Wiki", json!({})).await;
    let mails = Wiki::new(&app, "Mails", json!({})).await;
    let (mut alice, ids) = alice(&app, &password).await;
    let key = app.key(json!({"name": "ci", "owner": ALICE})).await["id"].as_str().unwrap().to_owned();
    let [away, kept] = [wiki.let_in(&app, ids, true).await, mails.let_in(&app, ids, true).await];
    let page = alice.get("/account/password").await;
    let boxes = [format!("app:{}", wiki.id), format!("app:{}", mails.id), format!("key:{key}")];
    for ticked in &boxes {
        assert!(page.text.contains(&format!("name=\"{ticked}\" checked")), "{}", page.text);
    }
    let ticked = [(boxes[0].as_str(), "on"), (boxes[2].as_str(), "on"), ("password", CHOSEN)];
    let wrong = [&ticked[..], &[("current", "a wrong password")]].concat();
    assert_eq!(alice.submit("/account/password", &wrong).await.status, 403);
    assert!(lives(&app, away), "nothing ends where the password stays");
    let right = [&ticked[..], &[("current", password.as_str())]].concat();
    let done = alice.submit("/account/password", &right).await;
    assert_eq!((done.status, done.header("location").as_str()), (303, "/account?done=password"), "{}", done.text);
    assert_eq!((lives(&app, away), lives(&app, kept)), (false, true), "the box of the other was not ticked");
    let shown = app.manage("GET", &format!("{REALM}/keys/{key}"), Value::Null).await.expect(200);
    assert_eq!(shown["state"], "revoked");
    let event = |kind: &str| format!("{REALM}/events?kind={kind}");
    for (kind, target) in [("consent.revoked", wiki.id.to_string()), ("key.revoked", key)] {
        let events = app.manage("GET", &event(kind), Value::Null).await.expect(200);
        assert_eq!(events["items"][0]["target"], json!(target), "{events}");
    }
}

#[tokio::test]
async fn tk_11_a_password_by_an_operator_ends_the_access_of_every_application() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::new(&app, "Wiki", json!({})).await;
    let mails = Wiki::new(&app, "Mails", json!({})).await;
    let (_, ids) = alice(&app, &password).await;
    let [one, other] = [wiki.let_in(&app, ids, true).await, mails.let_in(&app, ids, true).await];
    let key = app.key(json!({"name": "ci", "owner": ALICE})).await["id"].as_str().unwrap().to_owned();
    let set = app.manage("PUT", &format!("{REALM}/users/alice/password"), json!({ "password": CHOSEN })).await;
    assert_eq!(set.expect(200)["authorizations_ended"], 2);
    assert!(!lives(&app, one) && !lives(&app, other));
    let shown = app.manage("GET", &format!("{REALM}/keys/{key}"), Value::Null).await.expect(200);
    assert_eq!(shown["state"], "active", "keys go on, as it says");
}

#[tokio::test]
async fn the_account_with_applications_is_looked_at() {
    let (app, password) = TestApp::demo().await;
    let long = "The wiki of a company with a rather long name that goes on and on";
    let wiki =
        Wiki::new(&app, long, json!({"redirect_uris": ["https://wiki.a-rather-long-name.example.com/cb"]})).await;
    let mut tab = Tab::open().await;
    let url = |path: &str| format!("{}{path}", app.url);
    tab.go(&url("/login")).await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    let ids = newest(&app).await;
    let online = wiki.let_in(&app, ids, false).await;
    app.clock.advance(Span::minutes(2));
    tab.go(&url("/account")).await;
    tab.inspect("account-apps").await;
    tab.go(&url("/account/everywhere")).await;
    tab.inspect("everywhere-apps").await;
    tab.go(&url("/account/password")).await;
    tab.inspect("password-apps").await;
    tab.go(&url("/account")).await;
    tab.click(".app button").await;
    assert_eq!(tab.text("#done").await, "The application has no access any more.");
    assert!(!lives(&app, online));
}
