//! Choosing a password: what is judged, hashed and kept; and the mailed links for who has lost his, and who has none yet.
//!
//! What makes a link good is in [`super::link`]. A new password ends where the person is signed in and the devices that are
//! known to be his; applications and keys go on, but for those that are to end with it. Sends no mail and shows no page.

use std::hash::Hash;
use std::time::Instant;

use admit_core::audit::Event;
use admit_core::id::{GrantId, RealmId, RequestId, SubjectId, UserId};
use admit_core::limit::{Limit, Rate};
use admit_core::login::hash::{self, Stored};
use admit_core::login::identifier::Identifier;
use admit_core::login::password::{ALONE_MIN, Password, SECOND_MIN, Weakness};
use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::Secret;
use admit_core::time::{Span, Time};
use admit_core::user::{User, UserSpec};
use admit_store::{End, SealedPassword, ShortKind, Tx};
use ipnet::IpNet;
use serde_json::json;

use super::ending::Ticked;
use super::hashing::{self, Lane};
use super::link::{self, About};
use super::verify::{self, Asker, Refused};
use super::{breached, guard};
use crate::app::App;
use crate::manage::keys::Owner;

/// How many letters one person gets in an hour, and how many one network has sent.
const GOT_PER_HOUR: u32 = 5;
const SENT_PER_HOUR: u32 = 20;

/// What the account has beside its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// A second factor: a shorter password will do.
    SecondFactor,
}

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSet {
    /// It is too easy, too short or too long.
    Weak(Weakness),
    /// The one that must be shown first is not.
    Current(Refused),
    /// The link is none, or not any more.
    NoLink,
    /// There is no place to hash it now.
    Full,
    /// The store or the list of breached passwords cannot be read.
    Unavailable,
}

impl From<hashing::Full> for NotSet {
    fn from(_: hashing::Full) -> Self {
        Self::Full
    }
}

/// What somebody chose.
#[derive(Debug)]
pub struct Chosen<'c> {
    /// The password.
    pub password: &'c Secret,
    /// What ends along with the old one, in the same transaction.
    pub ends: Ticked,
}

impl<'c> Chosen<'c> {
    /// A password, and nothing ends but sign-ins.
    pub fn alone(password: &'c Secret) -> Self {
        Self { password, ends: Ticked::default() }
    }
}

/// A password that may be kept: judged, and hashed by us.
pub struct Accepted(String);

impl Accepted {
    /// A hash that another system made, where it is one that can be verified here.
    pub fn imported(text: &str) -> Result<Self, hash::BadHash> {
        Stored::parse(text).map(|_| Self(text.to_owned()))
    }

    /// As it is kept.
    pub fn seal(&self, app: &App, user: &User, now: Time) -> SealedPassword {
        verify::seal(app, user, &self.0, now)
    }
}

/// Judges and hashes a password that somebody of whom `about` is known has chosen.
pub async fn accept(
    app: &App,
    realm: &Realm,
    about: &UserSpec,
    chosen: &Secret,
    beside: Beside,
    source: Option<IpNet>,
) -> Result<Accepted, NotSet> {
    let chosen = Password::parse(chosen.expose()).map_err(NotSet::Weak)?;
    let is_breached = is_breached(app, &chosen).await?;
    let letters_min = match beside {
        Beside::Nothing => ALONE_MIN,
        Beside::SecondFactor => SECOND_MIN,
    };
    let known = [Some(about.name.as_str()), about.email.as_ref().map(Label::as_str), Some(realm.name.as_str())];
    let known: Vec<&str> = known.into_iter().flatten().chain(["admit"]).collect();
    chosen.judge(letters_min, &known, is_breached).map_err(NotSet::Weak)?;
    let asker = hashing::Asker { lane: Lane::Unknown, realm: realm.id, source };
    let (own, cost, salt) = (app.clone(), verify::today(app, realm), app.random());
    let hashed = app.hashing.run(asker, move |memory| {
        let started = Instant::now();
        let hashed = hash::hash(&chosen, &salt, cost, memory);
        own.metrics.hash_took(started.elapsed());
        hashed
    });
    let hashed = hashed.await?;
    hashed.map(Accepted).map_err(|_| NotSet::Unavailable)
}

/// The file is on a disk, which may take its time.
async fn is_breached(app: &App, chosen: &Password) -> Result<bool, NotSet> {
    let Some(file) = app.config.load().login.breached_passwords.clone() else { return Ok(false) };
    let chosen = chosen.clone();
    let asked = tokio::task::spawn_blocking(move || breached::has(&file, &chosen)).await;
    match asked {
        Ok(Ok(is_breached)) => Ok(is_breached),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "the list of breached passwords cannot be read. Next: admit config check");
            Err(NotSet::Unavailable)
        }
        Err(_) => Err(NotSet::Unavailable),
    }
}

/// Keeps a password: what was good before is not any more, but for the sign-in that set it. Answers which sign-ins ended.
pub fn keep(
    tx: &mut Tx<'_>,
    user: &User,
    password: &SealedPassword,
    but: Option<GrantId>,
    now: Time,
) -> admit_store::Result<Vec<GrantId>> {
    // Who signs in by the old one at this moment does so before, and is ended here, or after, and is refused.
    tx.lock_subject(user.realm, SubjectId::User(user.id))?;
    tx.update_password(user.realm, user.id, password)?;
    // Whoever had the old one may have asked for a link: to another password, or to another address.
    tx.delete_all_shorts_of(user.realm, user.id)?;
    tx.revoke_sign_ins(user.realm, user.id, but, now)
}

/// A change by the person himself, who shows the password that he has. His browser is no known device any more either: whoever
/// answers him remembers it anew (`login::device::remember`).
pub async fn change(
    app: &App,
    realm: &Realm,
    user: UserId,
    current: &Secret,
    chosen: Chosen<'_>,
    but: Option<GrantId>,
    asker: Asker,
) -> Result<(), NotSet> {
    let settlement = verify::again(app, realm, user, current, asker).await.map_err(NotSet::Current)?;
    let found = app.store.point(|tx| tx.find_user(realm.id, user)).map_err(|error| unavailable(&error))?;
    let user = found.ok_or(NotSet::Current(Refused::Wrong))?;
    let accepted = accept(app, realm, &user.spec, chosen.password, Beside::Nothing, asker.source).await?;
    let now = app.now();
    let (sealed, event) =
        (accepted.seal(app, &user, now), event(app, &user, "user.password_changed", asker.request_id, now));
    let ending = chosen.ends.of(app, owner(&user, asker, now));
    let kept = app.store.write(move |tx| {
        // The password may be another one by now, and the session over: then somebody else was faster, and he wins.
        let is_in = match but {
            Some(session) => tx.find_session(user.realm, session, now)?.is_some_and(|session| session.is_live),
            None => true,
        };
        if !is_in || !settlement.write(tx)? {
            return Ok(End::Rollback(Err(NotSet::Current(Refused::Wrong))));
        }
        let ended = keep(tx, &user, &sealed, but, now)?;
        ending.write(tx)?;
        tx.insert_event(&Event { detail: json!({ "sign_ins_ended": ended.len() }), ..event.clone() })?;
        Ok(End::Commit(Ok(())))
    });
    kept.await.map_err(|error| unavailable(&error))?
}

/// A letter that is to be sent: the link's secret, and the address that the store has.
pub struct Letter {
    /// For whom.
    pub user: UserId,
    /// Where to: never what was typed.
    pub to: Label,
    /// What the link carries.
    pub secret: Secret,
    /// Until when it is good.
    pub expires_at: Time,
}

/// Makes a link for whom a text names. None where that is nobody who may have one; the answer to who asked is the same, and
/// must not wait for this: run it in a task of its own.
pub async fn begin_reset(
    app: &App,
    realm: &Realm,
    identifier: &str,
    source: Option<IpNet>,
    request_id: RequestId,
) -> admit_store::Result<Option<Letter>> {
    let Ok(name) = Identifier::parse(identifier) else { return Ok(None) };
    let Some(user) = app.store.point(|tx| tx.find_user_signing_in(realm.id, &name))? else { return Ok(None) };
    let is_out = user.disabled_at.is_some() || user.erased_at.is_some() || realm.disabled_at.is_some();
    let Some(to) = user.spec.email.clone().filter(|_| !is_out) else { return Ok(None) };
    if !may_send(app, realm.id, &user.id, source) {
        return Ok(None);
    }
    let now = app.now();
    let (kind, about) = (ShortKind::PasswordReset, About::mailed_to(to.clone()));
    let link = link::draw(app, realm.id, kind, Some(user.id), &about, realm.reset_life(), now);
    let event = event(app, &user, "user.password_reset_begun", request_id, now);
    let stored = link.stored();
    let made = app.store.write(move |tx| {
        stored.keep(tx)?;
        tx.insert_event(&event)?;
        Ok(End::Commit(()))
    });
    made.await?;
    Ok(Some(Letter { user: user.id, to, expires_at: link.expires_at(), secret: link.secret }))
}

#[derive(Hash)]
enum Letters<'l, T> {
    To(&'l T),
    From(IpNet),
}

/// Nobody is buried in letters, and no network has all of them sent. `to` is whoever gets them, a person or an address.
pub fn may_send(app: &App, realm: RealmId, to: &impl Hash, source: Option<IpNet>) -> bool {
    let per_hour = |count| Limit::from(Rate::new(count, Span::hours(1)).unwrap_or(Rate::per_minute(1)));
    let take = |letters, count| app.limiter.take(realm, &letters, &per_hour(count), app.clock.monotonic_us()).admitted;
    source.is_none_or(|source| take(Letters::From(source), SENT_PER_HOUR)) && take(Letters::To(to), GOT_PER_HOUR)
}

/// By which mail somebody chooses a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// He lost the one he had.
    Reset,
    /// He was invited and has none yet.
    Invitation,
}

impl Way {
    const fn kind(self) -> ShortKind {
        match self {
            Self::Reset => ShortKind::PasswordReset,
            Self::Invitation => ShortKind::Invitation,
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Reset => "user.password_reset",
            Self::Invitation => "user.invitation_accepted",
        }
    }
}

/// Whom a link is for, as long as it is good. Uses nothing up, so that whoever looks at mails may follow it.
pub fn find_by_link(
    app: &App,
    realm: RealmId,
    way: Way,
    link: &Secret,
    now: Time,
) -> admit_store::Result<Option<User>> {
    let Some(found) = link::find(app, realm, way.kind(), link, now)? else { return Ok(None) };
    app.store.point(|tx| link::owner(tx, realm, &found))
}

/// A password by a link. The address is proved by a mailed one, the account unlocked, and every sign-in ended.
pub async fn set_by_link(
    app: &App,
    realm: &Realm,
    way: Way,
    link: &Secret,
    chosen: Chosen<'_>,
    asker: Asker,
) -> Result<UserId, NotSet> {
    let found = find_by_link(app, realm.id, way, link, app.now()).map_err(|error| unavailable(&error))?;
    let user = found.ok_or(NotSet::NoLink)?;
    // A password that is not taken does not cost the link.
    let accepted = accept(app, realm, &user.spec, chosen.password, Beside::Nothing, asker.source).await?;
    let now = app.now();
    let (hashes, sealed) = (link::hashes(app, realm.id, link), accepted.seal(app, &user, now));
    let set = event(app, &user, way.event(), asker.request_id, now);
    let unlocked = guard::event(app, realm.id, "sign_in.unlocked", Some(user.id), now).asked_by(asker.request_id);
    let ending = chosen.ends.of(app, owner(&user, asker, now));
    let (id, realm) = (user.id, realm.id);
    let done = app.store.write(move |tx| {
        let Some(found) = link::take(tx, realm, way.kind(), &hashes, now)? else { return Ok(End::Rollback(false)) };
        let Some(user) = link::owner(tx, realm, &found)? else { return Ok(End::Rollback(false)) };
        let ended = keep(tx, &user, &sealed, None, now)?;
        ending.write(tx)?;
        guard::clear(tx, realm, user.id.into(), &unlocked)?;
        let is_new_proof = found.about.is_mailed && user.email_verified_at.is_none();
        if is_new_proof {
            // Who was changed at this moment is verified by the next mail.
            tx.update_user(realm, &User { email_verified_at: Some(now), ..user }, now)?;
        }
        let detail = json!({ "sign_ins_ended": ended.len(), "email_verified": is_new_proof });
        tx.insert_event(&Event { detail, ..set.clone() })?;
        Ok(End::Commit(true))
    });
    match done.await {
        Ok(true) => Ok(id),
        Ok(false) => Err(NotSet::NoLink),
        Err(error) => Err(unavailable(&error)),
    }
}

/// The event of what somebody does to himself.
pub fn event(app: &App, user: &User, kind: &str, request_id: RequestId, now: Time) -> Event {
    Event::new(app.id(now), user.realm, kind, now).by(user.id).on(user.id).asked_by(request_id)
}

fn owner(user: &User, asker: Asker, now: Time) -> Owner {
    Owner { realm: user.realm, user: user.id, request_id: asker.request_id, now }
}

fn unavailable(error: &admit_store::Error) -> NotSet {
    tracing::error!(error = %error, "a password cannot be kept");
    NotSet::Unavailable
}
