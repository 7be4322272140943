//! What a person decided once and for all about applications, as his account shows it and ends it.
//!
//! Who asks him, and what he is asked, is elsewhere; what he lets them do now are authorizations.

use admit_core::id::{ClientId, RealmId, UserId};
use admit_core::time::Time;
use serde_json::Value;

use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    LIST = "SELECT client_id, spec, created_at FROM consent WHERE realm_id = $realm AND user_id = $user
        ORDER BY client_id LIMIT 1000";
    FORGET = "DELETE FROM consent WHERE realm_id = $realm AND user_id = $user AND client_id = $client";
}

/// One decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// About which application.
    pub client: ClientId,
    /// What it may, as it is kept: `{"identity": […], "apis": {…: […]}}`.
    pub spec: Value,
    /// When it was first made.
    pub created_at: Time,
}

impl Tx<'_> {
    /// What a person decided about applications, at most 1000.
    pub fn list_decided(&mut self, realm: RealmId, user: UserId) -> Result<Vec<Decided>> {
        self.list(LIST, named! { realm, user })
    }

    /// He is asked again. False: there is no such decision.
    pub fn forget_decided(&mut self, realm: RealmId, user: UserId, client: ClientId) -> Result<bool> {
        Ok(self.execute(FORGET, named! { realm, user, client })? == 1)
    }
}

impl FromRow for Decided {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { client: row.id(0)?, spec: row.json(1)?, created_at: row.time(2)? })
    }
}
