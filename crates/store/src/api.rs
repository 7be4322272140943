//! APIs. The URI of one never changes: grants and tokens name it.

use admit_core::api::{Api, ApiSpec};
use admit_core::id::{ApiId, RealmId};
use admit_core::time::Time;

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::Result;
use crate::filter::{self, Filter, Looks, looks_like};
use crate::value::{FromRow, Row, json};

/// The columns of [`Api`], of a table called `a`.
macro_rules! api_columns {
    () => {
        "a.id, a.realm_id, a.spec, a.created_at, a.updated_at, a.version"
    };
}
pub(crate) use api_columns;

statements! {
    FIND = concat!("SELECT ", api_columns!(), " FROM api AS a WHERE a.realm_id = $realm AND a.id = $id");
    FIND_BY_URI = concat!("SELECT ", api_columns!(), " FROM api AS a WHERE a.realm_id = $realm AND a.uri = $uri");
    LIST = concat!("SELECT ", api_columns!(), " FROM api AS a WHERE a.realm_id = $realm
        AND (a.external_id = $external_id OR $external_id IS NULL) AND ", looks_like!("a.spec"),
        " AND a.id > $after ORDER BY a.id LIMIT $limit");
    INSERT = "INSERT INTO api (id, realm_id, uri, external_id, spec, created_at, updated_at, version)
        VALUES ($id, $realm, $uri, $external_id, $spec, $created_at, $updated_at, $version)";
    UPDATE = "UPDATE api SET external_id = $external_id, spec = $spec, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND uri = $uri AND version = $version";
    DELETE = "DELETE FROM api WHERE realm_id = $realm AND id = $id";
}

impl Tx<'_> {
    /// The API of this id.
    pub fn find_api(&mut self, realm: RealmId, id: ApiId) -> Result<Option<Api>> {
        self.find(FIND, named! { realm, id })
    }

    /// The API of this audience.
    pub fn find_api_by_uri(&mut self, realm: RealmId, uri: &str) -> Result<Option<Api>> {
        self.find(FIND_BY_URI, named! { realm, uri })
    }

    /// APIs by id.
    pub fn list_apis(&mut self, realm: RealmId, page: &Page) -> Result<Vec<Api>> {
        self.list_apis_of(realm, &Filter::default(), page)
    }

    /// Those APIs by id that the filter is met by.
    pub fn list_apis_of(&mut self, realm: RealmId, filter: &Filter, page: &Page) -> Result<Vec<Api>> {
        let Filter { external_id, metadata, sought: _ } = filter;
        let Looks { member, value } = Looks::of(metadata)?;
        let rows = |page: &Page| {
            let (after, limit) = (page.floor(), page.limit);
            self.list(LIST, named! { realm, external_id, member, value, after, limit })
        };
        filter::fill(page, metadata, rows, |api: &Api| (*api.id.bytes(), &api.spec.metadata))
    }

    /// A new API. A second of its URI is a conflict.
    pub fn insert_api(&mut self, api: &Api) -> Result<()> {
        let Api { id, realm, created_at, updated_at, version, .. } = api;
        let ApiSpec { uri, external_id, .. } = &api.spec;
        let spec = json(&api.spec)?;
        self.execute(INSERT, named! { id, realm, uri, external_id, spec, created_at, updated_at, version })?;
        self.change(ChangeKind::Api, *realm, id.bytes(), *created_at)
    }

    /// Everything but its URI. None where its version is not the one given: somebody was first.
    pub fn update_api(&mut self, realm: RealmId, api: &Api, now: Time) -> Result<Option<Api>> {
        let Api { id, version, .. } = api;
        let ApiSpec { uri, external_id, .. } = &api.spec;
        let spec = json(&api.spec)?;
        if self.execute(UPDATE, named! { realm, id, uri, external_id, spec, version, now })? == 0 {
            return Ok(None);
        }
        self.change(ChangeKind::Api, realm, id.bytes(), now)?;
        self.find_api(realm, *id)
    }

    /// Ends an API. Grants for it stay and are worth nothing.
    pub fn delete_api(&mut self, realm: RealmId, id: ApiId, now: Time) -> Result<bool> {
        if self.execute(DELETE, named! { realm, id })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Api, realm, id.bytes(), now)?;
        Ok(true)
    }
}

impl FromRow for Api {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            spec: row.json(2)?,
            created_at: row.time(3)?,
            updated_at: row.time(4)?,
            version: row.int(5)?,
        })
    }
}
