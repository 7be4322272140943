//! `/logout`: says what would end, asks, ends it and takes the cookies away. An application that shows an ID token of this very
//! session is not asked about: see [`crate::oauth::logout`].

use admit_core::client::Client;
use admit_core::id::GrantId;
use admit_core::login::cookie::Cookie;
use admit_core::oauth::logout::source_of;
use admit_core::text::Language;
use admit_store::Page;
use askama::Template;
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderValue, Method, StatusCode};

use super::form::{Query, Sent};
use super::text::Words;
use super::visit::{Visit, go, with_cookies};
use super::{Frame, page, page_on_to};
use crate::http::problem::Problem;
use crate::login::session::{self, SignedIn, Why};
use crate::oauth::logout::Farewell;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// Not the cookies: which device is known outlasts a sign-out, and other realms are on the same host.
const CLEARED: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");
/// How many hosts and applications are named.
const NAMED_MAX: u32 = 100;

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    flow: &'p str,
    /// The application that asks.
    client: Option<String>,
    is_wrong: bool,
    reach: Vec<Reached>,
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutPage {
    frame: Frame,
    ended: Vec<String>,
    /// The application that asked, and the way back to it.
    back: Option<(String, String)>,
    login: String,
}

/// Where somebody is signed in through this session.
struct Reached {
    name: String,
    /// An application that goes on when he is away.
    goes_on: bool,
}

/// `GET /logout`: only the form ends anything, or an application that showed whose session it is.
pub async fn get(visit: Visit, method: Method, query: Query) -> Result<Response, Problem> {
    let sealed = query.text("flow");
    let (visit, farewell) = opened(visit, sealed);
    let Some(signed_in) = visit.signed_in()? else { return over(&visit, farewell) };
    let is_its_own = farewell.session == Some(signed_in.grant) && method == Method::GET && visit.is_navigation();
    if is_its_own {
        return end(&visit, &signed_in, farewell).await;
    }
    let (ticket, to) = (visit.ticket(), farewell.to.as_deref());
    let shown = LogoutPage {
        frame: visit.frame().of_person(signed_in.principal.name.to_string()),
        base: &visit.base,
        token: ticket.token,
        flow: sealed,
        client: asking(&visit, &farewell)?.map(|client| client.spec.name.to_string()),
        is_wrong: farewell.is_wrong,
        reach: reach(&visit, &signed_in)?,
    };
    Ok(with_cookies(page_on_to(StatusCode::OK, &shown, to.map(source_of)), ticket.cookie))
}

/// `POST /logout`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let (visit, farewell) = opened(visit, form.text("flow"));
    match visit.signed_in()? {
        Some(signed_in) => end(&visit, &signed_in, farewell).await,
        None => Ok(leave(&visit, farewell)),
    }
}

/// What the address has sealed, and the visit in the language that it names.
fn opened(mut visit: Visit, sealed: &str) -> (Visit, Farewell) {
    let farewell = Farewell::open(&visit.app, visit.row().id, sealed, visit.now).unwrap_or_default();
    if let Some(language) = farewell.language.as_deref().and_then(Language::of_tag) {
        visit.words = Words::of(language);
    }
    (visit, farewell)
}

async fn end(visit: &Visit, signed_in: &SignedIn, mut farewell: Farewell) -> Result<Response, Problem> {
    let ended = reach(visit, signed_in)?.into_iter().filter(|reached| !reached.goes_on).map(|reached| reached.name);
    farewell.ended = ended.collect();
    session::end(&visit.app, visit.row().id, signed_in.user, signed_in.grant, Why::SignedOut, visit.now).await?;
    Ok(leave(visit, farewell))
}

/// On to where the application wants it, else to the page that says what ended. No cookie of the session is left.
fn leave(visit: &Visit, mut farewell: Farewell) -> Response {
    let (to, before) = match farewell.to.take() {
        Some(to) => (to, Some(visit.clear(Cookie::Before))),
        None => {
            let ticket = visit.new_ticket();
            (farewell.session, farewell.browser) = (None, Some(ticket.browser));
            let sealed = farewell.seal(&visit.app, visit.row().id, visit.now).unwrap_or_default();
            (visit.path(&format!("/logout?flow={sealed}")), ticket.cookie)
        }
    };
    let cookies = visit.clear_session().into_iter().chain(before);
    let mut response = with_cookies(go(&to), cookies);
    response.headers_mut().insert(CLEAR_SITE_DATA, CLEARED);
    response
}

/// Nobody is signed in. Who showed that he was sends the browser on; who only said so has a link, and so has an application that
/// registered itself: it could show an ID token of anybody to send others wherever it likes.
fn over(visit: &Visit, farewell: Farewell) -> Result<Response, Problem> {
    let client = asking(visit, &farewell)?;
    let is_stranger = client.as_ref().is_none_or(|client| client.spec.dynamic);
    if farewell.session.is_some() && farewell.to.is_some() && !is_stranger && visit.is_navigation() {
        return Ok(leave(visit, farewell));
    }
    let client = client.map(|client| client.spec.name.to_string());
    let is_here = farewell.browser.is_some() && farewell.browser == visit.browser();
    let shown = LoggedOutPage {
        frame: visit.frame(),
        ended: if is_here { farewell.ended } else { Vec::new() },
        back: client.zip(farewell.to),
        login: visit.path("/login"),
    };
    Ok(page(StatusCode::OK, &shown))
}

fn asking(visit: &Visit, farewell: &Farewell) -> Result<Option<Client>, Problem> {
    let Some(client) = farewell.client else { return Ok(None) };
    Ok(visit.app.store.point(|tx| tx.find_client(visit.row().id, client))?)
}

/// The hosts and applications that a session reaches.
fn reach(visit: &Visit, signed_in: &SignedIn) -> Result<Vec<Reached>, Problem> {
    let (realm, user, now, root) = (visit.row().id, signed_in.user, visit.now, signed_in.grant);
    let read = visit.app.store.point(|tx| {
        let sessions = tx.list_sessions(realm, Some(user), true, &Page::first(NAMED_MAX), now)?;
        Ok((sessions, tx.list_apps_of_session(realm, root, now)?))
    });
    let (sessions, apps) = read?;
    let is_below = |root: GrantId| move |session: &admit_store::IssuedSession| session.grant.root == root;
    let hosts = sessions.into_iter().filter(is_below(root)).filter_map(|issued| issued.session.host);
    let hosts = hosts.map(|name| Reached { name, goes_on: false });
    Ok(apps.into_iter().map(|app| Reached { name: app.name, goes_on: app.is_offline }).chain(hosts).collect())
}
