//! How many wrong proofs of one client a network may send. In memory: a restart forgets them, and so be it.

use admit_core::id::RealmId;
use admit_core::limit::{Limit, Rate, Verdict};
use ipnet::IpNet;

use crate::app::App;

/// How many a minute are answered as what they are; the others wait.
const PER_MINUTE: u16 = 30;

/// What is counted: names of nobody like those of somebody.
#[derive(Hash)]
struct Guess<'g> {
    client: &'g str,
    source: Option<IpNet>,
}

/// Counts one, or says after how many seconds the next is heard.
pub fn count(app: &App, realm: RealmId, client: &str, source: Option<IpNet>) -> Result<(), u32> {
    let limit = Limit::from(Rate::per_minute(PER_MINUTE));
    heard(&app.limiter.take(realm, &Guess { client, source }, &limit, app.clock.monotonic_us()))
}

/// What [`count`] would say, without counting.
pub fn look(app: &App, realm: RealmId, client: &str, source: Option<IpNet>) -> Result<(), u32> {
    let limit = Limit::from(Rate::per_minute(PER_MINUTE));
    heard(&app.limiter.look(realm, &Guess { client, source }, &limit, app.clock.monotonic_us()))
}

fn heard(verdict: &Verdict) -> Result<(), u32> {
    if verdict.admitted { Ok(()) } else { Err(u32::try_from(verdict.retry_after_s.max(1)).unwrap_or(u32::MAX)) }
}
