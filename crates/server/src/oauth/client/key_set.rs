//! Keys of clients that say where they publish them (RFC 7591 §2, `jwks_uri`), fetched when they are needed and kept.
//!
//! A key that is not there yet may have been published since: it is fetched for again, once in a while and by one of those
//! who wait, so that no flood of names makes a flood of requests. While an old set is being replaced it goes on for those
//! whose key it has, and a little longer where the new one cannot be had.

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::id::RealmId;
use admit_core::jose::jwk::KeySet;
use admit_core::outbound::Target;
use admit_core::time::Span;
use parking_lot::Mutex;

use crate::app::App;

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
    /// Held by who fetches it.
    turn: tokio::sync::Mutex<()>,
}

/// What is known of it; moments are of the monotonic clock.
#[derive(Default, Clone)]
struct Known {
    keys: Arc<KeySet>,
    fresh_until_us: i64,
    stale_until_us: i64,
    asked_us: Option<i64>,
}

impl Known {
    fn has(&self, kid: Option<&str>, now_us: i64) -> bool {
        now_us < self.stale_until_us && self.keys.find(kid).is_some()
    }

    fn may_ask(&self, now_us: i64) -> bool {
        self.asked_us.is_none_or(|asked_us| now_us >= asked_us.saturating_add(us(COOLDOWN)))
    }

    /// What may be used of it now.
    fn usable(&self, now_us: i64) -> Arc<KeySet> {
        if now_us < self.stale_until_us { self.keys.clone() } else { Arc::default() }
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

/// The keys that are published at an address; with the one of this name, where it is there.
pub(super) async fn of(app: &App, realm: RealmId, uri: &str, kid: Option<&str>) -> Arc<KeySet> {
    let published = app.client_keys.at(realm, uri);
    let look = || published.known.lock().clone();
    let (known, now_us) = (look(), app.clock.monotonic_us());
    let _turn = match (known.has(kid, now_us), now_us < known.fresh_until_us) {
        (true, true) => return known.keys,
        (true, false) => match published.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => return known.keys,
        },
        (false, _) => published.turn.lock().await,
    };
    // Somebody may have been faster.
    let (known, now_us) = (look(), app.clock.monotonic_us());
    let is_good = known.has(kid, now_us) && now_us < known.fresh_until_us;
    if is_good || !known.may_ask(now_us) {
        return known.usable(now_us);
    }
    published.known.lock().asked_us = Some(now_us);
    match fetch(app, realm, uri).await {
        Ok((keys, fresh_for)) => {
            let (keys, fresh_until_us) = (Arc::new(keys), now_us.saturating_add(us(fresh_for)));
            let stale_until_us = fresh_until_us.saturating_add(us(STALE_FOR));
            *published.known.lock() =
                Known { keys: keys.clone(), fresh_until_us, stale_until_us, asked_us: Some(now_us) };
            keys
        }
        Err(cause) => {
            let place = uri.split('?').next().unwrap_or_default();
            tracing::warn!(place, cause, "the keys of a client cannot be fetched");
            known.usable(now_us)
        }
    }
}

async fn fetch(app: &App, realm: RealmId, uri: &str) -> Result<(KeySet, Span), String> {
    let target = Target::parse(uri).map_err(|bad| bad.to_string())?;
    let allowed = app.config.load().outbound_allow.clone();
    let fetched = app.outbound.get_json(realm, &target, &allowed).await.map_err(|failed| failed.to_string())?;
    let keys = KeySet::parse(&fetched.body).map_err(|flaw| format!("the answer is no set of public keys: {flaw}"))?;
    Ok((keys, fetched.max_age.unwrap_or(FRESH_FOR).clamp(FRESH_MIN, FRESH_MAX)))
}
