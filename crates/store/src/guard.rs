//! Failed sign-ins in a row, per account, counted for all nodes. What is counted and what the bound is, is in
//! `admit_core::login::guard`.

use admit_core::id::RealmId;
use admit_core::login::guard::{Account, FAILURES_MAX, FORGOTTEN_AFTER};
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    /// No row comes back where the bound is reached: of many that ask at once, on any nodes, no more than the bound get one.
    TAKE = "INSERT INTO sign_in_guard (realm_id, account, failures, last_at) VALUES ($realm, $account, 1, $now)
        ON CONFLICT (realm_id, account) DO UPDATE SET
        failures = CASE WHEN sign_in_guard.last_at <= $stale THEN 1 ELSE sign_in_guard.failures + 1 END,
        locked_at = CASE WHEN sign_in_guard.last_at <= $stale THEN NULL ELSE sign_in_guard.locked_at END,
        last_at = excluded.last_at
        WHERE sign_in_guard.last_at <= $stale OR sign_in_guard.failures < $most RETURNING failures";
    LOCK = "UPDATE sign_in_guard SET locked_at = $now WHERE realm_id = $realm AND account = $account AND failures >= $most
        AND locked_at IS NULL";
    CLEAR = "DELETE FROM sign_in_guard WHERE realm_id = $realm AND account = $account RETURNING failures, last_at, locked_at";
    FIND = "SELECT failures, last_at, locked_at FROM sign_in_guard WHERE realm_id = $realm AND account = $account AND last_at > $stale";
    SWEEP = "DELETE FROM sign_in_guard WHERE (realm_id, account) IN (SELECT realm_id, account FROM sign_in_guard
        WHERE last_at <= $stale ORDER BY last_at LIMIT 100)";
}

/// What was counted at an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// How many failures in a row.
    pub failures: i64,
    /// When the last one was.
    pub last_at: Time,
    /// Since when unknown devices need a mailed link.
    pub locked_at: Option<Time>,
}

impl FromRow for Guesses {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { failures: row.int(0)?, last_at: row.time(1)?, locked_at: row.optional_time(2)? })
    }
}

impl Tx<'_> {
    /// Counts one more as failed, to be called before it is tried. Which one it is; none where the bound is reached.
    pub fn take_guess(&mut self, realm: RealmId, account: Account, now: Time) -> Result<Option<i64>> {
        let (account, stale, most) = (account.0, now - FORGOTTEN_AFTER, FAILURES_MAX);
        self.find(TAKE, named! { realm, account, now, stale, most })
    }

    /// Notes that the bound was reached. False: it is not, or that was noted.
    pub fn lock_account(&mut self, realm: RealmId, account: Account, now: Time) -> Result<bool> {
        let (account, most) = (account.0, FAILURES_MAX);
        Ok(self.execute(LOCK, named! { realm, account, now, most })? == 1)
    }

    /// Forgets what was counted, and says what that was.
    pub fn clear_guesses(&mut self, realm: RealmId, account: Account) -> Result<Option<Guesses>> {
        let account = account.0;
        self.find(CLEAR, named! { realm, account })
    }

    /// What is counted at an account and not yet forgotten.
    pub fn find_guesses(&mut self, realm: RealmId, account: Account, now: Time) -> Result<Option<Guesses>> {
        let (account, stale) = (account.0, now - FORGOTTEN_AFTER);
        self.find(FIND, named! { realm, account, stale })
    }

    /// Counts that are over. At most 100.
    pub fn sweep_guesses(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { stale: now - FORGOTTEN_AFTER })
    }
}
