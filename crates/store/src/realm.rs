//! Realms. Name and prefix never change: URLs and secrets carry them.

use admit_core::id::RealmId;
use admit_core::realm::Realm;
use admit_core::realm::settings::Settings;
use admit_core::secret::Prefix;
use admit_core::time::Time;

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row, json, optional_json};

/// The columns of [`Realm`], of a table called `r`.
macro_rules! realm_columns {
    () => {
        "r.id, r.name, r.prefix, r.host, r.disabled_at, r.valid_after, r.metadata, r.created_at, r.updated_at, r.version, \
         r.settings"
    };
}
pub(crate) use realm_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 11;

statements! {
    FIND = concat!("SELECT ", realm_columns!(), " FROM realm AS r WHERE r.id = $id");
    FIND_NAMED = concat!("SELECT ", realm_columns!(), " FROM realm AS r WHERE r.name = $name");
    FIND_BY_PREFIX = concat!("SELECT ", realm_columns!(), " FROM realm AS r WHERE r.prefix = $prefix");
    FIND_BY_HOST = concat!("SELECT ", realm_columns!(), " FROM realm AS r WHERE r.host = $host");
    LIST = concat!("SELECT ", realm_columns!(), " FROM realm AS r WHERE r.id > $after ORDER BY r.id LIMIT $limit");
    INSERT = "INSERT INTO realm (id, name, prefix, host, disabled_at, valid_after, metadata, settings, created_at, updated_at, version)
        VALUES ($id, $name, $prefix, $host, $disabled_at, $valid_after, $metadata, $settings, $created_at, $updated_at, $version)";
    UPDATE = "UPDATE realm SET host = $host, disabled_at = $disabled_at, valid_after = $valid_after, metadata = $metadata,
        settings = $settings, updated_at = $now, version = version + 1 WHERE id = $id AND version = $version";
    /// Writes nothing new; on engines with many writers it makes those wait for one another who judge several rows of a
    /// realm together and then change some.
    LOCK = "UPDATE realm SET updated_at = updated_at WHERE id = $id";
}

impl Tx<'_> {
    /// The realm of this id.
    pub fn find_realm(&mut self, id: RealmId) -> Result<Option<Realm>> {
        self.find(FIND, named! { id })
    }

    /// The realm of this name.
    pub fn find_realm_named(&mut self, name: &str) -> Result<Option<Realm>> {
        self.find(FIND_NAMED, named! { name })
    }

    /// The realm whose keys begin so.
    pub fn find_realm_by_prefix(&mut self, prefix: &str) -> Result<Option<Realm>> {
        self.find(FIND_BY_PREFIX, named! { prefix })
    }

    /// The realm whose issuer is this host.
    pub fn find_realm_by_host(&mut self, host: &str) -> Result<Option<Realm>> {
        self.find(FIND_BY_HOST, named! { host })
    }

    /// Realms by id.
    pub fn list_realms(&mut self, page: &Page) -> Result<Vec<Realm>> {
        self.list(LIST, named! { after: page.floor(), limit: page.limit })
    }

    /// A new realm. A second of its name, prefix or host is a conflict.
    pub fn insert_realm(&mut self, realm: &Realm) -> Result<()> {
        let Realm { id, name, host, disabled_at, valid_after, created_at, updated_at, version, .. } = realm;
        let metadata = optional_json(&realm.metadata)?;
        let (prefix, settings) = (realm.prefix.as_str(), said(&realm.settings)?);
        self.execute(
            INSERT,
            named! {
                id, name, prefix, host, disabled_at, valid_after, metadata, settings, created_at, updated_at, version
            },
        )?;
        self.change(ChangeKind::Realm, realm.id, realm.id.bytes(), realm.created_at)
    }

    /// To be called before rows of a realm are judged together and some of them changed. False: there is none.
    pub fn lock_realm(&mut self, id: RealmId) -> Result<bool> {
        Ok(self.execute(LOCK, named! { id })? == 1)
    }

    /// Host, standing, metadata and settings of a realm. None where its version is not the one given: somebody was first.
    pub fn update_realm(&mut self, realm: &Realm, now: Time) -> Result<Option<Realm>> {
        let Realm { id, host, disabled_at, valid_after, version, .. } = realm;
        let metadata = optional_json(&realm.metadata)?;
        let settings = said(&realm.settings)?;
        let named = named! { id, host, disabled_at, valid_after, metadata, settings, version, now };
        if self.execute(UPDATE, named)? == 0 {
            return Ok(None);
        }
        self.change(ChangeKind::Realm, realm.id, realm.id.bytes(), now)?;
        self.find_realm(realm.id)
    }
}

/// Nothing where nothing is said.
fn said(settings: &Settings) -> Result<Option<String>> {
    (*settings != Settings::default()).then(|| json(settings)).transpose()
}

impl FromRow for Realm {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            name: row.parse(1)?,
            prefix: Prefix::parse(row.text(2)?).ok_or_else(|| Error::corrupt("the prefix of a realm"))?,
            host: row.optional(3, Row::string)?,
            disabled_at: row.optional_time(4)?,
            valid_after: row.optional_time(5)?,
            metadata: row.free_json(6)?,
            created_at: row.time(7)?,
            updated_at: row.time(8)?,
            version: row.int(9)?,
            settings: row.optional(10, Row::json)?.unwrap_or_default(),
        })
    }
}
