//! Choosing a password: what is judged, hashed and kept; and the mailed link for who has lost his.
//!
//! A link is good once, for fifteen minutes, for the address that it was sent to, and only the newest is. Looking at it uses
//! nothing up. A new password ends where the person is signed in and the devices that are known to be his; keys go on, for
//! whoever asks to end them too. Sends no mail and shows no page.

use std::time::Instant;

use admit_core::audit::Event;
use admit_core::id::{GrantId, RealmId, RequestId, UserId};
use admit_core::limit::{Limit, Rate};
use admit_core::login::hash::{self, Stored};
use admit_core::login::identifier::Identifier;
use admit_core::login::password::{ALONE_MIN, Password, SECOND_MIN, Weakness};
use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::{Span, Time};
use admit_core::user::{User, UserSpec};
use admit_store::{End, SealedPassword, ShortCredential, ShortKind, Tx};
use ipnet::IpNet;
use serde_json::json;

use super::hashing::{self, Lane};
use super::verify::{self, Asker, Refused};
use super::{breached, guard};
use crate::app::App;

/// How long a link is good.
pub const RESET_LIFE: Span = Span::minutes(15);
const RESET_PREFIX: &str = "admit_ln";
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
    let (own, cost, salt) = (app.clone(), verify::today(app), app.random());
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
    tx.update_password(user.realm, user.id, password)?;
    tx.delete_shorts_of(user.realm, ShortKind::PasswordReset, user.id)?;
    tx.revoke_sign_ins(user.realm, user.id, but, now)
}

/// A change by the person himself, who shows the password that he has. His browser is no known device any more either: whoever
/// answers him remembers it anew (`login::device::remember`).
pub async fn change(
    app: &App,
    realm: &Realm,
    user: UserId,
    current: &Secret,
    chosen: &Secret,
    but: Option<GrantId>,
    asker: Asker,
) -> Result<(), NotSet> {
    verify::again(app, realm, user, current, asker).await.map_err(NotSet::Current)?;
    let found = app.store.point(|tx| tx.find_user(realm.id, user)).map_err(|error| unavailable(&error))?;
    let user = found.ok_or(NotSet::Current(Refused::Wrong))?;
    let accepted = accept(app, realm, &user.spec, chosen, Beside::Nothing, asker.source).await?;
    let now = app.now();
    let (sealed, event) =
        (accepted.seal(app, &user, now), event(app, &user, "user.password_changed", asker.request_id, now));
    let kept = app.store.write(move |tx| {
        let ended = keep(tx, &user, &sealed, but, now)?;
        tx.insert_event(&Event { detail: json!({ "sign_ins_ended": ended.len() }), ..event.clone() })?;
        Ok(End::Commit(()))
    });
    kept.await.map_err(|error| unavailable(&error))
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
    if !may_send(app, &user, source) {
        return Ok(None);
    }
    let now = app.now();
    let secret = secret::write(RESET_PREFIX, &app.random());
    let link = new_link(app, &user, &to, &secret, now);
    let event = event(app, &user, "user.password_reset_begun", request_id, now);
    let expires_at = link.expires_at;
    let (realm, id) = (realm.id, user.id);
    let made = app.store.write(move |tx| {
        tx.delete_shorts_of(realm, ShortKind::PasswordReset, id)?;
        tx.insert_short(&link)?;
        tx.insert_event(&event)?;
        Ok(End::Commit(()))
    });
    made.await?;
    Ok(Some(Letter { user: id, to, secret, expires_at }))
}

#[derive(Hash)]
enum Letters {
    To(UserId),
    From(IpNet),
}

/// Nobody is buried in letters, and no network has all of them sent.
fn may_send(app: &App, user: &User, source: Option<IpNet>) -> bool {
    let per_hour = |count| Limit::from(Rate::new(count, Span::hours(1)).unwrap_or(Rate::per_minute(1)));
    let take =
        |letters, count| app.limiter.take(user.realm, &letters, &per_hour(count), app.clock.monotonic_us()).admitted;
    source.is_none_or(|source| take(Letters::From(source), SENT_PER_HOUR)) && take(Letters::To(user.id), GOT_PER_HOUR)
}

fn new_link(app: &App, user: &User, to: &Label, secret: &Secret, now: Time) -> ShortCredential {
    let keys = app.master.keys();
    let active = keys.active();
    ShortCredential {
        hash: active.lookup.hash(user.realm, SecretKind::Link, secret.expose()),
        lookup_key: active.number,
        kind: ShortKind::PasswordReset,
        realm: user.realm,
        user: Some(user.id),
        grant: None,
        bound_to: None,
        detail: Some(address_form(to)),
        created_at: now,
        expires_at: now + RESET_LIFE,
        used_at: None,
    }
}

/// What of an address must be the same for a link to be good.
fn address_form(address: &Label) -> String {
    address.as_str().to_lowercase()
}

/// Whom a link is for, as long as it is good. Uses nothing up, so that whoever looks at mails may follow it.
pub fn find_reset(app: &App, realm: RealmId, link: &Secret, now: Time) -> admit_store::Result<Option<User>> {
    let hashes = app.master.keys().hashes(realm, SecretKind::Link, link.expose());
    app.store.point(|tx| {
        let Some(short) = tx.find_short(realm, ShortKind::PasswordReset, &hashes, now)? else { return Ok(None) };
        of_link(tx, &short)
    })
}

fn of_link(tx: &mut Tx<'_>, short: &ShortCredential) -> admit_store::Result<Option<User>> {
    let Some(id) = short.user else { return Ok(None) };
    let user = tx.find_user(short.realm, id)?.filter(|user| user.disabled_at.is_none() && user.erased_at.is_none());
    let is_to = |user: &User| user.spec.email.as_ref().map(address_form) == short.detail;
    Ok(user.filter(is_to))
}

/// A new password by a link. The address is proved by it, the account unlocked, and every sign-in ended.
pub async fn finish_reset(
    app: &App,
    realm: &Realm,
    link: &Secret,
    chosen: &Secret,
    source: Option<IpNet>,
    request_id: RequestId,
) -> Result<UserId, NotSet> {
    let found = find_reset(app, realm.id, link, app.now()).map_err(|error| unavailable(&error))?;
    let user = found.ok_or(NotSet::NoLink)?;
    // A password that is not taken does not cost the link.
    let accepted = accept(app, realm, &user.spec, chosen, Beside::Nothing, source).await?;
    let now = app.now();
    let hashes = app.master.keys().hashes(realm.id, SecretKind::Link, link.expose());
    let sealed = accepted.seal(app, &user, now);
    let reset = event(app, &user, "user.password_reset", request_id, now);
    let unlocked = guard::of_request(guard::event(app, realm.id, "sign_in.unlocked", Some(user.id), now), request_id);
    let id = user.id;
    let realm = realm.id;
    let done = app.store.write(move |tx| {
        let mut taken = None;
        for hash in &hashes {
            taken = taken.or(tx.take_short(realm, ShortKind::PasswordReset, hash, now)?);
        }
        let Some(user) = taken.map(|short| of_link(tx, &short)).transpose()?.flatten() else {
            return Ok(End::Rollback(false));
        };
        let ended = keep(tx, &user, &sealed, None, now)?;
        guard::clear(tx, realm, user.id.into(), &unlocked)?;
        let is_new_proof = user.email_verified_at.is_none();
        if is_new_proof {
            // Who was changed at this moment is verified by the next mail.
            tx.update_user(realm, &User { email_verified_at: Some(now), ..user }, now)?;
        }
        let detail = json!({ "sign_ins_ended": ended.len(), "email_verified": is_new_proof });
        tx.insert_event(&Event { detail, ..reset.clone() })?;
        Ok(End::Commit(true))
    });
    match done.await {
        Ok(true) => Ok(id),
        Ok(false) => Err(NotSet::NoLink),
        Err(error) => Err(unavailable(&error)),
    }
}

fn event(app: &App, user: &User, kind: &str, request_id: RequestId, now: Time) -> Event {
    Event {
        id: app.id(now),
        number: 0,
        seal: None,
        realm: Some(user.realm),
        at: now,
        kind: kind.to_owned(),
        actor: user.id.to_string(),
        target: user.id.to_string(),
        reason: None,
        request_id: Some(request_id.to_string()),
        detail: serde_json::Value::Null,
    }
}

fn unavailable(error: &admit_store::Error) -> NotSet {
    tracing::error!(error = %error, "a password cannot be kept");
    NotSet::Unavailable
}
