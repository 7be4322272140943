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
use admit_core::client::AuthMethod;
use admit_core::client::secret::Shown as ShownSecret;
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
        Ok(Shown::Secret { id, secret, method }) => attempt.by_secret(&id, &secret, method),
        Ok(Shown::Assertion { id, text }) => attempt.by_assertion(id.as_deref(), &text).await,
        Err(Unclear::Client) => Err(Refused::Unproved),
        Err(Unclear::Request(why)) => return Err(Error::request(format!("The request {why}."))),
    };
    judged.map_err(|refused| refused.told(by_basic))
}

/// Why nobody is known.
enum Refused {
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
                let told = "Too many attempts to authenticate this client failed. Wait before the next one.";
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
        let method = AuthMethod::None;
        let known = self.find(id)?.filter(|known| self.may_prove(known, method));
        known.map(|client| Caller { client, method }).ok_or_else(|| self.count(id))
    }

    fn by_secret(&self, id: &str, secret: &Secret, method: AuthMethod) -> Result<Caller, Refused> {
        let keys = self.app.master.keys();
        let shown = ShownSecret::new(&keys, self.realm.realm.id, secret.expose());
        let Some(client) = self.find(id)? else { return Err(self.count(id)) };
        let Some(found) = shown.find(client.secrets(), self.now) else {
            // One that is kept under a key that is not here may be the right one.
            let is_judged =
                client.secrets().all(|secret| keys.usable().iter().any(|key| key.number == secret.lookup_key));
            return Err(if is_judged { self.count(id) } else { Refused::Unavailable });
        };
        if !self.may_prove(&client, method) {
            return Err(self.count(id));
        }
        if !found.hash.is(&shown.active()) {
            self.app.master.note_move(&keys, self.realm.realm.id, found.hash, shown.active());
        }
        self.app.clients.note_use(&client, found.id, self.now);
        Ok(Caller { client, method })
    }

    /// Whether it may show in this way who it is.
    fn may_prove(&self, known: &KnownClient, method: AuthMethod) -> bool {
        let is_on = self.realm.realm.disabled_at.is_none() && known.client.disabled_at.is_none();
        is_on && known.client.spec.proves_by(method)
    }

    fn find(&self, id: &str) -> Result<Option<Arc<KnownClient>>, Refused> {
        let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
        known::find(self.app, self.realm.realm.id, id, self.source)
    }

    /// Counts one that was wrong.
    fn count(&self, id: &str) -> Refused {
        match guess::count(self.app, self.realm.realm.id, id, self.source) {
            Ok(()) => Refused::Unproved,
            Err(seconds) => Refused::Later(seconds),
        }
    }
}
