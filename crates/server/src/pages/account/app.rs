//! `/account/apps/*`: the applications that a person lets know him or act for him, and the end of that.
//!
//! What is ended is the decision and everything that was given by it, in one transaction: the application asks again.

use std::collections::{BTreeMap, BTreeSet};

use admit_core::client::Client;
use admit_core::consent::Scopes;
use admit_core::id::{ClientId, UserId};
use admit_core::name::ScopeName;
use admit_core::oauth::identity::IdentityScope;
use admit_core::oauth::logout::source_of;
use admit_core::time::Time;
use admit_store::Page;
use axum::response::Response;

use super::{SHOWN_MAX, owner, to_sign_in};
use crate::http::problem::Problem;
use crate::login::ending::Ticked;
use crate::manage::work;
use crate::pages::form::Sent;
use crate::pages::visit::{Visit, go};

/// An application, as pages show it.
pub struct AppLine {
    pub(in crate::pages) client: ClientId,
    pub(in crate::pages) name: String,
    /// Where it is; empty where it is on somebody's machine.
    pub(in crate::pages) origin: String,
    /// What it may, in words.
    pub(in crate::pages) scopes: String,
    pub(in crate::pages) since: String,
    pub(in crate::pages) used: String,
}

/// What is known of one, put together.
#[derive(Default)]
struct Known {
    scopes: BTreeSet<ScopeName>,
    since: Option<Time>,
    used: Option<Time>,
}

impl Known {
    fn add(&mut self, scopes: impl IntoIterator<Item = ScopeName>, since: Time, used: Option<Time>) {
        self.scopes.extend(scopes);
        self.since = Some(self.since.map_or(since, |known| known.min(since)));
        self.used = self.used.max(used);
    }
}

/// The applications of a person, by what was used last; at most [`SHOWN_MAX`].
pub fn apps(visit: &Visit, user: UserId) -> Result<Vec<AppLine>, Problem> {
    let (realm, now) = (visit.row().id, visit.now);
    let read = visit.app.store.point(|tx| {
        let mut known: BTreeMap<ClientId, Known> = BTreeMap::new();
        for kept in tx.list_consents(realm, user, &Page::first(SHOWN_MAX))? {
            let Scopes { identity, apis } = kept.consent.given;
            let scopes = identity.into_iter().chain(apis.into_values().flatten());
            known.entry(kept.client).or_default().add(scopes, kept.created_at, None);
        }
        for issued in tx.list_authorizations_of(realm, user, now)? {
            let used = Some(issued.authorized.last_at);
            known.entry(issued.authorized.client).or_default().add(issued.grant.scopes, issued.grant.created_at, used);
        }
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_by_key(|(_, known)| std::cmp::Reverse(known.used.or(known.since)));
        known.truncate(SHOWN_MAX as usize);
        let with_client =
            known.into_iter().map(|(id, known)| Ok(tx.find_client(realm, id)?.map(|client| (client, known))));
        with_client.collect::<admit_store::Result<Vec<_>>>()
    })?;
    Ok(read.into_iter().flatten().map(|(client, known)| line(visit, client, known)).collect())
}

fn line(visit: &Visit, client: Client, known: Known) -> AppLine {
    let words = visit.words;
    let web = client.spec.redirect_uris.iter().find(|uri| uri.starts_with("https://"));
    AppLine {
        client: client.id,
        name: client.spec.name.to_string(),
        origin: web.map(|uri| source_of(uri).trim_start_matches("https://").to_owned()).unwrap_or_default(),
        scopes: in_order(&known.scopes).map(|scope| in_words(visit, scope)).collect::<Vec<_>>().join(" · "),
        since: known.since.map_or_else(String::new, |at| words.with("account.since", "when", words.date(at))),
        used: match known.used {
            Some(at) => words.with("account.used", "when", words.ago(at, visit.now)),
            None => words.say("account.never_used").to_owned(),
        },
    }
}

/// Who somebody is stands first.
fn in_order(scopes: &BTreeSet<ScopeName>) -> impl Iterator<Item = &ScopeName> {
    let known =
        IdentityScope::ALL.into_iter().filter_map(|of| scopes.iter().find(|scope| scope.as_str() == of.as_str()));
    known.chain(scopes.iter().filter(|scope| IdentityScope::of(scope).is_none()))
}

/// What its API says of a scope, else its name.
fn in_words(visit: &Visit, scope: &ScopeName) -> String {
    let words = visit.words;
    match IdentityScope::of(scope) {
        Some(IdentityScope::OpenId) => words.say("app.openid").to_owned(),
        Some(IdentityScope::Profile) => words.say("app.profile").to_owned(),
        Some(IdentityScope::Email) => words.say("app.email").to_owned(),
        Some(IdentityScope::OfflineAccess) => words.say("app.offline").to_owned(),
        None => {
            let mut told = visit.realm.apis.iter().filter_map(|api| api.spec.scopes.get(scope));
            told.find(|text| !text.is_empty()).cloned().unwrap_or_else(|| scope.to_string())
        }
    }
}

/// `POST /account/apps/revoke`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let unknown = || Problem::not_found("application", form.text("client"));
    let client: ClientId = form.text("client").parse().map_err(|_| unknown())?;
    if !revoke(&visit, signed_in.user, client).await? {
        return Err(unknown());
    }
    Ok(go(&visit.path("/account?done=app")))
}

/// False: the application had nothing of this person.
async fn revoke(visit: &Visit, user: UserId, client: ClientId) -> Result<bool, Problem> {
    let ending = Ticked::app(client).of(&visit.app, owner(visit, user));
    work::write(&visit.app, move |tx| Ok(ending.write(tx)? == 1)).await
}
