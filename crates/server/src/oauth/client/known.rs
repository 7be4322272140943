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
use admit_core::jose::jwk::KeySet;
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
use crate::authn::freshness;

const SHARDS: usize = 16;
/// The most clients of one shard; a full one drops any other for each that is added.
const SHARD_MAX: usize = 1_000;
/// How often a use of a secret is worth a note.
const NOTED_EVERY: Span = Span::minutes(1);
/// The most uses that wait to be written.
const USES_MAX: usize = 100_000;

/// One client, with what proves it and what its rights follow from.
pub struct KnownClient {
    /// Its row.
    pub client: Client,
    /// The roles that it holds.
    pub roles: Vec<Role>,
    secrets: Vec<Kept>,
    keys: KeySet,
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

    /// The keys that it brought along.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Up to which change it is known.
    pub fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    fn read(
        tx: &mut Tx<'_>,
        realm: RealmId,
        id: ClientId,
        position: i64,
        read_at_us: i64,
    ) -> admit_store::Result<Option<Self>> {
        let Some(client) = tx.find_client(realm, id)? else { return Ok(None) };
        let roles = match client.spec.roles.is_empty() {
            true => Vec::new(),
            false => tx.list_roles_of(realm, SubjectId::Client(id))?,
        };
        let noted = |secret: &ClientSecret| secret.last_used_at.map_or(0, Time::unix_ms);
        let kept = |secret| Kept { noted_ms: AtomicI64::new(noted(&secret)), secret };
        let secrets = tx.list_client_secrets(realm, id)?.into_iter().map(kept).collect();
        // They were looked at when they were registered; a set that is none any more verifies nothing.
        let keys = KeySet::of(&client.spec.jwks).unwrap_or_default();
        Ok(Some(Self { client, roles, secrets, keys, position: AtomicI64::new(position), read_at_us }))
    }

    fn is_current(&self, app: &App, realm: RealmId) -> bool {
        let slots = [slot(realm.bytes()), slot(self.client.id.bytes())];
        let Some(position) = app.epochs.renew(slots, self.position.load(Ordering::Relaxed)) else { return false };
        self.position.fetch_max(position, Ordering::Relaxed);
        freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

type Shard = Mutex<HashMap<(RealmId, ClientId), Arc<KnownClient>>>;

/// The clients that are known, and the uses of their secrets on their way to the store.
#[derive(Default)]
pub struct Clients {
    shards: [Shard; SHARDS],
    uses: Mutex<HashMap<SecretId, ClientSecretUse>>,
}

impl Clients {
    fn shard(&self, id: ClientId) -> &Shard {
        &self.shards[usize::from(id.bytes()[15]) % SHARDS]
    }

    fn keep(&self, realm: RealmId, known: &Arc<KnownClient>) {
        let mut shard = self.shard(known.client.id).lock();
        let key = (realm, known.client.id);
        if shard.len() >= SHARD_MAX
            && !shard.contains_key(&key)
            && let Some(any) = shard.keys().next().copied()
        {
            shard.remove(&any);
        }
        shard.insert(key, known.clone());
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
    let kept = app.clients.shard(id).lock().get(&(realm, id)).cloned();
    if let Some(known) = kept.as_ref().filter(|known| known.is_current(app, realm)) {
        return Ok(Some(known.clone()));
    }
    let tag = app.tagger.tag(realm, SecretKind::ClientSecret, &id.to_string());
    if kept.is_none() && freshness::overdue(app).is_none() && app.unknown.has(&tag, &app.epochs) {
        return Ok(None);
    }
    let (budget, is_new) = (app.config.load().unknown, kept.is_none());
    if is_new && !app.limiter.take_unknown(&budget, realm, source, app.clock.monotonic_us()) {
        return Err(Refused::Later(1));
    }
    app.metrics.cache_misses.inc();
    let (position, read_at_us) = (app.epochs.position(), app.clock.monotonic_us());
    let read = app.store.point(|tx| KnownClient::read(tx, realm, id, position, read_at_us));
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
            app.unknown.insert(tag, position, depends);
        }
        return Ok(None);
    };
    app.clients.keep(realm, &known);
    Ok(Some(known))
}
