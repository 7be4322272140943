//! What clients have as themselves: for each client and API one grant, made at the first token and found again afterwards.
//!
//! It lends whatever the client may do there *now*; a token narrows it. Ending it ends every token that was issued under it,
//! and the next request makes another. Warm, nothing is read: what was found is remembered until the realm, the client or
//! the grant changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use admit_core::api::Api;
use admit_core::audit::Event;
use admit_core::client::Client;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ApiId, ClientId, GrantId, OrgId, RealmId, SubjectId};
use admit_core::name::ScopeName;
use admit_core::oauth::client_credentials::{self, Held, Refusal};
use admit_core::principal::Standing;
use admit_core::realm::Realm;
use admit_core::role::Role;
use admit_core::time::Time;
use admit_store::{End, Tx};
use serde_json::json;

use crate::app::App;
use crate::authn::epoch::slot;
use crate::authn::freshness;
use crate::check::policies::RealmPolicy;
use crate::manage::work::BEHIND_MAX;
use crate::oauth::recent::Recent;

/// What a client has as itself on one API.
pub struct Own {
    /// Which API.
    pub api: ApiId,
    /// Its place among those of the realm, as they stood then.
    place: usize,
    /// The grant.
    pub grant: GrantId,
    /// The customer that owns the client.
    pub org: Option<OrgId>,
    /// All that the client may do there.
    pub whole: Arc<Standing>,
    made_at: Time,
    position: AtomicI64,
    read_at_us: i64,
}

impl Own {
    /// The API as it is now.
    pub fn api_of<'r>(&self, realm: &'r RealmPolicy) -> Option<&'r Api> {
        let is_it = |api: &&Api| api.id == self.api;
        realm.apis.get(self.place).filter(is_it).or_else(|| realm.apis.iter().find(is_it))
    }

    fn is_current(&self, app: &App, realm: &Realm, client: ClientId) -> bool {
        let slots = [slot(realm.id.bytes()), slot(client.bytes()), slot(self.grant.bytes())];
        let Some(position) = app.epochs.renew(slots, self.position.load(Ordering::Relaxed)) else { return false };
        self.position.fetch_max(position, Ordering::Relaxed);
        freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

/// A client, and the API for which it asked where it said one.
type Key = (ClientId, Option<ApiId>);

/// What is remembered.
pub struct Owns(Recent<Key, Own>);

impl Owns {
    /// Nothing yet, and never more than about so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Recent::new(bytes_max))
    }
}

/// Why there is nothing.
pub enum Nothing {
    /// The client may not.
    Refused(Refusal),
    /// By its clock this node would issue what is over at once, or lives too long.
    Behind,
    /// The store cannot be asked, or not be written to.
    Store(admit_store::Error),
}

/// For whom and what it is asked.
pub struct Asked<'a> {
    /// The realm, as it was after [`Self::position`] was taken.
    pub realm: &'a Arc<RealmPolicy>,
    /// The client, likewise.
    pub client: &'a Client,
    /// The roles that it holds, likewise.
    pub roles: &'a [Role],
    /// Every `resource`.
    pub resources: Vec<&'a str>,
    /// Taken before anything of this was read.
    pub position: i64,
    /// The moment.
    pub now: Time,
}

impl<'a> Asked<'a> {
    /// All that the client may do on the API that it asks for.
    pub fn hold(&self) -> Result<Held<'a>, Refusal> {
        client_credentials::hold(&self.realm.realm, self.client, self.roles, &self.realm.apis, &self.resources)
    }
}

/// What a client has as itself on the API that it asks for.
pub async fn of(app: &App, asked: &Asked<'_>) -> Result<Arc<Own>, Nothing> {
    let client = asked.client;
    let key = (client.id, named(asked));
    let may_be_known = key.1.is_some() || asked.resources.is_empty();
    let known = may_be_known.then(|| app.owns.0.get(&key)).flatten();
    if let Some(known) = known.filter(|known| known.is_current(app, &asked.realm.realm, client.id)) {
        return if known.made_at > asked.now + BEHIND_MAX { Err(Nothing::Behind) } else { Ok(known) };
    }
    find(app, asked, key).await
}

/// The API that is named, where one is. Several, none and unknown ones are judged in core.
fn named(asked: &Asked<'_>) -> Option<ApiId> {
    let (first, others) = asked.resources.split_first()?;
    let is_one = others.iter().all(|other| other == first);
    let found = asked.realm.apis.iter().find(|api| is_one && api.spec.uri.as_str() == *first);
    found.map(|api| api.id)
}

async fn find(app: &App, asked: &Asked<'_>, key: Key) -> Result<Arc<Own>, Nothing> {
    let (realm, client) = (&asked.realm.realm, asked.client);
    let read_at_us = app.clock.monotonic_us();
    let held = asked.hold().map_err(Nothing::Refused)?;
    let (id, api) = (client.id, held.api.id);
    let since = realm.valid_after.max(client.valid_after).unwrap_or_default();
    let known = app.store.point(|tx| tx.find_grant_of_client(realm.id, id, api, since)).map_err(Nothing::Store)?;
    let grant = match known {
        Some(grant) if grant.created_at > asked.now + BEHIND_MAX => return Err(Nothing::Behind),
        Some(grant) => grant,
        None => begin(app, asked, held.api, since).await?,
    };
    let own = Arc::new(Own {
        api,
        place: asked.realm.apis.iter().position(|known| known.id == api).unwrap_or_default(),
        grant: grant.id,
        org: held.org,
        whole: app.shared.standing(Arc::new(held.whole)),
        made_at: grant.created_at,
        position: AtomicI64::new(asked.position),
        read_at_us,
    });
    let scopes = own.whole.scopes.iter().map(|scope| size_of::<ScopeName>() + scope.as_str().len());
    app.owns.0.keep(key, own.clone(), size_of::<Own>() + scopes.sum::<usize>());
    Ok(own)
}

/// The grant for a client that has none yet on this API. Of two requests at once the second finds that of the first.
async fn begin(app: &App, asked: &Asked<'_>, api: &Api, since: Time) -> Result<Grant, Nothing> {
    let (client, now) = (asked.client, asked.now);
    let grant = grant_of(app, client.realm, client.id, client.org, api.id, now);
    let event = Event::new(app.id(now), client.realm, "grant.created", now).by(client.id).on(grant.id);
    let event = Event { detail: json!({ "kind": grant.kind.as_str(), "api": api.spec.uri }), ..event };
    let _place = app.lanes.enter(client.realm).await.ok_or(Nothing::Store(admit_store::Error::Overloaded))?;
    let begun = app.store.write(move |tx| match ensure(tx, &grant, since, now)? {
        Ensured::Behind => Ok(End::Rollback(None)),
        Ensured::Known(known) => Ok(End::Commit(Some(known))),
        Ensured::Made => {
            tx.insert_event(&event)?;
            Ok(End::Commit(Some(grant.clone())))
        }
    });
    begun.await.map_err(Nothing::Store)?.ok_or(Nothing::Behind)
}

/// A grant of what a client may do as itself on an API, before it is written.
fn grant_of(app: &App, realm: RealmId, client: ClientId, org: Option<OrgId>, api: ApiId, now: Time) -> Grant {
    let id = app.id(now);
    Grant {
        id,
        realm,
        org,
        kind: GrantKind::Client,
        subject: SubjectId::Client(client),
        client: None,
        parent: None,
        root: id,
        api: Some(api),
        scopes: Vec::new(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}

/// What became of a grant that was to be there.
enum Ensured {
    /// It was written.
    Made,
    /// Another one was there.
    Known(Grant),
    /// The clock is behind what is stored.
    Behind,
}

/// Writes a client's grant unless one is there that counts.
fn ensure(tx: &mut Tx<'_>, grant: &Grant, since: Time, now: Time) -> admit_store::Result<Ensured> {
    let (SubjectId::Client(client), Some(api)) = (grant.subject, grant.api) else {
        return Err(admit_store::Error::Corrupt { what: "a client's own grant has no client or no API".to_owned() });
    };
    tx.lock_subject(grant.realm, grant.subject)?;
    if let Some(known) = tx.find_grant_of_client(grant.realm, client, api, since)? {
        return Ok(Ensured::Known(known));
    }
    if tx.newest_grant()?.is_some_and(|newest| newest > now + BEHIND_MAX) {
        return Ok(Ensured::Behind);
    }
    tx.insert_grant(grant)?;
    Ok(Ensured::Made)
}
