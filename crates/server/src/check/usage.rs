//! Usage counters on their way to the store: per key, secret and code, with when and from where it was last used.
//!
//! Kept in memory and written in batches by `jobs::flush`: the verify path writes nothing. What is not yet written is lost
//! by a kill; that is said in the book. Address and user agent are those of the first use of a batch, so that ordinary
//! requests allocate nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::IpAddr;

use admit_core::check::code::Code;
use admit_core::id::{KeyId, RealmId};
use admit_core::time::Time;
use admit_store::UsageRow;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::limiter::Plain;

const SHARDS: usize = 32;
/// The most letters that are kept of a user agent.
const AGENT_MAX: usize = 120;
/// Above this many pending counters of a shard, new ones are dropped (and counted) until the next flush.
const SHARD_MAX: usize = 65_536;
/// At this many, a flush is asked for.
const SHARD_NEARLY: usize = SHARD_MAX / 8 * 7;

#[derive(PartialEq, Eq, Clone, Copy)]
struct Counted {
    key: KeyId,
    number: u32,
    day: u32,
    code: Code,
}

/// An id is random from its seventh octet on; the last one has chosen the shard.
impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut random = [0; 8];
        random.copy_from_slice(&self.key.bytes()[6..14]);
        state.write_u64(u64::from_le_bytes(random) ^ (u64::from(self.number) << 8) ^ self.code as u64);
    }
}

/// Kept small: with a million keys there are a million of them.
struct Pending {
    count: u32,
    last_at: Time,
    first: Option<Box<Origin>>,
}

/// From where the first use of a batch came.
struct Origin {
    ip: Option<IpAddr>,
    agent: Option<Box<str>>,
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

type Shard = HashMap<Counted, Pending, BuildHasherDefault<Plain>>;

/// The counters.
pub struct Usage {
    shards: Box<[Mutex<Shard>]>,
    in_browser: Mutex<HashSet<(RealmId, KeyId)>>,
    /// Told when it is time to write though the time has not come.
    pub nearly_full: Notify,
}

impl Default for Usage {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, in_browser: Mutex::default(), nearly_full: Notify::new() }
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
        if used.in_browser {
            self.note_browser(used);
        }
        let day = u32::try_from(now.day()).unwrap_or_default();
        let counted = Counted { key: used.key, number: used.number, day, code: used.code };
        let mut shard = self.shards[usize::from(used.key.bytes()[15]) % SHARDS].lock();
        if let Some(pending) = shard.get_mut(&counted) {
            pending.count = pending.count.saturating_add(1);
            pending.last_at = pending.last_at.max(now);
            return true;
        }
        if shard.len() >= SHARD_MAX {
            return false;
        }
        let agent = used.headers.get(USER_AGENT).map(readable);
        let is_known = used.ip.is_some() || agent.is_some();
        let first = is_known.then(|| Box::new(Origin { ip: used.ip, agent }));
        shard.insert(counted, Pending { count: 1, last_at: now, first });
        if shard.len() == SHARD_NEARLY {
            self.nearly_full.notify_one();
        }
        true
    }

    fn note_browser(&self, used: &Use<'_>) {
        let mut noted = self.in_browser.lock();
        if noted.len() < SHARD_MAX {
            noted.insert((used.realm, used.key));
        }
    }

    /// Takes everything out.
    pub fn drain(&self) -> Flush {
        let mut rows = Vec::new();
        for shard in &self.shards {
            for (counted, pending) in std::mem::take(&mut *shard.lock()) {
                let (last_ip, agent) = pending.first.map_or((None, None), |first| (first.ip, first.agent));
                rows.push(UsageRow {
                    key: counted.key,
                    number: counted.number,
                    day: i64::from(counted.day),
                    code: counted.code,
                    count: i64::from(pending.count),
                    last_at: pending.last_at,
                    last_ip,
                    last_agent: agent.map(String::from),
                });
            }
        }
        rows.sort_by_key(|row| (row.key, row.number, row.day, row.code));
        Flush { rows, in_browser: std::mem::take(&mut *self.in_browser.lock()).into_iter().collect() }
    }

    /// How many counters wait.
    pub fn pending(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// A user agent as it may be shown: visible ASCII and spaces, shortened.
pub fn readable(agent: &HeaderValue) -> Box<str> {
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
        assert_eq!(usage.pending(), 0);
    }
}
