//! `/register`: an account that somebody makes for himself, where the realm lets people. The answer is the same for every
//! address, and does not wait for what is done about it; what is to be told is mailed to the address.

use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::Secret;
use admit_core::text::Language;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use super::form::{Query, Sent};
use super::password::{Choice, by_link, weakness};
use super::visit::{Visit, with_cookies};
use super::{Frame, Message, page};
use crate::app::App;
use crate::http::problem::Problem;
use crate::login::password::NotSet;
use crate::login::register::{self, Told};
use crate::mail::{self, Link, Mail, To};

/// How many are done at a time. More are not done at all, and nobody is told so.
const AT_ONCE: usize = 32;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    email: &'p str,
    error: &'static str,
}

/// Whether people may make accounts for themselves here.
pub fn is_open(visit: &Visit) -> bool {
    visit.row().lets_register() && mail::is_there(&visit.app)
}

/// `GET /register`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    must_be_open(&visit)?;
    Ok(show(&visit, "", "", StatusCode::OK))
}

/// `POST /register`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    must_be_open(&visit)?;
    let Some(address) = register::read_address(form.text("email")) else {
        let error = visit.words.say("register.no_address");
        return Ok(show(&visit, form.text("email"), error, StatusCode::UNPROCESSABLE_ENTITY));
    };
    match PLACES.try_acquire() {
        Ok(place) => {
            let asked = Asked {
                app: visit.app.clone(),
                realm: visit.row().clone(),
                source: visit.source(),
                language: visit.words.language(),
            };
            tokio::spawn(async move {
                let _place = place;
                asked.do_it(address).await;
            });
        }
        Err(_) => tracing::warn!("too many accounts are asked for at once: one link is not sent"),
    }
    let words = visit.words;
    let text = words.with("register.done", "span", words.span(visit.row().confirmation_life()));
    Ok(page(
        StatusCode::OK,
        &Message { frame: visit.frame(), title: words.say("register.done_title"), text, next: None },
    ))
}

/// `GET /register/password?token=…`: opening it uses nothing up.
pub async fn get_password(visit: Visit, query: Query) -> Result<Response, Problem> {
    must_be_open(&visit)?;
    choose(&visit, &Secret::new(query.text("token")), String::new(), StatusCode::OK)
}

/// `POST /register/password`
pub async fn post_password(visit: Visit, Sent(mut form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    must_be_open(&visit)?;
    let (link, chosen) = (form.take("token"), form.take("password"));
    match register::finish(&visit.app, visit.row(), &link, &chosen, visit.asker()).await {
        Ok(_) => Ok(by_link::done(&visit)),
        Err(NotSet::Weak(why)) => choose(&visit, &link, weakness(visit.words, why), StatusCode::UNPROCESSABLE_ENTITY),
        Err(NotSet::NoLink | NotSet::Current(_)) => Ok(no_link(&visit)),
        Err(NotSet::Full) => Err(Problem::overloaded()),
        Err(NotSet::Unavailable) => Err(Problem::unavailable("an account cannot be made")),
    }
}

struct Asked {
    app: App,
    realm: Realm,
    source: Option<IpNet>,
    language: Language,
}

impl Asked {
    async fn do_it(self, address: Label) {
        let Self { app, realm, source, language } = self;
        match register::begin(&app, &realm, address, source).await {
            Ok(Some(told)) => tell(&app, &realm, &told, language, false),
            Ok(None) => {}
            Err(error) => tracing::error!(error = %error, "a link to make an account cannot be made"),
        }
    }
}

/// Mails the owner of an address what came of somebody's wish to use it, for a new account or for one that is there. No word of
/// whoever wishes is in it: anybody can be written to.
pub(super) fn tell(app: &App, realm: &Realm, told: &Told, language: Language, is_account: bool) {
    let (now, issuer) = (app.now(), app.issuer(realm));
    match told {
        Told::InUse(owner, address) => {
            let to = format!("{issuer}/login");
            let mail = Mail::AddressInUse(Link { to: &to, good_for: realm.confirmation_life() });
            mail::send(app, realm, To { address: address.as_str(), user: Some(*owner), language }, &mail, now);
        }
        Told::MayHave(address, link) => {
            let path = if is_account { "/confirm" } else { "/register/password" };
            let to = format!("{issuer}{path}?token={}", link.secret.expose());
            let link = Link { to: &to, good_for: link.expires_at().since(now) };
            let mail = if is_account { Mail::AddressProof(link) } else { Mail::Registration(link) };
            mail::send(app, realm, To { address: address.as_str(), user: None, language }, &mail, now);
        }
    }
}

fn show(visit: &Visit, email: &str, error: &'static str, status: StatusCode) -> Response {
    let ticket = visit.ticket();
    let shown = RegisterPage { frame: visit.frame(), base: &visit.base, token: ticket.token, email, error };
    with_cookies(page(status, &shown), ticket.cookie)
}

fn choose(visit: &Visit, link: &Secret, error: String, status: StatusCode) -> Result<Response, Problem> {
    let Some(address) = register::find(&visit.app, visit.row().id, link, visit.now)? else {
        return Ok(no_link(visit));
    };
    let (ticket, words) = (visit.ticket(), visit.words);
    let lead = words.with("register.password_lead", "address", address.as_str());
    let shown = Choice {
        frame: visit.frame(),
        title: words.say("register.password_title"),
        lead: &lead,
        action: visit.path("/register/password"),
        token: ticket.token,
        username: address.to_string(),
        link: link.expose(),
        error,
        asks_current: false,
        apps: Vec::new(),
        keys: Vec::new(),
    };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}

fn no_link(visit: &Visit) -> Response {
    let words = visit.words;
    let (title, text) = (words.say("password.no_link_title"), words.say("password.no_link").to_owned());
    let next = Some((words.say("password.again"), visit.path("/register")));
    page(StatusCode::BAD_REQUEST, &Message { frame: visit.frame(), title, text, next })
}

/// PW-16: closed is closed, whatever path leads here.
fn must_be_open(visit: &Visit) -> Result<(), Problem> {
    if is_open(visit) {
        return Ok(());
    }
    let detail = "Nobody makes an account for himself here.";
    let next = format!("admit realm update {} --setting self_registration=true", visit.row().name);
    Err(Problem::new(403, "registration_closed", detail).with_next(next))
}
