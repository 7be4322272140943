//! Refresh tokens, found by the keyed hash of their text.
//!
//! A rotation is one guarded update of the old row and one new row; which of many at once is first, the update settles. What
//! a token is worth is judged by `core::oauth::refresh`; ending an authorization ends all of its tokens by evaluation.

use admit_core::id::RealmId;
use admit_core::oauth::refresh::RefreshToken;
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// The columns of [`RefreshToken`], of a table of this name.
macro_rules! token_columns {
    ($of:literal) => {
        concat!(
            $of,
            ".hash, ",
            $of,
            ".lookup_key, ",
            $of,
            ".realm_id, ",
            $of,
            ".grant_id, ",
            $of,
            ".created_at, ",
            $of,
            ".expires_at, ",
            $of,
            ".last_at, ",
            $of,
            ".spent_at, ",
            $of,
            ".successor, ",
            $of,
            ".reply, ",
            $of,
            ".reply_ends"
        )
    };
}

/// How many columns that is.
const WIDTH: usize = 11;

statements! {
    FIND = concat!("SELECT ", token_columns!("t"), ", ", token_columns!("n"), "
        FROM refresh_token AS t LEFT JOIN refresh_token AS n ON n.hash = t.successor
        WHERE t.hash = $hash AND t.realm_id = $realm");
    INSERT = "INSERT INTO refresh_token (hash, lookup_key, realm_id, grant_id, created_at, expires_at, last_at, spent_at, successor,
        reply, reply_ends) VALUES ($hash, $lookup_key, $realm, $grant, $created_at, $expires_at, $last_at, NULL, NULL, $reply,
        $reply_ends)";
    SPEND = "UPDATE refresh_token SET spent_at = $now, successor = $successor, reply = NULL
        WHERE hash = $hash AND realm_id = $realm AND spent_at IS NULL";
    TOUCH = "UPDATE refresh_token SET last_at = $now, reply = NULL
        WHERE hash = $hash AND realm_id = $realm AND spent_at IS NULL AND last_at <= $now";
    UPDATE_HASH = "UPDATE refresh_token SET hash = $new, lookup_key = $lookup_key WHERE hash = $old AND realm_id = $realm
        AND spent_at IS NULL AND NOT EXISTS (SELECT o.hash FROM refresh_token AS o WHERE o.hash = $new)";
    COUNT_LIVE = "SELECT t.lookup_key, COUNT(t.hash) FROM refresh_token AS t JOIN access_grant AS g ON g.id = t.grant_id
        WHERE t.spent_at IS NULL AND t.expires_at > $now AND g.revoked_at IS NULL GROUP BY t.lookup_key ORDER BY t.lookup_key";
    LIST_REPLIES = "SELECT hash FROM refresh_token WHERE created_at > $after AND created_at <= $until AND reply IS NOT NULL
        AND reply_ends <= $now ORDER BY created_at LIMIT 100";
    ERASE_REPLY = "UPDATE refresh_token SET reply = NULL WHERE hash = $hash";
    SWEEP = "DELETE FROM refresh_token WHERE hash IN (SELECT hash FROM refresh_token WHERE expires_at <= $now
        ORDER BY expires_at LIMIT 100)";
}

/// One that is kept.
#[derive(Debug, Clone)]
pub struct FoundRefreshToken {
    /// It.
    pub token: RefreshToken,
    /// What took its place.
    pub successor: Option<RefreshToken>,
}

impl Tx<'_> {
    /// A presented one, where it may be stored under one of several hashes.
    pub fn find_refresh_token(&mut self, realm: RealmId, hashes: &[SecretHash]) -> Result<Option<FoundRefreshToken>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND, named! { realm, hash })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps a new one. No cache holds any.
    pub fn insert_refresh_token(&mut self, token: &RefreshToken) -> Result<()> {
        let RefreshToken { hash, lookup_key, realm, grant, created_at, expires_at, last_at, reply_ends, .. } = token;
        let reply = token.reply.as_deref();
        self.execute_later(
            INSERT,
            named! { hash, lookup_key, realm, grant, created_at, expires_at, last_at, reply, reply_ends },
        )
    }

    /// Puts one in the place of another. False: somebody was first, and nothing is kept.
    pub fn rotate_refresh_token(&mut self, old: &SecretHash, new: &RefreshToken, now: Time) -> Result<bool> {
        let RefreshToken { hash: successor, realm, .. } = new;
        if self.execute(SPEND, named! { hash: old, realm, successor, now })? == 0 {
            return Ok(false);
        }
        self.insert_refresh_token(new)?;
        Ok(true)
    }

    /// Writes that one that stays was used. False: it did not stay.
    pub fn touch_refresh_token(&mut self, realm: RealmId, hash: &SecretHash, now: Time) -> Result<bool> {
        Ok(self.execute(TOUCH, named! { realm, hash, now })? > 0)
    }

    /// Stores one under the hash of another master key. False: it is not there any more, or is so already.
    pub fn update_refresh_token_hash(
        &mut self,
        realm: RealmId,
        old: &SecretHash,
        new: &SecretHash,
        lookup_key: i64,
    ) -> Result<bool> {
        Ok(self.execute(UPDATE_HASH, named! { realm, old, new, lookup_key })? > 0)
    }

    /// How many that are still good are stored under which master key's hash.
    pub fn count_live_refresh_tokens(&mut self, now: Time) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_LIVE, named! { now })
    }

    /// Those made after one moment and not after another that still keep an answer past its end, at most 100.
    pub fn list_ended_replies(&mut self, after: Time, until: Time, now: Time) -> Result<Vec<SecretHash>> {
        self.list(LIST_REPLIES, named! { after, until, now })
    }

    /// Forgets answers.
    pub fn erase_replies(&mut self, tokens: &[SecretHash]) -> Result<()> {
        for hash in tokens {
            self.execute(ERASE_REPLY, named! { hash })?;
        }
        Ok(())
    }

    /// Those that are past their end. At most 100.
    pub fn sweep_refresh_tokens(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { now })
    }
}

impl FromRow for FoundRefreshToken {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let successor = row.from(WIDTH).optional(0, |row, _| RefreshToken::from_row(row))?;
        Ok(Self { token: FromRow::from_row(row)?, successor })
    }
}

impl FromRow for RefreshToken {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            hash: SecretHash(row.bytes(0)?),
            lookup_key: row.int(1)?,
            realm: row.id(2)?,
            grant: row.id(3)?,
            created_at: row.time(4)?,
            expires_at: row.time(5)?,
            last_at: row.time(6)?,
            spent_at: row.optional_time(7)?,
            successor: row.optional(8, Row::bytes)?.map(SecretHash),
            reply: row.optional(9, Row::blob)?,
            reply_ends: row.optional_time(10)?,
        })
    }
}
