//! Which applications are still to be told that somebody signed out. A notice is written in the transaction that ends a session
//! and goes when its application knows.
//!
//! Whether an application wants to be told, its row says; what only looks like it here is found out by who tells.

use admit_core::id::{ClientId, GrantId, RealmId, UserId};
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row};

/// A notice for each application of these authorizations (`a`), told or not; none where all that was the person's ended before
/// (`s` is the session).
macro_rules! insert {
    ($condition:literal) => {
        concat!(
            "INSERT INTO logout_notice (session_id, client_id, realm_id, user_id, created_at, next_at, tries)
             SELECT a.session_id, a.client_id, a.realm_id, a.user_id, CAST($now AS BIGINT), CAST($now AS BIGINT), 0
             FROM client_authorization AS a JOIN client AS c ON c.id = a.client_id AND c.realm_id = a.realm_id
             JOIN access_grant AS s ON s.id = a.session_id
             WHERE a.realm_id = $realm AND c.spec LIKE '%\"backchannel_logout_uri\"%'
             AND NOT EXISTS (SELECT u.id FROM user_account AS u WHERE u.id = a.user_id AND u.valid_after > s.created_at) AND ",
            $condition,
            " ON CONFLICT (session_id, client_id) DO NOTHING"
        )
    };
}

statements! {
    pub INSERT_OF_SESSION = insert!("a.session_id = $session");
    INSERT_OF_USER = insert!("a.user_id = $user AND s.revoked_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $now)");
    LIST_DUE = "SELECT session_id, client_id, realm_id, user_id, created_at, next_at, tries FROM logout_notice
        WHERE next_at <= $now ORDER BY next_at LIMIT $limit";
    PUT_OFF = "UPDATE logout_notice SET next_at = $next_at, tries = $tries
        WHERE session_id = $session AND client_id = $client AND next_at = $seen";
    LIST_APPS = "SELECT c.id, c.name, MAX(CASE WHEN g.parent_id IS NULL THEN 1 ELSE 0 END) FROM client_authorization AS a
        JOIN access_grant AS g ON g.id = a.grant_id JOIN client AS c ON c.id = a.client_id AND c.realm_id = a.realm_id
        WHERE a.realm_id = $realm AND a.session_id = $session AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > $now) GROUP BY c.id, c.name ORDER BY c.name LIMIT 100";
    DELETE = "DELETE FROM logout_notice WHERE session_id = $session AND client_id = $client";
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogoutNotice {
    /// The session that ended.
    pub session: GrantId,
    /// Who is to know.
    pub client: ClientId,
    /// Where.
    pub realm: RealmId,
    /// Whose session it was.
    pub user: UserId,
    /// When it ended.
    pub created_at: Time,
    /// When the application is told next.
    pub next_at: Time,
    /// How often it was tried.
    pub tries: u32,
}

/// An application that a session signed its person in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionApp {
    /// Which.
    pub client: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it goes on when the session is over.
    pub is_offline: bool,
}

impl Tx<'_> {
    /// The applications that a session signed its person in to, by name; at most 100.
    pub fn list_apps_of_session(&mut self, realm: RealmId, session: GrantId, now: Time) -> Result<Vec<SessionApp>> {
        self.list(LIST_APPS, named! { realm, session, now })
    }

    /// The applications that one session signed its person in to are to be told that it is over.
    pub fn insert_logout_notices(&mut self, realm: RealmId, session: GrantId, now: Time) -> Result<usize> {
        self.execute(INSERT_OF_SESSION, named! { realm, session, now })
    }

    /// The same of all sessions of a person, where they are over at once.
    pub fn insert_logout_notices_of(&mut self, realm: RealmId, user: UserId, now: Time) -> Result<usize> {
        self.execute(INSERT_OF_USER, named! { realm, user, now })
    }

    /// Those of all realms that are due, the longest first.
    pub fn list_due_logout_notices(&mut self, limit: u32, now: Time) -> Result<Vec<LogoutNotice>> {
        self.list(LIST_DUE, named! { limit, now })
    }

    /// Says when it is due next, as long as it is due when the caller thinks. False: another node was faster.
    pub fn put_off_logout_notice(&mut self, notice: &LogoutNotice, next_at: Time, tries: u32) -> Result<bool> {
        let LogoutNotice { session, client, next_at: seen, .. } = notice;
        Ok(self.execute(PUT_OFF, named! { session, client, seen, next_at, tries })? == 1)
    }

    /// The application knows, or never will.
    pub fn delete_logout_notice(&mut self, notice: &LogoutNotice) -> Result<()> {
        let LogoutNotice { session, client, .. } = notice;
        self.execute(DELETE, named! { session, client }).map(drop)
    }
}

impl FromRow for SessionApp {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { client: row.id(0)?, name: row.string(1)?, is_offline: row.int(2)? == 1 })
    }
}

impl FromRow for LogoutNotice {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            session: row.id(0)?,
            client: row.id(1)?,
            realm: row.id(2)?,
            user: row.id(3)?,
            created_at: row.time(4)?,
            next_at: row.time(5)?,
            tries: u32::try_from(row.int(6)?).map_err(Error::corrupt)?,
        })
    }
}
