//! Writes the rows of many keys into the store of a server that is stopped: ten million through the API would take half an
//! hour.
//!
//! Through the store's own facade, so that they are the rows that an import makes, one for one: each is a copy of the row of
//! a key that was imported, with an id, a name and a hash of its own. In the order of their hashes, which keeps the trees of
//! the store growing at one end; that the hashes are right is checked at a key that the server itself has stored.

use std::path::Path;

use admit_core::grant::Grant;
use admit_core::id::Id;
use admit_core::key::{Key, KeySecret};
use admit_core::name::Label;
use admit_core::secret::{LookupKey, MasterKey, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::{End, Options, Store};
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::Result;
use crate::population::{Numbers, Population};

/// How many keys one transaction holds.
pub const BATCH: usize = 10_000;
/// After how many keys it says how far it is.
const MILESTONE: usize = 1_000_000;

/// What all rows have in common.
#[derive(Clone)]
struct Pattern {
    grant: Grant,
    key: Key,
    secret: KeySecret,
}

/// Inserts all keys of the population but the first `known`, which are there.
pub fn insert(data: &Path, keys: &Population, known: usize) -> Result<()> {
    let told = |error: admit_store::Error| format!("cannot write {}: {error}", data.display());
    let store = open(data)?;
    let pattern = Pattern::find(&store).map_err(told)?.ok_or("no key was imported before")?;
    let lookup = lookup_key(data)?;
    let hash = |number: usize| lookup.hash(pattern.key.realm, SecretKind::ApiKey, keys.key(number));
    if hash(0) != pattern.secret.hash {
        return Err("the server stores a key under another hash than is made here".to_owned());
    }
    let mut hashes: Vec<[u8; 32]> = (known..keys.len()).map(|number| hash(number).0).collect();
    hashes.sort_unstable();
    for (number, batch) in hashes.chunks(BATCH).enumerate() {
        let first = number * BATCH;
        let rows: Vec<_> =
            (first..).zip(batch).map(|(at, hash)| pattern.row(at as u64, *hash)).collect::<Result<_>>()?;
        let written = store.write_blocking(move |tx| {
            for row in &rows {
                tx.insert_key(&row.grant, &row.key, &row.secret)?;
            }
            Ok(End::Commit(()))
        });
        written.map_err(told)?;
        if (first + batch.len()).is_multiple_of(MILESTONE) {
            eprintln!("{} keys written", first + batch.len());
        }
    }
    store.close();
    Ok(())
}

/// The store of a server that is stopped.
pub fn open(data: &Path) -> Result<Store> {
    let opened = Store::open(&Options::new(data.join("admit.db")), |_| {}, Time::default());
    opened.map_err(|error| format!("cannot open the store in {}: {error}", data.display()))
}

impl Pattern {
    /// The first key that was imported.
    fn find(store: &Store) -> admit_store::Result<Option<Self>> {
        store.point(|tx| {
            let Some(realm) = tx.find_realm_named("default")? else { return Ok(None) };
            let Some(found) = tx.list_keys_named(realm.id, "k0", 1)?.pop() else { return Ok(None) };
            let secret = tx.list_secrets(realm.id, found.key.id)?.pop();
            Ok(secret.map(|secret| Self { grant: found.grant, key: found.key, secret }))
        })
    }

    fn row(&self, number: u64, hash: [u8; 32]) -> Result<Self> {
        let Self { mut grant, mut key, mut secret } = self.clone();
        // Each id is the largest yet by its time; the rest of it is random, which the server relies on.
        let moment = self.key.created_at + Span::ms(1 + number as i64);
        let mut numbers = Numbers::new(number);
        grant.id = Id::new(moment, random(&mut numbers));
        grant.root = grant.id;
        key.id = Id::new(moment, random(&mut numbers));
        key.grant = grant.id;
        key.name = Label::parse(&format!("s{number:08}")).map_err(|error| error.to_string())?;
        secret.hash = SecretHash(hash);
        secret.key = key.id;
        Ok(Self { grant, key, secret })
    }
}

/// What makes ids differ beside their time.
pub fn random(numbers: &mut Numbers) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&numbers.next().to_le_bytes());
    bytes[8..].copy_from_slice(&numbers.next().to_le_bytes()[..2]);
    bytes
}

/// The key of the hashes, from the master key that the server made.
pub fn lookup_key(data: &Path) -> Result<LookupKey> {
    let file = data.join("master.key");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    let bytes = bytes.ok_or_else(|| format!("{} is no master key", file.display()))?;
    Ok(MasterKey::new(bytes).lookup_key())
}
