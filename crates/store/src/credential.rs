//! Long-lived credentials: the secrets of API keys, found by the keyed hash of their text.
//!
//! The hash binds realm and kind (see `core::secret`); no text of a secret ever comes here.

use admit_core::grant::Lineage;
use admit_core::id::{KeyId, RealmId};
use admit_core::key::{Key, KeySecret};
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::Result;
use crate::grant::{Facts, fact_columns, fact_joins};
use crate::key::{self, key_columns};
use crate::value::{FromRow, Row};

/// The columns of [`KeySecret`], of a table called `s`.
macro_rules! secret_columns {
    () => {
        "s.hash, s.lookup_key, s.key_id, s.number, s.hint, s.created_at, s.expires_at"
    };
}

/// How many columns that is.
const WIDTH: usize = 7;

statements! {
    /// The one read of a cache miss.
    FIND = concat!("SELECT ", secret_columns!(), ", ", key_columns!(), ", ", fact_columns!(), " FROM credential AS s
        JOIN api_key AS k ON k.id = s.key_id JOIN access_grant AS g ON g.id = s.grant_id", fact_joins!(),
        "WHERE s.hash = $hash AND s.realm_id = $realm");
    COUNT = "SELECT COUNT(hash) FROM credential WHERE hash = $hash";
    LIST = concat!("SELECT ", secret_columns!(), " FROM credential AS s WHERE s.key_id = $key AND s.realm_id = $realm ORDER BY s.number");
    INSERT = "INSERT INTO credential (hash, lookup_key, kind, realm_id, grant_id, key_id, number, hint, created_at, expires_at)
        VALUES ($hash, $lookup_key, 'api_key', $realm, $grant, $key, $number, $hint, $created_at, $expires_at)";
    /// A secret without an end of its own ends with its grant: that becomes its own end before the grant is extended.
    END_WITH_GRANT = "UPDATE credential SET expires_at = (SELECT g.expires_at FROM access_grant AS g WHERE g.id = credential.grant_id)
        WHERE key_id = $key AND realm_id = $realm AND (expires_at IS NULL
        OR expires_at > (SELECT g.expires_at FROM access_grant AS g WHERE g.id = credential.grant_id))";
    END_BY = "UPDATE credential SET expires_at = $end WHERE key_id = $key AND realm_id = $realm
        AND (expires_at IS NULL OR expires_at > $end)";
    UPDATE_HASH = "UPDATE credential SET hash = $new, lookup_key = $lookup_key WHERE hash = $old AND realm_id = $realm
        AND NOT EXISTS (SELECT o.hash FROM credential AS o WHERE o.hash = $new)";
    COUNT_LIVE = "SELECT s.lookup_key, COUNT(s.hash) FROM credential AS s JOIN access_grant AS g ON g.id = s.grant_id
        WHERE g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now) AND (s.expires_at IS NULL OR s.expires_at > $now)
        GROUP BY s.lookup_key ORDER BY s.lookup_key";
}

/// What a presented key is, as one snapshot of the store saw it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The key.
    pub key: Key,
    /// The secret that was shown.
    pub secret: KeySecret,
    /// What its worth depends on.
    pub lineage: Lineage,
}

/// How much of something is made with a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfMasterKey {
    /// The number of the master key.
    pub number: i64,
    /// How many.
    pub count: i64,
}

impl FromRow for OfMasterKey {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { number: row.int(0)?, count: row.int(1)? })
    }
}

impl Tx<'_> {
    /// What a presented key is.
    pub fn find_credential(&mut self, realm: RealmId, hash: &SecretHash) -> Result<Option<Found>> {
        let Some(known) = self.find::<Known>(FIND, named! { realm, hash })? else { return Ok(None) };
        let lineage = self.complete(known.facts, None)?;
        Ok(Some(Found { key: known.key, secret: known.secret, lineage }))
    }

    /// The same where it may be stored under one of several hashes; [`KeySecret::hash`] says under which it is.
    pub fn find_credential_among(&mut self, realm: RealmId, hashes: &[SecretHash]) -> Result<Option<Found>> {
        for hash in hashes {
            if let Some(found) = self.find_credential(realm, hash)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Stores a secret under the hash of another master key. False: it is not there any more, or is so already.
    pub fn update_secret_hash(
        &mut self,
        realm: RealmId,
        old: &SecretHash,
        new: &SecretHash,
        lookup_key: i64,
        now: Time,
    ) -> Result<bool> {
        if self.execute(UPDATE_HASH, named! { realm, old, new, lookup_key })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Credential, realm, &new.tag(), now)?;
        Ok(true)
    }

    /// How many secrets that still open something are stored under which master key's hash.
    pub fn count_live_secrets(&mut self, now: Time) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_LIVE, named! { now })
    }

    /// The secrets of a key by number, ended ones too.
    pub fn list_secrets(&mut self, realm: RealmId, key: KeyId) -> Result<Vec<KeySecret>> {
        self.list(LIST, named! { realm, key })
    }

    pub(crate) fn has_credential(&mut self, hash: &SecretHash) -> Result<bool> {
        Ok(self.find::<i64>(COUNT, named! { hash })?.is_some_and(|count| count > 0))
    }

    pub(crate) fn insert_secret(&mut self, key: &Key, secret: &KeySecret) -> Result<()> {
        let KeySecret { hash, lookup_key, number, hint, created_at, expires_at, .. } = secret;
        let Key { id, realm, grant, .. } = key;
        self.execute_later(
            INSERT,
            named! { hash, lookup_key, realm, grant, key: id, number, hint, created_at, expires_at },
        )?;
        self.change(ChangeKind::Credential, *realm, &hash.tag(), *created_at)
    }

    /// Ends every secret of a key at a moment, at the end of its grant or at its own, whichever is first.
    pub(crate) fn end_secrets(&mut self, realm: RealmId, key: KeyId, end: Time) -> Result<()> {
        self.execute(END_WITH_GRANT, named! { realm, key })?;
        self.execute(END_BY, named! { realm, key, end }).map(drop)
    }
}

/// What one statement brings of [`Found`].
struct Known {
    secret: KeySecret,
    key: Key,
    facts: Facts,
}

impl FromRow for Known {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let key_row = row.from(WIDTH);
        Ok(Self {
            secret: FromRow::from_row(row)?,
            key: FromRow::from_row(&key_row)?,
            facts: FromRow::from_row(&key_row.from(key::WIDTH))?,
        })
    }
}

impl FromRow for KeySecret {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            hash: SecretHash(row.bytes(0)?),
            lookup_key: row.int(1)?,
            key: row.id(2)?,
            number: row.number(3)?,
            hint: row.string(4)?,
            created_at: row.time(5)?,
            expires_at: row.optional_time(6)?,
        })
    }
}
