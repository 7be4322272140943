//! What is known of clients: their rows, roles and secrets, each read once and kept until one of them changes.
//!
//! Like every cache here it holds facts, never verdicts, and a fill that raced with a change loses (see
//! [`crate::authn::epoch`]). Names of nobody are remembered where unknown credentials are, so that asking for them again costs
//! what asking for somebody does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use admit_core::client::Client;
use admit_core::client::secret::ClientSecret;
use admit_core::id::{ClientId, RealmId, SecretId, SubjectId};
use admit_core::role::Role;
use admit_core::secret::SecretKind;
use admit_core::time::{Span, Time};
use admit_store::{ClientSecretUse, Tx};
use ipnet::IpNet;
use parking_lot::Mutex;

use super::Refused;
use crate::app::App;
use crate::authn::cache::Depends;
use crate::authn::epoch::slot;
use crate::authn::freshness::{self, Before};
use crate::oauth::recent::Recent;

/// More than any client says of itself.
const TEXT_MAX: usize = 1 << 20;
/// How often a use of a secret is worth a note.
const NOTED_EVERY: Span = Span::minutes(1);
/// The most uses that wait to be written.
const USES_MAX: usize = 100_000;

/// One client, with what proves it and what its rights follow from.
pub struct KnownClient {
    /// Its row.
    pub client: Client,
    /// The roles that it holds.
    pub roles: Arc<[Role]>,
    secrets: Vec<Kept>,
    /// About how much it takes in memory.
    bytes: usize,
    position: AtomicI64,
    read_at_us: i64,
}

struct Kept {
    secret: ClientSecret,
    /// When its use was noted last, in milliseconds since 1970.
    noted_ms: AtomicI64,
}

impl KnownClient {
    /// Its secrets, those that have ended too.
    pub fn secrets(&self) -> impl Iterator<Item = &ClientSecret> {
        self.secrets.iter().map(|kept| &kept.secret)
    }

    /// Up to which change it is known.
    pub fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    fn read(
        app: &App,
        tx: &mut Tx<'_>,
        realm: RealmId,
        id: ClientId,
        before: Before,
    ) -> admit_store::Result<Option<Self>> {
        let Some(client) = tx.find_client(realm, id)? else { return Ok(None) };
        let roles = match client.spec.roles.is_empty() {
            true => Vec::new(),
            false => tx.list_roles_of(realm, SubjectId::Client(id))?,
        };
        let noted = |secret: &ClientSecret| secret.last_used_at.map_or(0, Time::unix_ms);
        let kept = |secret| Kept { noted_ms: AtomicI64::new(noted(&secret)), secret };
        let secrets: Vec<Kept> = tx.list_client_secrets(realm, id)?.into_iter().map(kept).collect();
        // What it says of itself as JSON, twice: what is read of it has pointers and room to grow.
        let text = serde_json::to_string(&client.spec).map_or(TEXT_MAX, |text| text.len());
        let bytes = size_of::<Self>() + 2 * text + size_of_val(&*secrets);
        let (roles, position) = (app.shared.roles(roles), AtomicI64::new(before.position));
        Ok(Some(Self { client, roles, secrets, bytes, position, read_at_us: before.read_at_us }))
    }

    fn is_current(&self, app: &App, realm: RealmId) -> bool {
        let slots = [slot(realm.bytes()), slot(self.client.id.bytes())];
        let Some(position) = app.epochs.renew(slots, self.position.load(Ordering::Relaxed)) else { return false };
        self.position.fetch_max(position, Ordering::Relaxed);
        freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

/// The clients that are known, and the uses of their secrets on their way to the store.
pub struct Clients {
    known: Recent<(RealmId, ClientId), KnownClient>,
    uses: Mutex<HashMap<SecretId, ClientSecretUse>>,
}

impl Clients {
    /// None yet, and never more than about so many bytes of them.
    pub fn new(bytes_max: usize) -> Self {
        Self { known: Recent::new(bytes_max), uses: Mutex::default() }
    }

    /// Notes that a secret proved its client, unless that was noted a moment ago.
    pub(super) fn note_use(&self, known: &KnownClient, id: SecretId, now: Time) {
        let Some(kept) = known.secrets.iter().find(|kept| kept.secret.id == id) else { return };
        let noted = kept.noted_ms.load(Ordering::Relaxed);
        if Time::from_unix_ms(noted) + NOTED_EVERY > now {
            return;
        }
        kept.noted_ms.store(now.unix_ms(), Ordering::Relaxed);
        let mut uses = self.uses.lock();
        if uses.len() < USES_MAX || uses.contains_key(&id) {
            uses.insert(id, ClientSecretUse { realm: known.client.realm, id, at: now });
        }
    }

    /// Takes out the uses that wait, in the order in which they are to be written.
    pub fn drain_uses(&self) -> Vec<ClientSecretUse> {
        let mut uses: Vec<_> = std::mem::take(&mut *self.uses.lock()).into_values().collect();
        uses.sort_by_key(|used| used.id);
        uses
    }
}

/// The client of this id, where there is one. Who was never seen costs a unit of the budget of unknown credentials of the
/// network that asks, and somebody gives it back.
pub(super) fn find(
    app: &App,
    realm: RealmId,
    id: ClientId,
    source: Option<IpNet>,
) -> Result<Option<Arc<KnownClient>>, Refused> {
    let kept = app.clients.known.get(&(realm, id));
    if let Some(known) = kept.as_ref().filter(|known| known.is_current(app, realm)) {
        return Ok(Some(known.clone()));
    }
    let tag = app.tagger.tag(realm, SecretKind::ClientSecret, &id.to_string());
    if kept.is_none() && freshness::overdue(app).is_none() && app.unknown.has(&tag, &app.epochs) {
        return Ok(None);
    }
    let (budget, is_new) = (app.config.load().unknown, kept.is_none());
    let now_us = app.clock.monotonic_us();
    if is_new && !app.limiter.take_unknown(&budget, realm, source, now_us) {
        return Err(Refused::Later(app.limiter.wait_unknown(&budget, realm, source, now_us)));
    }
    app.metrics.cache_misses.inc();
    let before = Before::now(app);
    let read = app.store.point(|tx| KnownClient::read(app, tx, realm, id, before));
    // A store that does not answer says nothing about the client.
    if is_new && !matches!(read, Ok(None)) {
        app.limiter.give_back_unknown(&budget, realm, source);
    }
    let read = read.map_err(|error| {
        freshness::log_unread(app, &error, "a client");
        Refused::Unavailable
    })?;
    let Some(known) = read.map(Arc::new) else {
        if let Some(depends) = Depends::on(&[slot(id.bytes())]) {
            app.unknown.insert(tag, before.position, depends);
        }
        return Ok(None);
    };
    app.clients.known.keep((realm, id), known.clone(), known.bytes);
    Ok(Some(known))
}
