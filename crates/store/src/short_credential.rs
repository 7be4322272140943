//! What is good once and not for long: links in mails, hand-offs, authorization codes. Found by the keyed hash of its text.

use admit_core::id::{GrantId, RealmId, UserId};
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row};

/// The columns of [`ShortCredential`].
macro_rules! columns {
    () => {
        "hash, lookup_key, kind, realm_id, user_id, grant_id, bound_to, detail, created_at, expires_at, used_at"
    };
}

statements! {
    INSERT = "INSERT INTO short_credential (hash, lookup_key, kind, realm_id, user_id, grant_id, bound_to, detail, created_at, expires_at)
        VALUES ($hash, $lookup_key, $kind, $realm, $user, $grant, $bound_to, $detail, $created_at, $expires_at)";
    FIND = concat!("SELECT ", columns!(), " FROM short_credential WHERE hash = $hash AND kind = $kind AND realm_id = $realm
        AND used_at IS NULL AND expires_at > $now");
    TAKE = concat!("UPDATE short_credential SET used_at = $now WHERE hash = $hash AND kind = $kind AND realm_id = $realm
        AND used_at IS NULL AND expires_at > $now RETURNING ", columns!());
    FIND_USED = concat!("SELECT ", columns!(), " FROM short_credential WHERE hash = $hash AND kind = $kind AND realm_id = $realm");
    SPEND = "UPDATE short_credential SET used_at = $now, grant_id = $led_to, expires_at = $until WHERE hash = $hash AND kind = $kind
        AND realm_id = $realm AND used_at IS NULL AND expires_at > $now";
    KEEP = concat!("UPDATE short_credential SET used_at = $now, expires_at = $until WHERE hash = $hash AND kind = $kind
        AND realm_id = $realm AND used_at IS NULL AND expires_at > $now RETURNING ", columns!());
    DELETE = "DELETE FROM short_credential WHERE hash = $hash AND kind = $kind AND realm_id = $realm";
    DELETE_OF = "DELETE FROM short_credential WHERE user_id = $user AND kind = $kind AND realm_id = $realm";
    DELETE_ALL_OF = "DELETE FROM short_credential WHERE user_id = $user AND realm_id = $realm";
    DELETE_OF_KIND = "DELETE FROM short_credential WHERE kind = $kind AND realm_id = $realm";
    SWEEP = "DELETE FROM short_credential WHERE hash IN (SELECT hash FROM short_credential WHERE expires_at <= $now
        ORDER BY expires_at LIMIT 100)";
}

/// What it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShortKind {
    /// To choose a new password: a link in a mail.
    PasswordReset,
    /// A session of one protected host: what the issuer hands on to it.
    HandOff,
    /// To become the first operator who signs in: a link that `serve` prints.
    FirstOperator,
    /// To choose the first password: a link for who was invited.
    Invitation,
    /// To make an account: a link to an address that nobody has yet.
    Registration,
    /// To show that an address is one's own: a link to that address.
    AddressProof,
    /// For an application: what a person approved (RFC 6749 §4.1.2).
    Code,
    /// To ask a person for what an application pushed here before (RFC 9126).
    PushedRequest,
}

impl ShortKind {
    const ALL: [Self; 8] = [
        Self::PasswordReset,
        Self::HandOff,
        Self::FirstOperator,
        Self::Invitation,
        Self::Registration,
        Self::AddressProof,
        Self::Code,
        Self::PushedRequest,
    ];

    /// The word in the store.
    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::HandOff => "hand_off",
            Self::FirstOperator => "first_operator",
            Self::Invitation => "invitation",
            Self::Registration => "registration",
            Self::AddressProof => "address_proof",
            Self::Code => "code",
            Self::PushedRequest => "pushed_request",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortCredential {
    /// What it is found by.
    pub hash: SecretHash,
    /// The number of the master key behind the hash.
    pub lookup_key: i64,
    /// What it is good for.
    pub kind: ShortKind,
    /// Where.
    pub realm: RealmId,
    /// For whom.
    pub user: Option<UserId>,
    /// What it hands on.
    pub grant: Option<GrantId>,
    /// What must be shown along with it.
    pub bound_to: Option<Vec<u8>>,
    /// What else was known when it was made.
    pub detail: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
    /// When it was used.
    pub used_at: Option<Time>,
}

impl Tx<'_> {
    /// Keeps a new one.
    pub fn insert_short(&mut self, short: &ShortCredential) -> Result<()> {
        let ShortCredential { hash, lookup_key, realm, user, grant, detail, created_at, expires_at, .. } = short;
        let (kind, bound_to) = (short.kind.as_str(), short.bound_to.as_deref());
        self.execute(
            INSERT,
            named! { hash, lookup_key, kind, realm, user, grant, bound_to, detail, created_at, expires_at },
        )
        .map(drop)
    }

    /// The one that is stored under one of these hashes and still good; looking uses nothing up.
    pub fn find_short(
        &mut self,
        realm: RealmId,
        kind: ShortKind,
        hashes: &[SecretHash],
        now: Time,
    ) -> Result<Option<ShortCredential>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND, named! { realm, kind: kind.as_str(), hash, now })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Uses it up; of several that try at once one gets it.
    pub fn take_short(
        &mut self,
        realm: RealmId,
        kind: ShortKind,
        hash: &SecretHash,
        now: Time,
    ) -> Result<Option<ShortCredential>> {
        self.find(TAKE, named! { realm, kind: kind.as_str(), hash, now })
    }

    /// The one that is stored under one of these hashes, used and ended ones too, for as long as they are kept.
    pub fn find_used_short(
        &mut self,
        realm: RealmId,
        kind: ShortKind,
        hashes: &[SecretHash],
    ) -> Result<Option<ShortCredential>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND_USED, named! { realm, kind: kind.as_str(), hash })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Uses it up for a grant, and keeps it until then, so that a second use is known for one. False: somebody was first, or it
    /// is past its end.
    pub fn spend_short(&mut self, short: &ShortCredential, led_to: GrantId, until: Time, now: Time) -> Result<bool> {
        let ShortCredential { hash, realm, kind, .. } = short;
        Ok(self.execute(SPEND, named! { hash, kind: kind.as_str(), realm, led_to, until, now })? > 0)
    }

    /// Uses it up and keeps it until then, for who has begun with it; of several that try at once one gets it.
    pub fn keep_short(
        &mut self,
        realm: RealmId,
        kind: ShortKind,
        hash: &SecretHash,
        until: Time,
        now: Time,
    ) -> Result<Option<ShortCredential>> {
        self.find(KEEP, named! { realm, kind: kind.as_str(), hash, until, now })
    }

    /// Ends one, used or not. False: it was not there.
    pub fn delete_short(&mut self, realm: RealmId, kind: ShortKind, hash: &SecretHash) -> Result<bool> {
        Ok(self.execute(DELETE, named! { realm, kind: kind.as_str(), hash })? > 0)
    }

    /// Ends those of a kind that a person has: only the newest is good.
    pub fn delete_shorts_of(&mut self, realm: RealmId, kind: ShortKind, user: UserId) -> Result<usize> {
        self.execute(DELETE_OF, named! { realm, kind: kind.as_str(), user })
    }

    /// Ends every one of a kind in a realm.
    pub fn delete_shorts(&mut self, realm: RealmId, kind: ShortKind) -> Result<usize> {
        self.execute(DELETE_OF_KIND, named! { realm, kind: kind.as_str() })
    }

    /// Ends all that a person has.
    pub fn delete_all_shorts_of(&mut self, realm: RealmId, user: UserId) -> Result<()> {
        self.execute(DELETE_ALL_OF, named! { realm, user }).map(drop)
    }

    /// Those that are past their end. At most 100.
    pub fn sweep_shorts(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { now })
    }
}

impl FromRow for ShortCredential {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let word = row.text(2)?;
        let kind = ShortKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        Ok(Self {
            hash: SecretHash(row.bytes(0)?),
            lookup_key: row.int(1)?,
            kind: kind.ok_or_else(|| Error::corrupt("a short credential is of no known kind"))?,
            realm: row.id(3)?,
            user: row.optional_id(4)?,
            grant: row.optional_id(5)?,
            bound_to: row.optional(6, Row::blob)?,
            detail: row.optional(7, Row::string)?,
            created_at: row.time(8)?,
            expires_at: row.time(9)?,
            used_at: row.optional_time(10)?,
        })
    }
}
