//! `/dev/mail`: what would have been mailed, with `--dev` and nowhere else.

use admit::mail::{self, Link, Mail, Outcome, To};
use admit_core::text::Language;
use admit_core::time::Span;
use serde_json::Value;

use crate::app::TestApp;
use crate::browser::Tab;

const LINK: &str = "http://127.0.0.1:1/password/reset?token=x&y=<b>";

/// Has a mail sent to an address of the realm `default`.
fn send(app: &TestApp, address: &str, language: Language, mail: &Mail<'_>) -> Outcome {
    let realm = app.app.store.point(|tx| tx.find_realm(app.app.default_realm)).unwrap().unwrap();
    mail::send(&app.app, &realm, To { address, user: None, language }, mail, app.app.now())
}

async fn list(app: &TestApp) -> Value {
    app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.expect(200)
}

#[tokio::test]
async fn the_mailbox_is_there_with_dev_only() {
    let app = TestApp::new().await;
    for path in ["/dev/mail", "/dev/mail/1", "/dev/mail/1/html"] {
        assert_eq!(app.manage("GET", path, Value::Null).await.status, 404, "{path}");
    }
    assert_eq!(send(&app, "a@x.test", Language::English, &Mail::PasswordChanged), Outcome::NoWay, "no [mail]");
    let dev = TestApp::dev().await;
    assert_eq!(list(&dev).await["items"], serde_json::json!([]));
    let foreign = dev.send("GET", "/dev/mail", &[("host", "evil.test")], None).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (421, "misdirected_request"));
}

#[tokio::test]
async fn pw_12_no_more_than_five_an_hour_reach_an_address() {
    let app = TestApp::dev().await;
    let reset = Mail::PasswordReset(Link { to: LINK, good_for: Span::minutes(15) });
    let outcomes: Vec<_> = (0..1000).map(|_| send(&app, "a@x.test", Language::English, &reset)).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Queued).count(), 5);
    assert_eq!(outcomes[5], Outcome::Limited);
    assert_eq!(list(&app).await["items"].as_array().unwrap().len(), 5);
    app.clock.advance(Span::hours(1));
    assert_eq!(send(&app, "a@x.test", Language::English, &reset), Outcome::Queued);
    let page = app.app.metrics.page(&app.app);
    assert!(page.contains("admit_mails_total{outcome=\"limited\"} 995"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_read_in_the_browser() {
    let app = TestApp::dev().await;
    let mut tab = Tab::open().await;
    let mailbox = format!("{}/dev/mail", app.url);
    tab.go(&mailbox).await;
    tab.inspect("mailbox-empty").await;

    send(
        &app,
        "alice@example.com",
        Language::German,
        &Mail::PasswordReset(Link { to: LINK, good_for: Span::minutes(15) }),
    );
    send(&app, "alice@example.com", Language::English, &Mail::KeyCreated { name: "<b>my laptop" });
    tab.go(&mailbox).await;
    assert_eq!(tab.text(".things li:first-child a").await, "A new key can act as you", "the newest first");
    tab.inspect("mailbox").await;
    tab.click(".things li:last-child a").await;
    assert_eq!(tab.text("h1").await, "Neues Passwort setzen");
    assert_eq!(tab.evaluate("document.querySelector('.letter a').getAttribute('href')").await, LINK);
    tab.inspect("letter").await;
    tab.click("main > p:last-child a").await;
    assert_eq!(tab.evaluate("document.querySelector('a').getAttribute('href')").await, LINK);
    tab.picture_only("letter-html").await;
    tab.go_expecting(&format!("{mailbox}/99"), 404).await;
}
