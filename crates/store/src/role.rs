//! Roles, and who holds which. Holding is a row of `subject_role`; the lists in the specifications of clients and users
//! are read from there and written to there.

use std::collections::HashMap;

use admit_core::id::{RealmId, RoleId, SubjectId};
use admit_core::name::RoleName;
use admit_core::role::{Role, RoleSpec};
use admit_core::time::Time;

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row, json};

/// The columns of [`Role`], of a table called `o`.
macro_rules! role_columns {
    () => {
        "o.id, o.realm_id, o.spec, o.created_at, o.updated_at, o.version"
    };
}

statements! {
    FIND = concat!("SELECT ", role_columns!(), " FROM role AS o WHERE o.realm_id = $realm AND o.id = $id");
    FIND_NAMED = concat!("SELECT ", role_columns!(), " FROM role AS o WHERE o.realm_id = $realm AND o.name = $name");
    LIST = concat!("SELECT ", role_columns!(), " FROM role AS o WHERE o.realm_id = $realm
        AND o.id > $after ORDER BY o.id LIMIT $limit");
    LIST_OF = concat!("SELECT ", role_columns!(), " FROM subject_role AS h JOIN role AS o ON o.id = h.role_id
        WHERE h.realm_id = $realm AND h.subject_id = $subject ORDER BY o.name");
    INSERT = "INSERT INTO role (id, realm_id, name, spec, created_at, updated_at, version)
        VALUES ($id, $realm, $name, $spec, $created_at, $updated_at, $version)";
    UPDATE = "UPDATE role SET name = $name, spec = $spec, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND version = $version";
    DELETE = "DELETE FROM role WHERE realm_id = $realm AND id = $id";
    /// Who of a page of subjects holds what.
    LIST_HELD = "SELECT h.subject_id, o.name FROM subject_role AS h JOIN role AS o ON o.id = h.role_id
        WHERE h.realm_id = $realm AND h.subject_id >= $first AND h.subject_id <= $last ORDER BY h.subject_id, o.name";
    GIVE = "INSERT INTO subject_role (realm_id, subject_id, role_id)
        SELECT o.realm_id, $subject, o.id FROM role AS o WHERE o.realm_id = $realm AND o.name = $name
        ON CONFLICT (realm_id, subject_id, role_id) DO NOTHING";
    IS_ROLE = "SELECT COUNT(id) FROM role WHERE realm_id = $realm AND name = $name";
    COUNT_SIGNING_IN = "SELECT COUNT(n.user_id) FROM (SELECT p.user_id FROM subject_role AS h
        JOIN user_account AS u ON u.realm_id = h.realm_id AND u.id = h.subject_id
        JOIN password AS p ON p.user_id = u.id
        WHERE h.role_id = $id AND h.realm_id = $realm AND u.disabled_at IS NULL AND u.erased_at IS NULL LIMIT 1) AS n";
    TAKE_ALL = "DELETE FROM subject_role WHERE realm_id = $realm AND subject_id = $subject";
    TAKE_FROM_ALL = "DELETE FROM subject_role WHERE realm_id = $realm AND role_id = $id";
}

impl Tx<'_> {
    /// The role of this id.
    pub fn find_role(&mut self, realm: RealmId, id: RoleId) -> Result<Option<Role>> {
        self.find(FIND, named! { realm, id })
    }

    /// The role of this name.
    pub fn find_role_named(&mut self, realm: RealmId, name: &str) -> Result<Option<Role>> {
        self.find(FIND_NAMED, named! { realm, name })
    }

    /// Roles by id.
    pub fn list_roles(&mut self, realm: RealmId, page: &Page) -> Result<Vec<Role>> {
        self.list(LIST, named! { realm, after: page.floor(), limit: page.limit })
    }

    /// What a subject holds, by name.
    pub fn list_roles_of(&mut self, realm: RealmId, subject: SubjectId) -> Result<Vec<Role>> {
        self.list(LIST_OF, named! { realm, subject })
    }

    /// A new role. A second of its name is a conflict.
    pub fn insert_role(&mut self, role: &Role) -> Result<()> {
        let Role { id, realm, created_at, updated_at, version, .. } = role;
        let RoleSpec { name, .. } = &role.spec;
        let spec = json(&role.spec)?;
        self.execute(INSERT, named! { id, realm, name, spec, created_at, updated_at, version })?;
        self.change(ChangeKind::Role, *realm, id.bytes(), *created_at)
    }

    /// Name, description and rights. None where its version is not the one given: somebody was first.
    pub fn update_role(&mut self, realm: RealmId, role: &Role, now: Time) -> Result<Option<Role>> {
        let Role { id, version, .. } = role;
        let RoleSpec { name, .. } = &role.spec;
        let spec = json(&role.spec)?;
        if self.execute(UPDATE, named! { realm, id, name, spec, version, now })? == 0 {
            return Ok(None);
        }
        self.change(ChangeKind::Role, realm, id.bytes(), now)?;
        self.find_role(realm, *id)
    }

    /// Ends a role; nobody holds it any more.
    pub fn delete_role(&mut self, realm: RealmId, id: RoleId, now: Time) -> Result<bool> {
        self.execute(TAKE_FROM_ALL, named! { realm, id })?;
        if self.execute(DELETE, named! { realm, id })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Role, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Whether somebody holds a role who can sign in with a password.
    pub fn is_role_of_somebody_signing_in(&mut self, realm: RealmId, id: RoleId) -> Result<bool> {
        Ok(self.find::<i64>(COUNT_SIGNING_IN, named! { realm, id })? > Some(0))
    }

    /// Makes these, and no others, the roles that a subject holds. One that there is not is a conflict.
    pub(crate) fn hold_roles(&mut self, realm: RealmId, subject: SubjectId, roles: &[RoleName]) -> Result<()> {
        self.execute(TAKE_ALL, named! { realm, subject })?;
        for name in roles {
            let given = self.execute(GIVE, named! { realm, subject, name })? == 1;
            if !given && self.find::<i64>(IS_ROLE, named! { realm, name })? == Some(0) {
                return self.refuse(Error::Conflict { what: "role" });
            }
        }
        Ok(())
    }

    /// The names of the roles of all subjects between two ids, both included.
    pub(crate) fn held_between(&mut self, realm: RealmId, first: &[u8; 16], last: &[u8; 16]) -> Result<RolesHeld> {
        let rows: Vec<Held> = self.list(LIST_HELD, named! { realm, first, last })?;
        let mut held = RolesHeld::new();
        rows.into_iter().for_each(|row| held.entry(row.subject).or_default().push(row.role));
        Ok(held)
    }
}

/// Role names by the bytes of who holds them.
pub(crate) type RolesHeld = HashMap<[u8; 16], Vec<RoleName>>;

struct Held {
    subject: [u8; 16],
    role: RoleName,
}

impl FromRow for Held {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { subject: row.bytes(0)?, role: row.parse(1)? })
    }
}

impl FromRow for Role {
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
