//! Writes people and their sessions into the store of a server that is stopped: to sign a million in would take hours of
//! hashing.
//!
//! Through the store's own facade, so that they are the rows that a sign-in and a visit to a protected host leave: a session
//! at the issuer, and below it one of the host, whose secret is asked for. The people are copies of one that the server
//! itself has made. Their last uses are spread over the time after which a use is worth a write, so that in every second
//! some become due, as with people who come and go.

use std::path::Path;

use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{Id, SubjectId, UserId};
use admit_core::login::session::{Factor, Factors, Life, Session, SessionSecret};
use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::{LookupKey, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_core::user::User;
use admit_store::{End, Page, Tx};

use crate::Result;
use crate::bulk::{BATCH, lookup_key, open, random};
use crate::population::{Numbers, Population};

/// How many sessions one person has.
const EACH: usize = 10;
/// What part of the idle time passes between two writes of one last use.
const WRITES: i64 = 20;
/// At how many sessions is looked for uses that were written.
pub const LOOKED_AT: u32 = 10_000;

/// Inserts all sessions of the population, of a person called `pattern` and of as many copies of him as are needed.
pub fn insert(data: &Path, sessions: &Population, pattern: &str, host: &str) -> Result<()> {
    let told = |error: admit_store::Error| format!("cannot write {}: {error}", data.display());
    let store = open(data)?;
    let found = store.point(|tx| {
        let Some(realm) = tx.find_realm_named("default")? else { return Ok(None) };
        Ok(tx.find_user_named(realm.id, pattern)?.map(|user| (realm, user)))
    });
    let (realm, user) = found.map_err(told)?.ok_or("the person was not made before")?;
    let maker = Maker { realm, user, lookup: lookup_key(data)?, host: host.to_owned(), count: sessions.len() };
    let hash = |number| maker.lookup.hash(maker.realm.id, SecretKind::Session, sessions.key(number)).0;
    let mut hashes: Vec<[u8; 32]> = (0..sessions.len()).map(hash).collect();
    hashes.sort_unstable();
    for (number, batch) in hashes.chunks(BATCH).enumerate() {
        let first = number * BATCH;
        let rows: Vec<_> = (first..).zip(batch).map(|(at, hash)| maker.row(at, *hash)).collect::<Result<_>>()?;
        let written = store.write_blocking(move |tx| {
            rows.iter().try_for_each(|row| row.insert(tx))?;
            Ok(End::Commit(()))
        });
        written.map_err(told)?;
    }
    store.close();
    Ok(())
}

/// The latest of the last uses of some sessions, and how many of them were used after a moment.
pub fn last_uses(data: &Path, after: Time) -> Result<(Time, usize)> {
    let told = |error: admit_store::Error| format!("cannot read {}: {error}", data.display());
    let store = open(data)?;
    let page = Page { after: None, limit: LOOKED_AT };
    let seen = store.point(|tx| {
        let Some(realm) = tx.find_realm_named("default")? else { return Ok(Vec::new()) };
        tx.list_sessions(realm.id, None, false, &page, Time::default())
    });
    let uses: Vec<Time> = seen.map_err(told)?.iter().map(|seen| seen.session.last_at).collect();
    store.close();
    let latest = uses.iter().copied().max().ok_or("there are no sessions")?;
    Ok((latest, uses.iter().filter(|used| **used > after).count()))
}

/// What all rows have in common.
struct Maker {
    realm: Realm,
    user: User,
    lookup: LookupKey,
    host: String,
    count: usize,
}

/// What one secret stands for.
struct Row {
    /// Where he was not met before.
    person: Option<User>,
    root: (Grant, Session, SessionSecret),
    site: (Grant, Session, SessionSecret),
}

impl Row {
    fn insert(&self, tx: &mut Tx<'_>) -> admit_store::Result<()> {
        self.person.iter().try_for_each(|person| tx.insert_user(person))?;
        [&self.root, &self.site]
            .into_iter()
            .try_for_each(|(grant, session, secret)| tx.insert_session(grant, session, secret))
    }
}

impl Maker {
    fn row(&self, number: usize, hash: [u8; 32]) -> Result<Row> {
        let (life, now) = (Life::of(&self.realm.name), self.user.created_at);
        let user = self.id_of(number / EACH);
        let person =
            (number.is_multiple_of(EACH) && number > 0).then(|| self.person(number / EACH, user)).transpose()?;
        let mut numbers = Numbers::new(number as u64);
        // Each id is the largest yet by its time, and none is of the future.
        let moment = now - Span::ms((self.count - number) as i64);
        let spread = numbers.below((life.idle.as_ms() / WRITES) as usize) as i64;
        let root = Grant {
            id: Id::new(moment, random(&mut numbers)),
            realm: self.realm.id,
            org: None,
            kind: GrantKind::Session,
            subject: SubjectId::User(user),
            client: None,
            parent: None,
            root: Id::from_bytes([0; 16]),
            api: None,
            scopes: Vec::new(),
            created_at: now,
            expires_at: Some(now + life.absolute),
            revoked_at: None,
        };
        let root = Grant { root: root.id, ..root };
        let site = Grant {
            id: Id::new(moment, random(&mut numbers)),
            kind: GrantKind::Site,
            parent: Some(root.id),
            ..root.clone()
        };
        let at_issuer = Session {
            grant: root.id,
            realm: self.realm.id,
            user,
            host: None,
            pending: Factors::default(),
            factors: Factors::of(&[Factor::Password]),
            signed_in_at: now,
            idle: Some(life.idle),
            last_at: now - Span::ms(spread),
            last_ip: None,
            last_agent: None,
        };
        let on_site = Session { grant: site.id, host: Some(self.host.clone()), idle: None, ..at_issuer.clone() };
        let secret = |grant: &Grant, hash| SessionSecret {
            hash: SecretHash(hash),
            lookup_key: 1,
            grant: grant.id,
            created_at: now,
        };
        // Nobody asks with the secret of the issuer: its hash needs only be another one.
        let mut other = hash;
        other[31] ^= 1;
        let (of_root, of_site) = (secret(&root, other), secret(&site, hash));
        Ok(Row { person, root: (root, at_issuer, of_root), site: (site, on_site, of_site) })
    }

    /// The first is the one that the server has made.
    fn id_of(&self, person: usize) -> UserId {
        if person == 0 {
            return self.user.id;
        }
        let moment = self.user.created_at - Span::ms((self.count - person) as i64);
        Id::new(moment, random(&mut Numbers::new(person as u64 ^ 0x9E0_91E5)))
    }

    fn person(&self, number: usize, id: UserId) -> Result<User> {
        let label = |text: String| Label::parse(&text).map_err(|error| error.to_string());
        let mut person = User { id, ..self.user.clone() };
        person.spec.name = label(format!("s{number:08}"))?;
        person.spec.email = Some(label(format!("s{number:08}@shop.test"))?);
        Ok(person)
    }
}
