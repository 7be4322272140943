//! Who a client is: what it shows, compared with what it is known by (RFC 6749 §2.3, RFC 7523 §2.2).
//!
//! Unknown, switched off, another secret, another way than its own: the same work and the same answer. Wrong ones are
//! counted per client and source network, in memory, and never keep the right one out: it is looked at first. Such a secret
//! has 178 random bits, so that the count is against the noise and not what makes it safe.
//!
//! Warm, a secret costs one hash and no read of the store. Says nothing of what a client may do.

mod guess;
mod key_set;
mod known;
mod signed;

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::address;
use admit_core::client::secret::{ClientSecret, Shown as ShownSecret};
use admit_core::client::{AuthMethod, ClientSpec, ClientType};
use admit_core::form::Form;
use admit_core::id::ClientId;
use admit_core::oauth::client_auth::{self, Shown, Unclear};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::secret::Secret;
use admit_core::time::Time;
use http::HeaderMap;
use ipnet::IpNet;

pub use key_set::KeySets;
pub use known::{Clients, KnownClient};

use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::jobs::sign_in::{Failed, Whom, Why};

/// A client that showed who it is.
#[derive(Clone)]
pub struct Caller {
    /// Which one.
    pub client: Arc<KnownClient>,
    /// By what. With [`AuthMethod::None`] it only said so.
    pub method: AuthMethod,
}

/// The client that sent a form to an endpoint of this realm.
pub async fn authenticate(
    app: &App,
    realm: &Arc<RealmPolicy>,
    headers: &HeaderMap,
    form: &Form,
    ip: Option<IpAddr>,
    now: Time,
) -> Result<Caller, Error> {
    let by_basic = client_auth::is_in_header(headers);
    let attempt = Attempt { app, realm, source: ip.map(address::network), now };
    let judged = match client_auth::read(headers, form) {
        Ok(Shown::Name(id)) => attempt.by_name(&id),
        Ok(Shown::Secret { id, secret, method }) => {
            let shown = attempt.by_secret(&id, &secret, |spec| spec.proves_by(method));
            shown.map(|BySecret { client, .. }| Caller { client, method })
        }
        Ok(Shown::Assertion { id, text }) => return attempt.by_assertion(id.as_deref(), &text).await,
        Err(Unclear::Client) => Err(Refused::Unproved),
        Err(Unclear::Request(why)) => return Err(Error::request(format!("The request {why}."))),
    };
    judged.map_err(|refused| refused.told(by_basic))
}

/// The client of this id, whoever asks for it: neither its own word nor a proof. None where it or the realm is switched off.
pub fn named(
    app: &App,
    realm: &RealmPolicy,
    id: &str,
    source: Option<IpNet>,
) -> Result<Option<Arc<KnownClient>>, Problem> {
    let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
    let found = known::find(app, realm.realm.id, id, source).map_err(|refused| match refused {
        Refused::Later(seconds) => {
            Problem::new(429, "rate_limited", "Too many unknown clients were asked for.").with_retry_after(seconds)
        }
        Refused::Unproved | Refused::Unavailable => Problem::unavailable("a client cannot be read"),
    })?;
    let is_on = |known: &Arc<KnownClient>| known.client.disabled_at.is_none() && realm.realm.disabled_at.is_none();
    Ok(found.filter(is_on))
}

/// A client that showed a secret.
pub struct BySecret {
    /// Which one.
    pub client: Arc<KnownClient>,
    /// When that secret ends.
    pub expires_at: Option<Time>,
}

/// The client whose secret stands in a request that is judged, in whichever way it shows it to the endpoints. One that acts as
/// itself: what others do they do for people, with tokens.
pub fn by_secret(
    app: &App,
    realm: &Arc<RealmPolicy>,
    id: &Secret,
    secret: &Secret,
    ip: Option<IpAddr>,
    now: Time,
) -> Result<BySecret, Refused> {
    let attempt = Attempt { app, realm, source: ip.map(address::network), now };
    let acts_as_itself = |spec: &ClientSpec| spec.has_secrets() && spec.kind == ClientType::Service;
    attempt.by_secret(id.expose(), secret, acts_as_itself)
}

/// Why nobody is known.
pub enum Refused {
    /// Whatever it was.
    Unproved,
    /// Too many of that.
    Later(u32),
    /// The store cannot be asked.
    Unavailable,
}

impl Refused {
    fn told(self, by_basic: bool) -> Error {
        match self {
            Self::Unproved => Error::client(by_basic),
            Self::Later(seconds) => {
                // Perhaps not this client's, and not from there.
                let told = "Too many attempts to authenticate are being made. Wait before the next one.";
                Error { retry_after_s: Some(seconds), ..Error::new(ErrorCode::SlowDown, told) }
            }
            Self::Unavailable => Error::unavailable(),
        }
    }
}

/// One attempt to show who a client is.
struct Attempt<'a> {
    app: &'a App,
    realm: &'a RealmPolicy,
    source: Option<IpNet>,
    now: Time,
}

impl Attempt<'_> {
    /// A public client says who it is, and that is all.
    fn by_name(&self, id: &str) -> Result<Caller, Refused> {
        let (client, method) = (self.find(id)?, AuthMethod::None);
        match self.objection(client.as_deref(), |spec| spec.proves_by(method)) {
            Some(why) => Err(self.wrong(id, client.as_deref(), why)),
            None => client.map(|client| Caller { client, method }).ok_or(Refused::Unproved),
        }
    }

    fn by_secret(&self, id: &str, secret: &Secret, suits: impl Fn(&ClientSpec) -> bool) -> Result<BySecret, Refused> {
        let keys = self.app.master.keys();
        let shown = ShownSecret::new(&keys, self.realm.realm.id, secret.expose());
        let Some(client) = self.find(id)? else { return Err(self.wrong(id, None, Why::UnknownClient)) };
        let Some(found) = shown.find(client.secrets(), self.now) else {
            // One that is kept under a key that is not here may be the right one.
            let is_here = |secret: &ClientSecret| keys.usable().iter().any(|key| key.number == secret.lookup_key);
            let is_judged = client.secrets().all(is_here);
            return Err(if is_judged { self.wrong(id, Some(&client), Why::WrongSecret) } else { Refused::Unavailable });
        };
        if let Some(why) = self.objection(Some(&client), suits) {
            return Err(self.wrong(id, Some(&client), why));
        }
        if !found.hash.is(&shown.active()) {
            self.app.master.note_move(&keys, self.realm.realm.id, found.hash, shown.active());
        }
        let (secret, expires_at) = (found.id, found.expires_at);
        self.app.clients.note_use(&client, secret, self.now);
        Ok(BySecret { client, expires_at })
    }

    /// Why nobody may show in this way that he is this client.
    fn objection(&self, known: Option<&KnownClient>, suits: impl Fn(&ClientSpec) -> bool) -> Option<Why> {
        let Some(KnownClient { client, .. }) = known else { return Some(Why::UnknownClient) };
        if self.realm.realm.disabled_at.is_some() || client.disabled_at.is_some() {
            return Some(Why::Disabled);
        }
        (!suits(&client.spec)).then_some(Why::WrongMethod)
    }

    fn find(&self, id: &str) -> Result<Option<Arc<KnownClient>>, Refused> {
        let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
        known::find(self.app, self.realm.realm.id, id, self.source)
    }

    /// Counts one that was wrong, and tells the audit.
    fn wrong(&self, id: &str, known: Option<&KnownClient>, why: Why) -> Refused {
        let realm = self.realm.realm.id;
        let (refused, why) = match guess::count(self.app, realm, id, self.source) {
            Ok(()) => (Refused::Unproved, why),
            Err(seconds) => (Refused::Later(seconds), Why::TooFast),
        };
        let whom = Whom::Client(known.map(|known| known.client.id));
        let failed = Failed { realm, at: self.now, why, whom, source: self.source, request_id: None };
        if !self.app.failures.add(&failed) {
            self.app.metrics.refusals_dropped.inc();
        }
        refused
    }
}
