//! Where scripts run that may read what a realm's token endpoint answers: what its applications in browsers registered.

use admit_core::id::RealmId;
use serde::Deserialize;

use crate::Page;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

statements! {
    /// Others may have the word in their metadata: what is read decides.
    LIST = "SELECT c.id, c.spec FROM client AS c WHERE c.realm_id = $realm AND c.spec LIKE '%\"origins\":[%' AND c.id > $after
        ORDER BY c.id LIMIT $limit";
}

/// How many clients are read together.
const BATCH: u32 = 200;
/// The most origins of a realm that count.
const ORIGINS_MAX: usize = 10_000;

impl Tx<'_> {
    /// The origins of all clients of a realm.
    pub fn list_origins(&mut self, realm: RealmId) -> Result<Vec<String>> {
        let (mut origins, mut after) = (Vec::new(), None);
        while origins.len() < ORIGINS_MAX {
            let page = Page { limit: BATCH, after };
            let rows: Vec<Registered> = self.list(LIST, named! { realm, after: page.floor(), limit: page.limit })?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            origins.extend(rows.into_iter().flat_map(|row| row.spec.origins));
        }
        origins.truncate(ORIGINS_MAX);
        Ok(origins)
    }
}

/// One client, as far as that goes.
struct Registered {
    id: [u8; 16],
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    origins: Vec<String>,
}

impl FromRow for Registered {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { id: row.bytes(0)?, spec: row.json(1)? })
    }
}
