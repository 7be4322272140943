//! How often each secret of a key was shown, by day and answer, and who showed it last. Counters are collected elsewhere
//! and flushed here in batches: nothing of this is on the path of a request.

use std::net::IpAddr;

use admit_core::check::code::Code;
use admit_core::id::{KeyId, RealmId, SubjectId};
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row};

statements! {
    /// What is counted twice at once keeps the later of the two last times.
    ADD = "INSERT INTO key_usage (key_id, number, day, code, count, last_at, last_ip, last_agent)
        VALUES ($key, $number, $day, $code, $count, $last_at, $last_ip, $last_agent)
        ON CONFLICT (key_id, number, day, code) DO UPDATE SET count = key_usage.count + excluded.count,
        last_ip = CASE WHEN excluded.last_at >= key_usage.last_at THEN excluded.last_ip ELSE key_usage.last_ip END,
        last_agent = CASE WHEN excluded.last_at >= key_usage.last_at THEN excluded.last_agent ELSE key_usage.last_agent END,
        last_at = CASE WHEN excluded.last_at >= key_usage.last_at THEN excluded.last_at ELSE key_usage.last_at END";
    LIST = "SELECT y.key_id, y.number, y.day, y.code, y.count, y.last_at, y.last_ip, y.last_agent
        FROM key_usage AS y JOIN api_key AS k ON k.id = y.key_id
        WHERE k.realm_id = $realm AND k.id = $key AND y.day >= $from_day ORDER BY y.day, y.number, y.code";
    /// Of the keys that somebody owns and nobody has revoked.
    LIST_DAYS = "SELECT y.key_id, y.day, CAST(SUM(y.count) AS BIGINT) FROM access_grant AS g JOIN api_key AS k ON k.grant_id = g.id
        JOIN key_usage AS y ON y.key_id = k.id WHERE g.realm_id = $realm AND g.subject_id = $owner AND g.kind = 'key'
        AND g.revoked_at IS NULL AND y.day >= $from_day GROUP BY y.key_id, y.day ORDER BY y.key_id, y.day LIMIT 10000";
    LIST_LAST = "SELECT number, last_at, code, last_ip, last_agent, total FROM (
        SELECT y.number, y.last_at, y.code, y.last_ip, y.last_agent, CAST(SUM(y.count) OVER (PARTITION BY y.number) AS BIGINT) AS total,
        ROW_NUMBER() OVER (PARTITION BY y.number ORDER BY y.last_at DESC, y.day DESC, y.code) AS place
        FROM key_usage AS y JOIN api_key AS k ON k.id = y.key_id WHERE k.realm_id = $realm AND k.id = $key) AS ranked
        WHERE place = 1 ORDER BY number";
}

/// What one secret did on one day with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key.
    pub key: KeyId,
    /// Which of its secrets.
    pub number: u32,
    /// `Time::day`.
    pub day: i64,
    /// The answer.
    pub code: Code,
    /// How often.
    pub count: i64,
    /// When last.
    pub last_at: Time,
    /// From where last.
    pub last_ip: Option<IpAddr>,
    /// What the last caller said it was.
    pub last_agent: Option<String>,
}

/// The last time that a secret was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// Which secret of the key.
    pub number: u32,
    /// When.
    pub at: Time,
    /// What was answered.
    pub code: Code,
    /// From where.
    pub ip: Option<IpAddr>,
    /// What the caller said it was.
    pub agent: Option<String>,
    /// How often in all that is kept.
    pub count: i64,
}

/// How often one key was shown on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUse {
    /// The key.
    pub key: KeyId,
    /// `Time::day`.
    pub day: i64,
    /// How often, whatever was answered.
    pub count: i64,
}

impl Tx<'_> {
    /// Adds to the counters. Sort the rows: engines with many writers lock them in the order given.
    pub fn add_usage(&mut self, rows: &[UsageRow]) -> Result<()> {
        let last_ips: Vec<_> = rows.iter().map(|row| row.last_ip.map(|ip| ip.to_string())).collect();
        let sets = rows.iter().enumerate().map(|(place, row)| {
            *named! {
                key: row.key, number: row.number, day: row.day, code: row.code, count: row.count,
                last_at: row.last_at, last_ip: last_ips[place], last_agent: row.last_agent
            }
        });
        self.each(ADD, &sets.collect::<Vec<_>>()).map(drop)
    }

    /// The counters of a key since a day, by day, secret and answer.
    pub fn list_usage(&mut self, realm: RealmId, key: KeyId, from_day: i64) -> Result<Vec<UsageRow>> {
        self.list(LIST, named! { realm, key, from_day })
    }

    /// How often the keys of an owner were shown since a day, by key and day; at most 10,000 of these.
    pub fn list_usage_of(&mut self, realm: RealmId, owner: SubjectId, from_day: i64) -> Result<Vec<DayUse>> {
        self.list(LIST_DAYS, named! { realm, owner, from_day })
    }

    /// Who showed each secret of a key last.
    pub fn last_use(&mut self, realm: RealmId, key: KeyId) -> Result<Vec<LastUse>> {
        self.list(LIST_LAST, named! { realm, key })
    }
}

fn read_code(row: &Row<'_, '_>, column: usize) -> Result<Code> {
    let word = row.text(column)?;
    let known = Code::ALL.iter().find(|code| code.as_str() == word);
    known.copied().ok_or_else(|| Error::corrupt("usage with an answer that is not known"))
}

impl FromRow for UsageRow {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            key: row.id(0)?,
            number: row.number(1)?,
            day: row.int(2)?,
            code: read_code(row, 3)?,
            count: row.int(4)?,
            last_at: row.time(5)?,
            last_ip: row.optional(6, Row::parse)?,
            last_agent: row.optional(7, Row::string)?,
        })
    }
}

impl FromRow for DayUse {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { key: row.id(0)?, day: row.int(1)?, count: row.int(2)? })
    }
}

impl FromRow for LastUse {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            number: row.number(0)?,
            at: row.time(1)?,
            code: read_code(row, 2)?,
            ip: row.optional(3, Row::parse)?,
            agent: row.optional(4, Row::string)?,
            count: row.int(5)?,
        })
    }
}
