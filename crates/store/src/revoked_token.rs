//! Access tokens that were taken back before their end, by their `jti`; signed ones are known nowhere else.

use admit_core::id::{RealmId, TokenId};
use admit_core::time::Time;

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    INSERT = "INSERT INTO revoked_token (id, realm_id, revoked_at, expires_at) VALUES ($id, $realm, $now, $expires_at)
        ON CONFLICT (id) DO NOTHING";
    FIND = "SELECT id, realm_id, expires_at FROM revoked_token WHERE id = $id";
    LIST = "SELECT id, realm_id, expires_at FROM revoked_token WHERE expires_at > $now AND id > $after ORDER BY id LIMIT $limit";
    SWEEP = "DELETE FROM revoked_token WHERE id IN (SELECT id FROM revoked_token WHERE expires_at <= $before
        ORDER BY expires_at LIMIT 100)";
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its `jti`.
    pub id: TokenId,
    /// Where it was good.
    pub realm: RealmId,
    /// When it would have ended by itself.
    pub expires_at: Time,
}

impl Tx<'_> {
    /// Takes one back. False: that was done before.
    pub fn revoke_token(&mut self, token: &RevokedToken, now: Time) -> Result<bool> {
        let RevokedToken { id, realm, expires_at } = token;
        if self.execute(INSERT, named! { id, realm, now, expires_at })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Token, *realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Whether one was taken back.
    pub fn is_token_revoked(&mut self, id: TokenId) -> Result<bool> {
        Ok(self.find_revoked_token(id)?.is_some())
    }

    /// One that was taken back.
    pub fn find_revoked_token(&mut self, id: TokenId) -> Result<Option<RevokedToken>> {
        self.find(FIND, named! { id })
    }

    /// Those of all realms that would still be good, by id.
    pub fn list_revoked_tokens(&mut self, page: &Page, now: Time) -> Result<Vec<RevokedToken>> {
        let (after, limit) = (page.floor(), page.limit);
        self.list(LIST, named! { now, after, limit })
    }

    /// Those that ended by themselves before this. At most 100.
    pub fn sweep_revoked_tokens(&mut self, before: Time) -> Result<usize> {
        self.execute(SWEEP, named! { before })
    }
}

impl FromRow for RevokedToken {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { id: row.id(0)?, realm: row.id(1)?, expires_at: row.time(2)? })
    }
}
