//! Master keys: where they come from, which are in use, and how one follows the other.
//!
//! The source has keys with numbers; the store says which of them count and which one is active (see `core::master`). A
//! node takes both in at its start, follows the store every two seconds, and looks at the file as often. It never serves
//! what it cannot judge: where the store counts a key that is not here, a credential that is not found is not unknown.

pub mod change;
pub mod source;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit_core::id::RealmId;
use admit_core::master::{Derived, Keys, Known, Unfit};
use admit_core::secret::SecretHash;
use admit_store::{End, Result, Store, Tx};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::app::App;
use crate::config::MasterKeySource;
use crate::serve::Failure;

/// Where the store keeps what it remembers of its master keys.
const KNOWN: &str = "master_key_check";
/// How soon a source that did not help is asked again: a command may cost something.
const AGAIN: Duration = Duration::from_secs(30);
/// The most secrets that wait to be stored under the active key's hash; others wait for their next use.
const MOVES_MAX: usize = 10_000;
/// How many are written at once.
const BATCH: usize = 100;

/// The keys of this node at this moment.
pub struct Live {
    keys: ArcSwap<Keys>,
    watched: Mutex<Watched>,
    moves: Mutex<HashMap<SecretHash, Move>>,
}

/// What was seen of the source.
struct Watched {
    stamp: source::Stamp,
    wrong: Option<String>,
    asked_at: Instant,
}

/// A secret that was found under an older key's hash.
#[derive(Debug, Clone, Copy)]
struct Move {
    realm: RealmId,
    old: SecretHash,
    new: SecretHash,
    number: i64,
}

impl Live {
    /// These, from a source that is as it is now.
    pub fn new(keys: Keys, source: &MasterKeySource) -> Self {
        let watched = Watched { stamp: source::stamp(source), wrong: None, asked_at: Instant::now() };
        Self { keys: ArcSwap::from_pointee(keys), watched: Mutex::new(watched), moves: Mutex::default() }
    }

    /// Those in use.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// Why this node cannot judge every credential; nothing where it can.
    pub fn wrong(&self) -> Option<String> {
        self.watched.lock().wrong.clone()
    }

    /// Notes that a secret was found under an older key's hash, for the next [`write_moves`].
    pub fn note_move(&self, keys: &Keys, realm: RealmId, old: SecretHash, new: SecretHash) {
        let mut moves = self.moves.lock();
        if moves.len() < MOVES_MAX {
            moves.insert(old, Move { realm, old, new, number: keys.active().number });
        }
    }
}

/// True where the store was not yet made with any key.
pub fn is_unset(store: &Store) -> Result<bool> {
    Ok(store.point(|tx| tx.find_meta(KNOWN))?.is_none())
}

/// What the store remembers.
pub fn find_known(tx: &mut Tx<'_>) -> Result<Option<Known>> {
    let corrupt = || admit_store::Error::Corrupt { what: "what is remembered of the master keys".to_owned() };
    tx.find_meta(KNOWN)?.map(|octets| Known::read(&octets).ok_or_else(corrupt)).transpose()
}

/// The same, to be changed by this unit of work and no other.
pub fn lock_known(tx: &mut Tx<'_>) -> Result<Option<Known>> {
    tx.lock_meta(KNOWN)?;
    find_known(tx)
}

/// Compares the keys of a source with those that the store was made with, and takes new ones in.
pub fn check(store: &Store, all: Vec<Derived>, source: &MasterKeySource) -> std::result::Result<Keys, Failure> {
    let judged = all.clone();
    let known = store.write_blocking(move |tx| take_in(tx, &judged).map(End::Commit))?;
    known.and_then(|known| Keys::settle(all, known)).map_err(|unfit| misfit(unfit, source))
}

/// An empty store remembers all of them, any other the new ones.
fn take_in(tx: &mut Tx<'_>, all: &[Derived]) -> Result<std::result::Result<Known, Unfit>> {
    let first = Known::first(all);
    tx.insert_meta(KNOWN, &first.octets())?;
    let mut known = lock_known(tx)?.unwrap_or(first);
    if let Err(unfit) = known.judge(all) {
        return Ok(Err(unfit));
    }
    if known.join(all) {
        tx.update_meta(KNOWN, &known.octets())?;
    }
    Ok(Ok(known))
}

/// What to do about a source that does not fit the store.
pub fn misfit(unfit: Unfit, source: &MasterKeySource) -> Failure {
    let source = source::name(source);
    Failure(match unfit {
        Unfit::Other(number) => format!(
            "this master key ({source}, number {number}) is not the one that the store was made with; set [master_key] to \
             the right one, or take the line of key {number} from a node that has it. Next: admit master-key status"
        ),
        Unfit::NoActive(number) => format!(
            "the store uses master key {number}, and the master key {source} does not have it. Take its line from where it \
             was added. Next: admit master-key status"
        ),
        Unfit::Missing(number) => format!(
            "the store still counts on master key {number}, and the master key {source} does not have it. Put its line back \
             (admit master-key status says what needs it), or let what needs it end: admit master-key remove {number} --accept"
        ),
    })
}

/// Said by a look-up that found nothing: whether that means that there is nothing.
pub fn must_judge(tx: &mut Tx<'_>, keys: &Keys) -> Result<()> {
    let known = find_known(tx)?;
    let lacks =
        known.and_then(|known| known.numbers().find(|number| keys.usable().iter().all(|key| key.number != *number)));
    match lacks {
        None => Ok(()),
        Some(number) => Err(admit_store::Error::Unavailable(format!(
            "master key {number} is not in use here yet. Next: admit master-key status"
        ))),
    }
}

/// Follows the store and the source: keys that came, one that became active, some that count no more.
pub async fn follow(app: &App) {
    let known = match app.store.read(find_known).await {
        Ok(Some(known)) => known,
        Ok(None) => return,
        Err(error) => return tracing::debug!(error = %error, "which master keys count cannot be read"),
    };
    let keys = app.master.keys();
    let is_followed = *keys.known() == known || keys.follow(known).map(|keys| adopt(app, keys)).is_ok();
    let source = app.config.load().master_key.clone();
    let stamp = source::stamp(&source);
    let must_ask = {
        let watched = app.master.watched.lock();
        let is_due = watched.wrong.is_none() || watched.asked_at.elapsed() >= AGAIN;
        stamp != watched.stamp || (is_due && (!is_followed || watched.wrong.is_some()))
    };
    if must_ask {
        // What is wrong is logged there, and tried again.
        let _ = reload(app).await;
    }
}

/// Reads the source again. What is wrong is logged once, and the keys in use stay.
pub async fn reload(app: &App) -> std::result::Result<Arc<Keys>, Failure> {
    let source = app.config.load().master_key.clone();
    let stamp = source::stamp(&source);
    let read = read_source(source.clone()).await;
    let taken = match read {
        Ok(all) => take(app, all, &source).await,
        Err(failure) => Err(failure),
    };
    let mut watched = app.master.watched.lock();
    (watched.stamp, watched.asked_at) = (stamp, Instant::now());
    let wrong = taken.as_ref().err().map(|failure| failure.0.clone());
    if let Some(wrong) = wrong.as_ref().filter(|wrong| watched.wrong.as_ref() != Some(wrong)) {
        tracing::error!("the master keys in use stay: {wrong}");
    }
    watched.wrong = wrong;
    taken
}

/// Reads a source on a thread that may wait.
pub async fn read_source(source: MasterKeySource) -> std::result::Result<Vec<Derived>, Failure> {
    let read = tokio::task::spawn_blocking(move || source::load(&source, false).map(|ring| ring.derive()));
    read.await.unwrap_or_else(|error| Err(Failure(format!("the master keys cannot be read: {error}"))))
}

async fn take(app: &App, all: Vec<Derived>, source: &MasterKeySource) -> std::result::Result<Arc<Keys>, Failure> {
    let judged = all.clone();
    let known = app.store.write(move |tx| take_in(tx, &judged).map(End::Commit)).await?;
    let keys = known.and_then(|known| Keys::settle(all, known)).map_err(|unfit| misfit(unfit, source))?;
    adopt(app, keys);
    Ok(app.master.keys())
}

/// Uses these from now on. What was found, or not found, under others is looked for again.
pub fn adopt(app: &App, keys: Keys) {
    let numbers = |keys: &Keys| keys.usable().iter().map(|key| key.number).collect::<Vec<_>>();
    let (old, new) = (numbers(&app.master.keys()), numbers(&keys));
    app.master.keys.store(Arc::new(keys));
    if old != new {
        app.epochs.forget();
        tracing::info!(active = new.first(), numbers = ?new, "the master keys in use have changed");
    }
}

/// Stores secrets that were found under an older key's hash under that of the active one.
pub async fn write_moves(app: &App) {
    let moves: Vec<Move> = std::mem::take(&mut *app.master.moves.lock()).into_values().collect();
    let now = app.now();
    for batch in moves.chunks(BATCH) {
        let batch = batch.to_vec();
        let written = app.store.write(move |tx| {
            // Locked: no key is taken away between this look and the end of this work.
            let active = lock_known(tx)?.map(|known| known.active());
            for Move { realm, old, new, number } in batch.iter().filter(|moved| Some(moved.number) == active) {
                let _is_moved = tx.update_secret_hash(*realm, old, new, *number, now)?
                    || tx.update_client_secret_hash(*realm, old, new, *number, now)?
                    || tx.update_refresh_token_hash(*realm, old, new, *number)?
                    || tx.update_registration_hash(*realm, old, new, *number)?;
            }
            Ok(End::Commit(()))
        });
        if let Err(error) = written.await {
            // They are read as they are, and come back at a later use.
            return tracing::warn!(error = %error, "secrets cannot be stored under the active master key");
        }
    }
}
