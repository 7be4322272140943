//! `/account/email` and `/confirm`: whose an address is, and another one.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::person::{Person, link, mails, without_tokens};
use crate::app::TestApp;
use crate::browser::Tab;

const USERS: &str = "/v1/realms/default/users";
const BOB: &str = "bob@example.com";
const NEW: &str = "robert@example.com";
const PASSWORD: &str = "quiet harbours keep their lamps";

/// A demo with bob, whose address nobody has shown to be his.
async fn with_bob() -> TestApp {
    let (app, _) = TestApp::demo().await;
    app.manage("POST", USERS, json!({"name": "bob", "email": BOB, "password": PASSWORD})).await.expect(201);
    app
}

async fn bob(app: &TestApp) -> Person<'_> {
    let mut bob = Person::new(app);
    assert_eq!(bob.sign_in("bob", PASSWORD).await.status, 303);
    bob
}

async fn shown(app: &TestApp) -> Value {
    app.manage("GET", &format!("{USERS}/bob"), Value::Null).await.expect(200)
}

/// Asks for another address; where that leads.
async fn change(bob: &mut Person<'_>, to: &str) -> String {
    bob.get("/account/email").await;
    bob.submit("/account/email", &[("email", to)]).await.header("location")
}

/// Opens a link and presses its button, in a browser in which nobody is signed in.
async fn confirm(app: &TestApp, link: &str) -> u16 {
    let mut somebody = Person::new(app);
    let page = somebody.get(link).await;
    if page.status != 200 {
        return page.status;
    }
    let token = somebody.value("token");
    somebody.submit("/confirm", &[("token", &token)]).await.status
}

#[tokio::test]
async fn pw_13_only_a_followed_link_confirms_an_address() {
    let app = with_bob().await;
    let mut bob = bob(&app).await;
    let account = bob.get("/account").await;
    assert!(account.text.contains("not confirmed"), "{}", account.text);
    assert_eq!(bob.submit("/account/email/confirm", &[]).await.header("location"), "/account?done=email");
    let path = link(&app, 1).await;
    assert_eq!(mails(&app).await[0]["to"], BOB);
    let mut scanner = Person::new(&app);
    for _ in 0..2 {
        assert_eq!(scanner.get(&path).await.status, 200);
    }
    assert_eq!(shown(&app).await["email_verified_at"], Value::Null, "pw_09: a scanner of mails opens it");
    assert_eq!(confirm(&app, &path).await, 200);
    assert_ne!(shown(&app).await["email_verified_at"], Value::Null);
    assert_eq!(confirm(&app, &path).await, 400, "once");
    assert!(bob.get("/account").await.text.contains("id=\"verified\""), "he stays signed in");
    bob.get("/account/email").await;
    let same = bob.submit("/account/email", &[("email", "BOB@example.com")]).await;
    assert!(same.status == 422 && same.text.contains("your address already"), "{}", same.text);
}

#[tokio::test]
async fn an_address_is_another_one_once_its_owner_says_so() {
    let app = with_bob().await;
    let mut bob = bob(&app).await;
    assert_eq!(change(&mut bob, NEW).await, "/account?done=email");
    let path = link(&app, 1).await;
    assert_eq!(shown(&app).await["email"], BOB, "nothing has changed yet");
    assert_eq!(confirm(&app, &path).await, 200);
    let now = shown(&app).await;
    assert_eq!(now["email"], NEW);
    assert_ne!(now["email_verified_at"], Value::Null, "the same mail shows that it is his");
    let told = mails(&app).await;
    assert_eq!((&told[0]["to"], &told[0]["subject"]), (&json!(BOB), &json!("Your account has another address now")));
    assert_eq!(Person::new(&app).sign_in(NEW, PASSWORD).await.status, 303);
    assert_eq!(Person::new(&app).sign_in(BOB, PASSWORD).await.status, 401);
    for (kind, count) in [("user.address_proof_begun", 1), ("user.email_changed", 1)] {
        let events =
            app.manage("GET", &format!("/v1/realms/default/events?kind={kind}"), Value::Null).await.expect(200);
        assert_eq!(events["items"].as_array().unwrap().len(), count, "{kind}");
        assert!(!events.to_string().contains(NEW), "an address is personal");
    }
}

#[tokio::test]
async fn who_is_called_by_his_address_is_called_by_the_new_one() {
    let (app, _) = TestApp::demo().await;
    app.manage("POST", USERS, json!({"name": BOB, "email": BOB, "password": PASSWORD})).await.expect(201);
    let mut bob = Person::new(&app);
    bob.sign_in(BOB, PASSWORD).await;
    change(&mut bob, NEW).await;
    assert_eq!(confirm(&app, &link(&app, 1).await).await, 200);
    let now = app.manage("GET", &format!("{USERS}/{NEW}"), Value::Null).await.expect(200);
    assert_eq!((&now["name"], &now["email"]), (&json!(NEW), &json!(NEW)));
}

#[tokio::test]
async fn pw_01_nobody_learns_whose_an_address_is() {
    let app = with_bob().await;
    let mut bob = bob(&app).await;
    let mut told = Vec::new();
    for to in [NEW, "Alice@example.com"] {
        bob.get("/account/email").await;
        let reply = bob.submit("/account/email", &[("email", to)]).await;
        let page = bob.get(&reply.header("location")).await;
        told.push((reply.status, reply.header("location"), without_tokens(&page.text)));
    }
    assert_eq!(told[0], told[1]);
    link(&app, 2).await;
    let mails = mails(&app).await;
    let of = |to: &str| mails.iter().find(|mail| mail["to"] == to).unwrap()["subject"].clone();
    assert_eq!(
        (of(NEW), of("alice@example.com")),
        (json!("Is this your address?"), json!("You have an account already"))
    );
}

#[tokio::test]
async fn pw_13_a_link_is_worth_nothing_to_others_or_after_a_change() {
    let app = with_bob().await;
    let mut bob = bob(&app).await;
    change(&mut bob, NEW).await;
    let older = link(&app, 1).await;
    app.clock.advance(Span::minutes(1));
    change(&mut bob, "rob@example.com").await;
    let newer = link(&app, 2).await;
    assert_eq!(confirm(&app, &older).await, 400, "the older of two");
    app.manage("POST", USERS, json!({"name": "eve", "email": "eve@example.com", "password": PASSWORD}))
        .await
        .expect(201);
    let mut eve = Person::new(&app);
    eve.sign_in("eve", PASSWORD).await;
    let page = eve.get(&newer).await;
    assert!(page.status == 403 && !page.text.contains("bob"), "signed in as somebody else: {}", page.text);
    app.manage("PATCH", &format!("{USERS}/bob"), json!({"email": "by-operator@example.com"})).await.expect(200);
    assert_eq!(confirm(&app, &newer).await, 400, "the address is another one since");
    change(&mut bob, NEW).await;
    let taken = link(&app, 3).await;
    app.manage("POST", USERS, json!({"name": "robert", "email": NEW})).await.expect(201);
    assert_eq!(confirm(&app, &taken).await, 400, "somebody else has it since");
    change(&mut bob, "late@example.com").await;
    let late = link(&app, 4).await;
    app.clock.advance(Span::hours(1));
    assert_eq!(confirm(&app, &late).await, 400, "over");
}

#[tokio::test]
async fn an_address_is_changed_only_a_moment_after_signing_in() {
    let app = with_bob().await;
    let mut bob = bob(&app).await;
    bob.get("/account/email").await;
    app.clock.advance(Span::minutes(5));
    let late = bob.submit("/account/email", &[("email", NEW)]).await;
    assert_eq!((late.status, late.header("location").as_str()), (303, "/login?for=email"));
    bob.get("/login?for=email").await;
    let again = bob.submit("/login", &[("identifier", "bob"), ("password", PASSWORD), ("for", "email")]).await;
    assert_eq!(again.header("location"), "/account/email");
    let stranger = Person::new(&app).get("/account/email").await;
    assert_eq!((stranger.status, stranger.header("location").as_str()), (303, "/login?for=email"));
    assert!(mails(&app).await.is_empty());
}

#[tokio::test]
async fn without_mail_there_is_no_such_page() {
    let app = TestApp::new().await;
    app.manage("POST", USERS, json!({"name": "bob", "email": BOB, "password": PASSWORD})).await.expect(201);
    let mut bob = bob(&app).await;
    assert_eq!(bob.get("/account/email").await.status, 404);
    assert!(!bob.get("/account").await.text.contains("/account/email"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_changes_his_address_in_the_browser() {
    let app = with_bob().await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/login", app.url)).await;
    tab.fill("#identifier", "bob").await;
    tab.fill("#password", PASSWORD).await;
    tab.click("#login").await;
    tab.inspect("account-unconfirmed").await;
    tab.click("#email-page").await;
    tab.inspect("email").await;
    tab.fill("#email", NEW).await;
    tab.click("#change-email").await;
    tab.inspect("account-email-sent").await;
    link(&app, 1).await;
    tab.go(&format!("{}/dev/mail", app.url)).await;
    tab.click(".things a").await;
    tab.click(".letter a").await;
    tab.inspect("confirm").await;
    tab.click("#confirm").await;
    tab.inspect("confirm-done").await;
    tab.click("a.button").await;
    assert_eq!(tab.text("#verified").await, "confirmed");
    assert!(tab.text("dl.facts").await.contains(NEW));
}

/// PW-13: whoever had the account for a moment may have asked for another address. What ends his sign-in ends that, too.
#[tokio::test]
async fn pw_13_a_link_to_another_address_dies_with_what_ends_sign_ins() {
    let app = with_bob().await;
    for (number, ending) in ["password", "everywhere", "revoke-all"].into_iter().enumerate() {
        let mut thief = bob(&app).await;
        assert_eq!(change(&mut thief, &format!("thief{number}@evil.test")).await, "/account?done=email", "{ending}");
        let path = link(&app, number + 1).await;
        let mut own = bob(&app).await;
        match ending {
            "password" => {
                let set = json!({"password": PASSWORD});
                app.manage("PUT", &format!("{USERS}/bob/password"), set).await.expect(200);
            }
            "everywhere" => {
                own.get("/account/everywhere").await;
                assert_eq!(own.submit("/account/everywhere", &[]).await.header("location"), "/account?done=everywhere");
            }
            _ => drop(app.manage("POST", &format!("{USERS}/bob/revoke-all"), json!({})).await.expect(200)),
        }
        assert_eq!(confirm(&app, &path).await, 400, "{ending}");
        assert_eq!(shown(&app).await["email"], BOB, "{ending}");
        app.clock.advance(Span::hours(2));
    }
}
