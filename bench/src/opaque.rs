//! Writes opaque access tokens into the store of a server that is stopped.
//!
//! Through the store's own facade, so that they are the rows that the token endpoint leaves: each is a copy of one that the server
//! itself has made, with an id and a hash of its own.

use std::path::Path;

use admit_core::id::Id;
use admit_core::secret::{SecretHash, SecretKind};
use admit_core::time::Span;
use admit_store::End;

use crate::Result;
use crate::bulk::{BATCH, lookup_key, open, random};
use crate::population::{Numbers, Population};

/// Inserts all of them, as copies of the one with the text `pattern`.
pub fn insert(data: &Path, tokens: &Population, pattern: &str) -> Result<()> {
    let told = |error: admit_store::Error| format!("cannot write {}: {error}", data.display());
    let (store, lookup) = (open(data)?, lookup_key(data)?);
    let found = store.point(|tx| {
        let Some(realm) = tx.find_realm_named("default")? else { return Ok(None) };
        let hash = lookup.hash(realm.id, SecretKind::AccessToken, pattern);
        tx.find_access_token(realm.id, &[hash])
    });
    let pattern = found.map_err(told)?.ok_or("the token was not made before, or is stored under another hash")?.token;
    let hash = |number| lookup.hash(pattern.realm, SecretKind::AccessToken, tokens.key(number)).0;
    let mut hashes: Vec<[u8; 32]> = (0..tokens.len()).map(hash).collect();
    hashes.sort_unstable();
    for (number, batch) in hashes.chunks(BATCH).enumerate() {
        let rows: Vec<_> = (number * BATCH..)
            .zip(batch)
            .map(|(at, hash)| {
                let mut row = pattern.clone();
                let moment = pattern.created_at - Span::ms((tokens.len() - at) as i64);
                (row.id, row.hash) = (Id::new(moment, random(&mut Numbers::new(at as u64))), SecretHash(*hash));
                row
            })
            .collect();
        let written = store.write_blocking(move |tx| {
            rows.iter().try_for_each(|row| tx.insert_access_token(row))?;
            Ok(End::Commit(()))
        });
        written.map_err(told)?;
    }
    store.close();
    Ok(())
}
