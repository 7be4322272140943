//! `/account/name`: another name, where the realm lets people choose one.

use serde_json::json;

use super::person::Person;
use crate::app::TestApp;
use crate::browser::Tab;

const REALM: &str = "/v1/realms/default";

#[tokio::test]
async fn ad_02_nobody_calls_himself_by_what_is_somebody_elses() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    alice.sign_in("alice", &password).await;
    assert_eq!(alice.get("/account/name").await.status, 404, "as by default");
    app.manage("PATCH", REALM, json!({"settings": {"self_rename": true}})).await.expect(200);
    app.manage("POST", &format!("{REALM}/users"), json!({"name": "Bob", "external_id": "cus_42"})).await.expect(201);
    alice.get("/account/name").await;
    for (name, status, why) in [
        ("ＢＯＢ", 409, "Somebody is called so already."),
        ("cus_42", 409, "Somebody is called so already."),
        ("usr_01", 422, "That cannot be a name."),
        ("bob@example.com", 422, "That cannot be a name."),
        ("two  spaces", 422, "That cannot be a name."),
        ("", 422, "That cannot be a name."),
    ] {
        let reply = alice.submit("/account/name", &[("name", name)]).await;
        assert!(reply.status == status && reply.text.contains(why), "{name}: {} {}", reply.status, reply.text);
    }
    let done = alice.submit("/account/name", &[("name", " Alice Liddell ")]).await;
    assert_eq!(done.header("location"), "/account?done=name", "{}", done.text);
    assert!(alice.get("/account").await.text.contains("Alice Liddell"));
    assert_eq!(Person::new(&app).sign_in("alice liddell", &password).await.status, 303);
    assert_eq!(Person::new(&app).sign_in("alice", &password).await.status, 401);
    let mut last = 0;
    for number in 0..20 {
        alice.get("/account/name").await;
        last = alice.submit("/account/name", &[("name", &format!("alice {number}"))]).await.status;
    }
    assert_eq!(last, 429, "who tries names learns which are taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_changes_her_name_in_the_browser() {
    let (app, password) = TestApp::demo().await;
    app.manage("PATCH", REALM, json!({"settings": {"self_rename": true}})).await.expect(200);
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", "alice").await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    tab.click("#rename").await;
    tab.inspect("name").await;
    tab.fill("#name", "Alice Liddell").await;
    tab.click("button#rename").await;
    tab.inspect("account-renamed").await;
    assert!(tab.text("dl.facts").await.contains("Alice Liddell"));
}
