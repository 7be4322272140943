//! What people let applications do: grants of the kind `authorization`, with facts beside them.
//!
//! What one is worth is judged from its lineage; ended ones stay until they are swept, a week after they would have ended by
//! themselves.

use admit_core::client::Client;
use admit_core::grant::{Grant, Lineage};
use admit_core::id::{ClientId, GrantId, RealmId, UserId};
use admit_core::login::session::Session;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::time::{Span, Time};
use std::net::IpAddr;

use crate::client::{self, client_columns};
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::grant::{self, Facts, fact_columns, fact_joins, grant_columns};
use crate::session::{self, session_columns};
use crate::value::{FromRow, Row, json};

/// How many live ones a person has for one application at most: one more ends the oldest.
pub const LIVE_MAX: u32 = 100;
/// How long what has ended stays to be seen.
const KEPT_FOR: Span = Span::days(7);

/// The columns of [`Authorized`], of a table called `e`.
macro_rules! authorized_columns {
    () => {
        "e.grant_id, e.realm_id, e.user_id, e.client_id, e.session_id, e.spec, e.last_at, e.last_ip, e.last_agent"
    };
}

/// How many columns that is.
const WIDTH: usize = 9;

/// True for one that still gives something, as far as time and revocations go: `g` with its parent `o`, and the session `p`
/// that this is.
macro_rules! is_live {
    () => {
        "g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now)
          AND (g.parent_id IS NULL OR (o.revoked_at IS NULL AND (o.expires_at IS NULL OR o.expires_at > $now)
          AND (p.idle_ms IS NULL OR p.last_at + p.idle_ms > $now))) AND c.id IS NOT NULL AND u.id IS NOT NULL
          AND g.created_at >= COALESCE(r.valid_after, g.created_at) AND g.created_at >= COALESCE(u.valid_after, g.created_at)
          AND g.created_at >= COALESCE(c.valid_after, g.created_at)"
    };
}

/// The columns of [`Delegation`]: an authorization, the application as it is now, and the session that it grew from.
macro_rules! delegation_columns {
    () => {
        concat!(authorized_columns!(), ", ", client_columns!("d"), ", ", session_columns!("p"))
    };
}

/// What the last two are taken from.
macro_rules! delegation_joins {
    ($parent:literal) => {
        concat!(
            " LEFT JOIN client AS d ON d.id = e.client_id AND d.realm_id = e.realm_id LEFT JOIN session AS p ON p.grant_id = ",
            $parent
        )
    };
}

statements! {
    FIND_DELEGATION = concat!("SELECT ", delegation_columns!(), " FROM client_authorization AS e", delegation_joins!("$parent"),
        " WHERE e.grant_id = $grant AND e.realm_id = $realm");
    /// All but roles and ancestors in one read.
    FIND_LINEAGE = concat!("SELECT ", delegation_columns!(), ", ", fact_columns!(), " FROM client_authorization AS e
        JOIN access_grant AS g ON g.id = e.grant_id", delegation_joins!("g.parent_id"), fact_joins!(),
        "WHERE e.grant_id = $grant AND e.realm_id = $realm");
    /// The newest first.
    LIST_LIVE = concat!("SELECT ", authorized_columns!(), ", ", grant_columns!(), ",
        (SELECT MAX(t.last_at) FROM refresh_token AS t WHERE t.grant_id = e.grant_id)
        FROM client_authorization AS e JOIN access_grant AS g ON g.id = e.grant_id JOIN realm AS r ON r.id = e.realm_id
        LEFT JOIN access_grant AS o ON o.id = g.parent_id LEFT JOIN session AS p ON p.grant_id = g.parent_id
        LEFT JOIN client AS c ON c.id = e.client_id AND c.realm_id = e.realm_id
        LEFT JOIN user_account AS u ON u.id = e.user_id AND u.realm_id = e.realm_id
        WHERE e.realm_id = $realm AND e.user_id = $user AND ", is_live!(), " ORDER BY e.grant_id DESC LIMIT 1000");
    /// The oldest first.
    LIST_OF_CLIENT = "SELECT e.grant_id FROM client_authorization AS e JOIN access_grant AS g ON g.id = e.grant_id
        WHERE e.realm_id = $realm AND e.user_id = $user AND e.client_id = $client AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > $now) ORDER BY e.grant_id LIMIT 1000";
    INSERT = "INSERT INTO client_authorization (grant_id, realm_id, user_id, client_id, session_id, spec, expires_at, last_at, last_ip,
        last_agent) VALUES ($grant, $realm, $user, $client, $session, $spec, $expires_at, $last_at, $last_ip, $last_agent)";
    /// A code says in JSON whose it is.
    DELETE_CODES = "DELETE FROM short_credential WHERE realm_id = $realm AND user_id = $user AND kind = 'code' AND used_at IS NULL
        AND detail LIKE $of_client";
    DELETE_DEVICE_CODES = "DELETE FROM device_code WHERE realm_id = $realm AND client_id = $client AND used_at IS NULL
        AND approved LIKE $by_user";
    TOUCH = "UPDATE client_authorization SET last_at = $at, last_ip = $ip, last_agent = $agent
        WHERE realm_id = $realm AND grant_id = $grant AND last_at < $at";
    LIST_OLD = "SELECT e.grant_id FROM client_authorization AS e WHERE e.expires_at < $before
        AND NOT EXISTS (SELECT c.id FROM access_grant AS c WHERE c.parent_id = e.grant_id) ORDER BY e.expires_at LIMIT 100";
    SWEEP_TOKENS = "DELETE FROM refresh_token WHERE grant_id = $grant";
    SWEEP = "DELETE FROM client_authorization WHERE grant_id = $grant";
    SWEEP_GRANT = "DELETE FROM access_grant WHERE id = $grant";
}

/// One as lists show it: one that still gives something.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuedAuthorization {
    /// What is known of it; its last use is that of its newest refresh token, where there is one.
    pub authorized: Authorized,
    /// Its grant.
    pub grant: Grant,
}

/// One use that is worth being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationUse {
    /// Its realm.
    pub realm: RealmId,
    /// The authorization.
    pub grant: GrantId,
    /// When.
    pub at: Time,
    /// From where.
    pub ip: Option<IpAddr>,
    /// By what.
    pub agent: Option<String>,
}

/// What the lineage of an authorization has besides.
#[derive(Default)]
pub(crate) struct Delegation {
    pub(crate) delegate: Option<Client>,
    pub(crate) authorized: Option<Authorized>,
    pub(crate) session: Option<Session>,
}

impl Tx<'_> {
    /// A new one. Nobody can have heard of its grant.
    pub fn insert_authorization(&mut self, grant: &Grant, authorized: &Authorized) -> Result<()> {
        self.insert_grant_row(grant)?;
        let Authorized { realm, user, client, session, last_at, last_agent, .. } = authorized;
        let spec = json(&authorized.spec)?;
        let last_ip = authorized.last_ip.map(|ip| ip.to_string());
        // One that never ended by itself would never be forgotten.
        let expires_at = grant.expires_at.ok_or_else(|| Error::corrupt("an authorization has no end"))?;
        self.execute_later(
            INSERT,
            named! { grant: grant.id, realm, user, client, session, spec, expires_at, last_at, last_ip, last_agent },
        )
    }

    /// Those of a person that still give something, the newest first, at most 1000.
    pub fn list_authorizations_of(
        &mut self,
        realm: RealmId,
        user: UserId,
        now: Time,
    ) -> Result<Vec<IssuedAuthorization>> {
        self.list(LIST_LIVE, named! { realm, user, now })
    }

    /// Ends all that a person let an application do, and what he approved that is not exchanged yet. Says how many there were of
    /// the first.
    pub fn revoke_authorizations(
        &mut self,
        realm: RealmId,
        user: UserId,
        client: ClientId,
        now: Time,
    ) -> Result<usize> {
        let (of_client, by_user) = (format!("%\"client\":\"{client}\"%"), format!("%\"user\":\"{user}\"%"));
        self.execute(DELETE_CODES, named! { realm, user, of_client: of_client.as_str() })?;
        self.execute(DELETE_DEVICE_CODES, named! { realm, client, by_user: by_user.as_str() })?;
        let mut count = 0;
        loop {
            let live = self.list_authorizations_of_client(realm, user, client, now)?;
            for grant in &live {
                count += usize::from(self.revoke_grant(realm, *grant, now)?);
            }
            if live.is_empty() {
                return Ok(count);
            }
        }
    }

    /// Ends all that a person lets applications do. Says how many there were.
    pub fn revoke_all_authorizations(&mut self, realm: RealmId, user: UserId, now: Time) -> Result<usize> {
        let mut count = 0;
        loop {
            let live = self.list_authorizations_of(realm, user, now)?;
            for issued in &live {
                count += usize::from(self.revoke_grant(realm, issued.grant.id, now)?);
            }
            if live.is_empty() {
                return Ok(count);
            }
        }
    }

    /// What a person lets one application do and is not over, the oldest first.
    pub fn list_authorizations_of_client(
        &mut self,
        realm: RealmId,
        user: UserId,
        client: ClientId,
        now: Time,
    ) -> Result<Vec<GrantId>> {
        self.list(LIST_OF_CLIENT, named! { realm, user, client, now })
    }

    /// Writes a last use.
    pub fn touch_authorization(&mut self, used: &AuthorizationUse) -> Result<()> {
        let AuthorizationUse { realm, grant, at, agent, .. } = used;
        let ip = used.ip.map(|ip| ip.to_string());
        self.execute_later(TOUCH, named! { realm, grant, at, ip, agent })
    }

    /// Those that ended more than a week ago, with their grants and refresh tokens. At most 100.
    pub fn sweep_authorizations(&mut self, now: Time) -> Result<usize> {
        let old: Vec<GrantId> = self.list(LIST_OLD, named! { before: now - KEPT_FOR })?;
        for grant in &old {
            for sql in [SWEEP_TOKENS, SWEEP, SWEEP_GRANT] {
                self.execute(sql, named! { grant })?;
            }
        }
        Ok(old.len())
    }

    /// Everything that the worth of an authorization depends on.
    pub fn find_authorization(&mut self, realm: RealmId, grant: GrantId) -> Result<Option<Lineage>> {
        match self.find::<WithFacts>(FIND_LINEAGE, named! { realm, grant })? {
            Some(WithFacts { delegation, facts }) => self.complete(facts, Some(delegation)).map(Some),
            None => Ok(None),
        }
    }

    /// What an authorization is beside its grant; nothing of other grants.
    pub(crate) fn find_delegation(&mut self, grant: &Grant) -> Result<Delegation> {
        if grant.client.is_none() {
            return Ok(Delegation::default());
        }
        let Grant { id, realm, parent, .. } = grant;
        Ok(self.find(FIND_DELEGATION, named! { realm, grant: id, parent })?.unwrap_or_default())
    }
}

impl FromRow for Delegation {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let client_row = row.from(WIDTH);
        let session_row = client_row.from(client::WIDTH);
        Ok(Self {
            delegate: client_row.optional(0, |row, _| Client::from_row(row))?,
            authorized: Some(FromRow::from_row(row)?),
            session: session_row.optional(0, |row, _| Session::from_row(row))?,
        })
    }
}

/// What one statement brings of the [`Lineage`] of an authorization.
struct WithFacts {
    delegation: Delegation,
    facts: Facts,
}

impl FromRow for WithFacts {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let facts_row = row.from(WIDTH + client::WIDTH + session::WIDTH);
        Ok(Self { delegation: FromRow::from_row(row)?, facts: FromRow::from_row(&facts_row)? })
    }
}

impl FromRow for Authorized {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let spec: AuthorizedSpec = row.json(5)?;
        Ok(Self {
            grant: row.id(0)?,
            realm: row.id(1)?,
            user: row.id(2)?,
            client: row.id(3)?,
            session: row.id(4)?,
            spec,
            last_at: row.time(6)?,
            last_ip: row.optional(7, Row::parse)?,
            last_agent: row.optional(8, Row::string)?,
        })
    }
}

impl FromRow for IssuedAuthorization {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let authorized: Authorized = FromRow::from_row(row)?;
        let refreshed_at = row.from(WIDTH + grant::WIDTH).optional_time(0)?;
        Ok(Self {
            authorized: Authorized { last_at: authorized.last_at.max(refreshed_at.unwrap_or_default()), ..authorized },
            grant: FromRow::from_row(&row.from(WIDTH))?,
        })
    }
}
