//! What people let applications do: one decision per person and client. What follows from one is in `core::consent`.

use admit_core::consent::Consent;
use admit_core::id::{ClientId, RealmId, UserId};
use admit_core::time::Time;

use crate::Page;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row};

statements! {
    FIND = "SELECT client_id, spec, created_at, updated_at FROM consent
        WHERE realm_id = $realm AND user_id = $user AND client_id = $client";
    LIST = "SELECT client_id, spec, created_at, updated_at FROM consent
        WHERE realm_id = $realm AND user_id = $user AND client_id > $after ORDER BY client_id LIMIT $limit";
    UPDATE = "INSERT INTO consent (realm_id, user_id, client_id, spec, created_at, updated_at)
        VALUES ($realm, $user, $client, $spec, $now, $now)
        ON CONFLICT (realm_id, user_id, client_id) DO UPDATE SET spec = excluded.spec, updated_at = excluded.updated_at";
    DELETE = "DELETE FROM consent WHERE realm_id = $realm AND user_id = $user AND client_id = $client";
    DELETE_OF = "DELETE FROM consent WHERE realm_id = $realm AND user_id = $user";
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConsent {
    /// About which application.
    pub client: ClientId,
    /// What it may.
    pub consent: Consent,
    /// Since when.
    pub created_at: Time,
    /// When it last grew.
    pub updated_at: Time,
}

impl FromRow for KeptConsent {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let consent = serde_json::from_str(row.text(1)?).map_err(Error::corrupt)?;
        Ok(Self { client: row.id(0)?, consent, created_at: row.time(2)?, updated_at: row.time(3)? })
    }
}

impl Tx<'_> {
    /// What a person decided about an application.
    pub fn find_consent(&mut self, realm: RealmId, user: UserId, client: ClientId) -> Result<Option<KeptConsent>> {
        self.find(FIND, named! { realm, user, client })
    }

    /// All that a person decided, by application.
    pub fn list_consents(&mut self, realm: RealmId, user: UserId, page: &Page) -> Result<Vec<KeptConsent>> {
        let (after, limit) = (page.floor(), page.limit);
        self.list(LIST, named! { realm, user, after, limit })
    }

    /// Keeps a decision in place of the one before.
    pub fn update_consent(
        &mut self,
        realm: RealmId,
        user: UserId,
        client: ClientId,
        consent: &Consent,
        now: Time,
    ) -> Result<()> {
        let spec = serde_json::to_string(consent).map_err(Error::corrupt)?;
        self.execute(UPDATE, named! { realm, user, client, spec: spec.as_str(), now }).map(drop)
    }

    /// Forgets a decision. What was authorized under it is ended by who calls this. False: there was none.
    pub fn delete_consent(&mut self, realm: RealmId, user: UserId, client: ClientId) -> Result<bool> {
        Ok(self.execute(DELETE, named! { realm, user, client })? > 0)
    }

    /// Forgets all that a person decided.
    pub fn delete_consents_of(&mut self, realm: RealmId, user: UserId) -> Result<usize> {
        self.execute(DELETE_OF, named! { realm, user })
    }
}
