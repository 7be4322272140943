//! The console in a real browser: how it looks, whether everybody can use it, and the first operator's whole story.

use serde_json::json;

use super::person::{PASSWORD, all, enroll};
use crate::app::TestApp;
use crate::browser::Tab;
use crate::fault::program::Program;

/// From the link that `serve` prints to a key that is refused: nothing but the browser, and the gateway's question.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_story_is_told_in_the_console() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::start(&folder.path().join("data")).await;
    let link = loop {
        let said = server.said();
        let found =
            said.iter().find_map(|line| line.split_whitespace().find(|word| word.contains("/console/first?token=")));
        if let Some(link) = found {
            break link.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let url = |path: &str| format!("{}{path}", server.url);
    let link = url(&link[link.find("/console").unwrap()..]);
    let mut tab = Tab::open().await;
    tab.go(&link).await;
    tab.inspect("console-first").await;
    for (field, text) in [("#name", "olga"), ("#email", "olga@operators.test"), ("#password", PASSWORD)] {
        tab.fill(field, text).await;
    }
    tab.click("#enroll").await;
    assert_eq!(tab.url().await, url("/console"));

    tab.go(&url("/console/realms/default/apis")).await;
    tab.click("#new").await;
    tab.fill("#uri", "https://api.shop.test").await;
    tab.fill("#defined_scopes", "orders:read Read orders").await;
    tab.fill("#hosts", "shop.test").await;
    tab.click("#save").await;
    assert_eq!(tab.text("#done").await, "It is made.");

    tab.click("nav a[href$='/rules']").await;
    tab.click("#new").await;
    tab.fill("#host", "shop.test").await;
    tab.fill("#path", "/orders/**").await;
    tab.fill("#methods", "GET").await;
    tab.fill("#scopes", "orders:read").await;
    tab.click("#save").await;
    assert_eq!(tab.text("h1").await, "GET shop.test/orders/**");

    tab.click("nav a[href$='/keys']").await;
    tab.click("#new").await;
    tab.fill("#name", "ci").await;
    tab.evaluate("document.querySelector(\"[name='granted:https://api.shop.test orders:read']\").click()").await;
    tab.click("#save").await;
    let key = tab.text("#key").await;
    assert_eq!(server.ask("GET", "/orders/1", &key).await.status, 200);
    tab.inspect("console-key-made").await;
    tab.click("#to-key").await;
    tab.click("#do-revoke").await;
    tab.inspect("console-confirm").await;
    tab.click("#confirm").await;
    assert_eq!(server.ask("GET", "/orders/1", &key).await.status, 401, "at the next request");
    tab.assert_quiet();
}

/// A link on another site shows a step of one's own; a typed address, and a link of ours, need none.
#[tokio::test(flavor = "multi_thread")]
async fn se_04_a_link_on_another_site_leads_to_a_step_of_one_s_own() {
    let app = TestApp::new().await;
    enroll(&app, "olga", all()).await;
    let mut tab = Tab::open().await;
    sign_in(&mut tab, &app).await;
    assert_eq!(tab.text("h1").await, "Overview");
    let other = app.url.replace("127.0.0.1", "shop.test");
    // What the other site is like is not what is looked at.
    for words in ["421", "Refused to apply style", "Cross-Origin-Opener-Policy"] {
        tab.allow(words);
    }
    tab.go_expecting(&format!("{other}/"), 421).await;
    let link = format!("document.body.innerHTML = '<a id=to href={}/console>to</a>'; true", app.url);
    tab.evaluate(&link).await;
    tab.click("#to").await;
    assert_eq!(tab.text("h1").await, "To the console?");
    tab.inspect("console-crossing").await;
    tab.click("main a.button").await;
    assert_eq!((tab.text("h1").await.as_str(), tab.url().await), ("Overview", format!("{}/console", app.url)));
}

async fn sign_in(tab: &mut Tab, app: &TestApp) {
    tab.go(&format!("{}/console", app.url)).await;
    tab.fill("#identifier", "olga").await;
    tab.fill("#password", PASSWORD).await;
    tab.click("#login").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_page_can_be_used_by_everybody() {
    let app = TestApp::new().await;
    app.shop().await;
    enroll(&app, "olga", all()).await;
    let at = |path: &str| format!("/v1/realms/default/{path}");
    let role = json!({"name": "clerk", "description": "Looks at orders", "rights": {"https://api.shop.test": ["orders:read"]}});
    app.manage("POST", &at("roles"), role).await.expect(201);
    for (name, email) in
        [("alice", "alice@shop.test"), ("bob", "bob.with.a.very.long.address@a-rather-long-host-name.shop.test")]
    {
        let user = json!({"name": name, "email": email, "roles": ["clerk"], "metadata": {"plan": "pro"}});
        app.manage("POST", &at("users"), user).await.expect(201);
    }
    for number in 0..4 {
        let key = json!({"name": format!("nightly report {number}"), "api": "https://api.shop.test", "scopes": ["orders:read", "orders:write"], "ip": ["203.0.113.0/24"]});
        app.key(key).await;
    }
    let key = app
        .key(json!({"name": "alice's", "owner": "alice", "api": "https://api.shop.test", "scopes": ["orders:read"]}))
        .await;
    let key = format!("/console/realms/default/keys/{}", key["id"].as_str().unwrap());
    for now in [true, true, false] {
        app.manage("POST", &at("signing-keys"), json!({ "now": now })).await.expect(201);
    }
    let signing = app.manage("GET", &at("signing-keys"), serde_json::Value::Null).await.expect(200);
    let signing = format!("/console/realms/default/signing-keys/{}", signing["items"][1]["id"].as_str().unwrap());
    let mut tab = Tab::open().await;
    sign_in(&mut tab, &app).await;
    tab.inspect("console-home").await;
    for (name, path) in [
        ("realms", "/console/realms"),
        ("realm", "/console/realms/default"),
        ("new-realm", "/console/new-realm"),
        ("apis", "/console/realms/default/apis"),
        ("rules", "/console/realms/default/rules"),
        ("new-rule", "/console/realms/default/rules/new"),
        ("trial", "/console/realms/default/rules/test"),
        ("keys", "/console/realms/default/keys"),
        ("new-key", "/console/realms/default/keys/new"),
        ("key", key.as_str()),
        ("clients", "/console/realms/default/clients"),
        ("users", "/console/realms/default/users"),
        ("new-user", "/console/realms/default/users/new"),
        ("roles", "/console/realms/default/roles"),
        ("new-role", "/console/realms/default/roles/new"),
        ("sessions", "/console/realms/operators/sessions"),
        ("grants", "/console/realms/default/grants"),
        ("signing-keys", "/console/realms/default/signing-keys"),
        ("signing-key", signing.as_str()),
        ("new-signing-key", "/console/realms/default/signing-keys/new"),
        ("empty", "/console/realms/default/users?q=nobody"),
    ] {
        tab.go(&format!("{}{path}", app.url)).await;
        tab.inspect(&format!("console-{name}")).await;
    }
    tab.go(&format!("{}{signing}/do/revoke", app.url)).await;
    tab.inspect("console-revoke-signing-key").await;
    let users = app.manage("GET", &at("users"), serde_json::Value::Null).await.expect(200);
    let alice = format!("{}/console/realms/default/users/{}", app.url, users["items"][0]["id"].as_str().unwrap());
    tab.go(&alice).await;
    tab.inspect("console-user").await;
    tab.go(&format!("{alice}/do/erase")).await;
    assert_eq!(tab.text(".hits").await, "alice's", "what ends along with it is named");
    tab.inspect("console-erase").await;
    tab.go(&format!("{}/console/realms/default/rules/new", app.url)).await;
    tab.fill("#priority", "5").await;
    tab.fill("#host", "a b").await;
    tab.expect(&format!("{}/console/realms/default/rules/new", app.url), 400);
    tab.click("#save").await;
    tab.inspect("console-wrong").await;
    tab.speak("de").await;
    tab.go(&format!("{}/console/realms/default/keys", app.url)).await;
    assert_eq!(tab.text("h1").await, "API-Schlüssel");
    tab.inspect("console-keys-german").await;
}

/// A client is made, gets a second secret, and the first is revoked: each shown once, and never on its page.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_s_secrets_follow_one_another() {
    let app = TestApp::new().await;
    enroll(&app, "olga", all()).await;
    let mut tab = Tab::open().await;
    sign_in(&mut tab, &app).await;
    tab.go(&format!("{}/console/realms/default/clients", app.url)).await;
    tab.click("#new").await;
    tab.inspect("console-client-new").await;
    tab.fill("#name", "billing").await;
    tab.click("#save").await;
    let first = tab.text("#key").await;
    assert!(first.starts_with("admit_cs_"), "{first}");
    tab.inspect("console-client-secret").await;
    tab.click("#to-key").await;
    assert_eq!(tab.text("h1").await, "billing");
    tab.click("#do-add-secret").await;
    tab.inspect("console-client-add-secret").await;
    tab.click("#confirm").await;
    let second = tab.text("#key").await;
    assert!(second.starts_with("admit_cs_") && second != first, "{second}");
    tab.click("#to-key").await;
    tab.inspect("console-client").await;
    let page = tab.text("main").await;
    assert!(!page.contains(&first) && !page.contains(&second), "{page}");
    tab.click("#do-revoke-secret").await;
    tab.inspect("console-client-revoke-secret").await;
    tab.click("#confirm").await;
    let clients = app.manage("GET", "/v1/realms/default/clients/billing", json!(null)).await.expect(200);
    let left = clients["secrets"].as_array().unwrap();
    let hint = admit_core::secret::hint(&second);
    assert_eq!(
        (left.len(), left[0]["hint"].as_str().unwrap()),
        (1, hint.as_str()),
        "the oldest stands first in the list"
    );
    tab.assert_quiet();
}
