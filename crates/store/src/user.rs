//! Users, and subjects of either kind. The roles in a specification are not kept in it: see `role`. E-mail addresses are
//! compared without regard to case and shown as they were written.

use admit_core::grant::Subject;
use admit_core::id::{RealmId, SubjectId, UserId};
use admit_core::name::ExternalId;
use admit_core::time::Time;
use admit_core::user::{User, UserSpec};

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::Result;
use crate::filter::{self, Filter, Looks, is_sought, looks_like};
use crate::value::{FromRow, Row, json};

/// The columns of [`User`], of a table called `u`.
macro_rules! user_columns {
    () => {
        "u.id, u.realm_id, u.org_id, u.spec, u.disabled_at, u.valid_after, u.created_at, u.updated_at, u.version, \
         u.email_verified_at, u.erased_at"
    };
}
pub(crate) use user_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 11;

statements! {
    FIND = concat!("SELECT ", user_columns!(), " FROM user_account AS u WHERE u.realm_id = $realm AND u.id = $id");
    FIND_NAMED = concat!("SELECT ", user_columns!(), " FROM user_account AS u WHERE u.realm_id = $realm
        AND u.name = $name");
    FIND_BY_EMAIL = concat!("SELECT ", user_columns!(), " FROM user_account AS u WHERE u.realm_id = $realm
        AND u.email_folded = $email_folded");
    LIST = concat!("SELECT ", user_columns!(), " FROM user_account AS u WHERE u.realm_id = $realm
        AND u.erased_at IS NULL AND (u.external_id = $external_id OR $external_id IS NULL) AND ", looks_like!("u.spec"), " AND ",
        is_sought!("u.id", "LOWER(u.name)", "u.email_folded"), " AND u.id > $after ORDER BY u.id LIMIT $limit");
    INSERT = "INSERT INTO user_account (id, realm_id, org_id, name, email_folded, external_id, spec, disabled_at, valid_after,
        created_at, updated_at, version, email_verified_at) VALUES ($id, $realm, $org, $name, $email_folded, $external_id, $spec,
        $disabled_at, $valid_after, $created_at, $updated_at, $version, $email_verified_at)";
    HAS_KNOWN_AS = "SELECT id FROM user_account WHERE realm_id = $realm AND external_id = $external_id LIMIT 1";
    /// Another address is not known to be his.
    UPDATE = "UPDATE user_account SET email_verified_at = CASE WHEN email_folded = $email_folded THEN CAST($email_verified_at AS BIGINT) END,
        org_id = $org, name = $name, email_folded = $email_folded, external_id = $external_id, spec = $spec,
        disabled_at = $disabled_at, valid_after = $valid_after, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND version = $version";
    ERASE = "UPDATE user_account SET name = $name, email_folded = NULL, email_verified_at = NULL, external_id = NULL, spec = $spec,
        disabled_at = COALESCE(disabled_at, $now), valid_after = $now, erased_at = $now, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND erased_at IS NULL";
    /// From where somebody was signed in last.
    ERASE_TRACES = "UPDATE session SET last_ip = NULL, last_agent = NULL WHERE realm_id = $realm AND user_id = $id";
    DELETE = "DELETE FROM user_account WHERE realm_id = $realm AND id = $id";
    /// Writes nothing new; on engines with many writers it makes those who count what this user owns wait for one another.
    LOCK = "UPDATE user_account SET updated_at = updated_at WHERE realm_id = $realm AND id = $id";
}

impl Tx<'_> {
    /// The user of this id.
    pub fn find_user(&mut self, realm: RealmId, id: UserId) -> Result<Option<User>> {
        let found = self.find(FIND, named! { realm, id })?;
        self.with_roles_of_users(realm, found.into_iter().collect()).map(|mut users| users.pop())
    }

    /// The user of this name.
    pub fn find_user_named(&mut self, realm: RealmId, name: &str) -> Result<Option<User>> {
        let found = self.find(FIND_NAMED, named! { realm, name })?;
        self.with_roles_of_users(realm, found.into_iter().collect()).map(|mut users| users.pop())
    }

    /// The user of this e-mail address, however its case is written.
    pub fn find_user_by_email(&mut self, realm: RealmId, email: &str) -> Result<Option<User>> {
        let found = self.find(FIND_BY_EMAIL, named! { realm, email_folded: folded(email) })?;
        self.with_roles_of_users(realm, found.into_iter().collect()).map(|mut users| users.pop())
    }

    /// Users by id.
    pub fn list_users(&mut self, realm: RealmId, page: &Page) -> Result<Vec<User>> {
        self.list_users_of(realm, &Filter::default(), page)
    }

    /// Those Users by id that the filter is met by.
    pub fn list_users_of(&mut self, realm: RealmId, filter: &Filter, page: &Page) -> Result<Vec<User>> {
        let Filter { external_id, metadata, sought } = filter;
        let (pattern, until) = filter::bounds(sought.as_ref());
        let Looks { member, value } = Looks::of(metadata)?;
        let rows = |page: &Page| {
            let (after, limit) = (page.floor(), page.limit);
            self.list(LIST, named! { realm, external_id, member, value, pattern, until, after, limit })
        };
        let found = filter::fill(page, metadata, rows, |user: &User| (*user.id.bytes(), &user.spec.metadata))?;
        self.with_roles_of_users(realm, found)
    }

    /// Whether some user has this external id.
    pub fn has_user_known_as(&mut self, realm: RealmId, external_id: &ExternalId) -> Result<bool> {
        Ok(self.find::<UserId>(HAS_KNOWN_AS, named! { realm, external_id })?.is_some())
    }

    /// A new user. A second of the name or e-mail address is a conflict, and so is a role that there is not.
    pub fn insert_user(&mut self, user: &User) -> Result<()> {
        let User {
            id, realm, org, disabled_at, valid_after, created_at, updated_at, version, email_verified_at, ..
        } = user;
        let UserSpec { name, email, external_id, .. } = &user.spec;
        let email_folded = email.as_ref().map(|email| folded(email.as_str()));
        let spec = stored(&user.spec)?;
        self.execute(
            INSERT,
            named! {
                id, realm, org, name, email_folded, external_id, spec, disabled_at, valid_after, created_at, updated_at, version,
                email_verified_at
            },
        )?;
        self.keep_sign_in_names(user)?;
        self.hold_roles(*realm, SubjectId::User(*id), &user.spec.roles)?;
        self.change(ChangeKind::User, *realm, id.bytes(), *created_at)
    }

    /// Everything; an address that is another than before is not verified. None where its version is not the one given: somebody was first.
    pub fn update_user(&mut self, realm: RealmId, user: &User, now: Time) -> Result<Option<User>> {
        let User { id, org, disabled_at, valid_after, version, email_verified_at, .. } = user;
        let UserSpec { name, email, external_id, .. } = &user.spec;
        let email_folded = email.as_ref().map(|email| folded(email.as_str()));
        let spec = stored(&user.spec)?;
        let named = named! {
            realm, id, org, name, email_folded, email_verified_at, external_id, spec, disabled_at, valid_after, version, now
        };
        if self.execute(UPDATE, named)? == 0 {
            return Ok(None);
        }
        self.keep_sign_in_names(&User { realm, ..user.clone() })?;
        self.hold_roles(realm, SubjectId::User(*id), &user.spec.roles)?;
        self.change(ChangeKind::User, realm, id.bytes(), now)?;
        self.find_user(realm, *id)
    }

    /// Ends a user. Grants of it stay and are worth nothing.
    pub fn delete_user(&mut self, realm: RealmId, id: UserId, now: Time) -> Result<bool> {
        if self.execute(DELETE, named! { realm, id })? == 0 {
            return Ok(false);
        }
        self.forget_credentials(realm, id, now)?;
        self.hold_roles(realm, SubjectId::User(id), &[])?;
        self.change(ChangeKind::User, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Takes away everything personal; the row stays, so that what names the id names somebody. False: there is no such
    /// person, or no longer.
    pub fn erase_user(&mut self, realm: RealmId, id: UserId, now: Time) -> Result<bool> {
        let spec = UserSpec::erased(id);
        let (name, spec) = (spec.name.clone(), stored(&spec)?);
        if self.execute(ERASE, named! { realm, id, name, spec, now })? == 0 {
            return Ok(false);
        }
        self.execute(ERASE_TRACES, named! { realm, id })?;
        self.forget_credentials(realm, id, now)?;
        self.hold_roles(realm, SubjectId::User(id), &[])?;
        self.change(ChangeKind::User, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// What somebody signs in by and with, and what was counted of his failures.
    fn forget_credentials(&mut self, realm: RealmId, id: UserId, now: Time) -> Result<()> {
        self.forget_sign_in_names(realm, id)?;
        self.delete_password(realm, id, now)?;
        self.delete_all_shorts_of(realm, id)?;
        self.delete_consents_of(realm, id)?;
        self.clear_guesses(realm, id.into())?;
        self.revoke_sign_ins(realm, id, None, now).map(drop)
    }

    /// The user or client of this id.
    pub fn find_subject(&mut self, realm: RealmId, id: SubjectId) -> Result<Option<Subject>> {
        Ok(match id {
            SubjectId::User(id) => self.find_user(realm, id)?.map(Subject::User),
            SubjectId::Client(id) => self.find_client(realm, id)?.map(Subject::Client),
        })
    }

    /// To be called before counting what a subject owns, so that no two count at once. False: it is gone.
    pub fn lock_subject(&mut self, realm: RealmId, id: SubjectId) -> Result<bool> {
        match id {
            SubjectId::User(id) => Ok(self.execute(LOCK, named! { realm, id })? == 1),
            SubjectId::Client(id) => self.lock_client(realm, id),
        }
    }

    fn with_roles_of_users(&mut self, realm: RealmId, mut users: Vec<User>) -> Result<Vec<User>> {
        let (Some(first), Some(last)) = (users.first(), users.last()) else { return Ok(users) };
        let mut held = self.held_between(realm, first.id.bytes(), last.id.bytes())?;
        for user in &mut users {
            user.spec.roles = held.remove(user.id.bytes()).unwrap_or_default();
        }
        Ok(users)
    }
}

fn folded(email: &str) -> String {
    email.to_lowercase()
}

/// The specification without its roles.
fn stored(spec: &UserSpec) -> Result<String> {
    json(&UserSpec { roles: Vec::new(), ..spec.clone() })
}

impl FromRow for User {
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
            email_verified_at: row.optional_time(9)?,
            erased_at: row.optional_time(10)?,
        })
    }
}
