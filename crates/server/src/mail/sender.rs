//! Sends what waits: a few at a time, again after a while where the mail server is away, and one event for how it ended.

use std::time::Duration;

use admit_core::audit::Event;
use admit_core::time::Time;
use admit_store::End;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::About;
use super::post::Waiting;
use super::smtp::{self, NotTaken};
use crate::app::App;
use crate::config::public_authority;

/// How many are sent at a time.
const AT_ONCE: usize = 4;
/// How long the last ones may take when the server stops.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Sends until `stop` turns true, then what is left, once.
pub async fn run(app: App, stop: watch::Receiver<bool>) {
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (app, mut stop) = (app.clone(), stop.clone());
        senders.spawn(async move {
            loop {
                let mail = tokio::select! {
                    mail = app.mail.take(|| app.now()) => mail,
                    _ = stop.wait_for(|stop| *stop) => return,
                };
                deliver(&app, mail).await;
            }
        });
    }
    while senders.join_next().await.is_some() {}
    let last = async {
        while let Some(mail) = app.mail.take_due(app.now()) {
            deliver(&app, mail).await;
        }
    };
    let _ = tokio::time::timeout(LAST_PATIENCE, last).await;
    let left = app.mail.count();
    if left > 0 {
        tracing::warn!(left, "mails that were not sent are forgotten");
    }
}

async fn deliver(app: &App, mail: Waiting) {
    let now = app.now();
    let about = mail.about;
    if !mail.is_worth_it(now) {
        return end(app, about, Some("too_late"), now).await;
    }
    match attempt(app, &mail, now).await {
        Ok(()) => end(app, about, None, now).await,
        Err(NotTaken::Never) => end(app, about, Some("refused"), now).await,
        Err(NotTaken::Later) => match mail.again(now) {
            Some(mail) => {
                app.metrics.mail.retried.inc();
                app.mail.put_back(mail);
            }
            None => end(app, about, Some("too_late"), now).await,
        },
    }
}

async fn attempt(app: &App, mail: &Waiting, now: Time) -> Result<(), NotTaken> {
    let config = app.config.load_full();
    let server = config.mail.as_ref().ok_or(NotTaken::Later)?;
    let authority = public_authority(&config.public_url);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let id = app.request_id(now).to_string();
    let message = smtp::message(&server.from, &mail.to, &mail.letter, &id, host, now).map_err(|error| {
        tracing::error!(error = %error, "a mail cannot be written");
        NotTaken::Never
    })?;
    smtp::send(server, host, message).await
}

/// Counts how a mail ended and writes it down. `failed` says why it did not arrive.
async fn end(app: &App, about: About, failed: Option<&str>, now: Time) {
    match failed {
        Some(_) => app.metrics.mail.failed.inc(),
        None => app.metrics.mail.sent.inc(),
    };
    let event = Event {
        id: app.id(now),
        number: 0,
        seal: None,
        realm: Some(about.realm),
        at: now,
        kind: if failed.is_some() { "mail.failed" } else { "mail.sent" }.to_owned(),
        actor: String::new(),
        target: about.user.map_or_else(String::new, |user| user.to_string()),
        reason: failed.map(str::to_owned),
        request_id: None,
        detail: serde_json::json!({ "mail": about.kind }),
    };
    let written = app.store.write(move |tx| Ok(End::Commit(tx.insert_event(&event).map(drop)?))).await;
    if let Err(error) = written {
        tracing::warn!(error = %error, "that a mail was sent cannot be written down");
    }
}
