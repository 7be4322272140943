//! Access tokens: from their text to a principal, and to what introspection and revocation want to know of one.
//!
//! A JWT that was never seen passes, in this order: form, `typ`, the key that it names, a unit of the budget of unknown
//! credentials, the signature, the claims, what was taken back ([`super::revoked`]), and its grant. What a grant is worth
//! is kept for all of its tokens with the same scopes, so that a new token of a known grant costs one verification and no
//! read. What comes of it lies in the cache under a tag of the whole text, like every other credential: two texts never
//! share an entry, whatever their `jti` says.
//!
//! An opaque token is a row and takes the way of the other secrets ([`super::resolve`]). Mints nothing, revokes nothing.

use std::borrow::Cow;
use std::sync::Arc;

use admit_core::api::TokenTyp;
use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::credential::{Place, Presented};
use admit_core::grant::Lineage;
use admit_core::id::{GrantId, RealmId, TokenId};
use admit_core::jose::claims::Claims;
use admit_core::jose::jws::Compact;
use admit_core::jose::{self, Flaw};
use admit_core::name::ScopeName;
use admit_core::principal::{Principal, Token};
use admit_core::secret::{self, SecretKind};
use admit_core::signing_key::Purpose;
use admit_core::time::Time;
use admit_core::token::{self, Said};
use admit_store::FoundToken;

use super::cache::{Depends, Tag};
use super::epoch::slot;
use super::resolve::{self, Ask};
use super::{freshness, resolve::lineage_slots};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::signing::{self, Published};

/// What is known of a token that is real.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Whose it is and what it is worth; its `token` is there.
    pub principal: Arc<Principal>,
    /// Its name.
    pub id: TokenId,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends by itself.
    pub expires_at: Time,
    /// Whether it may be used now, or why not.
    pub live: Result<(), Reason>,
}

/// What a text is that may be an access token of this realm, in either form. An error: it is none, or cannot be judged now.
/// For callers who showed who they are: takes nothing from the budget of unknown credentials.
pub fn inspect(app: &App, realm: &RealmPolicy, text: &str, now: Time) -> Result<Inspected, Reason> {
    let is_opaque = || secret::read(text).is_ok_and(|opaque| opaque.kind == SecretKind::AccessToken);
    if !token::is_jwt(text) && !is_opaque() {
        return Err(Reason::UnknownShape);
    }
    let presented = Presented { place: Place::Bearer, text: Cow::Borrowed(text), person: None };
    let principal = resolve::resolve(app, realm, &presented, &Ask { pays: false, ..Ask::at(None, now) })?.principal;
    let Some(Token { id, issued_at, expires_at }) = principal.token.as_deref().copied() else {
        return Err(Reason::UnknownShape);
    };
    let live = principal.usable(None, now);
    Ok(Inspected { principal, id, issued_at, expires_at, live })
}

/// What a JWT says that a key of this realm signed, whether it counts now or not: its API, the issuer and its key may change
/// back, and then it would. For who takes it back. None: it is no such text.
pub fn signed_here(app: &App, realm: &RealmPolicy, text: &str) -> Result<Option<Said>, Reason> {
    let Ok(compact) = Compact::parse(text) else { return Ok(None) };
    let is_typed = token::must_be_of_type(|typ| compact.header().is_type(typ)).is_ok();
    let Some(kid) = compact.header().kid.as_deref().filter(|_| is_typed) else { return Ok(None) };
    let ring = app.signing.ring(app, realm)?;
    let payload = ring.known(Purpose::Issuer, kid).and_then(|key| compact.verify(key).ok());
    let claims = payload.and_then(|payload| Claims::parse(&payload).ok());
    Ok(claims.and_then(|claims| token::said(&claims).ok()))
}

/// The realm whose issuer this is, letter by letter.
pub fn realm_of_issuer(app: &App, issuer: &str) -> Result<Option<RealmId>, Reason> {
    let config = app.config.load();
    let below = issuer.strip_prefix(config.public_url.as_str()).and_then(|rest| rest.strip_prefix("/realms/"));
    let host = issuer.strip_prefix("https://");
    let named = match (below, host) {
        _ if issuer == config.public_url => Ok(Some(app.default_realm)),
        (Some(name), _) => app.directory.named(name, &app.store),
        (None, Some(host)) => app.directory.of_host(host, &app.store),
        (None, None) => Ok(None),
    };
    let Some(id) = named.map_err(|error| resolve::unreadable(&error))? else { return Ok(None) };
    let realm = app.policies.of(app, id)?;
    Ok(realm.filter(|realm| app.issuer(&realm.realm) == issuer).map(|_| id))
}

/// The realm that a JWT says it is of. Nothing of it is verified: only good for choosing who verifies it.
pub fn realm_of_text(app: &App, text: &str) -> Result<Option<RealmId>, Reason> {
    claimed_issuer(text).map_or(Ok(None), |issuer| realm_of_issuer(app, &issuer))
}

fn claimed_issuer(text: &str) -> Option<String> {
    let payload = text.split('.').nth(1)?;
    let claims = Claims::parse(&jose::decode(payload).ok()?).ok()?;
    claims.text("iss").ok().flatten().map(str::to_owned)
}

/// Why a JWT is none of this realm's that names no key of it.
fn stranger(app: &App, realm: &RealmPolicy, text: &str) -> Reason {
    let issuer = claimed_issuer(text).filter(|issuer| *issuer != app.issuer(&realm.realm));
    match issuer.map(|issuer| realm_of_issuer(app, &issuer)) {
        None => Reason::UnknownSigningKey,
        Some(Ok(Some(_))) => Reason::OtherRealm,
        Some(Ok(None)) => Reason::OtherIssuer,
        Some(Err(reason)) => reason,
    }
}

/// A JWT that was never seen here, or not lately.
pub(super) fn of_jwt(
    app: &App,
    realm: &RealmPolicy,
    tag: Tag,
    text: &str,
    ask: &Ask,
) -> Result<Arc<Principal>, Reason> {
    let compact = Compact::parse(text).map_err(token::reason_of)?;
    token::must_be_of_type(|typ| compact.header().is_type(typ))?;
    let kid = compact.header().kid.as_deref().ok_or(Reason::UnknownSigningKey)?;
    // Before everything that is asked from here on, the realm's own rows among it.
    let position = app.epochs.settled();
    let realm = &*app.policies.of(app, realm.realm.id)?.ok_or(Reason::UnknownShape)?;
    let Some(key) = signing::verifying(app, realm, Purpose::Issuer, kid, ask.now)? else {
        return Err(stranger(app, realm, text));
    };
    let claims = verified(app, realm, &compact, &key, ask)?;
    let said = token::read(&claims, &app.issuer(&realm.realm), ask.now)?;
    must_be_typed(realm, &compact, &said)?;
    let must_ask = freshness::overdue(app).is_some();
    let share = shared(app, realm.realm.id, said.grant, &said.scopes, must_ask)?;
    let is_revoked = is_revoked(app, realm.realm.id, said.token.id, must_ask)?;
    let principal = Arc::new(token::principal(&share.principal, &said, is_revoked)?);
    let depends = share.depends.and_then(|depends| depends.with(&[slot(said.token.id.bytes()), slot(key.id.bytes())]));
    if let Some(depends) = depends {
        app.principals.insert(tag, position, depends, principal.clone());
    }
    Ok(principal)
}

/// A JWT whose signature was verified here, while it is not known what others changed since: its key and its grant are asked for
/// anew, and nothing is computed twice.
pub(super) fn of_known_jwt(
    app: &App,
    realm: &RealmPolicy,
    tag: Tag,
    text: &str,
    known: &Principal,
    ask: &Ask,
) -> Result<Arc<Principal>, Reason> {
    let compact = Compact::parse(text).map_err(token::reason_of)?;
    let kid = compact.header().kid.as_deref().ok_or(Reason::UnknownSigningKey)?;
    let (Some(token), Some(grant)) = (known.token.as_deref().copied(), known.grant) else {
        return Err(Reason::UnknownShape);
    };
    let position = app.epochs.settled();
    let key = signing::verifying(app, realm, Purpose::Issuer, kid, ask.now)?.ok_or(Reason::UnknownSigningKey)?;
    app.metrics.cache_misses.inc();
    let asked = app.store.point(|tx| Ok((tx.find_lineage(realm.realm.id, grant)?, tx.is_token_revoked(token.id)?)));
    let (lineage, is_revoked) = asked.map_err(|error| unread(app, &error))?;
    let lineage = lineage.ok_or(Reason::ParentEnded)?;
    let scopes = known.standing.scopes.clone();
    let share = token::share(&lineage, &scopes);
    let principal = token::principal(&share, &Said { token, grant, scopes, parties: None }, is_revoked)?;
    let mut slots = lineage_slots(&lineage);
    slots.extend([slot(token.id.bytes()), slot(key.id.bytes())]);
    Ok(resolve::keep_as(app, tag, position, Depends::on(&slots), principal))
}

/// The claims, if this key signed them. To find that out costs a unit of the budget, given back to who is known.
fn verified(
    app: &App,
    realm: &RealmPolicy,
    compact: &Compact<'_>,
    key: &Published,
    ask: &Ask,
) -> Result<Claims, Reason> {
    let verify = || compact.verify(key).map_err(token::reason_of);
    let payload = if !ask.pays {
        verify()?
    } else {
        let (budget, source) = (app.config.load().unknown, ask.client_ip.map(address::network));
        if !app.limiter.take_unknown(&budget, realm.realm.id, source, app.clock.monotonic_us()) {
            return Err(Reason::UnknownBudget);
        }
        let payload = verify()?;
        app.limiter.give_back_unknown(&budget, realm.realm.id, source);
        payload
    };
    Claims::parse(&payload).map_err(token::reason_of)
}

/// `at+jwt` is always an access token, `JWT` only for an API that asked for it.
fn must_be_typed(realm: &RealmPolicy, compact: &Compact<'_>, said: &Said) -> Result<(), Reason> {
    let audience = said.parties.as_ref().map(|parties| &parties.audience);
    let api = realm.apis.iter().find(|api| Some(&api.spec.uri) == audience).ok_or(Reason::OtherAudience)?;
    let is_plain = api.spec.token_typ == TokenTyp::Jwt;
    match compact.header().is_type(TokenTyp::AtJwt.as_str()) || is_plain {
        true => Ok(()),
        false => Err(token::reason_of(Flaw::Type)),
    }
}

/// What all tokens of a grant with the same scopes are worth, and what that depends on.
struct Share {
    principal: Arc<Principal>,
    depends: Option<Depends>,
}

fn shared(app: &App, realm: RealmId, grant: GrantId, scopes: &[ScopeName], must_ask: bool) -> Result<Share, Reason> {
    let tag = app.tagger.tag_share(realm, grant, scopes);
    if !must_ask && let Some((principal, depends)) = app.principals.get_with(&tag, &app.epochs) {
        return Ok(Share { principal, depends: Some(depends) });
    }
    app.metrics.cache_misses.inc();
    let position = app.epochs.position();
    let found = app.store.point(|tx| tx.find_lineage(realm, grant)).map_err(|error| unread(app, &error))?;
    // Signed by us, and of a grant that is not there: the store is of another day.
    let lineage = found.ok_or(Reason::ParentEnded)?;
    let depends = Depends::on(&lineage_slots(&lineage));
    let principal = resolve::keep_as(app, tag, position, depends, token::share(&lineage, scopes));
    Ok(Share { principal, depends })
}

fn is_revoked(app: &App, realm: RealmId, id: TokenId, must_ask: bool) -> Result<bool, Reason> {
    match app.revoked.has(realm, &id) {
        Some(true) => Ok(true),
        Some(false) if !must_ask => Ok(false),
        _ => app.store.point(|tx| tx.is_token_revoked(id)).map_err(|error| unread(app, &error)),
    }
}

fn unread(app: &App, error: &admit_store::Error) -> Reason {
    freshness::log_unread(app, error, "the grant of a token");
    resolve::unreadable(error)
}

/// An opaque token, as one snapshot of the store saw it.
pub(super) fn of_row(found: &FoundToken) -> Result<Principal, Reason> {
    let FoundToken { token: row, is_revoked, lineage } = found;
    let token = Token { id: row.id, issued_at: row.created_at, expires_at: row.expires_at };
    let said = Said { token, grant: row.grant, scopes: row.scopes.clone(), parties: None };
    token::principal(&token::share(lineage, &row.scopes), &said, *is_revoked)
}

/// What an opaque token depends on.
pub(super) fn slots_of_row(found: &FoundToken) -> Vec<super::epoch::Slot> {
    let lineage: &Lineage = &found.lineage;
    let mut slots = lineage_slots(lineage);
    slots.push(slot(found.token.id.bytes()));
    slots
}

#[cfg(test)]
mod tests {
    use super::super::cache::tests::{interleavings, principal, tag};
    use super::super::cache::{Cache, Depends};
    use super::super::epoch::{Epochs, slot};
    use super::super::revoked::Revoked;
    use admit_core::id::{RealmId, TokenId};
    use admit_core::time::Time;
    use admit_store::{Change, ChangeKind};

    #[test]
    fn tk_a_token_cannot_outlive_its_revocation_at_any_interleaving() {
        // A fill takes its position (p), looks whether the token was taken back (s) and inserts (i); the revocation, which is
        // committed, is learned (l), is given its number (n), raises its slot (r) and is settled (t) and acknowledged.
        let id = TokenId::from_bytes([7; 16]);
        let depends = Depends::on(&[slot(id.bytes())]).unwrap();
        let change =
            Change { number: 5, realm: RealmId::from_bytes([9; 16]), kind: ChangeKind::Token, id: *id.bytes() };
        let orders = interleavings("psi", "lnrt");
        assert_eq!(orders.len(), 35);
        for order in orders {
            let (cache, epochs, revoked) = (Cache::new(1 << 20), Epochs::default(), Revoked::default());
            let (mut position, mut saw, mut number) = (0, false, 0);
            for step in order.chars() {
                match step {
                    'p' => position = epochs.settled(),
                    's' => saw = revoked.has(change.realm, &id) == Some(true),
                    'i' => cache.insert(tag(1), position, depends, principal(if saw { "revoked" } else { "live" })),
                    'l' => revoked.learn(&[change], Time::default()),
                    'n' => number = epochs.draw(),
                    'r' => epochs.raise(&change, number),
                    _ => epochs.settle(number),
                }
            }
            let found = cache.get(&tag(1), &epochs);
            let is_live = found.is_some_and(|found| &*found.name == "live");
            assert!(!is_live, "order {order}: a token outlived its revocation");
        }
    }
}
