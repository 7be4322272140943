//! Secrets of clients, as keyed hashes; no text of a secret ever comes here.
//!
//! Whatever happens to one is a change of its client: who holds a client's facts reads them anew. A last use is no change.

use admit_core::client::secret::ClientSecret;
use admit_core::id::{ClientId, RealmId, SecretId};
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// The columns of [`ClientSecret`].
macro_rules! columns {
    () => {
        "id, hash, lookup_key, realm_id, client_id, hint, created_at, expires_at, last_used_at"
    };
}

statements! {
    LIST = concat!("SELECT ", columns!(), " FROM client_secret WHERE realm_id = $realm AND client_id = $client ORDER BY id LIMIT 100");
    FIND = concat!("SELECT ", columns!(), " FROM client_secret WHERE hash = $hash AND realm_id = $realm");
    INSERT = "INSERT INTO client_secret (id, hash, lookup_key, realm_id, client_id, hint, created_at, expires_at)
        VALUES ($id, $hash, $lookup_key, $realm, $client, $hint, $created_at, $expires_at)";
    DELETE = "DELETE FROM client_secret WHERE realm_id = $realm AND client_id = $client AND id = $id";
    DELETE_ENDED = "DELETE FROM client_secret WHERE realm_id = $realm AND client_id = $client AND expires_at <= $now";
    pub(crate) DELETE_ALL = "DELETE FROM client_secret WHERE realm_id = $realm AND client_id = $id";
    UPDATE_HASH = "UPDATE client_secret SET hash = $new, lookup_key = $lookup_key WHERE hash = $old AND realm_id = $realm
        AND NOT EXISTS (SELECT o.hash FROM client_secret AS o WHERE o.hash = $new) RETURNING client_id";
    TOUCH = "UPDATE client_secret SET last_used_at = $at WHERE id = $id AND realm_id = $realm
        AND (last_used_at IS NULL OR last_used_at < $at)";
    COUNT_LIVE = "SELECT lookup_key, COUNT(id) FROM client_secret WHERE expires_at IS NULL OR expires_at > $now
        GROUP BY lookup_key ORDER BY lookup_key";
}

/// That a secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSecretUse {
    /// Where.
    pub realm: RealmId,
    /// Which one.
    pub id: SecretId,
    /// When.
    pub at: Time,
}

impl Tx<'_> {
    /// The secrets of a client by id, those that have ended too.
    pub fn list_client_secrets(&mut self, realm: RealmId, client: ClientId) -> Result<Vec<ClientSecret>> {
        self.list(LIST, named! { realm, client })
    }

    /// The secret that is stored under one of several hashes, whosever it is.
    pub fn find_client_secret(&mut self, realm: RealmId, hashes: &[SecretHash]) -> Result<Option<ClientSecret>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND, named! { realm, hash })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A new secret; those of its client that have ended make room. Lock the client before they are counted:
    /// [`Tx::lock_subject`].
    pub fn insert_client_secret(&mut self, secret: &ClientSecret) -> Result<()> {
        let ClientSecret { id, hash, lookup_key, realm, client, hint, created_at, expires_at, .. } = secret;
        self.execute(DELETE_ENDED, named! { realm, client, now: created_at })?;
        self.execute(INSERT, named! { id, hash, lookup_key, realm, client, hint, created_at, expires_at })?;
        self.change(ChangeKind::Client, *realm, client.bytes(), *created_at)
    }

    /// Ends a secret. False: there is none, or it is another client's.
    pub fn delete_client_secret(&mut self, realm: RealmId, client: ClientId, id: SecretId, now: Time) -> Result<bool> {
        if self.execute(DELETE, named! { realm, client, id })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Client, realm, client.bytes(), now)?;
        Ok(true)
    }

    /// Ends all secrets of a client.
    pub fn delete_client_secrets(&mut self, realm: RealmId, client: ClientId, now: Time) -> Result<()> {
        if self.execute(DELETE_ALL, named! { realm, id: client })? == 0 {
            return Ok(());
        }
        self.change(ChangeKind::Client, realm, client.bytes(), now)
    }

    /// Stores a secret under the hash of another master key. False: it is not there any more, or is so already.
    pub fn update_client_secret_hash(
        &mut self,
        realm: RealmId,
        old: &SecretHash,
        new: &SecretHash,
        lookup_key: i64,
        now: Time,
    ) -> Result<bool> {
        let moved: Option<ClientId> = self.find(UPDATE_HASH, named! { realm, old, new, lookup_key })?;
        let Some(client) = moved else { return Ok(false) };
        self.change(ChangeKind::Client, realm, client.bytes(), now)?;
        Ok(true)
    }

    /// Notes last uses. Sort them: engines with many writers lock the rows in the order given.
    pub fn touch_client_secrets(&mut self, uses: &[ClientSecretUse]) -> Result<()> {
        let sets = uses.iter().map(|used| *named! { realm: used.realm, id: used.id, at: used.at });
        self.each(TOUCH, &sets.collect::<Vec<_>>()).map(drop)
    }

    /// How many secrets that have not ended are stored under which master key's hash.
    pub fn count_client_secrets(&mut self, now: Time) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_LIVE, named! { now })
    }
}

impl FromRow for ClientSecret {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            hash: SecretHash(row.bytes(1)?),
            lookup_key: row.int(2)?,
            realm: row.id(3)?,
            client: row.id(4)?,
            hint: row.string(5)?,
            created_at: row.time(6)?,
            expires_at: row.optional_time(7)?,
            last_used_at: row.optional_time(8)?,
        })
    }
}
