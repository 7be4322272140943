//! New keys: the first one of its kind, the next one when its time has come, another one when somebody asks.
//!
//! Whether one is needed is judged first. Then it is drawn, before the transaction that keeps it, on a thread that may take
//! its time: an RSA one needs a while. Who comes second, on this node or on another, finds in the transaction that there is
//! one already, and takes that. The event of a new key is written with it. Which key signs when is judged by
//! `core::signing_key`.

use std::sync::atomic::{AtomicU64, Ordering};

use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::id::{RealmId, SigningKeyId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::{self, SigningKey};
use admit_core::signing_key::{LONGEST, PERIOD, Purpose, Term, Terms};
use admit_core::time::{Span, Time};
use admit_store::{End, Error, Result, SealedSigningKey, Tx};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use super::ring::place;
use crate::app::App;
use crate::authn::resolve::unreadable;
use crate::check::policies::RealmPolicy;

/// How many keys are drawn at a time: each may take a processor for a second.
const DRAWING: usize = 2;
/// In how many parts realms stand in line for that.
const TURNS: usize = 64;

/// Where keys are made.
pub struct Workshop {
    places: Semaphore,
    /// Held by who makes a key of a realm; the others wait for it, and so no realm waits behind many of another.
    turns: [Mutex<()>; TURNS],
    /// How many were drawn.
    drawn: AtomicU64,
}

impl Default for Workshop {
    fn default() -> Self {
        let turns = std::array::from_fn(|_| Mutex::default());
        Self { places: Semaphore::new(DRAWING), turns, drawn: AtomicU64::new(0) }
    }
}

impl Workshop {
    /// The turn of a realm.
    pub async fn turn(&self, realm: RealmId) -> MutexGuard<'_, ()> {
        self.turns[usize::from(realm.bytes()[15]) % TURNS].lock().await
    }

    /// How many keys were drawn.
    pub fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::Relaxed)
    }
}

/// What keys of a realm are for and what they sign by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// Whose.
    pub realm: RealmId,
    /// For what.
    pub purpose: Purpose,
    /// By what.
    pub algorithm: Algorithm,
}

/// A new key of this sort that is not kept yet; it would sign from now on. Whoever asks has the turn of the realm.
pub async fn draw(app: &App, _turn: &MutexGuard<'_, ()>, sort: Sort, now: Time) -> Result<SealedSigningKey> {
    let failed = |cause: &dyn std::fmt::Display| Error::Unavailable(format!("a signing key cannot be made: {cause}"));
    let Sort { realm, purpose, algorithm } = sort;
    let _place = app.signing.workshop.places.acquire().await.map_err(|error| failed(&error))?;
    let drawn = tokio::task::spawn_blocking(move || {
        let private = sign::generate(algorithm)?;
        SigningKey::parse(algorithm, &private).map(|key| (key.kid().to_owned(), private))
    });
    let (kid, private) = drawn.await.map_err(|error| failed(&error))?.map_err(|flaw| failed(&flaw))?;
    app.signing.workshop.drawn.fetch_add(1, Ordering::Relaxed);
    let keys = app.master.keys();
    let id: SigningKeyId = app.id(now);
    let sealed = keys.active().seal.seal(&place(id.bytes(), realm), app.random(), &private);
    let term = Term { kid, algorithm, made_at: now, signs_from: now, revoked_at: None };
    Ok(SealedSigningKey { id, realm, purpose, term, sealed, master_key: keys.active().number })
}

/// What the audit says of a new key.
pub fn made(event: &Event, key: &SealedSigningKey, why: &str) -> Event {
    let Term { kid, algorithm, signs_from, .. } = &key.term;
    let detail = json!({ "purpose": key.purpose.as_str(), "algorithm": algorithm.as_str(), "kid": kid,
        "signs_from": signs_from, "why": why });
    Event { target: key.id.to_string(), detail, ..event.clone() }
}

/// The keys of one sort, but those that cannot be opened any more.
pub fn terms(rows: &[SealedSigningKey], sort: Sort, lost: &[SigningKeyId]) -> Vec<Term> {
    let is_one = |row: &&SealedSigningKey| {
        row.purpose == sort.purpose && row.term.algorithm == sort.algorithm && !lost.contains(&row.id)
    };
    rows.iter().filter(is_one).map(|row| row.term.clone()).collect()
}

/// Keeps a new key, and forgets those of its sort of which nothing lives for `longest` any more.
pub fn keep(tx: &mut Tx<'_>, key: &SealedSigningKey, rows: &[SealedSigningKey], longest: Span) -> Result<()> {
    let now = key.term.made_at;
    tx.insert_signing_key(key)?;
    let same: Vec<_> =
        rows.iter().filter(|row| row.purpose == key.purpose && row.term.algorithm == key.term.algorithm).collect();
    let terms: Vec<_> = same.iter().map(|row| row.term.clone()).chain([key.term.clone()]).collect();
    let terms = Terms(&terms);
    // Where none would sign, an older one could come back.
    if terms.signing(now).is_none() {
        return Ok(());
    }
    for row in same {
        let is_over = match row.term.revoked_at {
            Some(revoked) => revoked + LONGEST <= now && terms.stops_at(&row.term).is_some_and(|stops| stops <= now),
            None => !terms.is_published(&row.term, now, longest),
        };
        if is_over {
            tx.delete_signing_key(row.realm, row.id)?;
        }
    }
    Ok(())
}

/// Whether a key of this sort signs once this one is revoked.
pub fn signs_without(rows: &[SealedSigningKey], sort: Sort, revoked: SigningKeyId, now: Time) -> bool {
    let mut rows = rows.to_vec();
    let found = rows.iter_mut().find(|row| row.id == revoked && row.term.revoked_at.is_none());
    found.into_iter().for_each(|row| row.term.revoked_at = Some(now));
    Terms(&terms(&rows, sort, &[])).signing(now).is_some()
}

/// Sees to it that a key of this sort signs after one was revoked: one that waits, else the one that was drawn. Says which one
/// had to be made; where that is none and none was drawn, the next look of the job makes it.
pub fn instead(
    tx: &mut Tx<'_>,
    sort: Sort,
    drawn: Option<&SealedSigningKey>,
    event: &Event,
    longest: Span,
) -> Result<Option<SigningKeyId>> {
    let rows = tx.list_signing_keys(sort.realm)?;
    let Some(drawn) = drawn else { return Ok(None) };
    if Terms(&terms(&rows, sort, &[])).signing(drawn.term.made_at).is_some() {
        return Ok(None);
    }
    keep(tx, drawn, &rows, longest)?;
    tx.insert_event(&made(event, drawn, "revoked"))?;
    Ok(Some(drawn.id))
}

/// Makes the key of its sort that signs, unless there is one.
pub async fn first(
    app: &App,
    realm: &RealmPolicy,
    purpose: Purpose,
    algorithm: Algorithm,
    now: Time,
) -> std::result::Result<(), Reason> {
    let id = realm.realm.id;
    let turn = app.signing.workshop.turn(id).await;
    let ring = app.signing.ring(app, realm)?;
    if ring.signing(purpose, algorithm, now).is_some() {
        return Ok(());
    }
    let sort = Sort { realm: id, purpose, algorithm };
    let is_missing = move |terms: Terms<'_>| terms.signing(now).is_none().then_some(now);
    let made = insert(app, &turn, sort, ring.lost().to_vec(), "missing", is_missing, now);
    made.await.map(drop).map_err(|error| {
        tracing::error!(%error, "a signing key cannot be made");
        unreadable(&error)
    })
}

/// Makes the next key of its sort where one is due. False: none is.
pub async fn next(app: &App, sort: Sort, now: Time) -> Result<bool> {
    let turn = app.signing.workshop.turn(sort.realm).await;
    let signs_from = move |terms: Terms<'_>| terms.due(now, PERIOD);
    let rows = app.store.read(move |tx| tx.list_signing_keys(sort.realm)).await?;
    if signs_from(Terms(&terms(&rows, sort, &[]))).is_none() {
        return Ok(false);
    }
    insert(app, &turn, sort, Vec::new(), "due", signs_from, now).await
}

/// Draws a key, and keeps it from when `signs_from` says, where that says anything once nobody else changes the realm's keys.
async fn insert(
    app: &App,
    turn: &MutexGuard<'_, ()>,
    sort: Sort,
    lost: Vec<SigningKeyId>,
    why: &'static str,
    signs_from: impl Fn(Terms<'_>) -> Option<Time> + Send + 'static,
    now: Time,
) -> Result<bool> {
    let drawn = draw(app, turn, sort, now).await?;
    let event = Event::new(app.id(now), sort.realm, "signing_key.made", now);
    app.store
        .write(move |tx| {
            tx.lock_realm(sort.realm)?;
            let rows = tx.list_signing_keys(sort.realm)?;
            let Some(signs_from) = signs_from(Terms(&terms(&rows, sort, &lost))) else {
                return Ok(End::Rollback(false));
            };
            let mut key = drawn.clone();
            key.term.signs_from = signs_from;
            keep(tx, &key, &rows, LONGEST)?;
            tx.insert_event(&made(&event, &key, why))?;
            Ok(End::Commit(true))
        })
        .await
}
