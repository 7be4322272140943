//! A store that went back in time: noticed at the start, and accepted by an operator who knows what it costs.
//!
//! What was revoked or spent after the moment of a backup is alive again in it, and nobody can say what that was. So a
//! store that is older than what this node has seen of it is not served until everything that was issued until now has
//! been ended: `valid_after` of every realm moves to the moment of the acceptance, every signing key is revoked, for one that
//! was revoked since would sign again, and the feed begins a new epoch. A store
//! knows the epochs that it had before, so that a copy from before an acceptance is not taken for what came after it.

use std::path::{Path, PathBuf};

use admit_core::audit::Event;
use admit_core::id::{Id, RealmId};
use admit_core::realm::{OPERATORS, Realm};
use admit_core::time::{Span, Time};
use admit_store::{End, Location, MADE_AT, Options, Page, Store, Tx};
use data_encoding::HEXLOWER_PERMISSIVE;

use super::{Failure, write_private};
use crate::app::{self, App};
use crate::config::Config;
use crate::master;

/// Where the store keeps which life of it this is. PostgreSQL's feed looks at it too.
const EPOCH: &str = "epoch";
/// Where it keeps which lives it had before, or a node that accepted it had seen: a line each, the oldest first.
const EPOCHS_BEFORE: &str = "epochs_before";
/// The most of them that are kept.
const EPOCHS_MAX: usize = 256;
/// Where a store keeps that it was put back and not yet accepted.
pub const PUT_BACK: &str = "put_back_at";
/// The most realms of one acceptance; all in one transaction, so that none is forgotten.
const REALMS_MAX: usize = 100_000;

/// How far this node has seen the feed: the life of the store and the highest number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    epoch: String,
    number: i64,
}

impl Seen {
    fn read(tx: &mut Tx<'_>) -> admit_store::Result<Self> {
        let epoch = tx.find_meta(EPOCH)?.map(|octets| HEXLOWER_PERMISSIVE.encode(&octets)).unwrap_or_default();
        Ok(Self { epoch, number: tx.position()? })
    }

    fn load(file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let (epoch, number) = text.trim_end().split_once(' ')?;
        Some(Self { epoch: epoch.to_owned(), number: number.parse().ok()? })
    }
}

fn seen_file(data: &Path) -> PathBuf {
    data.join("seen")
}

/// Refuses a store that is older than what this node saw of it, or a copy that was not accepted.
pub fn check(store: &Store, config: &Config) -> Result<(), Failure> {
    let (now_there, before) = store.point(|tx| Ok((Seen::read(tx)?, epochs_before(tx)?)))?;
    let is_copy = store.point(|tx| Ok(tx.find_meta(PUT_BACK)?.is_some() || tx.find_meta(MADE_AT)?.is_some()))?;
    let place = &config.store;
    if is_copy {
        return Err(Failure(format!("{place} is a copy of a store. {COST}")));
    }
    let Some(seen) = Seen::load(&seen_file(&config.data)) else { return Ok(()) };
    // Nothing can be alive again in a store in which there never was anything.
    if now_there.number == 0 || now_there.epoch != seen.epoch && before.contains(&seen.epoch) {
        return Ok(());
    }
    if now_there.epoch != seen.epoch {
        return Err(Failure(format!(
            "{place} is not what this node has seen last: it is another store, or a copy from before one was accepted. {COST}"
        )));
    }
    if now_there.number < seen.number {
        return Err(Failure(format!(
            "{place} is older than it was: change {} is the last one there, and this node has seen {}. {COST}",
            now_there.number, seen.number
        )));
    }
    Ok(())
}

/// The lives that a store had before this one.
fn epochs_before(tx: &mut Tx<'_>) -> admit_store::Result<Vec<String>> {
    let octets = tx.find_meta(EPOCHS_BEFORE)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&octets).lines().map(str::to_owned).collect())
}

const COST: &str = "What was revoked since would be alive again. Accept that everything issued until now ends \
    (keys too: they have to be made anew), and start again. Next: admit restore --accept";

/// Writes down how far this node has seen the feed.
pub async fn note(app: &App) {
    match app.store.read(Seen::read).await {
        Ok(seen) => {
            let file = seen_file(&app.config.load().data);
            if Seen::load(&file).as_ref() != Some(&seen)
                && let Err(failure) = write_private(&file, &format!("{} {}\n", seen.epoch, seen.number))
            {
                tracing::warn!(error = %failure, "how far the feed was seen cannot be written down");
            }
        }
        Err(error) => tracing::warn!(error = %error, "how far the feed was seen cannot be read"),
    }
}

/// What an acceptance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// How many realms.
    pub realms: usize,
    /// From when on what is issued counts. Later than the acceptance where the store has seen a later time.
    pub valid_after: Time,
}

/// Ends everything that was issued until now, in every realm, and begins a new life of the store.
pub fn accept(config: &Config, now: Time) -> Result<Accepted, Failure> {
    if let Location::Sqlite(file) = &config.store
        && !file.exists()
    {
        return Err(Failure(format!("{} {NO_STORE}", config.store)));
    }
    let store = Store::open(&Options::at(config.store.clone()), |_| {}, now)?;
    if !master::is_unset(&store)? {
        // Accepted with another key it would be a store that nobody can serve.
        let ring = master::source::load(&config.master_key, false)?;
        master::check(&store, ring.derive(), &config.master_key)?;
    }
    let (epoch, event) = (app::random::<16>(), Id::new(now, app::random()));
    let seen = Seen::load(&seen_file(&config.data));
    let accepted = store.write_blocking(move |tx| {
        let realms = all_realms(tx)?;
        // A clock that is behind must not leave alive what it cannot have seen.
        let issued = tx.latest_issue()?.map(|at| at + Span::ms(1));
        let mut valid_after = issued.map_or(now, |issued| now.max(issued));
        for realm in &realms {
            valid_after = realm.valid_after.map_or(valid_after, |known| valid_after.max(known));
        }
        for realm in &realms {
            let ended = Realm { valid_after: Some(valid_after), ..realm.clone() };
            if tx.update_realm(&ended, now)?.is_none() {
                return Err(admit_store::Error::Overloaded);
            }
        }
        // One that was revoked since could sign what was issued later.
        tx.revoke_all_signing_keys(valid_after)?;
        tx.delete_meta(PUT_BACK)?;
        tx.delete_meta(MADE_AT)?;
        begin_epoch(tx, &epoch, seen.as_ref())?;
        let operators = realms.iter().find(|realm| realm.name.as_str() == OPERATORS).map(|realm| realm.id);
        tx.insert_event(&restored(event, operators, realms.len(), now))?;
        Ok(End::Commit(Accepted { realms: realms.len(), valid_after }))
    });
    store.close();
    match accepted? {
        Accepted { realms: 0, .. } => Err(Failure(format!("{} {NO_STORE}", config.store))),
        accepted => Ok(accepted),
    }
}

const NO_STORE: &str = "holds nothing that could be accepted: no server has begun there. Name the configuration that the \
    server runs with. Next: admit restore --accept --config FILE --data DIR";

/// Gives a new store its first life, so that it is not taken for another one.
pub fn begin_life(tx: &mut Tx<'_>, epoch: &[u8; 16]) -> admit_store::Result<()> {
    tx.update_meta(EPOCH, epoch)
}

/// Begins another life. The one that was, and the one that this node saw last, come before it.
fn begin_epoch(tx: &mut Tx<'_>, epoch: &[u8; 16], seen: Option<&Seen>) -> admit_store::Result<()> {
    let mut before = epochs_before(tx)?;
    for ended in [Some(Seen::read(tx)?.epoch), seen.map(|seen| seen.epoch.clone())].into_iter().flatten() {
        if !before.contains(&ended) {
            before.push(ended);
        }
    }
    let before = before[before.len().saturating_sub(EPOCHS_MAX)..].iter().map(|epoch| format!("{epoch}\n"));
    tx.update_meta(EPOCHS_BEFORE, before.collect::<String>().as_bytes())?;
    tx.update_meta(EPOCH, epoch)
}

/// Every realm. Where there are more than one acceptance can end, nothing is accepted.
fn all_realms(tx: &mut Tx<'_>) -> admit_store::Result<Vec<Realm>> {
    let mut realms: Vec<Realm> = Vec::new();
    while realms.len() < REALMS_MAX {
        let page = tx.list_realms(&Page { limit: 200, after: realms.last().map(|realm| *realm.id.bytes()) })?;
        if page.is_empty() {
            return Ok(realms);
        }
        realms.extend(page);
    }
    Err(admit_store::Error::Unavailable(format!("it holds more than {REALMS_MAX} realms, and none may be left out")))
}

fn restored(id: admit_core::id::EventId, operators: Option<RealmId>, realms: usize, now: Time) -> Event {
    Event {
        id,
        number: 0,
        seal: None,
        realm: operators,
        at: now,
        kind: "store.restored".to_owned(),
        actor: "operator".to_owned(),
        target: String::new(),
        reason: None,
        request_id: None,
        detail: serde_json::json!({ "realms": realms, "valid_after": now }),
    }
}
