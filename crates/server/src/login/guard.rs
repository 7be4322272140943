//! Who may guess now: the pace of this node, and the count of all nodes.
//!
//! The rules are in `admit_core::login::guard`. Both are taken before anything is hashed and given back by success, so that
//! it does not matter how many guess at once.

use admit_core::audit::Event;
use admit_core::id::{RealmId, UserId};
use admit_core::login::guard::{self, Account, FAILURES_MAX};
use admit_core::time::Time;
use admit_store::{End, Result, Tx};
use ipnet::IpNet;
use serde_json::json;

use crate::app::App;

/// One who guesses at an account.
#[derive(Debug, Clone, Copy)]
pub struct Guesser {
    /// Where.
    pub realm: RealmId,
    /// At what.
    pub account: Account,
    /// From which network; none where nobody can be told apart, and then only the count of all nodes holds him.
    pub source: Option<IpNet>,
    /// Whether from a device that is known to be the account's.
    pub is_known_device: bool,
}

#[derive(Hash)]
enum Paced {
    /// Those of a network at an account, by rate.
    Stranger(Account, IpNet, usize),
    /// Those of an account on its own devices, by rate.
    Own(Account, usize),
    /// Those of a network at whatever account.
    Network(IpNet),
}

impl Guesser {
    fn paced(&self, rate: usize) -> Option<Paced> {
        match (self.is_known_device, self.source) {
            (true, _) => Some(Paced::Own(self.account, rate)),
            (false, Some(source)) => Some(Paced::Stranger(self.account, source, rate)),
            (false, None) => None,
        }
    }

    /// A neighbour's storm does not touch those on devices of their own.
    fn network(&self) -> Option<Paced> {
        self.source.filter(|_| !self.is_known_device).map(Paced::Network)
    }
}

/// Counts one more guess on this node, or says after how many seconds it may be.
pub fn pace(app: &App, guesser: &Guesser) -> std::result::Result<(), u32> {
    let now_us = app.clock.monotonic_us();
    let seconds = |wait_s: i64| u32::try_from(wait_s.max(1)).unwrap_or(u32::MAX);
    let per_network = app.config.load().login.network;
    if let Some(network) = guesser.network() {
        let taken = app.limiter.take(guesser.realm, &network, &per_network, now_us);
        if !taken.admitted {
            return Err(seconds(taken.retry_after_s));
        }
    }
    for (rate, limit) in guard::pace().iter().enumerate() {
        let Some(paced) = guesser.paced(rate) else { continue };
        let taken = app.limiter.take(guesser.realm, &paced, limit, now_us);
        if !taken.admitted {
            give_back_below(app, guesser, rate, now_us);
            return Err(seconds(taken.retry_after_s));
        }
    }
    Ok(())
}

/// Takes back what [`pace`] counted: it was no failure.
pub fn give_back(app: &App, guesser: &Guesser) {
    give_back_below(app, guesser, guard::pace().len(), app.clock.monotonic_us());
}

fn give_back_below(app: &App, guesser: &Guesser, rates: usize, now_us: i64) {
    if let Some(network) = guesser.network() {
        app.limiter.give_back(guesser.realm, &network, &app.config.load().login.network, now_us);
    }
    for (rate, limit) in guard::pace().iter().enumerate().take(rates) {
        guesser.paced(rate).into_iter().for_each(|paced| app.limiter.give_back(guesser.realm, &paced, limit, now_us));
    }
}

/// Counts one more guess for all nodes, as failed until it is known better. The number of failures in a row with it; none
/// where there may be no more. Known devices are not counted.
pub async fn take(app: &App, guesser: &Guesser, now: Time) -> Result<Option<i64>> {
    let Guesser { realm, account, is_known_device, .. } = *guesser;
    if is_known_device {
        return Ok(Some(0));
    }
    app.store.write(move |tx| tx.take_guess(realm, account, now).map(End::Commit)).await
}

/// After a failure: where it was the last that there may be, the account is locked, and the audit told whose it is.
pub async fn note_failure(app: &App, guesser: &Guesser, failures: i64, user: Option<UserId>, now: Time) {
    if failures < FAILURES_MAX {
        return;
    }
    let Guesser { realm, account, .. } = *guesser;
    let locked = event(app, realm, "sign_in.locked", user, now);
    let noted = app.store.write(move |tx| {
        let is_news = tx.lock_account(realm, account, now)? && user.is_some();
        if is_news {
            tx.insert_event(&locked)?;
        }
        Ok(End::Commit(is_news))
    });
    match noted.await {
        Ok(true) => drop(app.metrics.sign_ins.locked.inc()),
        Ok(false) => {}
        Err(error) => tracing::warn!(error = %error, "that an account is locked cannot be written to the audit"),
    }
}

/// Takes back what was counted, in the unit of work of what proves that its owner is back. True where he was locked out.
pub fn clear(tx: &mut Tx<'_>, realm: RealmId, account: Account, unlocked: &Event) -> Result<bool> {
    let is_locked = tx.clear_guesses(realm, account)?.is_some_and(|guesses| guesses.failures >= FAILURES_MAX);
    if is_locked {
        tx.insert_event(unlocked)?;
    }
    Ok(is_locked)
}

/// The event of a lock or its end.
pub fn event(app: &App, realm: RealmId, kind: &str, user: Option<UserId>, now: Time) -> Event {
    let target = user.map(|user| user.to_string()).unwrap_or_default();
    let detail = json!({ "failures_in_a_row": FAILURES_MAX });
    Event { target, detail, ..Event::new(app.id(now), realm, kind, now) }
}
