//! Announces the end of keys: events 30, 7 and 1 days before.

use admit_core::audit::Event;
use admit_core::id::{Id, RealmId};
use admit_core::time::Span;
use admit_store::{End, IssuedKey, KeyFilter, Page};

use crate::app::App;

/// How long before its end a key is announced.
const BEFORE: [Span; 3] = [Span::days(30), Span::days(7), Span::days(1)];
/// The job runs once an hour and announces what has crossed a line since.
const SINCE: Span = Span::hours(1);
/// Under which name one of several nodes takes the job on.
const JOB: &str = "job_expiry";
/// The most keys of a realm that one run announces.
const KEYS_MAX: usize = 10_000;

/// Announces what has come within 30, 7 or 1 days of its end.
pub async fn announce(app: &App) {
    let now = app.now();
    let claimed = app.store.write(move |tx| tx.claim(JOB, Span::minutes(59), now).map(End::Commit)).await;
    match claimed {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(error = %error, "ends of keys cannot be announced");
            return;
        }
    }
    for realm in app.directory.all() {
        if let Err(error) = announce_realm(app, realm).await {
            tracing::warn!(error = %error, "ends of keys cannot be announced");
        }
    }
}

async fn announce_realm(app: &App, realm: RealmId) -> admit_store::Result<()> {
    let now = app.now();
    let filter = move || KeyFilter { expiring_before: Some(now + BEFORE[0]), live_only: true, ..KeyFilter::default() };
    let (mut after, mut seen) = (None, 0);
    while seen < KEYS_MAX {
        let page = Page { limit: 200, after };
        let keys = app
            .store
            .read(move |tx| tx.list_keys(realm, &filter(), &Page { limit: page.limit, after: page.after }, now))
            .await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(*last.key.id.bytes());
        seen += keys.len();
        let events: Vec<Event> = keys.iter().filter_map(|key| ending(app, realm, key)).collect();
        if !events.is_empty() {
            let write = move |tx: &mut admit_store::Tx<'_>| {
                events.iter().try_for_each(|event| tx.insert_event(event).map(drop))?;
                Ok(End::Commit(()))
            };
            app.store.write(write).await?;
        }
    }
    Ok(())
}

fn ending(app: &App, realm: RealmId, issued: &IssuedKey) -> Option<Event> {
    let now = app.now();
    let end = issued.grant.expires_at?;
    let crossed = BEFORE.iter().rev().find(|before| (now..now + SINCE).contains(&(end - **before + SINCE)))?;
    Some(Event {
        id: Id::new(now, app.random()),
        number: 0,
        realm: Some(realm),
        at: now,
        kind: "key.expiring".to_owned(),
        actor: String::new(),
        target: issued.key.id.to_string(),
        reason: None,
        request_id: None,
        detail: serde_json::json!({ "name": issued.key.name, "expires_at": end, "in": crossed }),
    })
}
