//! From a call of [`mail::send`] to what the mail server keeps.

use std::time::{Duration, Instant};

use admit::mail::{self, Link, Mail, Outcome, To};
use admit_core::text::Language;
use admit_core::time::Span;
use serde_json::Value;

use super::server::MailServer;
use crate::app::TestApp;

const LINK: &str = "https://auth.test/password/reset?token=admit_ln_canary";
const RESET: Mail<'_> = Mail::PasswordReset(Link { to: LINK, good_for: Span::minutes(15) });
const PATIENCE: Duration = Duration::from_secs(30);

/// An app whose mails go to the server.
async fn with(url: &str, more: &str) -> TestApp {
    TestApp::with(&format!("[mail]\nsmtp = '{url}'\nfrom = 'Shop <no-reply@shop.test>'\n{more}")).await
}

fn send(app: &TestApp, address: &str, mail: &Mail<'_>) -> Outcome {
    let realm = app.app.store.point(|tx| tx.find_realm(app.app.default_realm)).unwrap().unwrap();
    let to = To { address, user: None, language: Language::German };
    mail::send(&app.app, &realm, to, mail, app.app.now())
}

/// The latest event of a kind, once there is one.
async fn event(app: &TestApp, kind: &str) -> Value {
    let begun = Instant::now();
    loop {
        let page = app.manage("GET", "/v1/realms/default/events", Value::Null).await.expect(200);
        if let Some(event) = page["items"].as_array().unwrap().iter().find(|event| event["kind"] == kind) {
            return event.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "no {kind}: {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn counted(app: &TestApp, outcome: &str) -> u64 {
    let page = app.app.metrics.page(&app.app);
    let line = page.lines().find(|line| line.starts_with(&format!("admit_mails_total{{outcome=\"{outcome}\"}}")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_mail_reaches_a_server_on_this_machine() {
    let server = MailServer::start(&[]);
    let app = with(&format!("smtp://{}", server.address), "").await;
    assert_eq!(send(&app, "jürgen@example.com", &Mail::PasswordChanged), Outcome::Queued);
    assert_eq!(send(&app, "alice@example.com", &RESET), Outcome::Queued);
    let both = [server.mail(1).await, server.mail(2).await];
    let mail = both.iter().find(|mail| mail.contains("envelope-to: alice@example.com\n")).unwrap();
    for line in [
        "envelope-from: no-reply@shop.test",
        "encrypted: False",
        "From: Shop <no-reply@shop.test>",
        "To: alice@example.com",
        "Subject: Neues Passwort setzen",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(mail.lines().any(|other| other == line), "{line}: {mail}");
    }
    let message_id = mail.lines().find(|line| line.starts_with("Message-ID: <")).unwrap();
    assert!(message_id.ends_with("@127.0.0.1>"), "{message_id}");
    assert!(mail.contains("Content-Type: text/plain; charset=utf-8") && mail.contains("text/html; charset=utf-8"));
    let event = event(&app, "mail.sent").await;
    assert_eq!(event["detail"], serde_json::json!({"mail": event["detail"]["mail"]}));
    assert!(!event.to_string().contains("example.com") && !event.to_string().contains("canary"), "lo_02: {event}");
}

#[tokio::test]
async fn both_ways_of_tls_are_spoken_and_the_server_must_prove_its_name() {
    for (tls, url) in [("whole", "smtps://"), ("upgrade", "smtp://")] {
        let server = MailServer::start(&["--tls", tls, "--user", "shop:a b"]);
        let place = format!(
            "{url}shop@localhost:{}{}",
            server.address.port(),
            if tls == "upgrade" { "?tls=required" } else { "" }
        );
        let authority = server.authority();
        let app = with(&place, &format!("ca_file = '{}'\npassword = 'a b'", authority.display())).await;
        assert_eq!(send(&app, "alice@example.com", &RESET), Outcome::Queued);
        let mail = server.mail(1).await;
        assert!(mail.contains("\nencrypted: True\n") && mail.contains("\nsigned-in: True\n"), "{tls}: {mail}");

        let stranger = with(&place, "password = 'a b'").await;
        assert_eq!(send(&stranger, "alice@example.com", &RESET), Outcome::Queued);
        until("a try", || counted(&stranger, "retried") == 1).await;
        assert_eq!(server.count(), 1, "{tls}: nothing is told to whom nobody vouches for");
    }
}

#[tokio::test]
async fn a_mail_is_tried_again_while_its_link_is_good() {
    let server = MailServer::start(&["--busy", "1"]);
    let app = with(&format!("smtp://{}", server.address), "").await;
    send(&app, "alice@example.com", &RESET);
    until("a try", || counted(&app, "retried") == 1).await;
    assert_eq!(server.count(), 0);
    app.clock.advance(Span::seconds(5));
    server.mail(1).await;
    until("it is counted", || counted(&app, "sent") == 1).await;

    let away = with("smtp://127.0.0.1:9", "").await;
    send(&away, "alice@example.com", &RESET);
    until("a try", || counted(&away, "retried") == 1).await;
    away.clock.advance(Span::minutes(15));
    let event = event(&away, "mail.failed").await;
    assert_eq!(
        (event["reason"].as_str(), event["detail"]["mail"].as_str()),
        (Some("too_late"), Some("password-reset"))
    );
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let server = MailServer::start(&[]);
    let app = with(&format!("smtp://{}", server.address), "").await;
    send(&app, "nobody@refused.test", &RESET);
    assert_eq!(event(&app, "mail.failed").await["reason"], "refused");
    assert_eq!((counted(&app, "failed"), counted(&app, "retried")), (1, 0));
    assert_eq!(send(&app, "no address", &RESET), Outcome::NoWay);
}

#[tokio::test]
async fn a_server_that_never_answers_holds_nobody_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = with(&format!("smtp://{}", silent.local_addr().unwrap()), "").await;
    let begun = Instant::now();
    for number in 0..250 {
        assert_eq!(send(&app, &format!("u{number}@example.com"), &RESET), Outcome::Queued, "{number}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let outcomes: Vec<_> = (0..10).map(|number| send(&app, &format!("v{number}@example.com"), &RESET)).collect();
    assert_eq!(outcomes.last(), Some(&Outcome::Full), "what waits is bounded: {outcomes:?}");
}

#[tokio::test]
async fn what_waits_is_sent_before_the_server_stops() {
    let server = MailServer::start(&[]);
    let app = with(&format!("smtp://{}", server.address), "").await;
    for number in 0..8 {
        send(&app, &format!("u{number}@example.com"), &RESET);
    }
    app.stop().await;
    assert_eq!(server.count(), 8);
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
