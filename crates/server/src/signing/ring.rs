//! The keys of one realm, opened and parsed once, and those of the realms in use.
//!
//! Nothing of a sealed row is believed before it is opened: the public half comes out of the private one, so that whoever
//! can write the table can plant no key. What cannot be opened any more, because its master key was taken away, is not
//! there. Makes no key.

use std::ops::Deref;
use std::sync::Arc;

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
use serde_json::Value;

use crate::app::App;
use crate::authn::epoch::{Slot, signing_slot};
use crate::authn::freshness::{self, Before};
use crate::authn::realms::{Realms, Whole};
use crate::authn::resolve::unreadable;
use crate::master;

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
    before: Before,
}

impl Whole for Ring {
    fn before(&self) -> Before {
        self.before
    }

    fn slots(realm: RealmId) -> impl IntoIterator<Item = Slot> {
        [signing_slot(realm)]
    }
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

    /// Reads the keys of a realm; those that were opened before are not opened again.
    fn read(app: &App, realm: RealmId, before: Before, older: Option<&Self>) -> Result<Self> {
        let keys = app.master.keys();
        let rows = app.store.point(|tx| tx.list_signing_keys(realm))?;
        let mut ring = Self { sets: Vec::new(), lost: Vec::new(), before };
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
#[derive(Default)]
pub struct Rings(Realms<Ring>);

impl Rings {
    /// The ring of a realm as it is now.
    pub fn of(&self, app: &App, realm: RealmId) -> std::result::Result<Arc<Ring>, Reason> {
        let read = |before, older: Option<&Ring>| Ring::read(app, realm, before, older).map(Some);
        let ring = self.0.of(app, realm, read).map_err(|error| {
            freshness::log_unread(app, &error, "the signing keys of a realm");
            unreadable(&error)
        });
        ring?.ok_or(Reason::StoreUnavailable)
    }

    /// The same; where it cannot be read, as it was not longer than this ago, as far as is known.
    pub fn lately(&self, app: &App, realm: RealmId, ago: Span) -> std::result::Result<Arc<Ring>, Reason> {
        self.of(app, realm).or_else(|reason| {
            let known = self.0.unchanged(app, realm).ok_or(reason)?;
            let is_late = known.before.overdue(app).is_some_and(|overdue| overdue.within(ago).is_none());
            if is_late { Err(reason) } else { Ok(known) }
        })
    }
}
