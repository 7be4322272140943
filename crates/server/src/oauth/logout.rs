//! `/oauth/logout`: an application asks to sign somebody out (OpenID Connect RP-Initiated Logout 1.0).
//!
//! The request is judged here without the session, for a form that another site sends comes without its cookie. What is known
//! then travels sealed to `/logout`, by a redirect, where the browser shows it. Ends nothing and shows nothing.

use admit_core::client::Client;
use admit_core::form::Form;
use admit_core::id::{ClientId, GrantId, RealmId};
use admit_core::jose::Flaw;
use admit_core::jose::claims::Claims;
use admit_core::jose::jws::Compact;
use admit_core::oauth::logout::{Hint, LogoutRequest};
use admit_core::seal::{NONCE_BYTES, Place};
use admit_core::signing_key::Purpose;
use admit_core::text::Language;
use admit_core::time::{Span, Time};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::pages::form::{Query, Sent};
use crate::pages::visit::{Visit, go};

/// How long the way to the page may take.
const LIFE: Span = Span::minutes(10);
/// The longest text of it, in bytes.
const SEALED_MAX: usize = 3 * 1024;
/// The typ that an ID token may have; it may also have none.
const ID_TOKEN_TYP: &str = "JWT";

/// A sign-out on its way: what an application asked for, or what ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Farewell {
    /// Which application asks.
    #[serde(rename = "c")]
    pub client: Option<ClientId>,
    /// The session that it showed to be its own.
    #[serde(rename = "s")]
    pub session: Option<GrantId>,
    /// Where the browser goes in the end.
    #[serde(rename = "t")]
    pub to: Option<String>,
    /// Whether what was asked for cannot be.
    #[serde(rename = "w")]
    pub is_wrong: bool,
    /// What ended: applications and hosts.
    #[serde(rename = "e")]
    pub ended: Vec<String>,
    /// In which browser, which is the only one that is told: applications choose what they are called.
    #[serde(rename = "b")]
    pub browser: Option<[u8; 16]>,
    /// The language that was asked for.
    #[serde(rename = "l")]
    pub language: Option<String>,
    #[serde(rename = "x")]
    expires_at_ms: i64,
}

impl Farewell {
    /// The text for the address. Where it would be too long, what ended is left out.
    pub fn seal(mut self, app: &App, realm: RealmId, now: Time) -> Option<String> {
        self.expires_at_ms = (now + LIFE).unix_ms();
        let nonce: [u8; NONCE_BYTES] = app.random();
        let octets = serde_json::to_vec(&self).ok()?;
        let sealed = app.master.keys().active().seal.seal(&place(realm), nonce, &octets);
        let text = BASE64URL_NOPAD.encode(&sealed);
        match (text.len() <= SEALED_MAX, self.ended.is_empty()) {
            (true, _) => Some(text),
            (false, true) => None,
            (false, false) => Self { ended: Vec::new(), ..self }.seal(app, realm, now),
        }
    }

    /// Reads it, as long as it is good.
    pub fn open(app: &App, realm: RealmId, text: &str, now: Time) -> Option<Self> {
        if text.len() > SEALED_MAX {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let octets = app.master.keys().open(&place(realm), &sealed).ok()?;
        let this: Self = serde_json::from_slice(&octets).ok()?;
        (now < Time::from_unix_ms(this.expires_at_ms)).then_some(this)
    }
}

/// What it is, so that no other sealed value is taken for one.
fn place(realm: RealmId) -> Place<'static> {
    Place { table: "(address)", column: "logout", row: &[0; 16], realm }
}

/// `GET /oauth/logout`
pub async fn get(visit: Visit, Query(form): Query) -> Result<Response, Problem> {
    on(&visit, &form)
}

/// `POST /oauth/logout`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    on(&visit, &form)
}

/// On to the page, with what is known.
fn on(visit: &Visit, form: &Form) -> Result<Response, Problem> {
    if !visit.is_navigation() {
        let detail = "A sign-out begins where a person goes to it, and not as part of another page.";
        return Err(Problem::new(403, "cross_site", detail));
    }
    let (app, realm, now) = (&visit.app, visit.row().id, visit.now);
    let farewell = judge(visit, form)?;
    let bare = Farewell { is_wrong: true, ..Farewell::default() };
    let sealed = farewell.seal(app, realm, now).or_else(|| bare.seal(app, realm, now)).unwrap_or_default();
    Ok(go(&visit.path(&format!("/logout?flow={sealed}"))))
}

fn judge(visit: &Visit, form: &Form) -> Result<Farewell, Problem> {
    let text = |name: &str| Some(form.text(name)).filter(|text| !text.is_empty());
    let hint = text("id_token_hint").map(|hint| read_hint(&visit.app, &visit.realm, hint)).transpose()?;
    let request = LogoutRequest {
        hint,
        client_id: text("client_id"),
        uri: text("post_logout_redirect_uri"),
        state: text("state"),
    };
    let client = match request.client() {
        Some(id) => visit.app.store.point(|tx| tx.find_client(visit.row().id, id))?,
        None => None,
    };
    let client = client.as_ref();
    let language = text("ui_locales").and_then(Language::first_of).map(|language| language.tag().to_owned());
    let known = Farewell { client: client.map(|client: &Client| client.id), language, ..Farewell::default() };
    Ok(match request.judge(client) {
        Ok(to) => {
            let session = request.hint.and_then(Result::ok).map(|hint| hint.session);
            Farewell { session, to, ..known }
        }
        Err(why) => {
            tracing::info!(
                client.id = known.client.map(tracing::field::display),
                why = why.as_str(),
                "a sign-out is not led on"
            );
            Farewell { is_wrong: true, ..known }
        }
    })
}

/// What an ID token says; it may have ended, and its key may sign no more, but must not be revoked.
pub fn read_hint(app: &App, realm: &RealmPolicy, hint: &str) -> Result<Result<Hint, Flaw>, Problem> {
    let ring = app.signing.ring(app, realm).map_err(|reason| Problem::unavailable(reason.as_str()))?;
    let issuer = app.issuer(&realm.realm);
    let read = || {
        let compact = Compact::parse(hint)?;
        let header = compact.header();
        if header.typ.is_some() && !header.is_type(ID_TOKEN_TYP) {
            return Err(Flaw::Type);
        }
        let kid = header.kid.as_deref().ok_or(Flaw::UnknownKey)?;
        let key = ring.known(Purpose::Issuer, kid).ok_or(Flaw::UnknownKey)?;
        Hint::read(&Claims::parse(&compact.verify(key)?)?, &issuer)
    };
    Ok(read())
}
