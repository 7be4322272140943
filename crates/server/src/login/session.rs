//! Sessions from the first factor to the end: what the pages of the issuer call.
//!
//! A new secret is made at each sign-in and at each rise of what was proved; the one before dies in the same transaction.
//! Verifies no factor and writes no cookie: see [`super::cookie`].

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, RealmId, SubjectId, UserId};
use admit_core::login::cookie::{self as names, Cookie};
use admit_core::login::session::{Factor, Factors, LIVE_MAX, PENDING_LIFE, Session, SessionSecret};
use admit_core::principal::Principal;
use admit_core::realm::Realm;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::Time;
use admit_store::{IssuedSession, Tx};
use http::HeaderMap;
use http::header::USER_AGENT;
use serde_json::json;

use super::cookie::is_secure_issuer;
use super::device;
use super::verify::Settlement;
use crate::app::App;
use crate::authn::resolve::{self, Ask};
use crate::check::policies::RealmPolicy;
use crate::check::usage::readable;
use crate::http::problem::Problem;
use crate::manage::work::{self, Stop};

/// From where and by what somebody comes.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The address.
    pub ip: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

impl Seen {
    /// That of a request.
    pub fn of(headers: &HeaderMap, ip: Option<IpAddr>) -> Self {
        Self { ip, agent: headers.get(USER_AGENT).map(|agent| String::from(readable(agent))) }
    }
}

/// Somebody signs in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub user: UserId,
    /// What he showed.
    pub factors: Factors,
    /// What he still has to show.
    pub pending: Factors,
    /// From where.
    pub seen: Seen,
    /// The session that was in this browser before: it ends.
    pub replaces: Option<GrantId>,
    /// What the proof leaves to be written.
    pub settlement: Option<Arc<Settlement>>,
    /// Whether the browser is known as his from now on.
    pub is_device: bool,
}

impl Entry {
    /// A sign-in that is complete.
    pub fn new(user: UserId, factors: &[Factor], seen: Seen, replaces: Option<GrantId>) -> Self {
        Self {
            user,
            factors: Factors::of(factors),
            pending: Factors::default(),
            seen,
            replaces,
            settlement: None,
            is_device: false,
        }
    }

    /// Writes what the proof leaves to be written, while it is one.
    fn settle(&self, tx: &mut Tx<'_>) -> Result<(), Stop> {
        match &self.settlement {
            Some(settlement) if !settlement.write(tx)? => {
                Err(Problem::new(401, DISPROVED, "The password is another one since.").into())
            }
            _ => Ok(()),
        }
    }
}

/// A session that has begun, or goes on with another secret.
#[derive(Debug)]
pub struct Begun {
    /// For the cookie; shown this once.
    pub secret: Secret,
    /// The session.
    pub grant: GrantId,
    /// When it ends at the latest.
    pub ends_at: Time,
    /// For the cookie of a browser that is known from now on.
    pub device: Option<Secret>,
}

/// Who is signed in at the issuer.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// The session.
    pub grant: GrantId,
    /// When he signed in.
    pub signed_in_at: Time,
    /// When the session ends at the latest.
    pub ends_at: Option<Time>,
    /// True while nothing more needs to be proved.
    pub is_fresh: bool,
    /// All that is known of him.
    pub principal: Arc<Principal>,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its person signed out.
    SignedOut,
    /// Its person ended it from elsewhere.
    Revoked,
    /// Another one began in the same browser.
    Replaced,
    /// There were too many.
    TooMany,
    /// An operator ended it.
    ByOperator,
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::TooMany => "too_many",
            Self::ByOperator => "operator",
        }
    }
}

/// The code of a sign-in by a password that is another one since.
pub const DISPROVED: &str = "password_changed";
/// How many older sessions one sign-in ends at most.
const ENDS_MAX: usize = 4;
/// How many sessions are ended in one transaction.
const BATCH: usize = 50;

/// Begins a session, with all that goes with it in one transaction: a sign-in waits for the disk once.
pub async fn begin(app: &App, realm: &Realm, entry: Entry, now: Time) -> Result<Begun, Problem> {
    let life = realm.session_life();
    let absolute = if entry.pending.is_empty() { life.absolute } else { PENDING_LIFE };
    let grant = new_grant(app, realm.id, GrantKind::Session, entry.user, now + absolute, now);
    let (secret, stored) = draw(app, realm.id, SecretKind::Session, grant.id, now);
    let session = Session {
        grant: grant.id,
        realm: realm.id,
        user: entry.user,
        host: None,
        pending: entry.pending,
        factors: entry.factors,
        signed_in_at: now,
        idle: Some(life.idle),
        last_at: now,
        last_ip: entry.seen.ip,
        last_agent: entry.seen.agent.clone(),
    };
    let device = entry.is_device.then(|| device::Drawn::of(app, realm, entry.user, entry.seen.clone(), now));
    let shown = device.as_ref().map(|device| device.secret.clone());
    let begun = Begun { secret, grant: grant.id, ends_at: now + absolute, device: shown };
    let told = told(app, realm.id, "session.begun", entry.user, grant.id, now);
    let ended = events(app, realm.id, entry.user, ENDS_MAX, now);
    work::write(app, move |tx| {
        work::must_be_on_time(tx, now)?;
        must_be_there(tx, grant.realm, entry.user)?;
        entry.settle(tx)?;
        let mut ended = ended.iter();
        if let Some(replaced) = entry.replaces {
            end_own(tx, &grant, replaced, Why::Replaced, ended.next(), now)?;
        }
        let live = tx.list_live_grants(grant.realm, entry.user, GrantKind::Session, None, now)?;
        for oldest in live.iter().take((live.len() + 1).saturating_sub(LIVE_MAX as usize)) {
            end_own(tx, &grant, *oldest, Why::TooMany, ended.next(), now)?;
        }
        tx.insert_session(&grant, &session, &stored)?;
        if let Some(device) = &device {
            device.write(tx, now)?;
        }
        let mut detail = json!({ "factors": session.factors.to_string() });
        if !session.pending.is_empty() {
            detail["pending"] = session.pending.to_string().into();
        }
        Ok(tx.insert_event(&Event { detail, ..told.clone() }).map(drop)?)
    })
    .await?;
    app.metrics.sign_ins.begun.inc();
    Ok(begun)
}

/// Somebody signs in, in a browser where somebody may be signed in. His own session goes on, with another secret: what grew from
/// it stays, and no application hears of an end. Anybody else's ends.
pub async fn enter(
    app: &App,
    realm: &Realm,
    entry: Entry,
    before: Option<&SignedIn>,
    now: Time,
) -> Result<Begun, Problem> {
    if let Some(own) = before.filter(|before| before.user == entry.user)
        && let Some(begun) = again(app, realm, own.grant, &entry, now).await?
    {
        return Ok(begun);
    }
    begin(app, realm, Entry { replaces: before.map(|before| before.grant), ..entry }, now).await
}

/// All was shown anew in a session: it goes on as one that begins now. None where it is over.
async fn again(app: &App, realm: &Realm, session: GrantId, entry: &Entry, now: Time) -> Result<Option<Begun>, Problem> {
    let device = entry.is_device.then(|| device::Drawn::of(app, realm, entry.user, entry.seen.clone(), now));
    let shown = device.as_ref().map(|device| device.secret.clone());
    let (secret, stored) = draw(app, realm.id, SecretKind::Session, session, now);
    let (id, entry, ends_at) = (realm.id, entry.clone(), now + realm.session_life().absolute);
    let drawn = told(app, realm.id, "session.raised", entry.user, session, now);
    let is_raised = work::write(app, move |tx| {
        work::must_be_on_time(tx, now)?;
        must_be_there(tx, id, entry.user)?;
        entry.settle(tx)?;
        let Some(known) = find_live(tx, id, session, now)?.filter(|known| known.session.user == entry.user) else {
            return Ok(false);
        };
        let (factors, pending) = known.session.after(entry.factors);
        if !tx.raise_session(id, factors, pending, &stored, now)? {
            return Ok(false);
        }
        tx.update_grant(&Grant { expires_at: Some(ends_at), ..known.grant }, now)?;
        if let Some(device) = &device {
            device.write(tx, now)?;
        }
        let detail = json!({ "factors": factors.to_string() });
        Ok(tx.insert_event(&Event { detail, ..drawn.clone() }).map(|_| true)?)
    });
    Ok(is_raised.await?.then_some(Begun { secret, grant: session, ends_at, device: shown }))
}

/// More was proved in a session: it goes on with another secret and counts as fresh. None where it is over.
pub async fn raise(
    app: &App,
    realm: &Realm,
    session: GrantId,
    shown: &[Factor],
    now: Time,
) -> Result<Option<Begun>, Problem> {
    let (secret, stored) = draw(app, realm.id, SecretKind::Session, session, now);
    let (id, shown, absolute) = (realm.id, Factors::of(shown), realm.session_life().absolute);
    let drawn = told(app, realm.id, "session.raised", "", session, now);
    let raised = work::write(app, move |tx| {
        let Some(known) = find_live(tx, id, session, now)? else { return Ok(None) };
        let was_pending = !known.session.pending.is_empty();
        let (factors, pending) = known.session.after(shown);
        if !tx.raise_session(id, factors, pending, &stored, now)? {
            return Ok(None);
        }
        // What had little time to be completed has all of it now.
        let is_complete = was_pending && pending.is_empty();
        let ends_at = if is_complete { Some(now + absolute) } else { known.grant.expires_at };
        if is_complete {
            tx.update_grant(&Grant { expires_at: ends_at, ..known.grant.clone() }, now)?;
        }
        let (actor, detail) = (known.session.user.to_string(), json!({ "factors": factors.to_string() }));
        tx.insert_event(&Event { actor, detail, ..drawn.clone() })?;
        Ok(ends_at)
    });
    Ok(raised.await?.map(|ends_at| Begun { secret, grant: session, ends_at, device: None }))
}

/// A session at the issuer that is not over.
fn find_live(tx: &mut Tx<'_>, realm: RealmId, session: GrantId, now: Time) -> Result<Option<IssuedSession>, Stop> {
    let known = tx.find_session(realm, session, now)?;
    Ok(known.filter(|known| known.is_live && known.grant.kind == GrantKind::Session))
}

/// Who is signed in at the issuer, by the cookie of a request to one of its own pages. A refused cookie is none.
pub fn of_request(
    app: &App,
    realm: &RealmPolicy,
    headers: &HeaderMap,
    ip: Option<IpAddr>,
    now: Time,
) -> Result<Option<SignedIn>, Problem> {
    let is_secure = is_secure_issuer(app, &realm.realm);
    let shown = names::present(headers, Cookie::Session, &realm.realm.name, is_secure, SecretKind::Session);
    let Some(shown) = shown else { return Ok(None) };
    let principal = match resolve::resolve(app, realm, &shown, &Ask::at(ip, now)) {
        Ok(resolved) => resolved.principal,
        Err(Reason::QueueFull | Reason::UnknownBudget) => return Err(Problem::overloaded()),
        Err(Reason::StoreUnavailable) => return Err(Problem::unavailable("a session cannot be read")),
        Err(_) => return Ok(None),
    };
    let (Some(sign_in), Some(grant), SubjectId::User(user)) = (&principal.sign_in, principal.grant, principal.subject)
    else {
        return Ok(None);
    };
    if sign_in.host.is_some() || principal.usable(ip, now).is_err() {
        return Ok(None);
    }
    app.activity.note(realm.realm.id, &principal, ip, headers, now);
    let (signed_in_at, is_fresh, ends_at) = (sign_in.at, sign_in.is_fresh(now), principal.expires_at);
    Ok(Some(SignedIn { user, grant, signed_in_at, ends_at, is_fresh, principal: principal.clone() }))
}

/// Ends a session, a device, or the session of one host, of this person. False: it was over, or is not his.
pub async fn end(
    app: &App,
    realm: RealmId,
    user: UserId,
    session: GrantId,
    why: Why,
    now: Time,
) -> Result<bool, Problem> {
    let event = told(app, realm, "session.ended", user, session, now);
    let ended = work::write(app, move |tx| {
        let known = tx.find_session(realm, session, now)?.filter(|known| known.session.user == user);
        let Some(known) = known else { return Ok(false) };
        revoke(tx, &known, why, &event, now)
    });
    ended.await
}

/// Ends all sessions of a person but one, and with them those of every host. Says how many.
pub async fn end_others(
    app: &App,
    realm: RealmId,
    user: UserId,
    but: Option<GrantId>,
    why: Why,
    now: Time,
) -> Result<usize, Problem> {
    let mut total = 0;
    loop {
        let events = events(app, realm, user, BATCH, now);
        let ended = work::write(app, move |tx| {
            let live = tx.list_live_grants(realm, user, GrantKind::Session, but, now)?;
            let mut count = 0;
            for (session, event) in live.iter().zip(&events) {
                let Some(known) = tx.find_session(realm, *session, now)? else { continue };
                let event = Event { target: session.to_string(), ..event.clone() };
                count += usize::from(revoke(tx, &known, why, &event, now)?);
            }
            Ok(count)
        });
        let count = ended.await?;
        total += count;
        // What was ended is not listed again, so this comes to an end.
        if count < BATCH {
            return Ok(total);
        }
    }
}

/// Ends a session in the transaction of its caller, and tells the audit. False: it was over.
pub fn revoke(tx: &mut Tx<'_>, known: &IssuedSession, why: Why, event: &Event, now: Time) -> Result<bool, Stop> {
    if !tx.revoke_grant(known.grant.realm, known.grant.id, now)? {
        return Ok(false);
    }
    let mut detail =
        json!({ "kind": known.grant.kind.as_str(), "user": known.session.user.to_string(), "why": why.as_str() });
    if let Some(host) = &known.session.host {
        detail["host"] = host.as_str().into();
    }
    tx.insert_event(&Event { detail, ..event.clone() })?;
    Ok(true)
}

/// A grant of a kind that lends all of its person's rights.
pub(super) fn new_grant(app: &App, realm: RealmId, kind: GrantKind, user: UserId, ends_at: Time, now: Time) -> Grant {
    let id = app.id(now);
    Grant {
        id,
        realm,
        org: None,
        kind,
        subject: SubjectId::User(user),
        client: None,
        parent: None,
        root: id,
        api: None,
        scopes: Vec::new(),
        created_at: now,
        expires_at: Some(ends_at),
        revoked_at: None,
    }
}

/// A secret, and what is stored of it.
pub(super) fn draw(app: &App, realm: RealmId, kind: SecretKind, grant: GrantId, now: Time) -> (Secret, SessionSecret) {
    let secret = secret::write(prefix(kind), &app.random());
    let keys = app.master.keys();
    let active = keys.active();
    let hash = active.lookup.hash(realm, kind, secret.expose());
    (secret, SessionSecret { hash, lookup_key: active.number, grant, created_at: now })
}

/// What the secrets of a kind begin with.
pub fn prefix(kind: SecretKind) -> &'static str {
    SecretKind::RESERVED.iter().find(|(_, reserved)| *reserved == kind).map_or("", |(prefix, _)| prefix)
}

/// The event of what somebody does to a session of his. Who or which may be told later: ids are drawn outside of transactions.
pub(super) fn told(
    app: &App,
    realm: RealmId,
    kind: &str,
    actor: impl Display,
    session: impl Display,
    now: Time,
) -> Event {
    Event::new(app.id(now), realm, kind, now).by(actor).on(session)
}

/// Events for sessions that are not known yet.
fn events(app: &App, realm: RealmId, user: UserId, count: usize, now: Time) -> Vec<Event> {
    (0..count).map(|_| told(app, realm, "session.ended", user, "", now)).collect()
}

/// A person who is not there any more, or is switched off, is signed in nowhere. Holds up others who sign the same one in.
pub(super) fn must_be_there(tx: &mut Tx<'_>, realm: RealmId, user: UserId) -> Result<(), Stop> {
    let is_there = tx.lock_subject(realm, SubjectId::User(user))?;
    let known = if is_there { tx.find_user(realm, user)? } else { None };
    match known.filter(|known| known.disabled_at.is_none()) {
        Some(_) => Ok(()),
        None => Err(Problem::new(401, "subject_disabled", "Nobody can sign in as this person.").into()),
    }
}

/// Ends an older session of whoever the new one is for; one of somebody else, in the same browser, too.
fn end_own(
    tx: &mut Tx<'_>,
    new: &Grant,
    older: GrantId,
    why: Why,
    event: Option<&Event>,
    now: Time,
) -> Result<(), Stop> {
    let known = tx.find_session(new.realm, older, now)?;
    if let (Some(known), Some(event)) = (known, event) {
        revoke(tx, &known, why, &Event { target: older.to_string(), ..event.clone() }, now)?;
    }
    Ok(())
}
