//! Which scripts may read what the endpoints for tokens answer (Fetch standard, "CORS protocol"): those of the origins that
//! a realm's applications in browsers registered. Cookies never come along, and are worth nothing here.

use std::collections::HashSet;

use admit_core::id::RealmId;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::App;
use crate::authn::epoch::{Slot, clients_slot, slot};
use crate::authn::freshness::{self, Before};
use crate::authn::realms::{Realms, Whole};
use crate::check::policies::RealmPolicy;
use crate::http::issuer;

/// The origins of the realms in use.
#[derive(Default)]
pub struct Origins(Realms<OfRealm>);

struct OfRealm {
    origins: HashSet<String>,
    before: Before,
}

impl Whole for OfRealm {
    fn before(&self) -> Before {
        self.before
    }

    fn slots(realm: RealmId) -> impl IntoIterator<Item = Slot> {
        [slot(realm.bytes()), clients_slot(realm)]
    }
}

impl Origins {
    /// Whether an application of the realm registered this origin. Not, where the store cannot be asked.
    fn has(&self, app: &App, realm: RealmId, origin: &str) -> bool {
        let read = |before, _: Option<&OfRealm>| {
            let origins = app.store.point(|tx| tx.list_origins(realm))?.into_iter().collect();
            Ok(Some(OfRealm { origins, before }))
        };
        match self.0.of(app, realm, read) {
            Ok(known) => known.is_some_and(|known| known.origins.contains(origin)),
            Err(error) => {
                freshness::log_unread(app, &error, "the origins of a realm");
                false
            }
        }
    }
}

/// The answer with what lets a script of a registered origin read it. Who names two has none.
pub fn open(app: &App, realm: &RealmPolicy, headers: &HeaderMap, mut response: Response) -> Response {
    let mut named = headers.get_all(ORIGIN).iter();
    let Some(origin) = named.next() else { return response };
    let answer = response.headers_mut();
    answer.append(VARY, HeaderValue::from_static("Origin"));
    let is_known =
        named.next().is_none() && origin.to_str().is_ok_and(|origin| app.origins.has(app, realm.realm.id, origin));
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
