//! Which scripts may read what the endpoints for tokens answer (Fetch standard, "CORS protocol"): those of the origins that
//! a realm's applications in browsers registered. Cookies never come along, and are worth nothing here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use admit_core::id::RealmId;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;

use crate::app::App;
use crate::authn::epoch::{clients_slot, slot};
use crate::authn::freshness;
use crate::check::policies::RealmPolicy;
use crate::http::issuer;

/// The most realms whose origins are remembered; another makes room.
const REALMS_MAX: usize = 1_000;

/// How long one waits for another who reads the origins of a realm.
const TURN_WAIT: Duration = Duration::from_millis(50);

/// The origins of the realms in use.
#[derive(Default)]
pub struct Origins {
    kept: Mutex<HashMap<RealmId, Arc<OfRealm>>>,
    /// Held by who reads some; the others wait a moment for what he finds.
    turn: Mutex<()>,
}

struct OfRealm {
    origins: HashSet<String>,
    position: i64,
    read_at_us: i64,
}

impl OfRealm {
    fn is_current(&self, app: &App, realm: RealmId) -> bool {
        let slots = [slot(realm.bytes()), clients_slot(realm)];
        app.epochs.is_current(slots, self.position) && freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

impl Origins {
    /// Whether an application of the realm registered this origin. Not, where the store cannot be asked.
    fn has(&self, app: &App, realm: RealmId, origin: &str) -> bool {
        if let Some(known) = self.current(app, realm) {
            return known.origins.contains(origin);
        }
        let _turn = self.turn.try_lock_for(TURN_WAIT);
        if let Some(known) = self.current(app, realm) {
            return known.origins.contains(origin);
        }
        let (position, read_at_us) = (app.epochs.position(), app.clock.monotonic_us());
        let origins = match app.store.point(|tx| tx.list_origins(realm)) {
            Ok(origins) => origins.into_iter().collect(),
            Err(error) => {
                freshness::log_unread(app, &error, "the origins of a realm");
                return false;
            }
        };
        let known = Arc::new(OfRealm { origins, position, read_at_us });
        let mut kept = self.kept.lock();
        if kept.len() >= REALMS_MAX
            && !kept.contains_key(&realm)
            && let Some(any) = kept.keys().next().copied()
        {
            kept.remove(&any);
        }
        kept.insert(realm, known.clone());
        known.origins.contains(origin)
    }

    fn current(&self, app: &App, realm: RealmId) -> Option<Arc<OfRealm>> {
        let known = self.kept.lock().get(&realm).cloned()?;
        known.is_current(app, realm).then_some(known)
    }
}

/// The answer with what lets a script of a registered origin read it.
pub fn open(app: &App, realm: &RealmPolicy, headers: &HeaderMap, mut response: Response) -> Response {
    let Some(origin) = headers.get(ORIGIN) else { return response };
    let answer = response.headers_mut();
    answer.append(VARY, HeaderValue::from_static("Origin"));
    let is_known = origin.to_str().is_ok_and(|origin| app.origins.has(app, realm.realm.id, origin));
    if is_known {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    }
    response
}

/// What a browser asks before it sends a request.
pub async fn preflight(State(app): State<App>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let named = match issuer::named(&mut parts, &app).await {
        Ok(named) => named,
        Err(problem) => return problem.into_response(),
    };
    let realm = match issuer::settle(&app, named.as_deref(), &parts.uri, &parts.headers) {
        Ok(realm) => realm,
        Err(problem) => return problem.into_response(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut response = open(&app, &realm, &parts.headers, response);
    let headers = response.headers_mut();
    if headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS).is_some() {
        let methods = if parts.uri.path().ends_with("/userinfo") { "GET, POST" } else { "POST" };
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}
