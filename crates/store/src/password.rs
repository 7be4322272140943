//! Passwords: of each person at most one, as a sealed slow hash. Opens none and judges none.

use admit_core::grant::GrantKind;
use admit_core::id::{GrantId, RealmId, UserId};
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    FIND = "SELECT sealed, master_key, changed_at FROM password WHERE realm_id = $realm AND user_id = $user";
    UPDATE = "INSERT INTO password (user_id, realm_id, sealed, master_key, changed_at)
        SELECT u.id, u.realm_id, $sealed, $master_key, $changed_at FROM user_account AS u WHERE u.realm_id = $realm AND u.id = $user
        ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, master_key = excluded.master_key, changed_at = excluded.changed_at";
    /// Of a password that was changed meanwhile nothing is put back.
    RENEW = "UPDATE password SET sealed = $new, master_key = $master_key
        WHERE realm_id = $realm AND user_id = $user AND sealed = $old";
    DELETE = "DELETE FROM password WHERE realm_id = $realm AND user_id = $user";
    COUNT = "SELECT master_key, COUNT(user_id) FROM password GROUP BY master_key ORDER BY master_key";
}

/// What is kept of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPassword {
    /// The sealed hash.
    pub sealed: Vec<u8>,
    /// The number of the master key that it is sealed with.
    pub master_key: i64,
    /// When the person chose it, or it was given to him.
    pub changed_at: Time,
}

impl FromRow for SealedPassword {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { sealed: row.blob(0)?, master_key: row.int(1)?, changed_at: row.time(2)? })
    }
}

impl Tx<'_> {
    /// A person's password.
    pub fn find_password(&mut self, realm: RealmId, user: UserId) -> Result<Option<SealedPassword>> {
        self.find(FIND, named! { realm, user })
    }

    /// Gives a person this password instead of what there was. False: there is no such person.
    pub fn update_password(&mut self, realm: RealmId, user: UserId, password: &SealedPassword) -> Result<bool> {
        let SealedPassword { sealed, master_key, changed_at } = password;
        if self.execute(UPDATE, named! { realm, user, sealed: sealed[..], master_key, changed_at })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::User, realm, user.bytes(), *changed_at)?;
        Ok(true)
    }

    /// The same password, hashed or sealed anew. False: it is another one by now.
    pub fn renew_password(
        &mut self,
        realm: RealmId,
        user: UserId,
        old: &[u8],
        new: &[u8],
        master_key: i64,
    ) -> Result<bool> {
        Ok(self.execute(RENEW, named! { realm, user, old: *old, new: *new, master_key })? == 1)
    }

    /// Takes a password away. False: there was none.
    pub fn delete_password(&mut self, realm: RealmId, user: UserId, now: Time) -> Result<bool> {
        if self.execute(DELETE, named! { realm, user })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::User, realm, user.bytes(), now)?;
        Ok(true)
    }

    /// How many passwords are sealed with which master key.
    pub fn count_passwords(&mut self) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT, &[])
    }

    /// Ends where a person is signed in but for one session, and all devices that are known to be his. Sessions of hosts grew out
    /// of these and die with them; keys go on.
    pub fn revoke_sign_ins(
        &mut self,
        realm: RealmId,
        user: UserId,
        but: Option<GrantId>,
        now: Time,
    ) -> Result<Vec<GrantId>> {
        let mut grants = self.list_live_grants(realm, user, GrantKind::Session, but, now)?;
        grants.extend(self.list_live_grants(realm, user, GrantKind::Device, None, now)?);
        for grant in &grants {
            self.revoke_grant(realm, *grant, now)?;
        }
        Ok(grants)
    }
}
