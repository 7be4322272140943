//! `/password/forgot`: asks who it is and has a link mailed. The answer is the same for everybody, and does not wait for
//! what is done about it.

use admit_core::realm::Realm;
use admit_core::text::Language;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::http::problem::Problem;
use crate::login::password;
use crate::mail::{self, Link, Mail, To};
use crate::pages::form::Sent;
use crate::pages::visit::{Visit, with_cookies};
use crate::pages::{Frame, Message, page};

/// How many are done at a time. More are not done at all, and nobody is told so.
const AT_ONCE: usize = 32;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
}

/// `GET /password/forgot`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    must_have_mail(&visit.app)?;
    let ticket = visit.ticket();
    let shown = ForgotPage { frame: visit.frame(), base: &visit.base, token: ticket.token };
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

/// `POST /password/forgot`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    must_have_mail(&visit.app)?;
    visit.judge(&form)?;
    match PLACES.try_acquire() {
        Ok(place) => {
            let asked = Asked {
                app: visit.app.clone(),
                realm: visit.row().clone(),
                identifier: form.text("identifier").to_owned(),
                source: visit.source(),
                request_id: visit.request_id,
                language: visit.words.language(),
            };
            tokio::spawn(async move {
                let _place = place;
                asked.do_it().await;
            });
        }
        Err(_) => tracing::warn!("too many links are asked for at once: one is not sent"),
    }
    let words = visit.words;
    let text = words.with("forgot.done", "span", words.span(visit.row().reset_life()));
    Ok(page(StatusCode::OK, &Message { frame: visit.frame(), title: words.say("forgot.done_title"), text, next: None }))
}

struct Asked {
    app: App,
    realm: Realm,
    identifier: String,
    source: Option<IpNet>,
    request_id: admit_core::id::RequestId,
    language: Language,
}

impl Asked {
    async fn do_it(self) {
        let Self { app, realm, identifier, source, request_id, language } = self;
        let letter = match password::begin_reset(&app, &realm, &identifier, source, request_id).await {
            Ok(Some(letter)) => letter,
            Ok(None) => return,
            Err(error) => return tracing::error!(error = %error, "a link to set a password cannot be made"),
        };
        let now = app.now();
        let link = format!("{}/password/reset?token={}", app.issuer(&realm), letter.secret.expose());
        let mail = Mail::PasswordReset(Link { to: &link, good_for: letter.expires_at.since(now) });
        mail::send(&app, &realm, To { address: letter.to.as_str(), user: Some(letter.user), language }, &mail, now);
    }
}

/// Without mail there is no such page.
fn must_have_mail(app: &App) -> Result<(), Problem> {
    if mail::is_there(app) {
        return Ok(());
    }
    let detail = "No mail is sent from here: [mail] is not configured.";
    Err(Problem::new(404, "not_found", detail).with_next("admit user set-password USER"))
}
