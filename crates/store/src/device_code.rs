//! Devices that wait for somebody (RFC 8628): found by the keyed hash of their code, and by that of what a person types.
//!
//! What a row means is `admit_core::oauth::device`'s to say. Each step is one guarded statement, so that of two that would take
//! it at once one does.

use admit_core::id::{ClientId, GrantId, RealmId};
use admit_core::oauth::approved::Approved;
use admit_core::oauth::device::DeviceCode;
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};

use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row, json};

/// The columns of [`DeviceCode`].
macro_rules! columns {
    () => {
        "hash, user_hash, lookup_key, realm_id, client_id, asked, interval_ms, polled_at, approved, denied_at, used_at, grant_id,
        created_at, expires_at"
    };
}

/// Nobody has decided about it, and it is not over.
macro_rules! is_open {
    () => {
        "user_hash = $user_hash AND realm_id = $realm AND approved IS NULL AND denied_at IS NULL AND expires_at > $now"
    };
}

statements! {
    /// No row where somebody else has that code to type.
    INSERT = "INSERT INTO device_code (hash, user_hash, lookup_key, realm_id, client_id, asked, interval_ms, created_at, expires_at)
        VALUES ($hash, $user_hash, $lookup_key, $realm, $client, $asked, $interval, $created_at, $expires_at)
        ON CONFLICT (user_hash) DO NOTHING";
    FIND = concat!("SELECT ", columns!(), " FROM device_code WHERE hash = $hash AND realm_id = $realm");
    FIND_OPEN = concat!("SELECT ", columns!(), " FROM device_code WHERE ", is_open!());
    APPROVE = concat!("UPDATE device_code SET approved = $approved WHERE ", is_open!());
    DENY = concat!("UPDATE device_code SET denied_at = $now WHERE ", is_open!());
    POLL = "UPDATE device_code SET polled_at = $now WHERE hash = $hash AND realm_id = $realm
        AND (polled_at IS NULL OR polled_at <= $not_since)";
    SLOW = "UPDATE device_code SET interval_ms = $interval WHERE hash = $hash AND realm_id = $realm AND interval_ms < $interval";
    SPEND = "UPDATE device_code SET used_at = $now, grant_id = $grant WHERE hash = $hash AND realm_id = $realm
        AND client_id = $client AND used_at IS NULL AND denied_at IS NULL AND approved IS NOT NULL AND expires_at > $now";
    SWEEP = "DELETE FROM device_code WHERE hash IN (SELECT hash FROM device_code WHERE expires_at <= $now
        ORDER BY expires_at LIMIT 100)";
}

impl Tx<'_> {
    /// Keeps a new one. False: what a person would type is another one's.
    pub fn insert_device_code(&mut self, code: &DeviceCode) -> Result<bool> {
        let DeviceCode { hash, user_hash, lookup_key, realm, client, interval, created_at, expires_at, .. } = code;
        let asked = json(&code.asked)?;
        let inserted = self.execute(
            INSERT,
            named! { hash, user_hash, lookup_key, realm, client, asked, interval, created_at, expires_at },
        )?;
        Ok(inserted == 1)
    }

    /// The one that is stored under one of these hashes, over or not.
    pub fn find_device_code(&mut self, realm: RealmId, hashes: &[SecretHash]) -> Result<Option<DeviceCode>> {
        for hash in hashes {
            if let Some(found) = self.find(FIND, named! { realm, hash })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The one that somebody may decide about, by what he typed.
    pub fn find_open_device_code(
        &mut self,
        realm: RealmId,
        hashes: &[SecretHash],
        now: Time,
    ) -> Result<Option<DeviceCode>> {
        for user_hash in hashes {
            if let Some(found) = self.find(FIND_OPEN, named! { realm, user_hash, now })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Somebody says yes. False: it was decided meanwhile, or is over.
    pub fn approve_device_code(&mut self, code: &DeviceCode, approved: &Approved, now: Time) -> Result<bool> {
        let (DeviceCode { user_hash, realm, .. }, approved) = (code, json(approved)?);
        Ok(self.execute(APPROVE, named! { user_hash, realm, approved, now })? == 1)
    }

    /// Somebody says no. False: it was decided meanwhile, or is over.
    pub fn deny_device_code(&mut self, code: &DeviceCode, now: Time) -> Result<bool> {
        let DeviceCode { user_hash, realm, .. } = code;
        Ok(self.execute(DENY, named! { user_hash, realm, now })? == 1)
    }

    /// Notes that the device asked. False: it asked since that moment, and from now on waits so long between two questions.
    pub fn poll_device_code(&mut self, code: &DeviceCode, not_since: Time, or_wait: Span, now: Time) -> Result<bool> {
        let DeviceCode { hash, realm, .. } = code;
        if self.execute(POLL, named! { hash, realm, not_since, now })? == 1 {
            return Ok(true);
        }
        self.execute(SLOW, named! { hash, realm, interval: or_wait })?;
        Ok(false)
    }

    /// Spends it for an authorization. False: it was spent meanwhile, is over, or was never this client's to spend.
    pub fn spend_device_code(
        &mut self,
        realm: RealmId,
        hash: &SecretHash,
        client: ClientId,
        grant: GrantId,
        now: Time,
    ) -> Result<bool> {
        Ok(self.execute(SPEND, named! { realm, hash, client, grant, now })? == 1)
    }

    /// Those that were over before a moment. At most 100.
    pub fn sweep_device_codes(&mut self, now: Time) -> Result<usize> {
        self.execute(SWEEP, named! { now })
    }
}

impl FromRow for DeviceCode {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            hash: SecretHash(row.bytes(0)?),
            user_hash: SecretHash(row.bytes(1)?),
            lookup_key: row.int(2)?,
            realm: row.id(3)?,
            client: row.id(4)?,
            asked: row.json(5)?,
            interval: Span::ms(row.int(6)?),
            polled_at: row.optional_time(7)?,
            approved: row.optional(8, Row::json)?,
            denied_at: row.optional_time(9)?,
            used_at: row.optional_time(10)?,
            grant: row.optional_id(11)?,
            created_at: row.time(12)?,
            expires_at: row.time(13)?,
        })
    }
}
