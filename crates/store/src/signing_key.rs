//! Keys that sign, as they are kept: sealed. Opens none, and knows nothing of which one signs when.

use admit_core::id::{RealmId, SigningKeyId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::signing_key::{Purpose, Term};
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// The columns of [`SealedSigningKey`], of a table called `k`.
macro_rules! columns {
    () => {
        "k.id, k.realm_id, k.purpose, k.algorithm, k.kid, k.sealed, k.master_key, k.made_at, k.signs_from, k.revoked_at"
    };
}

statements! {
    LIST = concat!("SELECT ", columns!(), " FROM signing_key AS k WHERE k.realm_id = $realm ORDER BY k.id");
    /// The newest of its kind that is not revoked, in realms that are in use.
    LIST_DUE = "SELECT k.realm_id, k.purpose, k.algorithm FROM signing_key AS k JOIN realm AS r ON r.id = k.realm_id
        WHERE k.signs_from <= $before AND k.revoked_at IS NULL AND r.disabled_at IS NULL
        AND NOT EXISTS (SELECT l.id FROM signing_key AS l WHERE l.realm_id = k.realm_id AND l.purpose = k.purpose
            AND l.algorithm = k.algorithm AND l.revoked_at IS NULL AND l.signs_from > k.signs_from)
        ORDER BY k.signs_from LIMIT $limit";
    LIST_NOT_SEALED_BY = concat!("SELECT ", columns!(), " FROM signing_key AS k
        WHERE k.master_key < $active OR k.master_key > $active ORDER BY k.master_key LIMIT $limit");
    INSERT = "INSERT INTO signing_key (id, realm_id, purpose, algorithm, kid, sealed, master_key, made_at, signs_from, revoked_at)
        VALUES ($id, $realm, $purpose, $algorithm, $kid, $sealed, $master_key, $made_at, $signs_from, $revoked_at)";
    HASTEN = "UPDATE signing_key SET signs_from = $now
        WHERE realm_id = $realm AND id = $id AND revoked_at IS NULL AND signs_from > $now";
    REVOKE = "UPDATE signing_key SET revoked_at = $now WHERE realm_id = $realm AND id = $id AND revoked_at IS NULL";
    REVOKE_ALL = "UPDATE signing_key SET revoked_at = $now WHERE revoked_at IS NULL";
    /// Of a key that was sealed anew meanwhile nothing is put back.
    RESEAL = "UPDATE signing_key SET sealed = $new, master_key = $master_key
        WHERE realm_id = $realm AND id = $id AND sealed = $old";
    DELETE = "DELETE FROM signing_key WHERE realm_id = $realm AND id = $id";
    COUNT = "SELECT master_key, COUNT(id) FROM signing_key GROUP BY master_key ORDER BY master_key";
    /// What gave way to another, or was revoked, so long ago that nothing of it lives. One that is there and follows it must
    /// have begun by then: otherwise an older one might sign again.
    SWEEP = "DELETE FROM signing_key WHERE id IN (SELECT k.id FROM signing_key AS k
        WHERE k.signs_from <= $before AND (k.revoked_at IS NULL OR k.revoked_at <= $before)
        AND EXISTS (SELECT l.id FROM signing_key AS l WHERE l.realm_id = k.realm_id AND l.purpose = k.purpose
            AND l.algorithm = k.algorithm AND l.revoked_at IS NULL AND l.signs_from > k.signs_from AND l.signs_from <= $before
            AND l.made_at <= $before)
        ORDER BY k.signs_from LIMIT 100)";
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSigningKey {
    /// Its id.
    pub id: SigningKeyId,
    /// Whose it is.
    pub realm: RealmId,
    /// What it is for.
    pub purpose: Purpose,
    /// Its name, algorithm and dates.
    pub term: Term,
    /// The sealed private key.
    pub sealed: Vec<u8>,
    /// The number of the master key that it is sealed with.
    pub master_key: i64,
}

/// Where a new key is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueSigningKey {
    /// In which realm.
    pub realm: RealmId,
    /// What it is for.
    pub purpose: Purpose,
    /// What it signs by.
    pub algorithm: Algorithm,
}

impl FromRow for SealedSigningKey {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            purpose: row.parse(2)?,
            term: Term {
                algorithm: row.parse(3)?,
                kid: row.string(4)?,
                made_at: row.time(7)?,
                signs_from: row.time(8)?,
                revoked_at: row.optional_time(9)?,
            },
            sealed: row.blob(5)?,
            master_key: row.int(6)?,
        })
    }
}

impl FromRow for DueSigningKey {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { realm: row.id(0)?, purpose: row.parse(1)?, algorithm: row.parse(2)? })
    }
}

impl Tx<'_> {
    /// All keys of a realm by age, revoked ones too. Lock the realm before what is judged by them: [`Tx::lock_realm`].
    pub fn list_signing_keys(&mut self, realm: RealmId) -> Result<Vec<SealedSigningKey>> {
        self.list(LIST, named! { realm })
    }

    /// Where the newest key has signed since `before` at least, the longest first.
    pub fn list_due_signing_keys(&mut self, before: Time, limit: u32) -> Result<Vec<DueSigningKey>> {
        self.list(LIST_DUE, named! { before, limit })
    }

    /// Keys of any realm that are not sealed with this master key.
    pub fn list_signing_keys_not_sealed_by(&mut self, active: i64, limit: u32) -> Result<Vec<SealedSigningKey>> {
        self.list(LIST_NOT_SEALED_BY, named! { active, limit })
    }

    /// A new key.
    pub fn insert_signing_key(&mut self, key: &SealedSigningKey) -> Result<()> {
        let SealedSigningKey { id, realm, purpose, term, sealed, master_key } = key;
        let Term { kid, algorithm, made_at, signs_from, revoked_at } = term;
        let (purpose, algorithm) = (purpose.as_str(), algorithm.as_str());
        self.execute(
            INSERT,
            named! { id, realm, purpose, algorithm, kid, sealed: sealed[..], master_key, made_at, signs_from, revoked_at },
        )?;
        self.change(ChangeKind::SigningKey, *realm, id.bytes(), *made_at)
    }

    /// A key that waits signs from `now` on. False: it does not wait.
    pub fn hasten_signing_key(&mut self, realm: RealmId, id: SigningKeyId, now: Time) -> Result<bool> {
        if self.execute(HASTEN, named! { realm, id, now })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::SigningKey, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// A key is good for nothing from now on. False: there is none, or it was revoked before.
    pub fn revoke_signing_key(&mut self, realm: RealmId, id: SigningKeyId, now: Time) -> Result<bool> {
        if self.execute(REVOKE, named! { realm, id, now })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::SigningKey, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Every key of every realm is good for nothing from now on: for a store that nobody serves yet, whose feed begins anew.
    pub fn revoke_all_signing_keys(&mut self, now: Time) -> Result<usize> {
        self.execute(REVOKE_ALL, named! { now })
    }

    /// The same key, sealed with another master key. False: it was sealed anew meanwhile, or is gone.
    pub fn reseal_signing_key(&mut self, key: &SealedSigningKey, new: &[u8], master_key: i64) -> Result<bool> {
        let SealedSigningKey { id, realm, sealed, .. } = key;
        Ok(self.execute(RESEAL, named! { realm, id, old: sealed[..], new: *new, master_key })? == 1)
    }

    /// Forgets a key of which nothing lives. No decision rests on it: no change.
    pub fn delete_signing_key(&mut self, realm: RealmId, id: SigningKeyId) -> Result<()> {
        self.execute(DELETE, named! { realm, id }).map(drop)
    }

    /// How many keys are sealed with which master key.
    pub fn count_signing_keys(&mut self) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT, &[])
    }

    /// Keys of which nothing can have lived since `before`.
    pub fn sweep_signing_keys(&mut self, before: Time) -> Result<usize> {
        self.execute(SWEEP, named! { before })
    }
}
