//! Opaque access tokens, found by the keyed hash of their text.
//!
//! What a token is worth is judged from its grant's line; revoking one is [`crate::revoked_token`]'s, for those that are
//! signed too.

use admit_core::grant::Lineage;
use admit_core::id::{GrantId, RealmId, TokenId};
use admit_core::name::ScopeName;
use admit_core::secret::SecretHash;
use admit_core::time::Time;

use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::grant::{Facts, fact_columns, fact_joins, read_scopes, scopes_text};
use crate::value::{FromRow, Row};

/// The columns of [`AccessToken`], of a table called `t`.
macro_rules! token_columns {
    () => {
        "t.hash, t.lookup_key, t.realm_id, t.id, t.grant_id, t.scopes, t.created_at, t.expires_at"
    };
}

/// How many columns that is.
const WIDTH: usize = 8;

statements! {
    INSERT = "INSERT INTO access_token (hash, lookup_key, realm_id, id, grant_id, scopes, created_at, expires_at)
        VALUES ($hash, $lookup_key, $realm, $id, $grant, $scopes, $created_at, $expires_at)";
    /// The one read of a cache miss.
    FIND = concat!("SELECT ", token_columns!(), ", (SELECT COUNT(v.id) FROM revoked_token AS v WHERE v.id = t.id), ", fact_columns!(), "
        FROM access_token AS t JOIN access_grant AS g ON g.id = t.grant_id", fact_joins!(),
        "WHERE t.hash = $hash AND t.realm_id = $realm");
    COUNT_LIVE = "SELECT lookup_key, COUNT(hash) FROM access_token WHERE expires_at > $now GROUP BY lookup_key ORDER BY lookup_key";
    SWEEP = "DELETE FROM access_token WHERE hash IN (SELECT hash FROM access_token WHERE expires_at <= $now
        ORDER BY expires_at LIMIT 100)";
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// What it is found by.
    pub hash: SecretHash,
    /// The number of the master key behind the hash.
    pub lookup_key: i64,
    /// Where.
    pub realm: RealmId,
    /// Its `jti`.
    pub id: TokenId,
    /// What it proves.
    pub grant: GrantId,
    /// What it is for, of all that its grant gives; sorted.
    pub scopes: Vec<ScopeName>,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
}

/// What a presented token is, as one snapshot of the store saw it.
#[derive(Debug, Clone)]
pub struct FoundToken {
    /// The token.
    pub token: AccessToken,
    /// It was taken back.
    pub is_revoked: bool,
    /// What its worth depends on.
    pub lineage: Lineage,
}

impl Tx<'_> {
    /// Keeps a new one. Nobody can have asked for it before, so no cache has to hear of it.
    pub fn insert_access_token(&mut self, token: &AccessToken) -> Result<()> {
        let AccessToken { hash, lookup_key, realm, id, grant, scopes, created_at, expires_at } = token;
        let scopes = scopes_text(scopes);
        self.execute_later(INSERT, named! { hash, lookup_key, realm, id, grant, scopes, created_at, expires_at })
    }

    /// What a presented one is, where it may be stored under one of several hashes.
    pub fn find_access_token(&mut self, realm: RealmId, hashes: &[SecretHash]) -> Result<Option<FoundToken>> {
        for hash in hashes {
            let Some(known) = self.find::<Known>(FIND, named! { realm, hash })? else { continue };
            let lineage = self.complete(known.facts, None)?;
            return Ok(Some(FoundToken { token: known.token, is_revoked: known.is_revoked, lineage }));
        }
        Ok(None)
    }

    /// How many that are still good are stored under which master key's hash.
    pub fn count_live_access_tokens(&mut self, now: Time) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_LIVE, named! { now })
    }

    /// Those that are past their end. At most 100.
    pub fn sweep_access_tokens(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { now })
    }
}

/// What one statement brings of [`FoundToken`].
struct Known {
    token: AccessToken,
    is_revoked: bool,
    facts: Facts,
}

impl FromRow for Known {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            token: FromRow::from_row(row)?,
            is_revoked: row.int(WIDTH)? > 0,
            facts: FromRow::from_row(&row.from(WIDTH + 1))?,
        })
    }
}

impl FromRow for AccessToken {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            hash: SecretHash(row.bytes(0)?),
            lookup_key: row.int(1)?,
            realm: row.id(2)?,
            id: row.id(3)?,
            grant: row.id(4)?,
            scopes: read_scopes(row.text(5)?)?,
            created_at: row.time(6)?,
            expires_at: row.time(7)?,
        })
    }
}
