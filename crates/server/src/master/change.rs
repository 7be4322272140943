//! Rotation and removal of master keys, and what the store needs of each: for the management API, and for the command
//! line where no server runs.
//!
//! Each is one transaction of the store. Writes no file: see [`super::source`].

use std::cmp::Ordering;

use admit_core::audit::Event;
use admit_core::audit::seal;
use admit_core::master::{Derived, Known, NoRemoval, NoRotation, SETTLES};
use admit_core::realm::OPERATORS;
use admit_core::time::Time;
use admit_store::{OfMasterKey, Result, Tx};
use serde::Serialize;
use serde_json::json;

use super::{KNOWN, find_known, lock_known, misfit, source};
use crate::config::MasterKeySource;
use crate::http::problem::Problem;
use crate::jobs::retention::ANCHOR;

/// What the store needs of its master keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where this node's keys come from.
    pub source: String,
    /// The number of the key that makes what is new.
    pub active: i64,
    /// The highest number there ever was.
    pub last: i64,
    /// When the active one became it.
    pub rotated_at: Option<Time>,
    /// Every number that counts or is in the source.
    pub keys: Vec<KeyStatus>,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    /// The number.
    pub number: i64,
    /// What it is.
    pub state: State,
    /// How many secrets of API keys that still open something are stored under its hash.
    pub secrets: i64,
    /// How many secrets of clients that have not ended, and registration access tokens.
    pub client_secrets: i64,
    /// How many refresh tokens that still renew something.
    pub refresh_tokens: i64,
    /// How many seals of the audit were made with it.
    pub seals: i64,
    /// How many passwords are sealed with it.
    pub passwords: i64,
    /// How many signing keys are sealed with it.
    pub signing_keys: i64,
    /// True where nothing would be lost with it.
    pub removable: bool,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It makes what is new.
    Active,
    /// It was added and waits for a rotation.
    New,
    /// It reads what it made.
    Old,
    /// It counts, and the source does not have it.
    Missing,
    /// The source has it, and it does not count.
    Idle,
}

/// Where keys come from, and what they give.
#[derive(Clone)]
pub struct Held {
    /// The source.
    pub source: MasterKeySource,
    /// Its keys.
    pub all: Vec<Derived>,
}

/// What the store needs of which key.
pub fn status(tx: &mut Tx<'_>, held: &Held, now: Time) -> Result<Option<Status>> {
    let Some(known) = find_known(tx)? else { return Ok(None) };
    let needs = Needs::read(tx, now)?;
    let here = |number: i64| held.all.iter().any(|key| key.number == number);
    let mut numbers: Vec<i64> = known.numbers().chain(held.all.iter().map(|key| key.number)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let keys = numbers.into_iter().map(|number| {
        let counts = known.numbers().any(|counted| counted == number);
        let state = match number.cmp(&known.active()) {
            _ if !counts => State::Idle,
            _ if !here(number) => State::Missing,
            Ordering::Equal => State::Active,
            Ordering::Greater => State::New,
            Ordering::Less => State::Old,
        };
        let Needed { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys } = needs.of(number);
        let removable = number != known.active() && needs.of(number) == Needed::default();
        KeyStatus { number, state, secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys, removable }
    });
    let (active, last, rotated_at) = (known.active(), known.last(), known.rotated_at());
    Ok(Some(Status { source: source::name(&held.source), active, last, rotated_at, keys: keys.collect() }))
}

/// Makes the newest key the active one.
pub fn rotate(tx: &mut Tx<'_>, held: &Held, event: &Event, now: Time) -> Result<std::result::Result<Known, Problem>> {
    let Some(mut known) = lock_known(tx)? else { return Ok(Err(no_store())) };
    let from = known.active();
    match known.rotate(&held.all, now) {
        Ok(()) => {}
        Err(NoRotation::NoNewer) => {
            let source = source::name(&held.source);
            let detail = format!("Master key {from} is active, and the master key {source} has no newer one.");
            return Ok(Err(Problem::new(409, "no_newer_key", detail).with_next("admit master-key add")));
        }
        Err(NoRotation::Unfit(unfit)) => {
            return Ok(Err(Problem::new(409, "unfit_master_key", misfit(unfit, &held.source).0)));
        }
    }
    tx.update_meta(KNOWN, &known.octets())?;
    let detail = json!({ "from": from, "to": known.active() });
    record(tx, event, "master_key.rotated", known.active(), detail)?;
    Ok(Ok(known))
}

/// A key counts no more. What needs it ends with it, where `accept` says so.
pub fn remove(
    tx: &mut Tx<'_>,
    held: &Held,
    removal: Removal,
    event: &Event,
    now: Time,
) -> Result<std::result::Result<Known, Problem>> {
    let Some(mut known) = lock_known(tx)? else { return Ok(Err(no_store())) };
    let Removal { number, accept } = removal;
    if let Err(why) = known.remove(number, now) {
        return Ok(Err(no_removal(why, number)));
    }
    let needs = Needs::read(tx, now)?;
    let needed = needs.of(number);
    if !accept && needed != Needed::default() {
        return Ok(Err(still_needed(number, needed)));
    }
    if let Some(keys) = seal::find(&held.all.iter().map(|key| key.audit.clone()).collect::<Vec<_>>(), known.active()) {
        begin_audit_after(tx, number, keys)?;
    }
    tx.update_meta(KNOWN, &known.octets())?;
    let Needed { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys } = needed;
    let detail = json!({
        "secrets": secrets, "client_secrets": client_secrets, "refresh_tokens": refresh_tokens, "seals": seals,
        "passwords": passwords, "signing_keys": signing_keys,
    });
    record(tx, event, "master_key.removed", number, detail)?;
    Ok(Ok(known))
}

/// What is to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Which number.
    pub number: i64,
    /// Whether what needs it may end.
    pub accept: bool,
}

/// The chain of seals begins behind the last one that nobody can verify any more.
fn begin_audit_after(tx: &mut Tx<'_>, number: i64, active: &seal::Keys) -> Result<()> {
    let Some(last) = tx.last_seal_of(number)? else { return Ok(()) };
    let begins = tx.find_meta(ANCHOR)?.and_then(|octets| seal::anchor_place(&octets));
    if begins.is_none_or(|begins| begins.seal < last.number || begins.key == number) {
        tx.update_meta(ANCHOR, &active.anchor(&last))?;
    }
    Ok(())
}

fn record(tx: &mut Tx<'_>, event: &Event, kind: &str, number: i64, detail: serde_json::Value) -> Result<()> {
    let realm = tx.find_realm_named(OPERATORS)?.map(|realm| realm.id);
    let event = Event { realm, kind: kind.to_owned(), target: format!("master key {number}"), detail, ..event.clone() };
    tx.insert_event(&event).map(drop)
}

fn no_store() -> Problem {
    Problem::new(404, "not_found", "The store was not made with any master key yet.").with_next("admit serve")
}

fn no_removal(why: NoRemoval, number: i64) -> Problem {
    match why {
        NoRemoval::Unknown => {
            let detail = format!("The store counts on no master key {number}.");
            Problem::new(404, "not_found", detail).with_next("admit master-key status")
        }
        NoRemoval::Active => {
            let detail = format!("Master key {number} makes what is new.");
            Problem::new(409, "master_key_active", detail)
                .with_next("admit master-key add, then admit master-key rotate")
        }
        NoRemoval::TooSoon => {
            let wait = SETTLES.as_ms() / 1000;
            let detail = format!("The rotation is less than {wait} s old, and other nodes may still be following it.");
            Problem::new(409, "rotated_just_now", detail)
                .with_next(format!("in a minute, admit master-key remove {number}"))
        }
    }
}

fn still_needed(number: i64, needed: Needed) -> Problem {
    let Needed { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys } = needed;
    let detail = format!(
        "Master key {number} is still needed: by {secrets} secrets of API keys, {client_secrets} secrets of clients and \
         {refresh_tokens} refresh tokens that were not used since the rotation, by {passwords} passwords of people who did not sign in since, by {signing_keys} signing keys \
         that a server seals anew within seconds, and by {seals} seals of the audit. Wait for the keys and clients to be used or \
         to end, and for the people to sign in; or let their secrets and passwords end now, and the audit begin after those seals."
    );
    let next = format!("admit audit verify, then admit master-key remove {number} --accept");
    Problem::new(409, "master_key_needed", detail).with_next(next)
}

/// What is made with which key.
struct Needs {
    secrets: Vec<OfMasterKey>,
    client_secrets: Vec<OfMasterKey>,
    refresh_tokens: Vec<OfMasterKey>,
    seals: Vec<OfMasterKey>,
    passwords: Vec<OfMasterKey>,
    signing_keys: Vec<OfMasterKey>,
}

/// How much needs one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Needed {
    secrets: i64,
    client_secrets: i64,
    refresh_tokens: i64,
    seals: i64,
    passwords: i64,
    signing_keys: i64,
}

impl Needs {
    fn read(tx: &mut Tx<'_>, now: Time) -> Result<Self> {
        let begins = tx.find_meta(ANCHOR)?.and_then(|octets| seal::anchor_place(&octets));
        let mut seals = tx.count_seals(begins.as_ref().map_or(0, |begins| begins.seal))?;
        // The beginning itself is made with a key too.
        seals.extend(begins.map(|begins| OfMasterKey { number: begins.key, count: 1 }));
        let (secrets, mut client_secrets) = (tx.count_live_secrets(now)?, tx.count_client_secrets(now)?);
        client_secrets.extend(tx.count_registration_tokens()?);
        let (passwords, signing_keys) = (tx.count_passwords()?, tx.count_signing_keys()?);
        let refresh_tokens = tx.count_live_refresh_tokens(now)?;
        Ok(Self { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys })
    }

    fn of(&self, number: i64) -> Needed {
        let Self { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys } = self;
        let [secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys] =
            [secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys].map(|counts| sum(counts, number));
        Needed { secrets, client_secrets, refresh_tokens, seals, passwords, signing_keys }
    }
}

fn sum(counts: &[OfMasterKey], number: i64) -> i64 {
    counts.iter().filter(|of| of.number == number).map(|of| of.count).sum()
}
