//! Usage counters on their way to the store: per key, secret and code, with when and from where it was last used.
//!
//! Kept in memory and written in batches by `jobs::flush`: the verify path writes nothing. What is not yet written is lost
//! by a kill; that is said in the book. Address and user agent are those of the first use of a batch, so that ordinary
//! requests allocate nothing.

use std::collections::HashMap;
use std::net::IpAddr;

use admit_core::check::code::Code;
use admit_core::id::{KeyId, RealmId};
use admit_core::time::Time;
use admit_store::UsageRow;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

const SHARDS: usize = 32;
/// The most letters that are kept of a user agent.
const AGENT_MAX: usize = 120;
/// Above this many pending counters of a shard, new ones are dropped (and counted) until the next flush.
const SHARD_MAX: usize = 32_768;

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Counted {
    key: KeyId,
    number: u32,
    day: i64,
    code: Code,
}

struct Pending {
    realm: RealmId,
    count: i64,
    last_at: Time,
    ip: Option<IpAddr>,
    agent: Option<Box<str>>,
    in_browser: bool,
}

/// One use of a key.
pub struct Use<'a> {
    /// The realm of the key.
    pub realm: RealmId,
    /// The key.
    pub key: KeyId,
    /// Which of its secrets.
    pub number: u32,
    /// What became of it.
    pub code: Code,
    /// From where.
    pub ip: Option<IpAddr>,
    /// By what, and whether a browser.
    pub headers: &'a HeaderMap,
    /// Whether it came with a browser's headers.
    pub in_browser: bool,
}

/// The counters.
pub struct Usage {
    shards: Box<[Mutex<HashMap<Counted, Pending>>]>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

/// What a flush writes.
#[derive(Default)]
pub struct Flush {
    /// The counters, sorted by key.
    pub rows: Vec<UsageRow>,
    /// Keys that came with a browser's headers.
    pub in_browser: Vec<(RealmId, KeyId)>,
}

impl Usage {
    /// Counts a use. False where it had to be dropped.
    pub fn count(&self, used: &Use<'_>, now: Time) -> bool {
        let counted = Counted { key: used.key, number: used.number, day: now.day(), code: used.code };
        let mut shard = self.shards[usize::from(used.key.bytes()[15]) % SHARDS].lock();
        if let Some(pending) = shard.get_mut(&counted) {
            pending.count += 1;
            pending.last_at = pending.last_at.max(now);
            pending.in_browser |= used.in_browser;
            return true;
        }
        if shard.len() >= SHARD_MAX {
            return false;
        }
        let agent = used.headers.get(USER_AGENT).map(readable);
        let pending =
            Pending { realm: used.realm, count: 1, last_at: now, ip: used.ip, agent, in_browser: used.in_browser };
        shard.insert(counted, pending);
        true
    }

    /// Takes everything out.
    pub fn drain(&self) -> Flush {
        let mut flush = Flush::default();
        for shard in &self.shards {
            for (counted, pending) in std::mem::take(&mut *shard.lock()) {
                if pending.in_browser {
                    flush.in_browser.push((pending.realm, counted.key));
                }
                flush.rows.push(UsageRow {
                    key: counted.key,
                    number: counted.number,
                    day: counted.day,
                    code: counted.code,
                    count: pending.count,
                    last_at: pending.last_at,
                    last_ip: pending.ip,
                    last_agent: pending.agent.map(String::from),
                });
            }
        }
        flush.rows.sort_by_key(|row| (row.key, row.number, row.day, row.code));
        flush.in_browser.sort_unstable();
        flush.in_browser.dedup();
        flush
    }

    /// How many counters wait.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// A user agent as it may be shown: visible ASCII and spaces, shortened.
fn readable(agent: &HeaderValue) -> Box<str> {
    let letters = agent.as_bytes().iter().take(AGENT_MAX);
    letters.map(|octet| if octet.is_ascii_graphic() || *octet == b' ' { char::from(*octet) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_per_secret_and_code() {
        let usage = Usage::default();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_bytes(b"curl/8\xff").unwrap());
        let key = KeyId::from_bytes([1; 16]);
        let realm = RealmId::from_bytes([9; 16]);
        let count = |number, code| {
            let used = Use { realm, key, number, code, ip: None, headers: &headers, in_browser: number == 2 };
            assert!(usage.count(&used, Time::from_unix_ms(5)));
        };
        count(1, Code::Ok);
        count(1, Code::Ok);
        count(1, Code::NoRule);
        count(2, Code::Ok);
        let flush = usage.drain();
        let rows: Vec<_> = flush.rows.iter().map(|row| (row.number, row.code, row.count)).collect();
        assert_eq!(rows, [(1, Code::Ok, 2), (1, Code::NoRule, 1), (2, Code::Ok, 1)]);
        assert_eq!(flush.rows[0].last_agent.as_deref(), Some("curl/8?"));
        assert_eq!(flush.in_browser, [(realm, key)]);
        assert_eq!(usage.len(), 0);
    }
}
