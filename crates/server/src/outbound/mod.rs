//! The one client by which this server asks others over HTTP: guarded, small and impatient.
//!
//! Whose addresses it asks, operators of realms say, and strangers may make it ask them. So: `https` only, never this machine
//! or its link, private networks only where `[outbound] allow` names them, judged by the address that is connected to
//! ([`admit_core::outbound`]); no redirects, no cookies, no compression; at most 64 kB in at most 3 seconds, so many at a
//! time and fewer for each realm. What came back goes to whoever asked for it and into no answer. What is sent to others has
//! places of its own and 5 seconds, and of the answer only the status is looked at.

mod line;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use admit_core::id::RealmId;
use admit_core::outbound::{Barred, Target};
use admit_core::time::Span;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, USER_AGENT};
use http::request::Builder;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use parking_lot::Mutex;
use rustls::ClientConfig;

pub use line::StandIn;

/// The longest answer, in bytes.
pub const ANSWER_MAX: usize = 64 << 10;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many may be under way.
const PLACES: usize = 32;
/// How many of one realm.
const PLACES_OF_REALM: usize = 4;
/// How long it may take to tell somebody something.
const TELL_PATIENCE: Duration = Duration::from_secs(5);

/// The client.
pub struct Outbound {
    asking: Places,
    telling: Places,
    tls: OnceLock<Option<Arc<ClientConfig>>>,
    stand_in: OnceLock<StandIn>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { asking: Places::default(), telling: Places::default(), tls: OnceLock::new(), stand_in: OnceLock::new() }
    }
}

/// How many requests are under way, by realm: none that has none is here.
#[derive(Default)]
struct Places(Arc<Mutex<HashMap<RealmId, usize>>>);

/// Room for one of them, given back when it goes.
pub struct Place {
    realm: RealmId,
    taken: Arc<Mutex<HashMap<RealmId, usize>>>,
}

impl Places {
    fn take(&self, realm: RealmId) -> Result<Place, Failed> {
        let mut taken = self.0.lock();
        let of_realm = taken.get(&realm).copied().unwrap_or_default();
        if of_realm >= PLACES_OF_REALM || taken.values().sum::<usize>() >= PLACES {
            return Err(Failed::Full);
        }
        taken.insert(realm, of_realm + 1);
        Ok(Place { realm, taken: self.0.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        match taken.get_mut(&self.realm) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.realm)),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Fetched {
    /// The body.
    pub body: Bytes,
    /// How long it may be kept (RFC 9111 §5.2.2.1), where that is said.
    pub max_age: Option<Span>,
}

/// Why nothing did. For the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// Too many are under way.
    Full,
    /// The name has no address.
    NoAddress,
    /// Its addresses are not asked.
    Barred(Barred),
    /// Nobody answers there, or not over TLS with a certificate that is good for this name.
    NotReached,
    /// Another status than one that was hoped for; redirects are not followed.
    Status(StatusCode),
    /// More than [`ANSWER_MAX`], or it broke off.
    NotRead,
    /// It took too long.
    TooSlow,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("too many requests to others are under way"),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::Barred(barred) => barred.fmt(f),
            Self::NotReached => f.write_str("no connection over TLS with a good certificate"),
            Self::Status(status) => write!(f, "the answer is {}", status.as_u16()),
            Self::NotRead => write!(f, "the answer broke off or has more than {ANSWER_MAX} bytes"),
            Self::TooSlow => f.write_str("no answer in time"),
        }
    }
}

impl Outbound {
    /// Asks for JSON.
    pub async fn get_json(&self, realm: RealmId, target: &Target, allowed: &[IpNet]) -> Result<Fetched, Failed> {
        let _place = self.asking.take(realm)?;
        let request = to(Method::GET, target).header(ACCEPT, "application/json, application/jwk-set+json");
        let asked = self.exchange(target, allowed, request, Bytes::new(), async |response| {
            let (head, body) = response.into_parts();
            if head.status != StatusCode::OK {
                return Err(Failed::Status(head.status));
            }
            let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(|_| Failed::NotRead)?;
            Ok(Fetched { body: body.to_bytes(), max_age: max_age(&head.headers) })
        });
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Failed::TooSlow))
    }

    /// Room to tell somebody something, where there is any.
    pub fn place_to_tell(&self, realm: RealmId) -> Option<Place> {
        self.telling.take(realm).ok()
    }

    /// Sends a form. Taken is what is answered 200 or 204; whatever else is said stays unread.
    pub async fn post_form(
        &self,
        _place: &Place,
        target: &Target,
        allowed: &[IpNet],
        form: String,
    ) -> Result<(), Failed> {
        let request = to(Method::POST, target).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let told = self.exchange(target, allowed, request, form.into(), async |response| match response.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            status => Err(Failed::Status(status)),
        });
        tokio::time::timeout(TELL_PATIENCE, told).await.unwrap_or(Err(Failed::TooSlow))
    }

    async fn exchange<T>(
        &self,
        target: &Target,
        allowed: &[IpNet],
        request: Builder,
        body: Bytes,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let stream = TokioIo::new(self.connect(target, allowed).await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|_| Failed::NotReached)?;
        let request = request.body(Full::new(body)).map_err(|_| Failed::NotReached)?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(|_| Failed::NotReached)?;
            read(response).await
        };
        // The connection is driven here and ends here, whatever the other side still has to say.
        tokio::pin!(connection);
        tokio::pin!(answered);
        tokio::select! {
            answered = &mut answered => answered,
            _ = &mut connection => answered.await,
        }
    }

    /// Puts other names, addresses and roots in place of the world's, for tests. Nothing that is configured or sent calls it.
    #[doc(hidden)]
    pub fn stand_in(&self, stand_in: StandIn) {
        let _ = self.stand_in.set(stand_in);
    }
}

/// The head of every request.
fn to(method: Method, target: &Target) -> Builder {
    let host = match target.port() {
        443 => target.host().to_owned(),
        port => format!("{}:{port}", target.host()),
    };
    let request = Request::builder().method(method).uri(target.path()).header(HOST, host);
    request.header(USER_AGENT, concat!("admit/", env!("CARGO_PKG_VERSION")))
}

/// `max-age`, unless the answer may not be kept at all. Not a number is not said.
fn max_age(headers: &HeaderMap) -> Option<Span> {
    let words = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let words: Vec<_> = words.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase()).collect();
    if words.iter().any(|word| word == "no-store" || word == "no-cache") {
        return Some(Span::ZERO);
    }
    words.iter().find_map(|word| word.strip_prefix("max-age=")?.trim_matches('"').parse().ok()).map(Span::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_that_waits_for_many_takes_no_place_of_another() {
        let (places, realm) = (Places::default(), |first, last| {
            let mut id = [7; 16];
            (id[0], id[15]) = (first, last);
            RealmId::from_bytes(id)
        });
        let fill = |realm| std::iter::from_fn(|| places.take(realm).ok()).collect::<Vec<_>>();
        let ours = fill(realm(0, 0));
        assert_eq!(ours.len(), PLACES_OF_REALM);
        let theirs: Vec<_> = (1..8).map(|first| fill(realm(first, 0))).collect();
        assert!(theirs.iter().all(|of_one| of_one.len() == PLACES_OF_REALM), "whatever their ids end in");
        assert_eq!(places.take(realm(9, 9)).err(), Some(Failed::Full), "{PLACES} in all");
        drop(ours);
        assert!(places.take(realm(9, 9)).is_ok(), "given back");
        drop(theirs);
        assert!(places.0.lock().is_empty(), "nothing is kept of who has none");
    }

    #[test]
    fn how_long_an_answer_may_be_kept_is_what_it_says() {
        let said = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (CACHE_CONTROL, http::HeaderValue::from_static(line)));
            max_age(&lines.collect()).map(Span::as_seconds_up)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["public, Max-Age=300, must-revalidate"]), Some(300));
        assert_eq!(said(&["public", "max-age=\"60\""]), Some(60));
        assert_eq!(said(&["max-age=300, no-store"]), Some(0));
        assert_eq!(said(&["max-age=x"]), None);
        assert_eq!(said(&["max-age=-1"]), Some(0));
        assert_eq!(said(&["s-maxage=9"]), None);
    }
}
