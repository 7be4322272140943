//! Sessions and known devices: grants with facts beside them, found by the keyed hash of the secret in a cookie.
//!
//! What a session is worth is judged by `core::login::session` from a [`Line`]; ended ones stay until they are swept.

use admit_core::api::Api;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, RealmId, UserId};
use admit_core::login::session::{Factors, Line, Session, SessionSecret};
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use std::net::IpAddr;

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::grant::{self, Facts, fact_columns, fact_joins, grant_columns};
use crate::value::{FromRow, Row};

/// The columns of [`Session`], of a table of this name.
macro_rules! session_columns {
    ($of:literal) => {
        concat!(
            $of,
            ".grant_id, ",
            $of,
            ".realm_id, ",
            $of,
            ".user_id, ",
            $of,
            ".host, ",
            $of,
            ".pending, ",
            $of,
            ".factors, ",
            $of,
            ".signed_in_at, ",
            $of,
            ".idle_ms, ",
            $of,
            ".last_at, ",
            $of,
            ".last_ip, ",
            $of,
            ".last_agent"
        )
    };
}

pub(crate) use session_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 11;

/// True for a session that may still be used, as far as time and revocations go.
macro_rules! is_live {
    () => {
        "g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now)
          AND o.revoked_at IS NULL AND (o.expires_at IS NULL OR o.expires_at > $now)
          AND (p.idle_ms IS NULL OR p.last_at + p.idle_ms > $now) AND u.id IS NOT NULL
          AND g.created_at >= COALESCE(r.valid_after, g.created_at) AND g.created_at >= COALESCE(u.valid_after, g.created_at)"
    };
}

/// Sessions as lists show them: `e` with its grant `g`, and the session and the grant `p` and `o` at the root of its line.
macro_rules! issued_sessions {
    ($condition:literal) => {
        concat!(
            "SELECT ", session_columns!("e"), ", ", grant_columns!(), ", u.name, CASE WHEN ", is_live!(), " THEN 1 ELSE 0 END
             FROM session AS e JOIN access_grant AS g ON g.id = e.grant_id JOIN session AS p ON p.grant_id = g.root_id
             JOIN access_grant AS o ON o.id = g.root_id JOIN realm AS r ON r.id = e.realm_id
             LEFT JOIN user_account AS u ON u.id = e.user_id AND u.realm_id = e.realm_id WHERE ", $condition
        )
    };
}

/// A page of them.
macro_rules! session_page {
    ($condition:literal) => {
        concat!(
            issued_sessions!($condition),
            " AND ($ended = 1 OR (e.pending IS NULL AND ",
            is_live!(),
            "))
             AND e.grant_id > $after ORDER BY e.grant_id LIMIT $limit"
        )
    };
}

statements! {
    /// The one read of a cache miss.
    FIND_SHOWN = concat!("SELECT t.hash, ", session_columns!("e"), ", ", session_columns!("p"), ", ", fact_columns!(), "
        FROM credential AS t JOIN session AS e ON e.grant_id = t.grant_id JOIN access_grant AS g ON g.id = t.grant_id
        JOIN session AS p ON p.grant_id = g.root_id", fact_joins!(),
        "WHERE t.hash = $hash AND t.realm_id = $realm AND t.kind = $kind");
    FIND = issued_sessions!("e.realm_id = $realm AND e.grant_id = $id");
    LIST = session_page!("e.realm_id = $realm");
    LIST_OF = session_page!("e.realm_id = $realm AND e.user_id = $user");
    /// The oldest first.
    LIST_LIVE = "SELECT g.id FROM access_grant AS g WHERE g.realm_id = $realm AND g.subject_id = $user AND g.kind = $kind
        AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now) AND (g.id <> $but OR $but IS NULL)
        ORDER BY g.id LIMIT 1000";
    INSERT = "INSERT INTO session (grant_id, realm_id, user_id, host, pending, factors, signed_in_at, idle_ms, last_at, last_ip,
        last_agent) VALUES ($grant, $realm, $user, $host, $pending, $factors, $signed_in_at, $idle, $last_at, $last_ip, $last_agent)";
    INSERT_SECRET = "INSERT INTO credential (hash, lookup_key, kind, realm_id, grant_id, key_id, number, hint, created_at, expires_at)
        VALUES ($hash, $lookup_key, $kind, $realm, $grant, NULL, 1, '', $created_at, NULL)";
    LIST_SECRETS = "SELECT hash FROM credential WHERE grant_id = $grant AND realm_id = $realm ORDER BY hash";
    DELETE_SECRETS = "DELETE FROM credential WHERE grant_id = $grant AND realm_id = $realm";
    /// Changes nothing: who would end it waits until this transaction is over.
    HOLD = "UPDATE access_grant SET revoked_at = revoked_at WHERE realm_id = $realm AND id = $id AND revoked_at IS NULL";
    RAISE = "UPDATE session SET pending = $pending, factors = $factors, signed_in_at = $now, last_at = $now
        WHERE realm_id = $realm AND grant_id = $grant AND EXISTS (SELECT g.id FROM access_grant AS g
        WHERE g.id = session.grant_id AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now))";
    TOUCH = "UPDATE session SET last_at = $at, last_ip = $ip, last_agent = $agent
        WHERE realm_id = $realm AND grant_id = $grant AND last_at < $at";
    /// What ended long ago and has nothing that grew from it.
    LIST_OLD = "SELECT e.grant_id FROM session AS e JOIN access_grant AS g ON g.id = e.grant_id
        WHERE e.grant_id < $floor AND g.expires_at < $before
        AND NOT EXISTS (SELECT c.id FROM access_grant AS c WHERE c.parent_id = e.grant_id) ORDER BY e.grant_id LIMIT 100";
    SWEEP_SECRETS = "DELETE FROM credential WHERE grant_id = $grant";
    SWEEP = "DELETE FROM session WHERE grant_id = $grant";
    SWEEP_GRANT = "DELETE FROM access_grant WHERE id = $grant";
}

/// How long what has ended stays to be seen.
const KEPT_FOR: Span = Span::days(7);

/// What a presented secret of a session or device is.
#[derive(Debug, Clone)]
pub struct ShownSession {
    /// What it was found by.
    pub hash: SecretHash,
    /// What its worth depends on.
    pub line: Line,
}

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuedSession {
    /// The session.
    pub session: Session,
    /// Its grant.
    pub grant: Grant,
    /// Who signed in; none where he is gone.
    pub user: Option<String>,
    /// Neither ended, alone or with others, nor past one of its ends.
    pub is_live: bool,
}

/// One use of a session that is worth being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUse {
    /// Its realm.
    pub realm: RealmId,
    /// The session.
    pub grant: GrantId,
    /// When.
    pub at: Time,
    /// From where.
    pub ip: Option<IpAddr>,
    /// By what.
    pub agent: Option<String>,
}

impl Tx<'_> {
    /// What a presented secret of this kind is, where it may be stored under one of several hashes.
    pub fn find_session_among(
        &mut self,
        realm: RealmId,
        kind: GrantKind,
        hashes: &[SecretHash],
    ) -> Result<Option<ShownSession>> {
        let kind = secret_kind(kind);
        for hash in hashes {
            let Some(found) = self.find::<Known>(FIND_SHOWN, named! { realm, hash, kind })? else { continue };
            let Known { hash, session, root, facts } = found;
            let lineage = self.complete(facts, None)?;
            let mut apis: Vec<Api> = Vec::new();
            for uri in lineage.rights_on() {
                apis.extend(self.find_api_by_uri(realm, uri.as_str())?);
            }
            return Ok(Some(ShownSession { hash, line: Line { session, root, lineage, apis } }));
        }
        Ok(None)
    }

    /// The session of this grant.
    pub fn find_session(&mut self, realm: RealmId, id: GrantId, now: Time) -> Result<Option<IssuedSession>> {
        self.find(FIND, named! { realm, id, now })
    }

    /// The same while it lives, and nobody ends it before this transaction does: of a sign-out at the same moment, and what is to
    /// grow from the session here, one hears of the other. Hold its person before: [`Tx::lock_subject`].
    pub fn hold_session(&mut self, realm: RealmId, id: GrantId, now: Time) -> Result<Option<IssuedSession>> {
        if self.execute(HOLD, named! { realm, id })? == 0 {
            return Ok(None);
        }
        Ok(self.find_session(realm, id, now)?.filter(|known| known.is_live))
    }

    /// Sessions and known devices by id: those that live, or all that are still there.
    pub fn list_sessions(
        &mut self,
        realm: RealmId,
        user: Option<UserId>,
        live_only: bool,
        page: &Page,
        now: Time,
    ) -> Result<Vec<IssuedSession>> {
        let (after, limit, ended) = (page.floor(), page.limit, i64::from(!live_only));
        match user {
            Some(user) => self.list(LIST_OF, named! { realm, user, ended, now, after, limit }),
            None => self.list(LIST, named! { realm, ended, now, after, limit }),
        }
    }

    /// The grants of one kind of a person that are not over, but for one, at most 1000; the oldest first. Who is to count
    /// them locks the person before: [`Tx::lock_subject`].
    pub fn list_live_grants(
        &mut self,
        realm: RealmId,
        user: UserId,
        kind: GrantKind,
        but: Option<GrantId>,
        now: Time,
    ) -> Result<Vec<GrantId>> {
        self.list(LIST_LIVE, named! { realm, user, kind: kind.as_str(), but, now })
    }

    /// A new session, site or device with its grant and its secret.
    pub fn insert_session(&mut self, grant: &Grant, session: &Session, secret: &SessionSecret) -> Result<()> {
        self.insert_grant_row(grant)?;
        let Session { realm, user, host, signed_in_at, idle, last_at, last_agent, .. } = session;
        let (pending, factors) = (pending_text(session.pending), session.factors.to_string());
        let last_ip = session.last_ip.map(|ip| ip.to_string());
        let named = named! {
            grant: grant.id, realm, user, host, pending, factors, signed_in_at, idle, last_at, last_ip, last_agent
        };
        self.execute_later(INSERT, named)?;
        self.insert_session_secret(*realm, grant.kind, secret)
    }

    /// More was proved: what was shown and is still to be shown, from now on with another secret. The older ones end here.
    /// False: the session is over, or there is none.
    pub fn raise_session(
        &mut self,
        realm: RealmId,
        factors: Factors,
        pending: Factors,
        secret: &SessionSecret,
        now: Time,
    ) -> Result<bool> {
        let (grant, pending, factors) = (secret.grant, pending_text(pending), factors.to_string());
        if self.execute(RAISE, named! { realm, grant, pending, factors, now })? == 0 {
            return Ok(false);
        }
        let old: Vec<SecretHash> = self.list(LIST_SECRETS, named! { realm, grant })?;
        self.execute(DELETE_SECRETS, named! { realm, grant })?;
        for hash in old {
            self.change(ChangeKind::Credential, realm, &hash.tag(), now)?;
        }
        self.insert_session_secret(realm, GrantKind::Session, secret)?;
        self.change(ChangeKind::Grant, realm, grant.bytes(), now)?;
        Ok(true)
    }

    /// Writes last uses. Sort them: engines with many writers lock the rows in the order given.
    pub fn touch_sessions(&mut self, uses: &[SessionUse]) -> Result<()> {
        for SessionUse { realm, grant, at, ip, agent } in uses {
            let ip = ip.map(|ip| ip.to_string());
            self.execute(TOUCH, named! { realm, grant, at, ip, agent })?;
        }
        Ok(())
    }

    /// Sessions and devices that ended more than a week ago, with their grants.
    pub fn sweep_sessions(&mut self, now: Time) -> Result<usize> {
        let before = now - KEPT_FOR;
        // Ids begin with the moment at which they were made, and nothing ends before it begins.
        let floor = GrantId::new(before, [0; 10]);
        let old: Vec<GrantId> = self.list(LIST_OLD, named! { floor, before })?;
        for grant in &old {
            for sql in [SWEEP_SECRETS, SWEEP, SWEEP_GRANT] {
                self.execute(sql, named! { grant })?;
            }
        }
        Ok(old.len())
    }

    fn insert_session_secret(&mut self, realm: RealmId, kind: GrantKind, secret: &SessionSecret) -> Result<()> {
        let SessionSecret { hash, lookup_key, grant, created_at } = secret;
        let kind = secret_kind(kind);
        self.execute_later(INSERT_SECRET, named! { hash, lookup_key, kind, realm, grant, created_at })?;
        self.change(ChangeKind::Credential, realm, &hash.tag(), *created_at)
    }
}

/// The word for the secret that proves a grant of this kind.
const fn secret_kind(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Device => "device",
        GrantKind::Session | GrantKind::Site | GrantKind::Key | GrantKind::Client | GrantKind::Authorization => {
            "session"
        }
    }
}

fn pending_text(pending: Factors) -> Option<String> {
    (!pending.is_empty()).then(|| pending.to_string())
}

/// What one statement brings of [`ShownSession`].
struct Known {
    hash: SecretHash,
    session: Session,
    root: Session,
    facts: Facts,
}

impl FromRow for Known {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            hash: FromRow::from_row(row)?,
            session: FromRow::from_row(&row.from(1))?,
            root: FromRow::from_row(&row.from(1 + WIDTH))?,
            facts: FromRow::from_row(&row.from(1 + 2 * WIDTH))?,
        })
    }
}

impl FromRow for Session {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            grant: row.id(0)?,
            realm: row.id(1)?,
            user: row.id(2)?,
            host: row.optional(3, Row::string)?,
            pending: row.optional(4, read_factors)?.unwrap_or_default(),
            factors: read_factors(row, 5)?,
            signed_in_at: row.time(6)?,
            idle: row.optional(7, Row::int)?.map(Span::ms),
            last_at: row.time(8)?,
            last_ip: row.optional(9, Row::parse)?,
            last_agent: row.optional(10, Row::string)?,
        })
    }
}

fn read_factors(row: &Row<'_, '_>, column: usize) -> Result<Factors> {
    Factors::parse(row.text(column)?).ok_or_else(|| Error::corrupt("a session names factors that are not known"))
}

impl FromRow for IssuedSession {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let rest = row.from(WIDTH + grant::WIDTH);
        Ok(Self {
            session: FromRow::from_row(row)?,
            grant: FromRow::from_row(&row.from(WIDTH))?,
            user: rest.optional(0, Row::string)?,
            is_live: rest.int(1)? == 1,
        })
    }
}

impl FromRow for SecretHash {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.bytes(0).map(Self)
    }
}
