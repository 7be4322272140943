//! Announces the end of keys: events 30, 7 and 1 days before.

use admit_core::audit::Event;
use admit_core::id::{Id, RealmId};
use admit_core::time::Span;
use admit_store::{End, IssuedKey, KeyFilter, Page};

use crate::app::App;
use crate::metrics::ENDING_DAYS;

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

/// Shows on `/metrics` how many keys end soon, and when the next one does.
pub async fn count(app: &App) {
    let now = app.now();
    let (mut counts, mut next) = ([0; ENDING_DAYS.len()], None);
    for realm in app.directory.all() {
        let read = app.store.read(move |tx| {
            let count = |days: &i64| tx.count_key_ends(realm, now, now + Span::days(*days));
            let counts = ENDING_DAYS.iter().map(count).collect::<admit_store::Result<Vec<_>>>()?;
            Ok((counts, tx.next_key_end(realm, now)?))
        });
        match read.await {
            Ok((found, end)) => {
                counts.iter_mut().zip(found).for_each(|(count, more)| *count += more);
                next = next.into_iter().chain(end).min();
            }
            Err(error) => tracing::warn!(error = %error, "ends of keys cannot be counted"),
        }
    }
    for (gauge, count) in app.metrics.ending.iter().zip(counts) {
        gauge.set(count);
    }
    app.metrics.next_end.set(next.map_or(0, |end| end.unix_ms() / 1000));
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
        seal: None,
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
