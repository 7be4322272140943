//! API keys with their grants. The secrets of a key are in `credential`.

use admit_core::grant::Grant;
use admit_core::id::{GrantId, KeyId, RealmId, SubjectId};
use admit_core::key::{Key, KeySecret};
use admit_core::limit::Rate;
use admit_core::metadata::MetadataFilter;
use admit_core::name::ApiUri;
use admit_core::time::{Span, Time};

use crate::Page;
use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::filter::{self, Looks, Sought, is_sought, looks_like};
use crate::grant::{self, grant_columns};
use crate::value::{FromRow, Row, json, optional_json};

/// The columns of [`Key`], of a table called `k`.
macro_rules! key_columns {
    () => {
        "k.id, k.realm_id, k.org_id, k.grant_id, k.name, k.lifetime_ms, k.rate, k.ip, k.external_id, k.metadata, k.disabled_at, \
         k.seen_in_browser_at, k.created_by, k.created_at, k.updated_at, k.version"
    };
}
pub(crate) use key_columns;

/// How many columns that is.
pub(crate) const WIDTH: usize = 16;

/// Keys as lists show them.
macro_rules! issued_keys {
    () => {
        concat!(
            "SELECT ",
            key_columns!(),
            ", ",
            grant_columns!(),
            ", a.uri, COALESCE(c.name, u.name),
              (SELECT s.hint FROM credential AS s WHERE s.key_id = k.id ORDER BY s.number DESC LIMIT 1),
              (SELECT MAX(y.last_at) FROM key_usage AS y WHERE y.key_id = k.id)
            FROM api_key AS k JOIN access_grant AS g ON g.id = k.grant_id
            LEFT JOIN client AS c ON g.subject_kind = 'client' AND c.id = g.subject_id AND c.realm_id = g.realm_id
            LEFT JOIN user_account AS u ON g.subject_kind = 'user' AND u.id = g.subject_id AND u.realm_id = g.realm_id
            LEFT JOIN api AS a ON a.id = g.api_id AND a.realm_id = g.realm_id
            JOIN realm AS r ON r.id = k.realm_id
            WHERE "
        )
    };
}

/// Keys by one condition that an index serves, and by whatever else is asked.
macro_rules! listed_keys {
    ($narrowest:literal) => {
        concat!(
            issued_keys!(),
            $narrowest,
            " AND (g.subject_id = $owner OR $owner IS NULL) AND (k.name = $name OR $name IS NULL)
              AND (k.external_id = $external_id OR $external_id IS NULL) AND ",
            looks_like!("k.metadata"),
            " AND ",
            is_sought!("k.id", "LOWER(k.name)"),
            "
              AND (g.expires_at < $expiring_before OR $expiring_before IS NULL)
              AND (g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $now)
                AND g.created_at >= COALESCE(r.valid_after, g.created_at)
                AND g.created_at >= COALESCE(c.valid_after, u.valid_after, g.created_at)
                AND (c.id IS NOT NULL OR u.id IS NOT NULL) AND (g.api_id IS NULL OR a.id IS NOT NULL) OR $ended = 1)
              AND k.id > $after ORDER BY k.id LIMIT $limit"
        )
    };
}

statements! {
    FIND = concat!(issued_keys!(), "k.realm_id = $realm AND k.id = $id");
    LOCATE = "SELECT r.name, k.name FROM api_key AS k JOIN realm AS r ON r.id = k.realm_id WHERE k.id = $id";
    LIST = listed_keys!("k.realm_id = $realm");
    LIST_OF_OWNER = listed_keys!("g.realm_id = $realm AND g.subject_id = $owner");
    LIST_OF_NAME = listed_keys!("k.realm_id = $realm AND k.name = $name");
    LIST_OF_EXTERNAL_ID = listed_keys!("k.realm_id = $realm AND k.external_id = $external_id");
    LIST_ENDING = listed_keys!("g.realm_id = $realm AND g.expires_at < $expiring_before");
    /// Bounded, because it is asked while everybody else who writes waits.
    COUNT_LIVE = "SELECT COUNT(n.id) FROM (SELECT g.id FROM access_grant AS g
        WHERE g.realm_id = $realm AND g.subject_id = $owner AND g.kind = 'key' AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > $now)
        AND g.created_at >= COALESCE((SELECT MAX(v.since) FROM (SELECT valid_after AS since FROM realm WHERE id = $realm
            UNION ALL SELECT valid_after FROM client WHERE realm_id = $realm AND id = $owner
            UNION ALL SELECT valid_after FROM user_account WHERE realm_id = $realm AND id = $owner) AS v), g.created_at)
        LIMIT 10000) AS n";
    INSERT = "INSERT INTO api_key (id, realm_id, org_id, grant_id, name, lifetime_ms, rate, ip, external_id, metadata, disabled_at,
        seen_in_browser_at, created_by, created_at, updated_at, version) VALUES ($id, $realm, $org, $grant, $name, $lifetime, $rate, $ip,
        $external_id, $metadata, $disabled_at, $seen_in_browser_at, $created_by, $created_at, $updated_at, $version)";
    UPDATE = "UPDATE api_key SET name = $name, lifetime_ms = $lifetime, rate = $rate, ip = $ip, external_id = $external_id,
        metadata = $metadata, disabled_at = $disabled_at, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND version = $version";
    DISABLE = "UPDATE api_key SET disabled_at = $since, updated_at = $now, version = version + 1 WHERE realm_id = $realm AND id = $id";
    MARK_SEEN = "UPDATE api_key SET seen_in_browser_at = $now WHERE realm_id = $realm AND id = $id AND seen_in_browser_at IS NULL";
    ROLL = "UPDATE api_key SET updated_at = $now, version = version + 1 WHERE realm_id = $realm AND id = $id AND version = $version
        AND EXISTS (SELECT g.id FROM access_grant AS g WHERE g.id = api_key.grant_id AND g.revoked_at IS NULL)";
    EXTEND = "UPDATE access_grant SET expires_at = $end WHERE realm_id = $realm AND id = $grant";
    INSERT_PATTERN = "INSERT INTO key_pattern (realm_id, pattern) VALUES ($realm, $pattern) ON CONFLICT (realm_id, pattern) DO NOTHING";
    LIST_PATTERNS = "SELECT pattern FROM key_pattern WHERE realm_id = $realm ORDER BY pattern";
}

/// Which keys to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Those of one subject.
    pub owner: Option<SubjectId>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those that are called so elsewhere.
    pub external_id: Option<String>,
    /// Those whose metadata has all of these.
    pub metadata: MetadataFilter,
    /// Those that end before this moment.
    pub expiring_before: Option<Time>,
    /// Those that may come to life: neither revoked, alone or with all of their owner or realm, nor past their end.
    pub live_only: bool,
    /// Those with this in their name.
    pub sought: Option<Sought>,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuedKey {
    /// The key.
    pub key: Key,
    /// What it proves.
    pub grant: Grant,
    /// What it is for; none also where the API is gone.
    pub api: Option<ApiUri>,
    /// The name of its subject; none where that is gone.
    pub owner: Option<String>,
    /// What may be shown of its newest secret.
    pub hint: Option<String>,
    /// When any secret of it was last shown to this server, admitted or not.
    pub last_used_at: Option<Time>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The name of its realm.
    pub realm: String,
    /// Its own.
    pub name: String,
}

impl FromRow for KeyPlace {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { realm: row.string(0)?, name: row.string(1)? })
    }
}

/// When things end because a key is rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollEnds {
    /// When the older secrets end at the latest; never later than they would have.
    pub old_secrets: Time,
    /// When the grant ends from now on.
    pub grant: Option<Time>,
}

impl Tx<'_> {
    /// Of which realm a key is, and what it is called: for whoever looks after the whole server.
    pub fn locate_key(&mut self, id: KeyId) -> Result<Option<KeyPlace>> {
        self.find(LOCATE, named! { id })
    }

    /// The key of this id.
    pub fn find_key(&mut self, realm: RealmId, id: KeyId) -> Result<Option<IssuedKey>> {
        self.find(FIND, named! { realm, id })
    }

    /// Keys by id.
    pub fn list_keys(&mut self, realm: RealmId, filter: &KeyFilter, page: &Page, now: Time) -> Result<Vec<IssuedKey>> {
        let KeyFilter { owner, name, external_id, metadata, expiring_before, live_only, sought } = filter;
        let (pattern, until) = filter::bounds(sought.as_ref());
        let Looks { member, value } = Looks::of(metadata)?;
        let sql = match filter {
            KeyFilter { external_id: Some(_), .. } => LIST_OF_EXTERNAL_ID,
            KeyFilter { name: Some(_), .. } => LIST_OF_NAME,
            KeyFilter { owner: Some(_), .. } => LIST_OF_OWNER,
            KeyFilter { expiring_before: Some(_), .. } => LIST_ENDING,
            _ => LIST,
        };
        let ended = i64::from(!*live_only);
        let rows = |page: &Page| {
            let (after, limit) = (page.floor(), page.limit);
            let named = named! {
                realm, owner, name, external_id, member, value, pattern, until, expiring_before, ended, now, after, limit
            };
            self.list(sql, named)
        };
        filter::fill(page, metadata, rows, |issued: &IssuedKey| (*issued.key.id.bytes(), &issued.key.metadata))
    }

    /// Keys of this name, ended ones too.
    pub fn list_keys_named(&mut self, realm: RealmId, name: &str, limit: u32) -> Result<Vec<IssuedKey>> {
        let filter = KeyFilter { name: Some(name.to_owned()), ..KeyFilter::default() };
        self.list_keys(realm, &filter, &Page::first(limit), Time::default())
    }

    /// How many keys of an owner are neither revoked, alone or with all others, nor past their end, counted to 10,000. Lock the owner before:
    /// [`Tx::lock_subject`].
    pub fn count_live_keys(&mut self, realm: RealmId, owner: SubjectId, now: Time) -> Result<i64> {
        Ok(self.find(COUNT_LIVE, named! { realm, owner, now })?.unwrap_or_default())
    }

    /// A new key with its grant and its first secret.
    pub fn insert_key(&mut self, grant: &Grant, key: &Key, secret: &KeySecret) -> Result<()> {
        self.insert_grant_row(grant)?;
        self.insert_key_row(key)?;
        self.insert_secret(key, secret)
    }

    /// Keys of another system, at most 500 at once. False: a credential with that hash is there already.
    pub fn insert_imported_keys(&mut self, rows: &[(Grant, Key, KeySecret)]) -> Result<Vec<bool>> {
        let mut inserted = Vec::with_capacity(rows.len());
        for (grant, key, secret) in rows {
            let is_new = !self.has_credential(&secret.hash)?;
            if is_new {
                self.insert_key(grant, key, secret)?;
            }
            inserted.push(is_new);
        }
        Ok(inserted)
    }

    /// What people may change of a key. None where its version is not the one given: somebody was first.
    pub fn update_key(&mut self, realm: RealmId, key: &Key, now: Time) -> Result<Option<Key>> {
        let Key { id, name, lifetime, external_id, disabled_at, version, .. } = key;
        let (rate, ip, metadata) = (rate_text(key.rate)?, ip_text(key)?, optional_json(&key.metadata)?);
        let named = named! { realm, id, name, lifetime, rate, ip, external_id, metadata, disabled_at, version, now };
        if self.execute(UPDATE, named)? == 0 {
            return Ok(None);
        }
        self.change(ChangeKind::Key, realm, id.bytes(), now)?;
        Ok(self.find_key(realm, *id)?.map(|issued| issued.key))
    }

    /// A new secret for a key; the older ones and the grant end as said. None where the version is not the one given, or
    /// the key is revoked.
    pub fn roll_key(
        &mut self,
        realm: RealmId,
        key: &Key,
        secret: &KeySecret,
        ends: &RollEnds,
        now: Time,
    ) -> Result<Option<Key>> {
        let Key { id, version, .. } = key;
        if self.execute(ROLL, named! { realm, id, version, now })? == 0 {
            return Ok(None);
        }
        let Some(IssuedKey { key, .. }) = self.find_key(realm, *id)? else { return Ok(None) };
        self.end_secrets(realm, *id, ends.old_secrets)?;
        self.extend(realm, key.grant, ends.grant)?;
        self.insert_secret(&key, secret)?;
        self.change(ChangeKind::Key, realm, id.bytes(), now)?;
        Ok(Some(key))
    }

    /// Switches a key off or, with none, on again. False: there is none.
    pub fn set_key_disabled(&mut self, realm: RealmId, id: KeyId, since: Option<Time>, now: Time) -> Result<bool> {
        if self.execute(DISABLE, named! { realm, id, since, now })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Key, realm, id.bytes(), now)?;
        Ok(true)
    }

    /// Notes that a key arrived with a browser's headers. True only the first time. No decision rests on it: no change.
    pub fn mark_seen_in_browser(&mut self, realm: RealmId, id: KeyId, now: Time) -> Result<bool> {
        Ok(self.execute(MARK_SEEN, named! { realm, id, now })? == 1)
    }

    /// How imported keys of a realm may look. False: that was known.
    pub fn insert_key_pattern(&mut self, realm: RealmId, pattern: &str, now: Time) -> Result<bool> {
        if self.execute(INSERT_PATTERN, named! { realm, pattern })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Realm, realm, realm.bytes(), now)?;
        Ok(true)
    }

    /// How imported keys of a realm may look.
    pub fn list_key_patterns(&mut self, realm: RealmId) -> Result<Vec<String>> {
        self.list(LIST_PATTERNS, named! { realm })
    }

    fn extend(&mut self, realm: RealmId, grant: GrantId, end: Option<Time>) -> Result<()> {
        self.execute(EXTEND, named! { realm, grant, end }).map(drop)
    }

    fn insert_key_row(&mut self, key: &Key) -> Result<()> {
        let Key { id, realm, org, grant, name, lifetime, external_id, disabled_at, .. } = key;
        let Key { seen_in_browser_at, created_by, created_at, updated_at, version, .. } = key;
        let (rate, ip, metadata) = (rate_text(key.rate)?, ip_text(key)?, optional_json(&key.metadata)?);
        self.execute(
            INSERT,
            named! {
                id, realm, org, grant, name, lifetime, rate, ip, external_id, metadata, disabled_at, seen_in_browser_at, created_by,
                created_at, updated_at, version
            },
        )
        .map(drop)
    }
}

/// `100/1m`, as people write it.
fn rate_text(rate: Option<Rate>) -> Result<Option<String>> {
    let Some(rate) = rate else { return Ok(None) };
    let written = serde_json::to_value(rate).map_err(Error::corrupt)?;
    Ok(written.as_str().map(str::to_owned))
}

fn read_rate(row: &Row<'_, '_>, column: usize) -> Result<Rate> {
    serde_json::from_value(row.string(column)?.into()).map_err(|_| Error::corrupt("the rate of a key"))
}

fn ip_text(key: &Key) -> Result<Option<String>> {
    if key.ip.is_empty() { Ok(None) } else { json(&key.ip).map(Some) }
}

impl FromRow for Key {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            org: row.optional_id(2)?,
            grant: row.id(3)?,
            name: row.parse(4)?,
            lifetime: row.optional(5, Row::int)?.map(Span::ms),
            rate: row.optional(6, read_rate)?,
            ip: row.optional(7, Row::json)?.unwrap_or_default(),
            external_id: row.optional(8, Row::parse)?,
            metadata: row.free_json(9)?,
            disabled_at: row.optional_time(10)?,
            seen_in_browser_at: row.optional_time(11)?,
            created_by: row.string(12)?,
            created_at: row.time(13)?,
            updated_at: row.time(14)?,
            version: row.int(15)?,
        })
    }
}

impl FromRow for IssuedKey {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let rest = row.from(WIDTH + grant::WIDTH);
        Ok(Self {
            key: FromRow::from_row(row)?,
            grant: FromRow::from_row(&row.from(WIDTH))?,
            api: rest.optional(0, Row::parse)?,
            owner: rest.optional(1, Row::string)?,
            hint: rest.optional(2, Row::string)?,
            last_used_at: rest.optional_time(3)?,
        })
    }
}
