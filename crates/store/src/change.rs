//! The change feed: each change to what a decision rests on gets a number in the transaction that makes it.
//!
//! The verbs of the other files write here; a node's cache reads. See `server` for what a cache does with it.

use admit_core::id::RealmId;

use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// Which kind of row changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A realm, or what its keys may look like.
    Realm,
    /// An API.
    Api,
    /// A client.
    Client,
    /// A user.
    User,
    /// A role.
    Role,
    /// A rule.
    Rule,
    /// A grant.
    Grant,
    /// A key; its grant's secrets with it.
    Key,
    /// A credential that there was not: the id is `SecretHash::tag`.
    Credential,
    /// An access token that was taken back: the id is its `jti`.
    Token,
    /// A key that signs.
    SigningKey,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Realm,
        Self::Api,
        Self::Client,
        Self::User,
        Self::Role,
        Self::Rule,
        Self::Grant,
        Self::Key,
        Self::Credential,
        Self::Token,
        Self::SigningKey,
    ];

    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Realm => "realm",
            Self::Api => "api",
            Self::Client => "client",
            Self::User => "user",
            Self::Role => "role",
            Self::Rule => "rule",
            Self::Grant => "grant",
            Self::Key => "key",
            Self::Credential => "credential",
            Self::Token => "token",
            Self::SigningKey => "signing_key",
        }
    }
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its place in commit order.
    pub number: i64,
    /// Where it happened.
    pub realm: RealmId,
    /// What kind of row it was.
    pub kind: ChangeKind,
    /// Which one.
    pub id: [u8; 16],
}

statements! {
    /// Run by [`Tx::change`], which keeps the number for the feed.
    pub(crate) INSERT = "INSERT INTO change (realm_id, kind, id, at) VALUES ($realm, $kind, $id, $now) RETURNING number";
    POSITION = "SELECT COALESCE(MAX(number), 0) FROM change";
    OLDEST = "SELECT MIN(number) FROM change";
    LIST = "SELECT number, realm_id, kind, id FROM change WHERE number > $after ORDER BY number LIMIT $limit";
}

impl Tx<'_> {
    /// The highest change number that this snapshot sees; 0 where there is none.
    pub fn position(&mut self) -> Result<i64> {
        Ok(self.find(POSITION, named! {})?.unwrap_or_default())
    }

    /// The lowest number that is still there.
    pub fn oldest_change(&mut self) -> Result<Option<i64>> {
        Ok(self.find(OLDEST, named! {})?.flatten())
    }

    /// What came after a number, in order.
    pub fn list_changes(&mut self, after: i64, limit: u32) -> Result<Vec<Change>> {
        self.list(LIST, named! { after, limit })
    }
}

impl FromRow for Change {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let word = row.text(2)?;
        let kind = ChangeKind::ALL.iter().find(|kind| kind.as_str() == word);
        let kind = *kind.ok_or_else(|| crate::Error::corrupt("a change is of no known kind"))?;
        Ok(Self { number: row.int(0)?, realm: row.id(1)?, kind, id: row.bytes(3)? })
    }
}
