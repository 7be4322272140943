//! Invitations as operators send them: who may invite whom, and what an answer holds.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, events, sign_in, stranger};
use crate::app::TestApp;
use crate::pages::person::Person;

const CAROL: &str = "carol@example.com";

async fn carol(app: &TestApp) -> String {
    let carol = json!({"name": "carol", "email": CAROL, "roles": []});
    app.manage("POST", USERS, carol).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn invite(app: &TestApp) -> crate::app::Reply {
    app.manage("POST", &format!("{USERS}/carol/invite"), json!({})).await
}

/// The path of the link in an answer.
fn path(app: &TestApp, invited: &Value) -> String {
    invited["link"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned()
}

#[tokio::test]
async fn without_mail_the_answer_has_the_link_which_proves_no_address() {
    let app = TestApp::new().await;
    let id = carol(&app).await;
    let first = invite(&app).await.expect(201);
    assert_eq!((&first["mailed"], &first["user"], &first["email"]), (&json!(false), &json!(id), &json!(CAROL)));
    let second = invite(&app).await.expect(201);
    let mut person = Person::new(&app);
    assert_eq!(person.get(&path(&app, &first)).await.status, 400, "pw_09: inviting again ends the older link");
    let page = person.get(&path(&app, &second)).await;
    assert!(page.status == 200 && page.text.contains("Choose a password"), "{}", page.text);
    let token = person.value("token");
    let weak = person.submit("/invite", &[("token", &token), ("password", "short")]).await;
    assert_eq!(weak.status, 422, "{}", weak.text);
    let set = person.submit("/invite", &[("token", &token), ("password", PASSWORD)]).await;
    assert!(set.status == 200 && set.text.contains("Your password is set"), "{}", set.text);
    assert!(!person.cookies.keys().any(|name| name.starts_with("admit.")), "nobody is signed in by a link");
    assert!(sign_in(&app, CAROL, PASSWORD, stranger(&app)).await.is_ok());
    let shown = app.manage("GET", &format!("{USERS}/{id}"), Value::Null).await.expect(200);
    assert_eq!(shown["email_verified_at"], Value::Null, "pw_13: only a mail proves an address");
    assert_eq!(person.get(&path(&app, &second)).await.status, 400, "pw_09: once");
    let told: Vec<_> = [events(&app, "user.invited").await, events(&app, "user.invitation_accepted").await].concat();
    assert_eq!(told.len(), 3);
    let token = first["link"].as_str().unwrap().split("token=").nth(1).unwrap();
    assert!(told.iter().all(|event| !event.to_string().contains(token)), "lo_02");
    let again = invite(&app).await;
    assert_eq!((again.status, again.code().as_str()), (409, "password_set"), "{}", again.text);
}

#[tokio::test]
async fn an_invitation_is_good_for_three_days_and_for_the_address_that_it_went_to() {
    let app = TestApp::new().await;
    let id = carol(&app).await;
    let link = path(&app, &invite(&app).await.expect(201));
    let mut person = Person::new(&app);
    app.clock.advance(Span::hours(71));
    assert_eq!(person.get(&link).await.status, 200);
    app.manage("PATCH", &format!("{USERS}/{id}"), json!({"email": "other@example.com"})).await.expect(200);
    assert_eq!(person.get(&link).await.status, 400, "pw_13: another address since");
    let link = path(&app, &invite(&app).await.expect(201));
    app.clock.advance(Span::hours(72));
    assert_eq!(person.get(&link).await.status, 400, "over");
    let link = path(&app, &invite(&app).await.expect(201));
    app.manage("PUT", &format!("{USERS}/{id}/password"), json!({ "password": PASSWORD })).await.expect(200);
    assert_eq!(person.get(&link).await.status, 400, "he was given a password since");
}

#[tokio::test]
async fn only_who_can_be_reached_and_has_no_more_rights_is_invited() {
    let app = TestApp::new().await;
    app.manage("POST", USERS, json!({"name": "mute"})).await.expect(201);
    let mute = app.manage("POST", &format!("{USERS}/mute/invite"), json!({})).await;
    assert!(mute.status == 400 && mute.text.contains("--email ADDRESS"), "{}", mute.text);
    let gone = app.manage("POST", &format!("{USERS}/nobody/invite"), json!({})).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "not_found"));
    carol(&app).await;
    let strange = app.manage("POST", &format!("{USERS}/carol/invite"), json!({"language": "tlh"})).await;
    assert!(strange.status == 400 && strange.text.contains("must be one of en, de"), "{}", strange.text);
    app.manage("PATCH", &format!("{USERS}/carol"), json!({"disabled": true})).await.expect(200);
    assert_eq!(invite(&app).await.code(), "user_disabled");
    app.manage("PATCH", &format!("{USERS}/carol"), json!({"disabled": false, "roles": ["operator"]})).await.expect(200);
    let clerk = json!({"name": "clerk", "api": "urn:admit:realm:default", "scopes": ["users:read", "users:write"]});
    let clerk = app.key(clerk).await["key"].as_str().unwrap().to_owned();
    let refused = app.manage_as(&clerk, "POST", &format!("{USERS}/carol/invite"), json!({})).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "exceeds_own_rights"), "{}", refused.text);
}

#[tokio::test]
async fn a_link_is_shown_once_and_a_repetition_says_so() {
    let app = TestApp::new().await;
    let id = carol(&app).await;
    let bearer = format!("Bearer {}", app.operator());
    let once = async || {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "one")];
        app.send("POST", &format!("{USERS}/carol/invite"), &headers, None).await
    };
    assert_eq!(once().await.status, 201);
    let again = once().await;
    assert_eq!((again.status, again.code().as_str()), (409, "secret_already_shown"));
    assert!(again.text.contains(&format!("admit user invite {id}")), "{}", again.text);
}
