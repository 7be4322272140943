//! Whether a password is the one: the only place that asks, for pages, the API and HTTP Basic alike.
//!
//! Unknown, switched off, without a password, wrong: the same work, the same answer, the same duration. What is counted is
//! counted before the work, so that no number of guesses at once gets past it. Why a guess failed goes to the audit and
//! nowhere else. Begins no session: who it was is all that comes out.

use std::time::Instant;

use admit_core::audit::Event;
use admit_core::id::{RealmId, RequestId, SubjectId, UserId};
use admit_core::login::guard::Account;
use admit_core::login::hash::{self, Cost, Memory, Stored, Verdict};
use admit_core::login::identifier::Identifier;
use admit_core::login::password::Password;
use admit_core::master::Keys;
use admit_core::realm::Realm;
use admit_core::seal::{NotOpened, Place};
use admit_core::secret::Secret;
use admit_core::time::Time;
use admit_core::user::User;
use admit_store::{End, SealedPassword, Tx};
use ipnet::IpNet;

use super::guard::{self, Guesser};
use super::hashing::{self, Entered, Lane};
use crate::app::App;
use crate::jobs::sign_in::{Failed, Whom, Why};
use crate::master;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// From which network (`admit_core::check::address::network`); none where nobody can be told apart.
    pub source: Option<IpNet>,
    /// Whose device it is known to be: somebody signed in on it before, and it proves that.
    pub known: Option<UserId>,
    /// The request.
    pub request_id: RequestId,
}

/// It is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    /// Who proved it.
    pub user: UserId,
}

/// It is not, or cannot be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Name and password do not go together. Says nothing of why.
    Wrong,
    /// Too fast.
    Later {
        /// When it may be tried again.
        retry_after_s: u32,
    },
    /// Too many failures in a row: on devices that are not known only a mailed link helps. So it is for names that are
    /// nobody's.
    NeedsLink,
    /// All places for hashing are taken: 503, in a second again.
    Full,
    /// The store cannot be asked.
    Unavailable,
}

/// Asks whether a name and a password go together. `identifier` and `password` are as they were typed.
pub async fn password(
    app: &App,
    realm: &Realm,
    identifier: &str,
    password: &Secret,
    asker: Asker,
) -> Result<Proved, Refused> {
    let (proved, settlement) = prove(app, realm, identifier, password, asker).await?;
    settlement.write_now(app).await.map(|()| proved)
}

/// The same where the caller writes what it settles, in the unit of work that it is asked for.
pub async fn prove(
    app: &App,
    realm: &Realm,
    identifier: &str,
    password: &Secret,
    asker: Asker,
) -> Result<(Proved, Settlement), Refused> {
    let outcome = by_name(app, realm, identifier, password, asker).await;
    app.metrics.sign_ins.count(&outcome);
    outcome
}

async fn by_name(
    app: &App,
    realm: &Realm,
    identifier: &str,
    password: &Secret,
    asker: Asker,
) -> Result<(Proved, Settlement), Refused> {
    // Who shows no device can only wait with all others: where there is no place for him, nothing is read.
    let place = match asker.known {
        None => Some(enter(app, realm, Lane::Unknown, asker)?),
        Some(_) => None,
    };
    let keys = app.master.keys();
    let found = app.store.point(|tx| match Identifier::parse(identifier) {
        Ok(name) => match tx.find_user_signing_in(realm.id, &name)? {
            Some(user) => Candidate::of(tx, &keys, user),
            None => Ok(Candidate::nobody(keys.active().nobody.account(realm.id, name.as_str()))),
        },
        Err(_) => Ok(Candidate::nobody(keys.active().nobody.account(realm.id, identifier))),
    });
    let candidate = found.map_err(|error| unavailable(&error))?;
    ask(app, realm, candidate, password, asker, place).await
}

/// A place for hashing, or that there is none.
fn enter(app: &App, realm: &Realm, lane: Lane, asker: Asker) -> Result<Entered, Refused> {
    app.hashing.enter(hashing::Asker { lane, realm: realm.id, source: asker.source }).map_err(|_| {
        app.metrics.hash_refused.inc();
        Refused::Full
    })
}

/// The same of somebody who is signed in, before he changes something dear: in one unit of work with what it settles.
pub async fn again(
    app: &App,
    realm: &Realm,
    user: UserId,
    password: &Secret,
    asker: Asker,
) -> Result<Settlement, Refused> {
    let keys = app.master.keys();
    let found = app.store.point(|tx| match tx.find_user(realm.id, user)? {
        Some(user) => Candidate::of(tx, &keys, user),
        None => Ok(Candidate::nobody(user.into())),
    });
    let candidate = found.map_err(|error| unavailable(&error))?;
    let (_, settlement) = ask(app, realm, candidate, password, asker, None).await?;
    Ok(settlement)
}

/// Whose password it may be, as one snapshot saw him.
struct Candidate {
    account: Account,
    somebody: Option<Somebody>,
}

struct Somebody {
    user: User,
    kept: Option<SealedPassword>,
    stored: Option<Stored>,
}

impl Candidate {
    const fn nobody(account: Account) -> Self {
        Self { account, somebody: None }
    }

    fn of(tx: &mut Tx<'_>, keys: &Keys, user: User) -> admit_store::Result<Self> {
        let kept = tx.find_password(user.realm, user.id)?;
        let stored = match &kept {
            Some(kept) => open(tx, keys, &user, kept)?,
            None => None,
        };
        Ok(Self { account: user.id.into(), somebody: Some(Somebody { user, kept, stored }) })
    }

    fn user(&self) -> Option<UserId> {
        self.somebody.as_ref().map(|somebody| somebody.user.id)
    }

    /// Why it failed, where hashing did not say so.
    fn why(&self, is_right: bool) -> Why {
        match &self.somebody {
            None => Why::UnknownName,
            Some(Somebody { stored: None, .. }) => Why::NoPassword,
            Some(_) if is_right => Why::Disabled,
            Some(_) => Why::WrongPassword,
        }
    }
}

/// The hash in a row. None where no key opens it any more, or a stranger's hand put it there; an error where a key that
/// counts is not here yet.
fn open(tx: &mut Tx<'_>, keys: &Keys, user: &User, kept: &SealedPassword) -> admit_store::Result<Option<Stored>> {
    match keys.open(&place(user), &kept.sealed) {
        Ok(text) => {
            let stored = std::str::from_utf8(&text).ok().and_then(|text| Stored::parse(text).ok());
            if stored.is_none() {
                tracing::error!({ user.id = %user.id }, "a password is kept in a form that cannot be read. Next: admit user set-password");
            }
            Ok(stored)
        }
        Err(NotOpened::NoKey(number)) => {
            master::must_judge(tx, keys)?;
            tracing::warn!({ user.id = %user.id, master_key = number }, "a password is sealed with a master key that was removed");
            Ok(None)
        }
        Err(NotOpened::Forged) => {
            tracing::error!({ user.id = %user.id }, "a password was not put there by Admit: it opens nothing. Next: admit user set-password");
            Ok(None)
        }
    }
}

/// Where the password of a user is sealed for.
pub fn place(user: &User) -> Place<'_> {
    Place { table: "password", column: "sealed", row: user.id.bytes(), realm: user.realm }
}

/// What hashing came to.
struct Hashed {
    is_right: bool,
    /// The hash in our way and at today's cost, where it was not.
    renewed: Option<String>,
}

async fn ask(
    app: &App,
    realm: &Realm,
    candidate: Candidate,
    secret: &Secret,
    asker: Asker,
    place: Option<Entered>,
) -> Result<(Proved, Settlement), Refused> {
    // What is no password is nobody's, and is not hashed.
    let Ok(typed) = Password::parse(secret.expose()) else { return Err(Refused::Wrong) };
    let now = app.now();
    let is_known_device = candidate.user().is_some() && candidate.user() == asker.known;
    let guesser = Guesser { realm: realm.id, account: candidate.account, source: asker.source, is_known_device };
    let fail = |why| note(app, &guesser, candidate.user(), why, asker.request_id, now);
    let lane = if is_known_device { Lane::KnownDevice } else { Lane::Unknown };
    let entered = place.map_or_else(|| enter(app, realm, lane, asker), Ok)?;
    if let Err(retry_after_s) = guard::pace(app, &guesser) {
        fail(Why::TooFast);
        return Err(Refused::Later { retry_after_s });
    }
    let Some(failures) = guard::take(app, &guesser, now).await.map_err(|error| unavailable(&error))? else {
        fail(Why::Locked);
        return Err(Refused::NeedsLink);
    };
    let (stored, cost, salt) =
        (candidate.somebody.as_ref().and_then(|of| of.stored.clone()), today(app, realm), app.random());
    let metrics = app.clone();
    let hashed = entered.run(move |memory| {
        let started = Instant::now();
        let hashed = compare(stored.as_ref(), &typed, cost, salt, memory);
        metrics.metrics.hash_took(started.elapsed());
        hashed
    });
    let hashed = hashed.await.map_err(|_| Refused::Full)?;
    match &candidate.somebody {
        Some(somebody) if hashed.is_right && is_usable(realm, &somebody.user) => {
            guard::give_back(app, &guesser);
            let settlement = Settlement::of(app, somebody, &guesser, hashed.renewed, asker.request_id, now);
            Ok((Proved { user: somebody.user.id }, settlement))
        }
        _ => {
            fail(candidate.why(hashed.is_right));
            guard::note_failure(app, &guesser, failures, candidate.user(), now).await;
            Err(Refused::Wrong)
        }
    }
}

/// What a hash costs today in a realm.
pub fn today(app: &App, realm: &Realm) -> Cost {
    realm.hash_cost(app.config.load().login.cost)
}

/// The same work whether there is anything to compare with or not.
fn compare(stored: Option<&Stored>, typed: &Password, cost: Cost, salt: [u8; 16], memory: &mut Memory) -> Hashed {
    let Some(stored) = stored else {
        let _ = hash::hash(typed, &salt, cost, memory);
        return Hashed { is_right: false, renewed: None };
    };
    match stored.verify(typed, cost, memory) {
        Verdict::Wrong => Hashed { is_right: false, renewed: None },
        Verdict::Right { renew: false } => Hashed { is_right: true, renewed: None },
        Verdict::Right { renew: true } => {
            Hashed { is_right: true, renewed: hash::hash(typed, &salt, cost, memory).ok() }
        }
    }
}

fn is_usable(realm: &Realm, user: &User) -> bool {
    user.disabled_at.is_none() && user.erased_at.is_none() && realm.disabled_at.is_none()
}

/// What a right password leaves to be written: the guesses given back, and the password anew where its hash or its seal is of
/// yesterday.
#[derive(Debug)]
pub struct Settlement {
    realm: RealmId,
    user: UserId,
    /// Whose guesses were counted.
    account: Option<Account>,
    /// When the password that was right was set.
    set_at: Option<Time>,
    unlocked: Event,
    renewal: Option<(Vec<u8>, SealedPassword)>,
}

impl Settlement {
    fn of(
        app: &App,
        somebody: &Somebody,
        guesser: &Guesser,
        renewed: Option<String>,
        request_id: RequestId,
        now: Time,
    ) -> Self {
        let (realm, user) = (somebody.user.realm, somebody.user.id);
        Self {
            realm,
            user,
            account: (!guesser.is_known_device).then_some(guesser.account),
            set_at: somebody.kept.as_ref().map(|kept| kept.changed_at),
            unlocked: guard::event(app, realm, "sign_in.unlocked", Some(user), now).asked_by(request_id),
            renewal: renewal(app, somebody, renewed),
        }
    }

    /// Writes it. False: the password is another one since, and nothing was proved.
    pub fn write(&self, tx: &mut Tx<'_>) -> admit_store::Result<bool> {
        // Whoever sets one holds the same lock.
        if !tx.lock_subject(self.realm, SubjectId::User(self.user))? || !self.is_still_right(tx)? {
            return Ok(false);
        }
        if let Some(account) = self.account {
            // The last guess that there may be is no lock where it is the right one.
            if tx.clear_guesses(self.realm, account)?.is_some_and(|guesses| guesses.locked_at.is_some()) {
                tx.insert_event(&self.unlocked)?;
            }
        }
        if let Some((old, new)) = &self.renewal {
            tx.renew_password(self.realm, self.user, old, &new.sealed, new.master_key)?;
        }
        Ok(true)
    }

    /// Whether the password is the one that was right. One that was hashed anew is the same.
    pub fn is_still_right(&self, tx: &mut Tx<'_>) -> admit_store::Result<bool> {
        let kept = tx.find_password(self.realm, self.user)?;
        Ok(kept.is_some_and(|kept| Some(kept.changed_at) == self.set_at))
    }

    /// Writes it where nothing else is written.
    async fn write_now(self, app: &App) -> Result<(), Refused> {
        // Nothing to write: it is enough to look once more.
        if self.account.is_none() && self.renewal.is_none() {
            return match app.store.point(|tx| self.is_still_right(tx)) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Refused::Wrong),
                Err(error) => Err(unavailable(&error)),
            };
        }
        let written = app.store.write(move |tx| self.write(tx).map(End::Commit));
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refused::Wrong),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// What stands in the row, and what shall.
fn renewal(app: &App, somebody: &Somebody, renewed: Option<String>) -> Option<(Vec<u8>, SealedPassword)> {
    let Somebody { user, kept, .. } = somebody;
    let kept = kept.as_ref()?;
    let keys = app.master.keys();
    let text = match renewed {
        Some(text) => text,
        None if kept.master_key == keys.active().number => return None,
        None => String::from_utf8(keys.open(&place(user), &kept.sealed).ok()?.to_vec()).ok()?,
    };
    Some((kept.sealed.clone(), seal(app, user, &text, kept.changed_at)))
}

/// A hash as it is kept.
pub fn seal(app: &App, user: &User, hash: &str, changed_at: Time) -> SealedPassword {
    let keys = app.master.keys();
    let active = keys.active();
    let sealed = active.seal.seal(&place(user), app.random(), hash.as_bytes());
    SealedPassword { sealed, master_key: active.number, changed_at }
}

fn note(app: &App, guesser: &Guesser, user: Option<UserId>, why: Why, request_id: RequestId, at: Time) {
    let Guesser { realm, source, is_known_device, .. } = *guesser;
    let whom = Whom::Person { user, is_known_device };
    if !app.failures.add(&Failed { realm, at, why, whom, source, request_id: Some(request_id) }) {
        app.metrics.refusals_dropped.inc();
    }
}

fn unavailable(error: &admit_store::Error) -> Refused {
    tracing::error!(error = %error, "a sign-in cannot be judged");
    Refused::Unavailable
}
