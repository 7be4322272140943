//! `/account/keys/roll`: another secret for a key of one's own.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::person::{Person, mails};
use crate::app::TestApp;
use crate::browser::Tab;

const ALICE: &str = "alice@example.com";

/// A key of alice's: its id and its secret.
async fn key(app: &TestApp) -> (String, String) {
    let asked =
        json!({"name": "my laptop", "owner": ALICE, "api": "https://api.example.com", "scopes": ["orders:read"]});
    let made = app.key(asked).await;
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn ask(app: &TestApp, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    app.send("GET", "/demo/orders", &[("authorization", &bearer)], None).await.status
}

fn secret(page: &str) -> String {
    page.split("id=\"key\" tabindex=\"0\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_old_secret_goes_on_for_a_day_or_ends_at_once() {
    let (app, password) = TestApp::demo().await;
    let (id, old) = key(&app).await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    let page = alice.get(&format!("/account/keys/roll?key={id}")).await;
    assert!(page.status == 200 && page.text.contains("my laptop"), "{}", page.text);
    let rolled = alice.submit("/account/keys/roll", &[("key", &id), ("old", "later")]).await;
    assert_eq!(rolled.status, 200, "{}", rolled.text);
    let new = secret(&rolled.text);
    assert_eq!((ask(&app, &old).await, ask(&app, &new).await), (200, 200));
    let told = mails(&app).await;
    assert_eq!(told[0]["subject"], "A key of yours has a new secret");
    assert!(!told[0].to_string().contains(&new), "lo_02: the secret is on the page only");
    app.clock.advance(Span::minutes(1));
    alice.get(&format!("/account/keys/roll?key={id}")).await;
    let newest = secret(&alice.submit("/account/keys/roll", &[("key", &id), ("old", "now")]).await.text);
    assert_eq!((ask(&app, &old).await, ask(&app, &new).await, ask(&app, &newest).await), (401, 401, 200));
    let events = app.manage("GET", "/v1/realms/default/events?kind=key.rolled", Value::Null).await.expect(200);
    let actors: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["actor"].clone()).collect();
    assert!(actors.len() == 2 && actors.iter().all(|actor| actor.as_str().unwrap().starts_with("usr_")), "{actors:?}");
}

#[tokio::test]
async fn only_its_person_rolls_a_key_and_only_a_moment_after_signing_in() {
    let (app, password) = TestApp::demo().await;
    let (id, old) = key(&app).await;
    let eve = json!({"name": "eve", "password": "quiet harbours keep their lamps"});
    app.manage("POST", "/v1/realms/default/users", eve).await.expect(201);
    let mut eve = Person::new(&app);
    eve.sign_in("eve", "quiet harbours keep their lamps").await;
    eve.get("/account").await;
    let sent = eve.submit("/account/keys/roll", &[("key", &id), ("old", "now")]).await.status;
    let opened = eve.get(&format!("/account/keys/roll?key={id}")).await.status;
    assert_eq!((sent, opened, eve.get("/account/keys/roll?key=nonsense").await.status), (404, 404, 404));
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    alice.get(&format!("/account/keys/roll?key={id}")).await;
    app.clock.advance(Span::minutes(5));
    let late = alice.submit("/account/keys/roll", &[("key", &id), ("old", "now")]).await;
    assert_eq!((late.status, late.header("location").as_str()), (303, "/login?for=account"));
    assert_eq!(ask(&app, &old).await, 200, "nothing was done");
    let mut again = Person::new(&app);
    again.sign_in(ALICE, &password).await;
    again.get("/account").await;
    again.submit("/account/keys/revoke", &[("key", &id)]).await;
    again.get("/account/keys/new").await;
    assert_eq!(again.submit("/account/keys/roll", &[("key", &id), ("old", "now")]).await.status, 409, "it is revoked");
}

#[tokio::test]
async fn a_key_with_many_live_secrets_says_what_helps() {
    let (app, password) = TestApp::demo().await;
    let (id, _) = key(&app).await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    let mut last = None;
    for _ in 0..20 {
        alice.get(&format!("/account/keys/roll?key={id}")).await;
        let reply = alice.submit("/account/keys/roll", &[("key", &id), ("old", "later")]).await;
        let status = reply.status;
        last = Some(reply);
        if status != 200 {
            break;
        }
    }
    let last = last.unwrap();
    assert!(last.status == 409 && last.text.contains("Let them end now"), "{} {}", last.status, last.text);
    assert_eq!(alice.submit("/account/keys/roll", &[("key", &id), ("old", "now")]).await.status, 200);
}

#[tokio::test]
async fn this_browser_is_marked_among_the_devices() {
    let (app, password) = TestApp::demo().await;
    let (mut here, mut there) = (Person::new(&app), Person::new(&app));
    here.sign_in(ALICE, &password).await;
    there.sign_in(ALICE, &password).await;
    let account = here.get("/account").await.text;
    assert_eq!(account.matches("id=\"this-device\"").count(), 1, "{account}");
    here.cookies.retain(|name, _| !name.starts_with("admit-device"));
    assert!(!here.get("/account").await.text.contains("id=\"this-device\""));
}

#[tokio::test]
async fn how_often_a_key_was_used_is_drawn() {
    let (app, password) = TestApp::demo().await;
    let (_, used) = key(&app).await;
    let mut alice = Person::new(&app);
    alice.sign_in(ALICE, &password).await;
    assert!(!alice.get("/account").await.text.contains("class=\"spark\""), "no graph of nothing");
    for _ in 0..3 {
        ask(&app, &used).await;
    }
    admit::jobs::flush::now(&app.app).await;
    let account = alice.get("/account").await.text;
    assert!(account.contains("<title>Used 3 times in the last 30 days</title>"), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_rolls_a_key_in_the_browser() {
    let (app, password) = TestApp::demo().await;
    let (_, old) = key(&app).await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", ALICE).await;
    tab.fill("#password", &password).await;
    tab.click("#login").await;
    ask(&app, &old).await;
    admit::jobs::flush::now(&app.app).await;
    tab.go(&format!("{}/account", app.url)).await;
    tab.inspect("account-keys").await;
    tab.click("a.roll").await;
    tab.inspect("roll").await;
    tab.evaluate("document.querySelector('input[value=\"now\"]').click()").await;
    tab.click("#roll").await;
    tab.inspect("roll-done").await;
    let new = tab.text("#key").await;
    assert_eq!((ask(&app, &old).await, ask(&app, &new).await), (401, 200));
}
