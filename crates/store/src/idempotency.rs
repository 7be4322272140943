//! Answers that are given again to a request that is sent again (`Idempotency-Key`), per caller, method and path.

use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    FIND = "SELECT caller, key, method, path, digest, status, body, target, created_at, expires_at FROM idempotency
        WHERE caller = $caller AND key = $key AND method = $method AND path = $path AND expires_at > $now";
    /// One that is past its time makes room.
    INSERT = "INSERT INTO idempotency (caller, key, method, path, digest, status, body, target, created_at, expires_at)
        VALUES ($caller, $key, $method, $path, $digest, $status, $body, $target, $created_at, $expires_at)
        ON CONFLICT (caller, key, method, path) DO UPDATE SET digest = excluded.digest, status = excluded.status, body = excluded.body,
        target = excluded.target, created_at = excluded.created_at, expires_at = excluded.expires_at
        WHERE idempotency.expires_at <= excluded.created_at";
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Who asked.
    pub caller: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// SHA-256 of the body that was sent.
    pub digest: [u8; 32],
    /// The status of the answer.
    pub status: u16,
    /// The answer; none where it carried a secret.
    pub body: Option<String>,
    /// The id of what was made.
    pub target: Option<String>,
    /// When it was given.
    pub created_at: Time,
    /// Until when it is given again.
    pub expires_at: Time,
}

impl Tx<'_> {
    /// The answer that was given to this request.
    pub fn find_idempotent(
        &mut self,
        caller: &str,
        key: &str,
        method: &str,
        path: &str,
        now: Time,
    ) -> Result<Option<Remembered>> {
        self.find(FIND, named! { caller, key, method, path, now })
    }

    /// Keeps an answer, to be called in the unit of work that it tells of. Some: another request was first.
    pub fn insert_idempotent(&mut self, answer: &Remembered) -> Result<Option<Remembered>> {
        let Remembered { caller, key, method, path, digest, status, body, target, created_at, expires_at } = answer;
        let named = named! { caller, key, method, path, digest, status, body, target, created_at, expires_at };
        if self.execute(INSERT, named)? == 1 {
            return Ok(None);
        }
        self.find_idempotent(caller, key, method, path, *created_at)
    }
}

impl FromRow for Remembered {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            caller: row.string(0)?,
            key: row.string(1)?,
            method: row.string(2)?,
            path: row.string(3)?,
            digest: row.bytes(4)?,
            status: row.number(5)?,
            body: row.optional(6, Row::string)?,
            target: row.optional(7, Row::string)?,
            created_at: row.time(8)?,
            expires_at: row.time(9)?,
        })
    }
}
