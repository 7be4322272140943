//! The one maker of principals: from a presented credential to the facts about its holder. JWTs are verified by [`token`].
//!
//! Cheap refusals come first: form, checksum, prefix. Then the cache; then, for what is not in it, a unit of the budget of
//! unknown credentials, and only then the store. A unit is given back when the credential turns out to be known, so that
//! no neighbour's guessing throttles anybody who is known.

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::credential::{self, Place, Presented};
use admit_core::grant::{GrantKind, Lineage};
use admit_core::id::{ClientId, RealmId, SubjectId};
use admit_core::key;
use admit_core::login::{basic, session};
use admit_core::master::Keys;
use admit_core::principal::{CredentialKind, Principal, Standing};
use admit_core::secret::{self, NotOpaque, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_core::token as jwt;
use admit_store::{FoundToken, ShownSession};

use super::cache::{Depends, Tag};
use super::epoch::{Slot, slot};
use super::{freshness, token};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::master;

/// Who presents a credential.
pub struct Resolved {
    /// The facts about the holder.
    pub principal: Arc<Principal>,
    /// How old they are, where the store could not be asked and the rule lets older ones serve.
    pub stale: Option<Span>,
}

impl From<Arc<Principal>> for Resolved {
    fn from(principal: Arc<Principal>) -> Self {
        Self { principal, stale: None }
    }
}

/// How it is asked who presents something.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// How old facts may be where the store cannot be asked.
    pub stale_for: Span,
    /// Whether what is not known costs a unit of the budget of unknown credentials.
    pub pays: bool,
    /// The moment of the request.
    pub now: Time,
}

impl Ask {
    /// As strangers ask, who get no old answers.
    pub fn at(client_ip: Option<IpAddr>, now: Time) -> Self {
        Self { client_ip, stale_for: Span::ZERO, pays: true, now }
    }
}

/// What a text is by its looks.
#[derive(Clone, Copy)]
enum Shape {
    Secret(SecretKind),
    Jwt,
}

/// Resolves an API key or access token of a realm, or a session where it stood in a cookie. Says nothing of expiry, address or
/// rights. Facts up to `stale_for` old serve where the store cannot be asked.
pub fn resolve(app: &App, realm: &RealmPolicy, presented: &Presented<'_>, ask: &Ask) -> Result<Resolved, Reason> {
    let text = presented.text.as_ref();
    let shape = shape_of(app, realm, presented)?;
    let kind = match shape {
        Shape::Secret(kind) => kind,
        Shape::Jwt => SecretKind::AccessToken,
    };
    let tag = app.tagger.tag(realm.realm.id, kind, text);
    let (kept, overdue) = (app.principals.get(&tag, &app.epochs), freshness::overdue(app));
    // Who was known costs no unit of the unknown, though something that he depends on changed since.
    let is_known = kept.is_some() || app.principals.has(&tag);
    let known = match (kept, overdue) {
        (Some(principal), None) if may_be_in_use(&principal, ask.now) => None,
        (Some(principal), None) => return Ok(principal.into()),
        (kept, Some(overdue)) => kept.zip(Some(overdue)),
        (None, None) => None,
    };
    if overdue.is_none() && app.unknown.has(&tag, &app.epochs) {
        return Err(Reason::UnknownSecret);
    }
    let ask = &Ask { pays: ask.pays && !is_known, ..*ask };
    let asked = match (shape, &known) {
        (Shape::Jwt, None) => token::of_jwt(app, realm, tag, text, ask),
        (Shape::Jwt, Some((principal, _))) => token::of_known_jwt(app, realm, tag, text, principal, ask),
        (Shape::Secret(kind), _) => of_secret(app, realm, tag, kind, text, ask),
    };
    if is_known && asked.as_ref().is_err_and(|reason| !is_for_now(*reason)) {
        app.principals.remove(&tag);
    }
    match (asked, known) {
        (Ok(principal), _) => Ok(principal.into()),
        (Err(reason @ (Reason::StoreUnavailable | Reason::QueueFull)), Some((principal, overdue))) => {
            let stale = overdue.within(ask.stale_for).ok_or(reason)?;
            Ok(Resolved { principal, stale: Some(stale) })
        }
        (Err(reason), _) => Err(reason),
    }
}

/// Whether it says nothing of the credential itself.
fn is_for_now(reason: Reason) -> bool {
    matches!(reason, Reason::StoreUnavailable | Reason::QueueFull | Reason::UnknownBudget)
}

/// Idle by what is known here, and perhaps in use elsewhere.
fn may_be_in_use(principal: &Principal, now: Time) -> bool {
    principal.sign_in.as_ref().is_some_and(|sign_in| sign_in.is_to_be_read_again(now))
}

/// What the store knows of a secret, kept: who it is, or that it is nobody's.
fn of_secret(
    app: &App,
    realm: &RealmPolicy,
    tag: Tag,
    kind: SecretKind,
    text: &str,
    ask: &Ask,
) -> Result<Arc<Principal>, Reason> {
    let Answer { position, shown, found } = match ask.pays {
        true => look_up(app, realm, kind, text, ask.client_ip)?,
        false => read(app, realm, kind, text)?,
    };
    let Some(found) = found else {
        if let Some(depends) = shown.depends() {
            app.unknown.insert(tag, position, depends);
        }
        return Err(Reason::UnknownSecret);
    };
    // A token ends before anybody has to move it.
    let may_move = !matches!(found, Found::Token(_));
    if may_move && found.hash() != shown.active() {
        app.master.note_move(&shown.keys, realm.realm.id, found.hash(), shown.active());
    }
    keep(app, tag, position, &found, ask.now)
}

/// What a text is by its looks, where such a one may stand in that place.
fn shape_of(app: &App, realm: &RealmPolicy, presented: &Presented<'_>) -> Result<Shape, Reason> {
    let text = presented.text.as_ref();
    if presented.place != Place::Cookie && realm.has_imported_shape(text) {
        return Ok(Shape::Secret(SecretKind::ApiKey));
    }
    if jwt::is_jwt(text) {
        credential::judge_place(presented.place, SecretKind::AccessToken)?;
        return Ok(Shape::Jwt);
    }
    let opaque = secret::read(text).map_err(|why| match why {
        NotOpaque::Checksum => Reason::Checksum,
        NotOpaque::Form => Reason::UnknownShape,
    })?;
    credential::judge_place(presented.place, opaque.kind)?;
    match opaque.kind {
        SecretKind::ApiKey if opaque.prefix != realm.realm.prefix.as_str() => Err(of_other_realm(app, opaque.prefix)),
        kind @ (SecretKind::ApiKey | SecretKind::Session | SecretKind::AccessToken) => Ok(Shape::Secret(kind)),
        _ => Err(Reason::UnknownSecret),
    }
}

/// What the store knows of a presented secret.
enum Found {
    Key(Box<admit_store::Found>),
    Session(Box<ShownSession>),
    Token(Box<FoundToken>),
}

impl Found {
    fn hash(&self) -> SecretHash {
        match self {
            Self::Key(found) => found.secret.hash,
            Self::Session(found) => found.hash,
            Self::Token(found) => found.token.hash,
        }
    }

    /// Everything that its worth depends on.
    fn slots(&self) -> Vec<Slot> {
        let mut slots = match self {
            Self::Key(found) => lineage_slots(&found.lineage),
            Self::Session(found) => lineage_slots(&found.line.lineage),
            Self::Token(found) => token::slots_of_row(found),
        };
        slots.push(slot(&self.hash().tag()));
        if let Self::Key(found) = self {
            slots.push(slot(found.key.id.bytes()));
        }
        slots
    }
}

/// What a grant depends on.
pub(super) fn lineage_slots(lineage: &Lineage) -> Vec<Slot> {
    let Lineage { realm, grant, ancestors, .. } = lineage;
    let mut slots = vec![slot(realm.id.bytes()), slot(grant.subject.bytes()), slot(grant.id.bytes())];
    slots.extend(grant.client.map(|client| slot(client.bytes())));
    slots.extend(ancestors.iter().map(|ancestor| slot(ancestor.id.bytes())));
    slots
}

/// A presented secret as it may be stored: under the active master key's hash, or still under an older one's.
struct Shown {
    kind: SecretKind,
    keys: Arc<Keys>,
    hashes: Vec<SecretHash>,
}

impl Shown {
    fn new(app: &App, realm: RealmId, kind: SecretKind, text: &str) -> Self {
        let keys = app.master.keys();
        Self { kind, hashes: keys.hashes(realm, kind, text), keys }
    }

    fn active(&self) -> SecretHash {
        self.hashes[0]
    }

    fn depends(&self) -> Option<Depends> {
        Depends::on(&self.hashes.iter().map(|hash| slot(&hash.tag())).collect::<Vec<_>>())
    }
}

/// What the store knew of a presented secret.
struct Answer {
    /// Taken before the keys that hashed it and before the snapshot: what changes in either is noticed.
    position: i64,
    shown: Shown,
    found: Option<Found>,
}

fn of_other_realm(app: &App, prefix: &str) -> Reason {
    match app.directory.of_prefix(prefix, &app.store) {
        Ok(Some(_)) => Reason::OtherRealm,
        Ok(None) => Reason::UnknownShape,
        Err(_) => Reason::StoreUnavailable,
    }
}

/// Asks the store, for a unit of the budget of unknown credentials; beyond it not even a hash is made.
fn look_up(
    app: &App,
    realm: &RealmPolicy,
    kind: SecretKind,
    text: &str,
    client_ip: Option<IpAddr>,
) -> Result<Answer, Reason> {
    let budget = app.config.load().unknown;
    let source = client_ip.map(address::network);
    if !app.limiter.take_unknown(&budget, realm.realm.id, source, app.clock.monotonic_us()) {
        return Err(Reason::UnknownBudget);
    }
    let asked = read(app, realm, kind, text);
    // A store that does not answer says nothing about the credential.
    if !matches!(asked, Ok(Answer { found: None, .. })) {
        app.limiter.give_back_unknown(&budget, realm.realm.id, source);
    }
    asked
}

/// Why the store did not answer: a client may come back sooner to a full queue than to a store that is away.
pub fn unreadable(error: &admit_store::Error) -> Reason {
    match error {
        admit_store::Error::Overloaded => Reason::QueueFull,
        _ => Reason::StoreUnavailable,
    }
}

fn read(app: &App, realm: &RealmPolicy, kind: SecretKind, text: &str) -> Result<Answer, Reason> {
    app.metrics.cache_misses.inc();
    let position = app.epochs.position();
    let shown = Shown::new(app, realm.realm.id, kind, text);
    let asked = app.store.point(|tx| {
        let found = match shown.kind {
            SecretKind::Session => {
                let found = tx.find_session_among(realm.realm.id, GrantKind::Session, &shown.hashes)?;
                found.map(|found| Found::Session(Box::new(found)))
            }
            SecretKind::AccessToken => {
                let found = tx.find_access_token(realm.realm.id, &shown.hashes)?;
                found.map(|found| Found::Token(Box::new(found)))
            }
            _ => tx.find_credential_among(realm.realm.id, &shown.hashes)?.map(|found| Found::Key(Box::new(found))),
        };
        if found.is_none() {
            master::must_judge(tx, &shown.keys)?;
        }
        Ok(found)
    });
    let found = asked.map_err(|error| {
        freshness::log_unread(app, &error, "a credential");
        unreadable(&error)
    })?;
    Ok(Answer { position, shown, found })
}

fn keep(app: &App, tag: Tag, position: i64, found: &Found, now: Time) -> Result<Arc<Principal>, Reason> {
    let principal = match found {
        Found::Key(found) => key::principal(&found.key, &found.secret, &found.lineage),
        Found::Session(found) => session::principal(&found.line, now),
        Found::Token(found) => token::of_row(found)?,
    };
    Ok(keep_as(app, tag, position, Depends::on(&found.slots()), principal))
}

/// Whose password was the right one, kept under a tag of name and password. The position was taken before the password was
/// read: with that or anything else that changed since he is to be asked again.
pub fn person(app: &App, tag: Tag, position: i64, person: &basic::Person, now: Time) -> Arc<Principal> {
    let Lineage { realm, grant, .. } = &person.lineage;
    let depends = Depends::on(&[slot(realm.id.bytes()), slot(grant.subject.bytes())]);
    keep_as(app, tag, position, depends, basic::principal(person, now))
}

/// A client that showed its secret, kept in the same way. The position is that of what is known of the client.
pub fn client(
    app: &App,
    tag: Tag,
    position: i64,
    client: &basic::Person,
    expires_at: Option<Time>,
    now: Time,
) -> Arc<Principal> {
    let Lineage { realm, grant, .. } = &client.lineage;
    let depends = Depends::on(&[slot(realm.id.bytes()), slot(grant.subject.bytes())]);
    keep_as(app, tag, position, depends, basic::client(client, expires_at, now))
}

/// Keeps facts, where what they depend on finds a place.
pub(super) fn keep_as(
    app: &App,
    tag: Tag,
    position: i64,
    depends: Option<Depends>,
    mut principal: Principal,
) -> Arc<Principal> {
    app.shared.part(&mut principal);
    let principal = Arc::new(principal);
    if let Some(depends) = depends {
        app.principals.insert(tag, position, depends, principal.clone());
    }
    principal
}

/// The operator key of this start, as Bearer from a direct loopback peer only: everything may be done with it.
pub fn operator(app: &App, text: &str) -> Option<Arc<Principal>> {
    let opaque = secret::read(text).ok().filter(|opaque| opaque.kind == SecretKind::OperatorKey);
    opaque?;
    app.operator.is(text).then(operator_principal)
}

fn operator_principal() -> Arc<Principal> {
    Arc::new(Principal {
        subject: SubjectId::Client(ClientId::from_bytes([0; 16])),
        client: None,
        grant: None,
        key: None,
        secret_number: 1,
        credential: CredentialKind::OperatorKey,
        name: "operator".into(),
        standing: Arc::new(Standing::default()),
        expires_at: None,
        rolled: false,
        halted: None,
        profile: None,
        sign_in: None,
        token: None,
    })
}
