//! Keys of clients that say where they publish them (RFC 7591 §2, `jwks_uri`), fetched when they are needed and kept.
//!
//! A key that is not there yet may have been published since: it is fetched for again, once in a while and by one of those
//! who wait, so that no flood of names makes a flood of requests. A fetch that began ends, whoever waits for it may leave.
//! While an old set is being replaced it goes on for those whose key it has, and a little longer where the new one cannot be
//! had. Whose key it lacks then may be right all the same: nobody can say, and it is no wrong guess.

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::id::RealmId;
use admit_core::jose::jwk::{self, KeySet};
use admit_core::outbound::Target;
use admit_core::time::Span;
use parking_lot::Mutex;
use serde_json::Value;

use crate::app::App;
use crate::outbound::Failed;

/// The most sets that are kept; a full table drops any other for each that is added.
const KEPT_MAX: usize = 500;
/// How long after one request the next may follow.
const COOLDOWN: Span = Span::seconds(10);
/// How long a set is fresh that does not say so, and within which bounds it may say so.
const FRESH_FOR: Span = Span::minutes(5);
const FRESH_MIN: Span = Span::minutes(1);
const FRESH_MAX: Span = Span::hours(1);
/// How long it goes on where it cannot be had anew.
const STALE_FOR: Span = Span::minutes(5);

/// The sets.
#[derive(Default)]
pub struct KeySets(Mutex<HashMap<(RealmId, String), Arc<Published>>>);

/// What is published at one address.
#[derive(Default)]
struct Published {
    known: Mutex<Known>,
    /// Held while it is fetched.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What is known of it; moments are of the monotonic clock.
#[derive(Default, Clone)]
struct Known {
    /// The set as it was sent, once it was looked at.
    set: Arc<Value>,
    fresh_until_us: i64,
    stale_until_us: i64,
    asked_us: Option<i64>,
    /// Whether the last attempt to fetch it brought it.
    was_had: bool,
}

/// The keys cannot be had now.
pub(super) struct Away {
    /// After how many seconds they may be asked for again.
    pub retry_after_s: u32,
}

impl Known {
    /// What may be used of it now: the key of this name, if it is there.
    fn pick(&self, kid: Option<&str>, now_us: i64) -> KeySet {
        if now_us < self.stale_until_us { jwk::pick(&self.set, kid) } else { KeySet::default() }
    }

    /// The same where nobody is asked any more. A name that is not in what was just fetched is nobody's.
    fn settle(&self, kid: Option<&str>, now_us: i64) -> Result<KeySet, Away> {
        let keys = self.pick(kid, now_us);
        if self.was_had || keys.find(kid).is_some() {
            return Ok(keys);
        }
        let wait_ms = (self.asks_again_us(now_us) - now_us) / 1_000;
        let seconds = Span::ms(wait_ms).as_seconds_up().max(1);
        Err(Away { retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX) })
    }

    fn may_ask(&self, now_us: i64) -> bool {
        now_us >= self.asks_again_us(now_us)
    }

    /// When it may be asked for again.
    fn asks_again_us(&self, now_us: i64) -> i64 {
        self.asked_us.map_or(now_us, |asked_us| asked_us.saturating_add(us(COOLDOWN)))
    }
}

fn us(span: Span) -> i64 {
    span.as_ms().saturating_mul(1_000)
}

impl KeySets {
    fn at(&self, realm: RealmId, uri: &str) -> Arc<Published> {
        let mut kept = self.0.lock();
        if let Some(known) = kept.get(&(realm, uri.to_owned())) {
            return known.clone();
        }
        if kept.len() >= KEPT_MAX
            && let Some(any) = kept.keys().next().cloned()
        {
            kept.remove(&any);
        }
        kept.entry((realm, uri.to_owned())).or_default().clone()
    }
}

/// The key of this name that is published at an address, if it is there.
pub(super) async fn of(app: &App, realm: RealmId, uri: &str, kid: Option<&str>) -> Result<KeySet, Away> {
    let published = app.client_keys.at(realm, uri);
    let look = || published.known.lock().clone();
    let (known, now_us) = (look(), app.clock.monotonic_us());
    let keys = known.pick(kid, now_us);
    let turn = published.turn.clone();
    let turn = match (keys.find(kid).is_some(), now_us < known.fresh_until_us) {
        (true, true) => return Ok(keys),
        (true, false) => match turn.try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => return Ok(keys),
        },
        (false, _) => turn.lock_owned().await,
    };
    // Somebody may have been faster.
    let (known, now_us) = (look(), app.clock.monotonic_us());
    let keys = known.pick(kid, now_us);
    let is_good = keys.find(kid).is_some() && now_us < known.fresh_until_us;
    if is_good || !known.may_ask(now_us) {
        return known.settle(kid, now_us);
    }
    let fetching = tokio::spawn({
        let (app, uri, published) = (app.clone(), uri.to_owned(), published.clone());
        async move {
            published.fetch(&app, realm, &uri, now_us).await;
            drop(turn);
        }
    });
    if let Err(error) = fetching.await {
        tracing::error!(%error, "the keys of a client cannot be fetched");
    }
    look().settle(kid, app.clock.monotonic_us())
}

impl Published {
    async fn fetch(&self, app: &App, realm: RealmId, uri: &str, now_us: i64) {
        let cause = match ask(app, realm, uri).await {
            Ok((set, fresh_for)) => {
                let fresh_until_us = now_us.saturating_add(us(fresh_for));
                let stale_until_us = fresh_until_us.saturating_add(us(STALE_FOR));
                let (set, asked_us) = (Arc::new(set), Some(now_us));
                *self.known.lock() = Known { set, fresh_until_us, stale_until_us, asked_us, was_had: true };
                return;
            }
            Err(cause) => cause,
        };
        let place = uri.split('?').next().unwrap_or_default();
        let cause = {
            let mut known = self.known.lock();
            known.was_had = false;
            match cause {
                // Where there was no place nobody was asked.
                Cause::Full => Failed::Full.to_string(),
                Cause::Asked(cause) => {
                    known.asked_us = Some(now_us);
                    cause
                }
            }
        };
        tracing::warn!(place, cause, "the keys of a client cannot be fetched");
    }
}

/// Why there are no keys.
enum Cause {
    Full,
    Asked(String),
}

async fn ask(app: &App, realm: RealmId, uri: &str) -> Result<(Value, Span), Cause> {
    let target = Target::parse(uri).map_err(|bad| Cause::Asked(bad.to_string()))?;
    let allowed = app.config.load().outbound_allow.clone();
    let fetched = app.outbound.get_json(realm, &target, &allowed).await.map_err(|failed| match failed {
        Failed::Full => Cause::Full,
        failed => Cause::Asked(failed.to_string()),
    })?;
    let no_keys = |flaw| Cause::Asked(format!("the answer is no set of public keys: {flaw}"));
    let set = jwk::read(&fetched.body).map_err(no_keys)?;
    Ok((set, fetched.max_age.unwrap_or(FRESH_FOR).clamp(FRESH_MIN, FRESH_MAX)))
}
