//! Clients. The roles in a specification are not kept in it: see `role`.

use admit_core::client::{Client, ClientSpec};
use admit_core::id::{ClientId, RealmId, SubjectId};
use admit_core::time::Time;

use crate::Page;
use crate::change::ChangeKind;
use crate::client_registration;
use crate::client_secret;
use crate::engine::Tx;
use crate::error::Result;
use crate::filter::{self, Filter, Looks, is_sought, looks_like};
use crate::value::{FromRow, Row, json};

/// The columns of [`Client`], of a table called `c`, or of this name.
macro_rules! client_columns {
    () => {
        crate::client::client_columns!("c")
    };
    ($of:literal) => {
        concat!(
            $of,
            ".id, ",
            $of,
            ".realm_id, ",
            $of,
            ".org_id, ",
            $of,
            ".spec, ",
            $of,
            ".disabled_at, ",
            $of,
            ".valid_after, ",
            $of,
            ".created_at, ",
            $of,
            ".updated_at, ",
            $of,
            ".version"
        )
    };
}
pub(crate) use client_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 9;

statements! {
    FIND = concat!("SELECT ", client_columns!(), " FROM client AS c WHERE c.realm_id = $realm AND c.id = $id");
    FIND_NAMED = concat!("SELECT ", client_columns!(), " FROM client AS c WHERE c.realm_id = $realm AND c.name = $name");
    LIST = concat!("SELECT ", client_columns!(), " FROM client AS c WHERE c.realm_id = $realm
        AND (c.external_id = $external_id OR $external_id IS NULL) AND ", looks_like!("c.spec"), " AND ",
        is_sought!("c.id", "LOWER(c.name)"), " AND c.id > $after ORDER BY c.id LIMIT $limit");
    INSERT = "INSERT INTO client (id, realm_id, org_id, name, external_id, spec, disabled_at, valid_after, created_at,
        updated_at, version) VALUES ($id, $realm, $org, $name, $external_id, $spec, $disabled_at, $valid_after, $created_at,
        $updated_at, $version)";
    UPDATE = "UPDATE client SET org_id = $org, name = $name, external_id = $external_id, spec = $spec, disabled_at = $disabled_at,
        valid_after = $valid_after, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND version = $version";
    DELETE = "DELETE FROM client WHERE realm_id = $realm AND id = $id";
    /// Writes nothing new; on engines with many writers it makes those who count what this client owns wait for one another.
    LOCK = "UPDATE client SET updated_at = updated_at WHERE realm_id = $realm AND id = $id";
}

impl Tx<'_> {
    /// The client of this id.
    pub fn find_client(&mut self, realm: RealmId, id: ClientId) -> Result<Option<Client>> {
        let found = self.find(FIND, named! { realm, id })?;
        self.with_roles_of_clients(realm, found.into_iter().collect()).map(|mut clients| clients.pop())
    }

    /// The client of this name.
    pub fn find_client_named(&mut self, realm: RealmId, name: &str) -> Result<Option<Client>> {
        let found = self.find(FIND_NAMED, named! { realm, name })?;
        self.with_roles_of_clients(realm, found.into_iter().collect()).map(|mut clients| clients.pop())
    }

    /// Clients by id.
    pub fn list_clients(&mut self, realm: RealmId, page: &Page) -> Result<Vec<Client>> {
        self.list_clients_of(realm, &Filter::default(), page)
    }

    /// Those Clients by id that the filter is met by.
    pub fn list_clients_of(&mut self, realm: RealmId, filter: &Filter, page: &Page) -> Result<Vec<Client>> {
        let Filter { external_id, metadata, sought } = filter;
        let (pattern, until) = filter::bounds(sought.as_ref());
        let Looks { member, value } = Looks::of(metadata)?;
        let rows = |page: &Page| {
            let (after, limit) = (page.floor(), page.limit);
            self.list(LIST, named! { realm, external_id, member, value, pattern, until, after, limit })
        };
        let found = filter::fill(page, metadata, rows, |client: &Client| (*client.id.bytes(), &client.spec.metadata))?;
        self.with_roles_of_clients(realm, found)
    }

    /// A new client. A second of its name is a conflict, and so is a role that there is not.
    pub fn insert_client(&mut self, client: &Client) -> Result<()> {
        let Client { id, realm, org, disabled_at, valid_after, created_at, updated_at, version, .. } = client;
        let ClientSpec { name, external_id, .. } = &client.spec;
        let spec = stored(&client.spec)?;
        self.execute(
            INSERT,
            named! { id, realm, org, name, external_id, spec, disabled_at, valid_after, created_at, updated_at, version },
        )?;
        self.hold_roles(*realm, SubjectId::Client(*id), &client.spec.roles)?;
        self.change(ChangeKind::Client, *realm, id.bytes(), *created_at)
    }

    /// Everything. None where its version is not the one given: somebody was first.
    pub fn update_client(&mut self, realm: RealmId, client: &Client, now: Time) -> Result<Option<Client>> {
        let Client { id, org, disabled_at, valid_after, version, .. } = client;
        let ClientSpec { name, external_id, .. } = &client.spec;
        let spec = stored(&client.spec)?;
        let named = named! { realm, id, org, name, external_id, spec, disabled_at, valid_after, version, now };
        if self.execute(UPDATE, named)? == 0 {
            return Ok(None);
        }
        self.hold_roles(realm, SubjectId::Client(*id), &client.spec.roles)?;
        self.change(ChangeKind::Client, realm, id.bytes(), now)?;
        self.find_client(realm, *id)
    }

    /// Ends a client with its secrets, and with its registration where it made one itself. Grants of it stay and are worth nothing.
    pub fn delete_client(&mut self, realm: RealmId, id: ClientId, now: Time) -> Result<bool> {
        self.execute(client_secret::DELETE_ALL, named! { realm, id })?;
        self.execute(client_registration::DELETE, named! { realm, id })?;
        if self.execute(DELETE, named! { realm, id })? == 0 {
            return Ok(false);
        }
        self.hold_roles(realm, SubjectId::Client(id), &[])?;
        self.change(ChangeKind::Client, realm, id.bytes(), now)?;
        Ok(true)
    }

    pub(crate) fn lock_client(&mut self, realm: RealmId, id: ClientId) -> Result<bool> {
        Ok(self.execute(LOCK, named! { realm, id })? == 1)
    }

    fn with_roles_of_clients(&mut self, realm: RealmId, mut clients: Vec<Client>) -> Result<Vec<Client>> {
        let (Some(first), Some(last)) = (clients.first(), clients.last()) else { return Ok(clients) };
        let mut held = self.held_between(realm, first.id.bytes(), last.id.bytes())?;
        for client in &mut clients {
            client.spec.roles = held.remove(client.id.bytes()).unwrap_or_default();
        }
        Ok(clients)
    }
}

/// The specification without its roles.
fn stored(spec: &ClientSpec) -> Result<String> {
    json(&ClientSpec { roles: Vec::new(), ..spec.clone() })
}

impl FromRow for Client {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            org: row.optional_id(2)?,
            spec: row.json(3)?,
            disabled_at: row.optional_time(4)?,
            valid_after: row.optional_time(5)?,
            created_at: row.time(6)?,
            updated_at: row.time(7)?,
            version: row.int(8)?,
        })
    }
}
