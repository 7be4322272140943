//! Grants, and everything that the worth of one depends on.
//!
//! Revoking writes one row; what grew out of a grant is judged by those who read the lineage, never touched here.

use admit_core::api::Api;
use admit_core::grant::{DEPTH_MAX, Grant, GrantKind, Lineage, Subject};
use admit_core::id::{ApiId, ClientId, GrantId, RealmId, SubjectId, UserId};
use admit_core::name::ScopeName;
use admit_core::principal::SubjectKind;
use admit_core::realm::Realm;
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::client_authorization::Delegation;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row};
use crate::{Page, client, realm, user};

/// The columns of [`Grant`], of a table called `g`.
macro_rules! grant_columns {
    () => {
        "g.id, g.realm_id, g.org_id, g.kind, g.subject_kind, g.subject_id, g.client_id, g.parent_id, g.root_id, g.api_id, g.scopes, \
         g.created_at, g.expires_at, g.revoked_at"
    };
}
pub(crate) use grant_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 14;

/// The columns of [`Facts`]: a grant, whether anybody holds a role, the realm, the subject of either kind, the API.
macro_rules! fact_columns {
    () => {
        concat!(
            crate::grant::grant_columns!(),
            ", (SELECT COUNT(h.role_id) FROM subject_role AS h WHERE h.realm_id = g.realm_id AND h.subject_id = g.subject_id), ",
            crate::realm::realm_columns!(),
            ", ",
            crate::client::client_columns!(),
            ", ",
            crate::user::user_columns!(),
            ", ",
            crate::api::api_columns!()
        )
    };
}
pub(crate) use fact_columns;

/// What [`fact_columns`] are taken from, beside `access_grant AS g`. A subject or API that is gone is no reason to find nothing.
macro_rules! fact_joins {
    () => {
        " JOIN realm AS r ON r.id = g.realm_id \
         LEFT JOIN client AS c ON g.subject_kind = 'client' AND c.id = g.subject_id AND c.realm_id = g.realm_id \
         LEFT JOIN user_account AS u ON g.subject_kind = 'user' AND u.id = g.subject_id AND u.realm_id = g.realm_id \
         LEFT JOIN api AS a ON a.id = g.api_id AND a.realm_id = g.realm_id "
    };
}
pub(crate) use fact_joins;

/// The end of every list of grants.
macro_rules! grant_page {
    () => {
        " AND (g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now) OR $ended = 1)
          AND g.id > $after ORDER BY g.id LIMIT $limit"
    };
}

statements! {
    NEXT_KEY_END = "SELECT MIN(expires_at) FROM access_grant
        WHERE realm_id = $realm AND expires_at > $now AND kind = 'key' AND revoked_at IS NULL";
    COUNT_KEY_ENDS = "SELECT COUNT(id) FROM access_grant WHERE realm_id = $realm AND expires_at > $now AND expires_at <= $until
        AND kind = 'key' AND revoked_at IS NULL";
    /// Ids begin with the moment at which they were made.
    NEWEST = "SELECT created_at FROM access_grant ORDER BY id DESC LIMIT 1";
    LATEST_ISSUE = "SELECT COALESCE(MAX(issued.at), 0) FROM (SELECT MAX(created_at) AS at FROM access_grant
        UNION ALL SELECT MAX(created_at) AS at FROM credential) AS issued";
    INSERT = "INSERT INTO access_grant (id, realm_id, org_id, kind, subject_kind, subject_id, client_id, parent_id, root_id, api_id,
        scopes, created_at, expires_at, revoked_at) VALUES ($id, $realm, $org, $kind, $subject_kind, $subject, $client, $parent, $root,
        $api, $scopes, $created_at, $expires_at, $revoked_at)";
    FIND = concat!("SELECT ", grant_columns!(), " FROM access_grant AS g WHERE g.realm_id = $realm AND g.id = $id");
    LIST = concat!("SELECT ", grant_columns!(), " FROM access_grant AS g WHERE g.realm_id = $realm", grant_page!());
    LIST_OF = concat!("SELECT ", grant_columns!(), " FROM access_grant AS g WHERE g.realm_id = $realm AND g.subject_id = $subject", grant_page!());
    /// The newest: which of several is taken makes no difference.
    FIND_OF_CLIENT = concat!("SELECT ", grant_columns!(), " FROM access_grant AS g WHERE g.realm_id = $realm AND g.subject_id = $client
        AND g.api_id = $api AND g.kind = 'client' AND g.revoked_at IS NULL AND g.created_at >= $since ORDER BY g.id DESC LIMIT 1");
    UPDATE = "UPDATE access_grant SET scopes = $scopes, expires_at = $expires_at
        WHERE realm_id = $realm AND id = $id AND revoked_at IS NULL";
    REVOKE = "UPDATE access_grant SET revoked_at = $now WHERE realm_id = $realm AND id = $id AND revoked_at IS NULL";
    FIND_FACTS = concat!("SELECT ", fact_columns!(), " FROM access_grant AS g", fact_joins!(), "WHERE g.realm_id = $realm AND g.id = $id");
}

/// Which grants to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFilter {
    /// Those of one subject.
    pub subject: Option<SubjectId>,
    /// Those that are neither revoked nor past their end.
    pub live_only: bool,
}

impl Tx<'_> {
    /// When the newest grant of all realms was made; none where there is none.
    pub fn newest_grant(&mut self) -> Result<Option<Time>> {
        let at: Option<i64> = self.find(NEWEST, &[])?;
        Ok(at.map(Time::from_unix_ms))
    }

    /// When the last grant or credential of all realms was made; none where there is none. Looks at every row.
    pub fn latest_issue(&mut self) -> Result<Option<Time>> {
        let at: Option<i64> = self.find(LATEST_ISSUE, &[])?;
        Ok(at.filter(|at| *at > 0).map(Time::from_unix_ms))
    }

    /// When the next key of a realm ends; none where no key does.
    pub fn next_key_end(&mut self, realm: RealmId, now: Time) -> Result<Option<Time>> {
        let end: Option<Option<i64>> = self.find(NEXT_KEY_END, named! { realm, now })?;
        Ok(end.flatten().map(Time::from_unix_ms))
    }

    /// How many keys of a realm end until then.
    pub fn count_key_ends(&mut self, realm: RealmId, now: Time, until: Time) -> Result<i64> {
        Ok(self.find(COUNT_KEY_ENDS, named! { realm, now, until })?.unwrap_or_default())
    }

    /// A new grant.
    pub fn insert_grant(&mut self, grant: &Grant) -> Result<()> {
        self.insert_grant_row(grant)?;
        self.change(ChangeKind::Grant, grant.realm, grant.id.bytes(), grant.created_at)
    }

    /// A new grant of which nobody can have heard: the change row of what proves it says enough.
    pub(crate) fn insert_grant_row(&mut self, grant: &Grant) -> Result<()> {
        let Grant { id, realm, org, subject, client, parent, root, api, created_at, expires_at, revoked_at, .. } =
            grant;
        let kind = grant.kind.as_str();
        let subject_kind = kind_of(subject).as_str();
        let scopes = scopes_text(&grant.scopes);
        self.execute_later(
            INSERT,
            named! {
                id, realm, org, kind, subject_kind, subject, client, parent, root, api, scopes, created_at, expires_at, revoked_at
            },
        )
    }

    /// The grant of this id.
    pub fn find_grant(&mut self, realm: RealmId, id: GrantId) -> Result<Option<Grant>> {
        self.find(FIND, named! { realm, id })
    }

    /// What a client has as itself on an API, of the kind [`GrantKind::Client`]: live, and not made before a moment.
    pub fn find_grant_of_client(
        &mut self,
        realm: RealmId,
        client: ClientId,
        api: ApiId,
        since: Time,
    ) -> Result<Option<Grant>> {
        self.find(FIND_OF_CLIENT, named! { realm, client, api, since })
    }

    /// Grants by id.
    pub fn list_grants(&mut self, realm: RealmId, filter: &GrantFilter, page: &Page, now: Time) -> Result<Vec<Grant>> {
        let (after, limit, ended) = (page.floor(), page.limit, i64::from(!filter.live_only));
        match filter.subject {
            Some(subject) => self.list(LIST_OF, named! { realm, subject, ended, now, after, limit }),
            None => self.list(LIST, named! { realm, ended, now, after, limit }),
        }
    }

    /// What is granted, and until when. False: it was revoked, or there is none.
    pub fn update_grant(&mut self, grant: &Grant, now: Time) -> Result<bool> {
        let Grant { id, realm, expires_at, .. } = grant;
        let scopes = scopes_text(&grant.scopes);
        if self.execute(UPDATE, named! { realm, id, scopes, expires_at })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Grant, *realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Ends a grant. Where it is a session, the applications that it signed somebody in to are to be told. False: it was ended
    /// before, or there is none.
    pub fn revoke_grant(&mut self, realm: RealmId, id: GrantId, now: Time) -> Result<bool> {
        if self.execute(REVOKE, named! { realm, id, now })? == 0 {
            return Ok(false);
        }
        self.insert_logout_notices(realm, id, now)?;
        self.change(ChangeKind::Grant, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Everything that the worth of a grant depends on.
    pub fn find_lineage(&mut self, realm: RealmId, id: GrantId) -> Result<Option<Lineage>> {
        match self.find::<Facts>(FIND_FACTS, named! { realm, id })? {
            Some(facts) => self.complete(facts, None).map(Some),
            None => Ok(None),
        }
    }

    /// Adds what one statement does not bring: roles where there are any, ancestors where there is a parent, and what is
    /// delegated where that is not known yet.
    pub(crate) fn complete(&mut self, facts: Facts, delegation: Option<Delegation>) -> Result<Lineage> {
        let Facts { grant, role_count, realm, mut subject, api } = facts;
        let roles = if role_count == 0 { Vec::new() } else { self.list_roles_of(grant.realm, grant.subject)? };
        let names = || roles.iter().map(|role| role.spec.name.clone()).collect();
        match &mut subject {
            Some(Subject::Client(client)) => client.spec.roles = names(),
            Some(Subject::User(user)) => user.spec.roles = names(),
            None => {}
        }
        let ancestors = self.ancestors(&grant)?;
        let delegation = delegation.map_or_else(|| self.find_delegation(&grant), Ok)?;
        let Delegation { delegate, authorized, session } = delegation;
        Ok(Lineage { realm, grant, ancestors, subject, roles, api, delegate, authorized, session })
    }

    /// What a grant grew from, nearest first. A line that is broken or too long is no line: the store is not to be trusted.
    fn ancestors(&mut self, grant: &Grant) -> Result<Vec<Grant>> {
        let mut ancestors: Vec<Grant> = Vec::new();
        let mut next = grant.parent;
        while let Some(parent) = next {
            if ancestors.len() == DEPTH_MAX {
                return Err(Error::corrupt(format_args!("grant {} grew out of more than {DEPTH_MAX}", grant.id)));
            }
            let found = self.find_grant(grant.realm, parent)?;
            let found = found.ok_or_else(|| Error::corrupt(format_args!("grant {parent} is missing")))?;
            next = found.parent;
            ancestors.push(found);
        }
        Ok(ancestors)
    }
}

/// What one statement brings of a [`Lineage`].
pub(crate) struct Facts {
    grant: Grant,
    role_count: i64,
    realm: Realm,
    subject: Option<Subject>,
    api: Option<Api>,
}

impl FromRow for Facts {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let realm_row = row.from(WIDTH + 1);
        let client_row = realm_row.from(realm::WIDTH);
        let user_row = client_row.from(client::WIDTH);
        let api_row = user_row.from(user::WIDTH);
        let subject = if !client_row.is_null(0)? {
            Some(Subject::Client(FromRow::from_row(&client_row)?))
        } else if !user_row.is_null(0)? {
            Some(Subject::User(FromRow::from_row(&user_row)?))
        } else {
            None
        };
        Ok(Self {
            grant: FromRow::from_row(row)?,
            role_count: row.int(WIDTH)?,
            realm: FromRow::from_row(&realm_row)?,
            subject,
            api: api_row.optional(0, |row, _| Api::from_row(row))?,
        })
    }
}

/// Scopes as they are kept.
pub(crate) fn scopes_text(scopes: &[ScopeName]) -> String {
    scopes.iter().map(ScopeName::as_str).collect::<Vec<_>>().join(" ")
}

/// Scopes as they were kept.
pub(crate) fn read_scopes(text: &str) -> Result<Vec<ScopeName>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(ScopeName::parse).collect::<std::result::Result<_, _>>().map_err(Error::corrupt)
}

impl FromRow for Grant {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            org: row.optional_id(2)?,
            kind: GrantKind::parse(row.text(3)?).ok_or_else(|| Error::corrupt("a grant is of no known kind"))?,
            subject: subject(row.text(4)?, row.bytes(5)?)?,
            client: row.optional_id(6)?,
            parent: row.optional_id(7)?,
            root: row.id(8)?,
            api: row.optional_id(9)?,
            scopes: read_scopes(row.text(10)?)?,
            created_at: row.time(11)?,
            expires_at: row.optional_time(12)?,
            revoked_at: row.optional_time(13)?,
        })
    }
}

fn kind_of(subject: &SubjectId) -> SubjectKind {
    match subject {
        SubjectId::User(_) => SubjectKind::User,
        SubjectId::Client(_) => SubjectKind::Client,
    }
}

fn subject(kind: &str, id: [u8; 16]) -> Result<SubjectId> {
    match kind {
        "user" => Ok(SubjectId::User(UserId::from_bytes(id))),
        "client" => Ok(SubjectId::Client(ClientId::from_bytes(id))),
        _ => Err(Error::corrupt("a subject is of no known kind")),
    }
}
