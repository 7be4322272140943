//! Signing in on protected hosts: from the refusal there to the issuer, and back with a cookie of that host alone.
//!
//! 1. [`invite`]: a refused navigation is told where to sign in, with what is known of the trip sealed in the address, and
//!    given a cookie that tells this browser from others.
//! 2. [`arrive`] and [`hand_off`]: the sign-in page opens the seal and sends who is signed in back with a code that is good
//!    once, for 30 seconds, on that host and in that browser.
//! 3. [`finish`]: the host spends the code on a session of its own, which grew from that of the issuer and dies with it.
//! 4. [`leave`]: the host's session ends; that of the issuer is the issuer's page's to end.
//!
//! Every address that a browser is sent to is made of configuration and of what a gateway said of its own host.

use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::check::decision::Decision;
use admit_core::check::path::Path;
use admit_core::check::request::Request;
use admit_core::credential::Presented;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, RealmId, UserId};
use admit_core::login::browser;
use admit_core::login::cookie::{self as names, Cookie};
use admit_core::login::session::Session;
use admit_core::login::site::{self, Before, HAND_OFF_LIFE, SEALED_MAX, TRIP_LIFE, Trip};
use admit_core::policy::index::Target;
use admit_core::policy::rule::Rule;
use admit_core::seal::{NONCE_BYTES, Place};
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::Time;
use admit_store::{ShortCredential, ShortKind, Tx};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cookie::{self, is_secure_site};
use super::session::{self, Seen, SignedIn, Why};
use crate::app::App;
use crate::authn::resolve::{self, Ask};
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::manage::work::{self, Stop};

/// Where the trip ends, on each protected host.
pub const CALLBACK: &str = "/.admit/callback";

/// Where somebody is sent to sign in.
pub struct Invitation {
    /// The complete address.
    pub login: HeaderValue,
    /// The cookie that tells this browser, where it has none yet.
    pub cookie: Option<HeaderValue>,
}

/// The invitation for a refused request: of a person who goes to a page and is not known, where the rule says so.
pub fn invite(
    app: &App,
    realm: &RealmPolicy,
    rule: Option<&Rule>,
    request: &Request<'_>,
    decision: &Decision,
    now: Time,
) -> Option<Invitation> {
    let is_curable = decision.reason() == Some(Reason::NoCredential) && rule.is_some_and(|rule| rule.login);
    if !is_curable || !browser::is_navigation(request) {
        return None;
    }
    let (name, is_secure) = (&realm.realm.name, is_secure_site(request));
    let known = names::find(request.headers, Cookie::SiteBefore, name, is_secure).and_then(Before::parse);
    let before = known.unwrap_or_else(|| Before::new(app.random(), now));
    let trip = Trip {
        host: request.host.as_str().to_owned(),
        port: request.port,
        is_secure,
        path: site::way_back(&request.path, request.query),
        browser: before.browser(),
        rounds: before.rounds(now),
        expires_at_ms: (now + TRIP_LIFE).unix_ms(),
    };
    let state = seal(app, realm.realm.id, &trip);
    let login = HeaderValue::try_from(format!("{}/login?state={state}", app.issuer(&realm.realm))).ok()?;
    let cookie = known.is_none().then(|| set_before(realm, is_secure, &before));
    Some(Invitation { login, cookie })
}

/// What the sign-in page was told of a trip. None where it is not one of ours, too late, or to a host that nobody signs in at
/// any more. Whether it goes round in circles says [`Trip::is_loop`].
pub fn arrive(app: &App, realm: &RealmPolicy, state: &str, now: Time) -> Option<Trip> {
    if state.len() > SEALED_MAX {
        return None;
    }
    let sealed = BASE64URL_NOPAD.decode(state.as_bytes()).ok()?;
    let octets = app.master.keys().open(&place(realm.realm.id), &sealed).ok()?;
    let trip = Trip::read(&octets, now)?;
    is_sign_in_host(realm, &trip).then_some(trip)
}

/// Where who is signed in is sent: back to the host with a code that it spends on a session of its own.
pub async fn hand_off(
    app: &App,
    realm: &RealmPolicy,
    signed_in: &SignedIn,
    trip: &Trip,
    now: Time,
) -> Result<String, Problem> {
    let id = realm.realm.id;
    let code = secret::write(session::prefix(SecretKind::HandOff), &app.random());
    let carried = Carried { host: trip.host.clone(), path: trip.path.clone() };
    let keys = app.master.keys();
    let short = ShortCredential {
        hash: keys.active().lookup.hash(id, SecretKind::HandOff, code.expose()),
        lookup_key: keys.active().number,
        kind: ShortKind::HandOff,
        realm: id,
        user: Some(signed_in.user),
        grant: Some(signed_in.grant),
        bound_to: Some(trip.browser.to_vec()),
        detail: serde_json::to_string(&carried).ok(),
        created_at: now,
        expires_at: now + HAND_OFF_LIFE,
        used_at: None,
    };
    work::write(app, move |tx| Ok(tx.insert_short(&short)?)).await?;
    Ok(format!("{}{CALLBACK}?code={}", trip.origin(), code.expose()))
}

/// What is handed on beside the session: where it is good.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    host: String,
    path: String,
}

/// How a trip ended.
pub enum Finish {
    /// Signed in on this host.
    Done {
        /// Where it goes on to.
        path: String,
        /// What the browser keeps.
        cookies: Vec<HeaderValue>,
    },
    /// Begun by this browser under another name: in another window, say. To be begun anew.
    Again {
        /// Where it begins.
        path: String,
        /// What the browser keeps.
        cookies: Vec<HeaderValue>,
    },
    /// The code is not good here, or the browser sends no cookies.
    Lost,
}

/// Spends a code on a session of this host.
pub async fn finish(
    app: &App,
    realm: &RealmPolicy,
    request: &Request<'_>,
    code: &str,
    now: Time,
) -> Result<Finish, Problem> {
    let is_secure = is_secure_site(request);
    let before = names::find(request.headers, Cookie::SiteBefore, &realm.realm.name, is_secure).and_then(Before::parse);
    let is_code = secret::read(code).is_ok_and(|opaque| opaque.kind == SecretKind::HandOff);
    let Some(before) = before.filter(|_| is_code) else { return Ok(Finish::Lost) };
    let id = realm.realm.id;
    let hashes = app.master.keys().hashes(id, SecretKind::HandOff, code);
    let grant = session::new_grant(app, id, GrantKind::Site, UserId::from_bytes([0; 16]), now, now);
    let (secret, stored) = session::draw(app, id, SecretKind::Session, grant.id, now);
    let guest = Guest {
        host: request.host.as_str().to_owned(),
        browser: before.browser(),
        grant,
        seen: Seen::of(request.headers, request.client_ip),
        event: session::told(app, id, "session.begun", "", stored.grant, now),
    };
    let spent = work::write(app, move |tx| guest.spend(tx, &hashes, &stored, now)).await?;
    let next = set_before(realm, is_secure, &before.after_trip(app.random(), now));
    Ok(match spent {
        Spent::Begun { path, ends_at } => {
            let own = cookie::set(Cookie::Site, &realm.realm.name, is_secure, &secret, ends_at.since(now));
            Finish::Done { path, cookies: vec![own, next] }
        }
        Spent::OtherBrowser { path } => Finish::Again { path, cookies: vec![next] },
        Spent::Nothing => Finish::Lost,
    })
}

/// Who shows a code on a host. Whose it is stands in what was handed on.
struct Guest {
    host: String,
    browser: [u8; 16],
    grant: Grant,
    seen: Seen,
    event: Event,
}

enum Spent {
    Begun { path: String, ends_at: Time },
    OtherBrowser { path: String },
    Nothing,
}

impl Guest {
    fn spend(
        &self,
        tx: &mut Tx<'_>,
        hashes: &[secret::SecretHash],
        stored: &admit_core::login::session::SessionSecret,
        now: Time,
    ) -> Result<Spent, Stop> {
        let realm = self.grant.realm;
        let Some(short) = tx.find_short(realm, ShortKind::HandOff, hashes, now)? else { return Ok(Spent::Nothing) };
        let carried = short.detail.as_deref().and_then(|detail| serde_json::from_str::<Carried>(detail).ok());
        let Some(carried) = carried.filter(|carried| carried.host == self.host) else { return Ok(Spent::Nothing) };
        if short.bound_to.as_deref() != Some(&self.browser[..]) {
            // A try by another browser uses nothing up.
            return Ok(Spent::OtherBrowser { path: carried.path });
        }
        let Some(short) = tx.take_short(realm, ShortKind::HandOff, &short.hash, now)? else {
            return Ok(Spent::Nothing);
        };
        let root = short.grant.map(|root| tx.find_session(realm, root, now)).transpose()?.flatten();
        let is_root = |root: &admit_store::IssuedSession| root.is_live && root.session.pending.is_empty();
        let Some(root) = root.filter(is_root) else { return Ok(Spent::Nothing) };
        work::must_be_on_time(tx, now)?;
        session::must_be_there(tx, realm, root.session.user)?;
        let ends_at = root.grant.expires_at.unwrap_or(now);
        let grant = Grant {
            subject: root.grant.subject,
            parent: Some(root.grant.id),
            root: root.grant.root,
            expires_at: Some(ends_at),
            ..self.grant.clone()
        };
        let own = Session {
            grant: grant.id,
            host: Some(self.host.clone()),
            idle: None,
            last_at: now,
            last_ip: self.seen.ip,
            last_agent: self.seen.agent.clone(),
            ..root.session.clone()
        };
        tx.insert_session(&grant, &own, stored)?;
        let detail = json!({ "host": self.host, "parent": root.grant.id.to_string() });
        tx.insert_event(&Event { actor: root.session.user.to_string(), detail, ..self.event.clone() })?;
        Ok(Spent::Begun { path: carried.path, ends_at })
    }
}

/// Ends the session that this browser has on this host, and takes its cookie away.
pub async fn leave(app: &App, realm: &RealmPolicy, request: &Request<'_>, now: Time) -> Result<HeaderValue, Problem> {
    let is_secure = is_secure_site(request);
    let name = &realm.realm.name;
    if let Some(shown) = names::present(request.headers, Cookie::Site, name, is_secure, SecretKind::Session)
        && let Some((user, grant)) = whose(app, realm, request, &shown, now)?
    {
        session::end(app, realm.realm.id, user, grant, Why::SignedOut, now).await?;
    }
    Ok(cookie::clear(Cookie::Site, name, is_secure))
}

fn whose(
    app: &App,
    realm: &RealmPolicy,
    request: &Request<'_>,
    shown: &Presented<'_>,
    now: Time,
) -> Result<Option<(UserId, GrantId)>, Problem> {
    let principal = match resolve::resolve(app, realm, shown, &Ask::at(request.client_ip, now)) {
        Ok(resolved) => resolved.principal,
        Err(Reason::QueueFull | Reason::UnknownBudget) => return Err(Problem::overloaded()),
        Err(Reason::StoreUnavailable) => return Err(Problem::unavailable("a session cannot be read")),
        Err(_) => return Ok(None),
    };
    let here = principal.sign_in.as_ref().and_then(|sign_in| sign_in.host.as_deref()) == Some(request.host.as_str());
    match (principal.subject, principal.grant) {
        (admit_core::id::SubjectId::User(user), Some(grant)) if here => Ok(Some((user, grant))),
        _ => Ok(None),
    }
}

/// A rule of the realm sends browsers from there to sign in: nobody else is told who is signed in.
fn is_sign_in_host(realm: &RealmPolicy, trip: &Trip) -> bool {
    let Ok(path) = Path::parse(trip.path.split('?').next().unwrap_or_default()) else { return false };
    let (path, has_encoded_slash) = (path.as_str(), path.has_encoded_slash());
    let target = Target { host: &trip.host, method: &Method::GET, path, has_encoded_slash };
    realm.policy.find(&target).is_some_and(|found| found.rule.login)
}

fn set_before(realm: &RealmPolicy, is_secure: bool, before: &Before) -> HeaderValue {
    cookie::set(Cookie::SiteBefore, &realm.realm.name, is_secure, &Secret::new(before.to_string()), TRIP_LIFE)
}

fn seal(app: &App, realm: RealmId, trip: &Trip) -> String {
    let nonce: [u8; NONCE_BYTES] = app.random();
    BASE64URL_NOPAD.encode(&app.master.keys().active().seal.seal(&place(realm), nonce, &trip.octets()))
}

/// What a sealed trip is, so that no other sealed value is taken for one.
const fn place(realm: RealmId) -> Place<'static> {
    Place { table: "(address)", column: "trip", row: &[0; 16], realm }
}
