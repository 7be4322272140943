//! Clients that registered themselves (RFC 7591), and the keyed hash of what lets each of them change what it said (RFC 7592).
//!
//! What such a client is stands in its row, like that of any other: see `client`, which ends a registration with its client.

use admit_core::id::{ClientId, RealmId};
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// The columns of [`ClientRegistration`].
macro_rules! columns {
    () => {
        "client_id, realm_id, hash, lookup_key, registered_by, created_at"
    };
}

statements! {
    INSERT = "INSERT INTO client_registration (client_id, realm_id, hash, lookup_key, registered_by, created_at)
        VALUES ($client, $realm, $hash, $lookup_key, $registered_by, $created_at)";
    FIND = concat!("SELECT ", columns!(), " FROM client_registration WHERE hash = $hash AND realm_id = $realm");
    COUNT = "SELECT COUNT(client_id) FROM client_registration WHERE realm_id = $realm";
    COUNT_OF_KEYS = "SELECT lookup_key, COUNT(client_id) FROM client_registration GROUP BY lookup_key ORDER BY lookup_key";
    UPDATE_HASH = "UPDATE client_registration SET hash = $new, lookup_key = $lookup_key WHERE hash = $old AND realm_id = $realm
        AND NOT EXISTS (SELECT o.hash FROM client_registration AS o WHERE o.hash = $new)";
    pub(crate) DELETE = "DELETE FROM client_registration WHERE realm_id = $realm AND client_id = $id";
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRegistration {
    /// Which client.
    pub client: ClientId,
    /// Where.
    pub realm: RealmId,
    /// What its registration access token is found by.
    pub hash: SecretHash,
    /// The number of the master key behind the hash.
    pub lookup_key: i64,
    /// Whose initial access token it was, as the audit names him.
    pub registered_by: String,
    /// When.
    pub created_at: Time,
}

impl Tx<'_> {
    /// Notes that a client registered itself; together with its row.
    pub fn insert_client_registration(&mut self, registration: &ClientRegistration) -> Result<()> {
        let ClientRegistration { client, realm, hash, lookup_key, registered_by, created_at } = registration;
        self.execute(INSERT, named! { client, realm, hash, lookup_key, registered_by, created_at }).map(drop)
    }

    /// The registration whose access token is stored under one of these hashes.
    pub fn find_client_registration(
        &mut self,
        realm: RealmId,
        hashes: &[SecretHash],
    ) -> Result<Option<ClientRegistration>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND, named! { realm, hash })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// How many clients of a realm registered themselves.
    pub fn count_client_registrations(&mut self, realm: RealmId) -> Result<i64> {
        Ok(self.find(COUNT, named! { realm })?.unwrap_or_default())
    }

    /// How many registration access tokens are stored under which master key's hash.
    pub fn count_registration_tokens(&mut self) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_OF_KEYS, &[])
    }

    /// Stores a registration access token under the hash of another master key. False: it is not there any more, or is so
    /// already.
    pub fn update_registration_hash(
        &mut self,
        realm: RealmId,
        old: &SecretHash,
        new: &SecretHash,
        lookup_key: i64,
    ) -> Result<bool> {
        Ok(self.execute(UPDATE_HASH, named! { realm, old, new, lookup_key })? == 1)
    }
}

impl FromRow for ClientRegistration {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            client: row.id(0)?,
            realm: row.id(1)?,
            hash: SecretHash(row.bytes(2)?),
            lookup_key: row.int(3)?,
            registered_by: row.string(4)?,
            created_at: row.time(5)?,
        })
    }
}
