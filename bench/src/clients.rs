//! Writes clients with a secret each into the store of a server that is stopped: through the API a hundred thousand would take
//! minutes.
//!
//! Through the store's own facade, so that they are the rows that the API makes: each is a copy of a client that the server itself
//! has made, with its roles; that the hashes are right is checked at that client's secret.

use std::path::Path;

use admit_core::client::Client;
use admit_core::client::secret::ClientSecret;
use admit_core::id::Id;
use admit_core::name::Label;
use admit_core::secret::{LookupKey, SecretKind};
use admit_core::time::Span;
use admit_store::End;
use data_encoding::BASE64;

use crate::Result;
use crate::bulk::{BATCH, lookup_key, open, random};
use crate::population::{Numbers, Population};

/// Inserts one for each secret, after the one called `pattern` whose secret is `known`. What each shows as HTTP Basic.
pub fn insert(data: &Path, secrets: &Population, pattern: &str, known: &str) -> Result<Vec<String>> {
    let told = |error: admit_store::Error| format!("cannot write {}: {error}", data.display());
    let store = open(data)?;
    let found = store.point(|tx| {
        let Some(realm) = tx.find_realm_named("default")? else { return Ok(None) };
        let Some(client) = tx.find_client_named(realm.id, pattern)? else { return Ok(None) };
        let secret = tx.list_client_secrets(realm.id, client.id)?.pop();
        Ok(secret.map(|secret| (client, secret)))
    });
    let (client, secret) = found.map_err(told)?.ok_or("the client was not made before")?;
    let maker = Maker { client, secret, lookup: lookup_key(data)?, count: secrets.len() };
    if maker.lookup.hash(maker.client.realm, SecretKind::ClientSecret, known) != maker.secret.hash {
        return Err("the server stores a secret under another hash than is made here".to_owned());
    }
    let mut shown = Vec::with_capacity(secrets.len());
    for first in (0..secrets.len()).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(secrets.len());
        let rows: Vec<_> = numbers.map(|number| maker.row(number, secrets.key(number))).collect::<Result<_>>()?;
        shown.extend(rows.iter().map(|(_, _, basic)| basic.clone()));
        let written = store.write_blocking(move |tx| {
            rows.iter().try_for_each(|(client, secret, _)| {
                tx.insert_client(client)?;
                tx.insert_client_secret(secret)
            })?;
            Ok(End::Commit(()))
        });
        written.map_err(told)?;
    }
    store.close();
    Ok(shown)
}

/// What all rows have in common.
struct Maker {
    client: Client,
    secret: ClientSecret,
    lookup: LookupKey,
    count: usize,
}

impl Maker {
    fn row(&self, number: usize, text: &str) -> Result<(Client, ClientSecret, String)> {
        let (mut client, mut secret) = (self.client.clone(), self.secret.clone());
        let mut numbers = Numbers::new(number as u64 ^ 0xC11E_2700);
        // Each id is the largest yet by its time, and none is of the future.
        let moment = self.client.created_at - Span::ms((self.count - number) as i64);
        client.id = Id::new(moment, random(&mut numbers));
        client.spec.name = Label::parse(&format!("c{number:08}")).map_err(|error| error.to_string())?;
        secret.id = Id::new(moment, random(&mut numbers));
        secret.client = client.id;
        secret.hash = self.lookup.hash(client.realm, SecretKind::ClientSecret, text);
        let basic = BASE64.encode(format!("{}:{text}", client.id).as_bytes());
        Ok((client, secret, basic))
    }
}
