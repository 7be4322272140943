//! What clients have signed and shown once (RFC 7523 §3): the digests of its names, until it would be over anyway.

use admit_core::id::{ClientId, RealmId};
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::Result;

statements! {
    SPEND = "INSERT INTO spent_assertion (realm_id, client_id, digest, expires_at) VALUES ($realm, $client, $digest, $expires_at)
        ON CONFLICT (realm_id, client_id, digest) DO NOTHING";
    SWEEP = "DELETE FROM spent_assertion WHERE (realm_id, client_id, digest) IN (SELECT realm_id, client_id, digest
        FROM spent_assertion WHERE expires_at <= $now ORDER BY expires_at LIMIT 100)";
}

impl Tx<'_> {
    /// Spends an assertion. False: it was spent before, here or on another node.
    pub fn spend_assertion(
        &mut self,
        realm: RealmId,
        client: ClientId,
        digest: &[u8; 32],
        expires_at: Time,
    ) -> Result<bool> {
        Ok(self.execute(SPEND, named! { realm, client, digest, expires_at })? == 1)
    }

    /// Those that are over.
    pub fn sweep_spent_assertions(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { now })
    }
}
