//! The keys of one realm, opened and parsed once, and those of the realms in use.
//!
//! Nothing of a sealed row is believed before it is opened: the public half comes out of the private one, so that whoever
//! can write the table can plant no key. What cannot be opened any more, because its master key was taken away, is not
//! there. Makes no key.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use admit_core::api::Api;
use admit_core::check::code::Reason;
use admit_core::id::{RealmId, SigningKeyId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jwk::VerifyingKey;
use admit_core::jose::sign::SigningKey;
use admit_core::master::Keys;
use admit_core::seal::{NotOpened, Place};
use admit_core::signing_key::{Purpose, Term, Terms, longest_life};
use admit_core::time::{Span, Time};
use admit_store::{Result, SealedSigningKey};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::Value;

use crate::app::App;
use crate::authn::epoch::signing_slot;
use crate::authn::freshness::{self, Overdue};
use crate::authn::resolve::unreadable;
use crate::master;

/// Above this many realms, one is dropped for each that is added.
const KEPT_MAX: usize = 2_000;
/// How long one waits for another who reads the same realm.
const TURN_WAIT: Duration = Duration::from_millis(50);
/// How many realms may be read at a time.
const TURNS: usize = 64;

/// Where the private half stands.
pub fn place(row: &[u8; 16], realm: RealmId) -> Place<'_> {
    Place { table: "signing_key", column: "sealed", row, realm }
}

/// A key that others may verify by.
#[derive(Debug)]
pub struct Published {
    /// Which one: what was verified by it depends on this id.
    pub id: SigningKeyId,
    key: VerifyingKey,
}

impl Deref for Published {
    type Target = VerifyingKey;

    fn deref(&self) -> &VerifyingKey {
        &self.key
    }
}

/// A key that was opened.
struct Opened {
    id: SigningKeyId,
    signing: Arc<SigningKey>,
    published: Arc<Published>,
}

/// The keys of one purpose and algorithm. Revoked ones are among the terms, and not among the keys.
struct Set {
    purpose: Purpose,
    algorithm: Algorithm,
    terms: Vec<Term>,
    keys: Vec<Arc<Opened>>,
}

impl Set {
    fn key(&self, kid: &str) -> Option<&Opened> {
        self.keys.iter().find(|key| key.signing.kid() == kid).map(Arc::as_ref)
    }
}

/// The keys of one realm.
pub struct Ring {
    sets: Vec<Set>,
    /// Those that no master key opens any more.
    lost: Vec<SigningKeyId>,
    position: i64,
    /// When it was read, by the monotonic clock.
    read_at_us: i64,
}

impl Ring {
    /// The key that signs now.
    pub fn signing(&self, purpose: Purpose, algorithm: Algorithm, now: Time) -> Option<&Arc<SigningKey>> {
        let set = self.sets.iter().find(|set| set.purpose == purpose && set.algorithm == algorithm)?;
        let term = Terms(&set.terms).signing(now)?;
        set.key(&term.kid).map(|key| &key.signing)
    }

    /// The key of this name, where it is published now.
    pub fn verifying(&self, purpose: Purpose, kid: &str, apis: &[Api], now: Time) -> Option<&Arc<Published>> {
        self.of(purpose).find_map(|set| {
            let term = set.terms.iter().find(|term| term.kid == kid)?;
            let is_published = Terms(&set.terms).is_published(term, now, longest_life(apis, now));
            set.key(kid).filter(|_| is_published).map(|key| &key.published)
        })
    }

    /// The key of this name, published or not, as long as it was not revoked: for what may have ended long ago.
    pub fn known(&self, purpose: Purpose, kid: &str) -> Option<&Arc<Published>> {
        self.of(purpose).find_map(|set| set.key(kid)).map(|key| &key.published)
    }

    /// The public halves of all that are published now, with when the first of them is over, where one will be.
    pub fn published(&self, purpose: Purpose, apis: &[Api], now: Time) -> (Vec<&Value>, Option<Time>) {
        let longest = longest_life(apis, now);
        let (mut keys, mut until) = (Vec::new(), None);
        for set in self.of(purpose) {
            let terms = Terms(&set.terms);
            for term in terms.published(now, longest) {
                keys.extend(set.key(&term.kid).map(|key| key.signing.public_jwk()));
                until = until.into_iter().chain(terms.published_until(term, longest)).min();
            }
        }
        (keys, until)
    }

    /// Those that no master key opens any more.
    pub fn lost(&self) -> &[SigningKeyId] {
        &self.lost
    }

    fn of(&self, purpose: Purpose) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(move |set| set.purpose == purpose)
    }

    /// How old it is, where that is older than it may be.
    fn overdue(&self, app: &App) -> Option<Overdue> {
        freshness::overdue_since(app, self.read_at_us)
    }

    /// Reads the keys of a realm; those that were opened before are not opened again.
    fn read(app: &App, realm: RealmId, older: Option<&Self>) -> Result<Self> {
        // In this order: what changes from here on is seen, or makes what is read here worthless.
        let (position, read_at_us) = (app.epochs.position(), app.clock.monotonic_us());
        let keys = app.master.keys();
        let rows = app.store.point(|tx| tx.list_signing_keys(realm))?;
        let mut ring = Self { sets: Vec::new(), lost: Vec::new(), position, read_at_us };
        for row in rows {
            let known = older.and_then(|older| older.opened(row.id));
            let opened = match known {
                _ if !row.term.is_alive() => None,
                Some(known) => Some(known.clone()),
                None => match open(app, &keys, &row)? {
                    Some(opened) => Some(Arc::new(opened)),
                    None => {
                        ring.lost.push(row.id);
                        continue;
                    }
                },
            };
            ring.put(row.purpose, row.term, opened);
        }
        Ok(ring)
    }

    fn opened(&self, id: SigningKeyId) -> Option<&Arc<Opened>> {
        self.sets.iter().flat_map(|set| &set.keys).find(|key| key.id == id)
    }

    fn put(&mut self, purpose: Purpose, term: Term, opened: Option<Arc<Opened>>) {
        let algorithm = term.algorithm;
        let place = self.sets.iter().position(|set| set.purpose == purpose && set.algorithm == algorithm);
        let place = place.unwrap_or_else(|| {
            self.sets.push(Set { purpose, algorithm, terms: Vec::new(), keys: Vec::new() });
            self.sets.len() - 1
        });
        self.sets[place].terms.push(term);
        self.sets[place].keys.extend(opened);
    }
}

/// Opens one key. None: what it was sealed with was taken away, or it is not what was sealed.
fn open(app: &App, keys: &Keys, row: &SealedSigningKey) -> Result<Option<Opened>> {
    let opened = match keys.open(&place(row.id.bytes(), row.realm), &row.sealed) {
        Ok(opened) => opened,
        Err(NotOpened::NoKey(number)) => {
            // One that is only not here yet may still open it.
            app.store.point(|tx| master::must_judge(tx, keys))?;
            tracing::warn!(key = %row.id, number, "the master key that a signing key was sealed with was taken away");
            return Ok(None);
        }
        Err(NotOpened::Forged) => {
            tracing::error!(key = %row.id, "a signing key was changed in the store by somebody else, and is not used");
            return Ok(None);
        }
    };
    let parsed = SigningKey::parse(row.term.algorithm, &opened)
        .and_then(|signing| VerifyingKey::parse(signing.public_jwk()).map(|key| (signing, key)));
    let Some((signing, key)) = parsed.ok().filter(|(signing, _)| signing.kid() == row.term.kid) else {
        tracing::error!(key = %row.id, "a signing key is not the one that its row says, and is not used");
        return Ok(None);
    };
    let published = Arc::new(Published { id: row.id, key });
    Ok(Some(Opened { id: row.id, signing: Arc::new(signing), published }))
}

/// The rings of the realms in use.
pub struct Rings {
    kept: ArcSwap<HashMap<RealmId, Arc<Ring>>>,
    /// Held by who reads a realm anew; the others wait for what he finds.
    turns: [Mutex<()>; TURNS],
}

impl Default for Rings {
    fn default() -> Self {
        Self { kept: ArcSwap::default(), turns: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Rings {
    /// The ring of a realm as it is now.
    pub fn of(&self, app: &App, realm: RealmId) -> std::result::Result<Arc<Ring>, Reason> {
        self.read(app, realm).map_err(|error| {
            freshness::log_unread(app, &error, "the signing keys of a realm");
            unreadable(&error)
        })
    }

    /// The same; where it cannot be read, as it was not longer than this ago, as far as is known.
    pub fn lately(&self, app: &App, realm: RealmId, ago: Span) -> std::result::Result<Arc<Ring>, Reason> {
        self.of(app, realm).or_else(|reason| {
            let kept = self.kept.load();
            let known = kept.get(&realm).filter(|known| is_unchanged(app, realm, known)).ok_or(reason)?;
            let is_late = known.overdue(app).is_some_and(|overdue| overdue.within(ago).is_none());
            if is_late { Err(reason) } else { Ok(known.clone()) }
        })
    }

    fn read(&self, app: &App, realm: RealmId) -> Result<Arc<Ring>> {
        if let Some(known) = self.current(app, realm) {
            return Ok(known);
        }
        let _turn = self.turns[usize::from(realm.bytes()[15]) % TURNS].try_lock_for(TURN_WAIT);
        if let Some(known) = self.current(app, realm) {
            return Ok(known);
        }
        let older = self.kept.load().get(&realm).cloned();
        let ring = Arc::new(Ring::read(app, realm, older.as_deref())?);
        self.keep(realm, &ring);
        Ok(ring)
    }

    fn current(&self, app: &App, realm: RealmId) -> Option<Arc<Ring>> {
        let kept = self.kept.load();
        let known = kept.get(&realm).filter(|known| is_unchanged(app, realm, known))?;
        known.overdue(app).is_none().then(|| known.clone())
    }

    /// Readers never wait: the map is copied for each realm that is read anew, which is rare.
    fn keep(&self, realm: RealmId, ring: &Arc<Ring>) {
        self.kept.rcu(|kept| {
            let mut kept = HashMap::clone(kept);
            if kept.len() >= KEPT_MAX
                && !kept.contains_key(&realm)
                && let Some(any) = kept.keys().next().copied()
            {
                kept.remove(&any);
            }
            let newest = kept.entry(realm).or_insert_with(|| ring.clone());
            if newest.position < ring.position || newest.read_at_us < ring.read_at_us {
                *newest = ring.clone();
            }
            kept
        });
    }
}

fn is_unchanged(app: &App, realm: RealmId, ring: &Ring) -> bool {
    app.epochs.is_current([signing_slot(realm)], ring.position)
}
