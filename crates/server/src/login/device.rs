//! Browsers in which somebody signed in before. A known device proves no sign-in: it sets its person apart from those who
//! guess at his password from elsewhere.

use std::net::IpAddr;

use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, UserId};
use admit_core::login::cookie::{self as names, Cookie};
use admit_core::login::session::{Factors, LIVE_MAX, Session, SessionSecret};
use admit_core::realm::Realm;
use admit_core::secret::{Secret, SecretKind};
use admit_core::time::Time;
use admit_store::Tx;
use http::HeaderMap;

use super::cookie::is_secure_issuer;
use super::session::{self, Seen};
use crate::app::App;
use crate::http::problem::Problem;
use crate::manage::work;

/// Knows the browser of somebody who is signed in from now on; the secret is for its cookie.
pub async fn remember(app: &App, realm: &Realm, user: UserId, seen: Seen, now: Time) -> Result<Secret, Problem> {
    let drawn = Drawn::of(app, realm, user, seen, now);
    let secret = drawn.secret.clone();
    work::write(app, move |tx| {
        work::must_be_on_time(tx, now)?;
        session::must_be_there(tx, drawn.grant.realm, user)?;
        Ok(drawn.write(tx, now)?)
    })
    .await?;
    Ok(secret)
}

/// A device before it is kept.
pub(super) struct Drawn {
    /// For its cookie.
    pub secret: Secret,
    grant: Grant,
    device: Session,
    stored: SessionSecret,
}

impl Drawn {
    /// A new one of this person.
    pub fn of(app: &App, realm: &Realm, user: UserId, seen: Seen, now: Time) -> Self {
        let grant = session::new_grant(app, realm.id, GrantKind::Device, user, now + realm.device_life(), now);
        let (secret, stored) = session::draw(app, realm.id, SecretKind::Device, grant.id, now);
        let device = Session {
            grant: grant.id,
            realm: realm.id,
            user,
            host: None,
            pending: Factors::default(),
            factors: Factors::default(),
            signed_in_at: now,
            idle: None,
            last_at: now,
            last_ip: seen.ip,
            last_agent: seen.agent,
        };
        Self { secret, grant, device, stored }
    }

    /// Keeps it; of too many the oldest goes.
    pub fn write(&self, tx: &mut Tx<'_>, now: Time) -> admit_store::Result<()> {
        let (realm, user) = (self.grant.realm, self.device.user);
        let live = tx.list_live_grants(realm, user, GrantKind::Device, None, now)?;
        for oldest in live.iter().take((live.len() + 1).saturating_sub(LIVE_MAX as usize)) {
            tx.revoke_grant(realm, *oldest, now)?;
        }
        tx.insert_session(&self.grant, &self.device, &self.stored)
    }
}

/// A browser that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whose it is.
    pub user: UserId,
    /// The grant that it proves.
    pub grant: GrantId,
}

/// Who is known by the browser of a request. One read of the store where the cookie reads as one of ours, for a unit of the
/// budget of unknown credentials.
pub fn of_request(
    app: &App,
    realm: &Realm,
    headers: &HeaderMap,
    ip: Option<IpAddr>,
    now: Time,
) -> Result<Option<Known>, Reason> {
    let is_secure = is_secure_issuer(app, realm);
    let Some(shown) = names::present(headers, Cookie::Device, &realm.name, is_secure, SecretKind::Device) else {
        return Ok(None);
    };
    let (budget, source) = (app.config.load().unknown, ip.map(address::network));
    if !app.limiter.take_unknown(&budget, realm.id, source, app.clock.monotonic_us()) {
        return Err(Reason::UnknownBudget);
    }
    let hashes = app.master.keys().hashes(realm.id, SecretKind::Device, &shown.text);
    let found = app.store.point(|tx| tx.find_session_among(realm.id, GrantKind::Device, &hashes));
    let found = found.map_err(|error| crate::authn::resolve::unreadable(&error))?;
    let Some(found) = found else { return Ok(None) };
    app.limiter.give_back_unknown(&budget, realm.id, source);
    let line = &found.line;
    let is_live = line.lineage.halted().is_none() && line.lineage.expires_at().is_none_or(|end| end > now);
    let is_device = line.lineage.grant.kind == GrantKind::Device;
    Ok((is_live && is_device).then_some(Known { user: line.session.user, grant: line.session.grant }))
}
