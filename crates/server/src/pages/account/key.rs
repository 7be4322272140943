//! `/account/keys/*`: a key that acts as its person, for who signed in a moment ago; and the end of one.

use admit_core::form::Form;
use admit_core::id::KeyId;
use admit_core::key::KeyRequest;
use admit_core::name::{ApiUri, Label, ScopeName};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{owner, tell, to_sign_in};
use crate::check::policies::all_apis;
use crate::http::problem::Problem;
use crate::login::session::SignedIn;
use crate::mail::Mail;
use crate::manage::guard::Access;
use crate::manage::keys as managed;
use crate::pages::form::Sent;
use crate::pages::visit::{Visit, go, with_cookies};
use crate::pages::{Frame, page};

/// For how many days a key may be good.
const LIVES: [i64; 4] = [7, 30, 90, 365];
const DAY_S: i64 = 86_400;

struct ApiChoice {
    uri: ApiUri,
    scopes: Vec<ScopeChoice>,
}

struct ScopeChoice {
    name: ScopeName,
    text: String,
}

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    error: String,
    name: &'p str,
    lives: Vec<(i64, String)>,
    apis: Vec<ApiChoice>,
}

#[derive(Template)]
#[template(path = "key_made.html")]
pub(super) struct KeyMadePage<'p> {
    pub(super) frame: Frame,
    pub(super) base: &'p str,
    pub(super) key: &'p str,
}

/// `GET /account/keys/new`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    match fresh(&visit, "key")? {
        Ok(signed_in) => show(&visit, &signed_in, "", String::new(), StatusCode::OK),
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// `POST /account/keys/new`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let signed_in = match fresh(&visit, "key")? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let request = match ask(&visit, &signed_in, &form) {
        Ok(request) => request,
        Err(error) => return show(&visit, &signed_in, form.text("name"), error, StatusCode::UNPROCESSABLE_ENTITY),
    };
    let name = request.name.to_string();
    let access = Access::of_person(&visit.realm, &signed_in.principal, visit.request_id, visit.now);
    let key = managed::create_own(&visit.app, access, request).await?;
    tell(&visit, signed_in.user, &Mail::KeyCreated { name: &name })?;
    let shown = KeyMadePage { frame: visit.frame(), base: &visit.base, key: key.expose() };
    Ok(page(StatusCode::CREATED, &shown))
}

/// `POST /account/keys/revoke`
pub async fn revoke(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let unknown = || Problem::not_found("key", form.text("key"));
    let key: KeyId = form.text("key").parse().map_err(|_| unknown())?;
    if !managed::revoke_own(&visit.app, owner(&visit, signed_in.user), key).await? {
        return Err(unknown());
    }
    Ok(go(&visit.path("/account?done=revoked")))
}

/// Who signed in a moment ago; everybody else does that first, for a purpose that the sign-in page knows.
pub(super) fn fresh(visit: &Visit, purpose: &str) -> Result<Result<SignedIn, Response>, Problem> {
    let signed_in = visit.signed_in()?.filter(|signed_in| signed_in.is_fresh);
    Ok(signed_in.ok_or_else(|| go(&visit.path(&format!("/login?for={purpose}")))))
}

/// What the form asks for, or what is wrong with it.
fn ask(visit: &Visit, signed_in: &SignedIn, form: &Form) -> Result<KeyRequest, String> {
    let words = visit.words;
    let name = Label::parse(form.text("name").trim()).map_err(|_| words.say("new_key.no_name").to_owned())?;
    let days = form.text("days").parse().ok().filter(|days| LIVES.contains(days)).unwrap_or(LIVES[2]);
    let apis = choices(visit, signed_in).map_err(|_| words.say("error.unavailable.text").to_owned())?;
    let mut chosen: Option<(ApiUri, Vec<ScopeName>)> = None;
    for ticked in form.ticked("scope:") {
        let found = ticked.split_once(':').and_then(|(place, scope)| {
            let api = apis.get(place.parse::<usize>().ok()?)?;
            Some((api, api.scopes.iter().find(|choice| choice.name.as_str() == scope)?.name.clone()))
        });
        // A box that was not on the page, or is not any more: it grants nothing.
        let Some((api, scope)) = found else { continue };
        match &mut chosen {
            None => chosen = Some((api.uri.clone(), vec![scope])),
            Some((uri, scopes)) if *uri == api.uri => scopes.push(scope),
            Some(_) => return Err(words.say("new_key.one_api").to_owned()),
        }
    }
    let (api, scopes) = chosen.map_or((None, Vec::new()), |(api, scopes)| (Some(api), scopes));
    Ok(KeyRequest {
        name,
        owner: Some(signed_in.user.to_string()),
        api,
        scopes,
        expires_in_s: Some(days * DAY_S),
        never_expires: false,
        ip: Vec::new(),
        limit: None,
        metadata: serde_json::Value::Null,
        external_id: None,
    })
}

/// What the person may do now, and a key of his may do too.
fn choices(visit: &Visit, signed_in: &SignedIn) -> Result<Vec<ApiChoice>, Problem> {
    let Some(sign_in) = &signed_in.principal.sign_in else { return Ok(Vec::new()) };
    let known = visit.app.store.point(|tx| all_apis(tx, visit.row().id))?;
    let choice = |api: &admit_core::api::Api| {
        let standing = sign_in.standing_on(&api.spec.uri)?;
        let scope = |name: &ScopeName| {
            let text = api.spec.scopes.get(name).filter(|text| !text.is_empty());
            ScopeChoice { name: name.clone(), text: text.cloned().unwrap_or_default() }
        };
        let scopes: Vec<_> = standing.scopes.iter().map(scope).collect();
        (!scopes.is_empty()).then(|| ApiChoice { uri: api.spec.uri.clone(), scopes })
    };
    Ok(known.iter().filter_map(choice).collect())
}

fn show(
    visit: &Visit,
    signed_in: &SignedIn,
    name: &str,
    error: String,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (ticket, words) = (visit.ticket(), visit.words);
    let lives = LIVES.map(|days| (days, words.span(admit_core::time::Span::days(days)))).to_vec();
    let apis = choices(visit, signed_in)?;
    let shown = NewKeyPage { frame: visit.frame(), base: &visit.base, token: ticket.token, error, name, lives, apis };
    Ok(with_cookies(page(status, &shown), ticket.cookie))
}
