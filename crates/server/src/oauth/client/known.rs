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
use crate::authn::freshness;

const SHARDS: usize = 16;
/// The most clients of one shard, and the most bytes, about; a full one drops others for each that is added.
const SHARD_MAX: usize = 1_000;
const SHARD_BYTES_MAX: usize = 4 << 20;
/// What a client takes beside what it says of itself.
const CLIENT_BYTES: usize = 1 << 10;
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
        // As JSON, twice: what is read of it has pointers and room to grow.
        let text = serde_json::to_string(&client.spec).map_or(SHARD_BYTES_MAX, |text| text.len());
        let bytes = CLIENT_BYTES + 2 * text;
        Ok(Some(Self { client, roles, secrets, bytes, position: AtomicI64::new(position), read_at_us }))
    }

    fn is_current(&self, app: &App, realm: RealmId) -> bool {
        let slots = [slot(realm.bytes()), slot(self.client.id.bytes())];
        let Some(position) = app.epochs.renew(slots, self.position.load(Ordering::Relaxed)) else { return false };
        self.position.fetch_max(position, Ordering::Relaxed);
        freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

#[derive(Default)]
struct Shard {
    known: HashMap<(RealmId, ClientId), Arc<KnownClient>>,
    bytes: usize,
}

impl Shard {
    fn keep(&mut self, known: &Arc<KnownClient>) {
        let key = (known.client.realm, known.client.id);
        self.bytes += known.bytes;
        if let Some(older) = self.known.insert(key, known.clone()) {
            self.bytes -= older.bytes;
        }
        while self.known.len() > SHARD_MAX || self.bytes > SHARD_BYTES_MAX {
            // The one that is added is used now, whatever it takes.
            let Some(any) = self.known.keys().find(|other| **other != key).copied() else { return };
            self.bytes -= self.known.remove(&any).map_or(0, |other| other.bytes);
        }
    }
}

/// The clients that are known, and the uses of their secrets on their way to the store.
#[derive(Default)]
pub struct Clients {
    shards: [Mutex<Shard>; SHARDS],
    uses: Mutex<HashMap<SecretId, ClientSecretUse>>,
}

impl Clients {
    fn shard(&self, id: ClientId) -> &Mutex<Shard> {
        &self.shards[usize::from(id.bytes()[15]) % SHARDS]
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
    let kept = app.clients.shard(id).lock().known.get(&(realm, id)).cloned();
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
    app.clients.shard(id).lock().keep(&known);
    Ok(Some(known))
}

#[cfg(test)]
mod tests {
    use admit_core::client::ClientSpec;
    use admit_core::name::Label;
    use admit_core::scope::Rights;
    use serde_json::json;

    use super::*;

    fn known(number: u8, bytes: usize) -> Arc<KnownClient> {
        let spec = ClientSpec { metadata: json!({}), ..ClientSpec::service(Label::parse("c").unwrap(), Rights::new()) };
        let (id, realm, at) = (ClientId::from_bytes([number; 16]), RealmId::from_bytes([1; 16]), Time::default());
        let client = Client {
            id,
            realm,
            org: None,
            spec,
            disabled_at: None,
            valid_after: None,
            created_at: at,
            updated_at: at,
            version: 1,
        };
        let position = AtomicI64::new(0);
        Arc::new(KnownClient { client, roles: Vec::new(), secrets: Vec::new(), bytes, position, read_at_us: 0 })
    }

    #[test]
    fn clients_that_say_much_of_themselves_take_the_place_of_others_and_no_more() {
        let mut shard = Shard::default();
        (0..4).for_each(|number| shard.keep(&known(number, SHARD_BYTES_MAX / 4)));
        shard.keep(&known(0, SHARD_BYTES_MAX / 4));
        assert_eq!((shard.known.len(), shard.bytes), (4, SHARD_BYTES_MAX), "read anew, it is the same one");
        shard.keep(&known(9, 1));
        assert_eq!((shard.known.len(), shard.bytes), (4, SHARD_BYTES_MAX / 4 * 3 + 1));
        shard.keep(&known(10, SHARD_BYTES_MAX * 2));
        assert_eq!(shard.known.len(), 1, "one that is too large for all is kept alone");
        shard.keep(&known(11, 1));
        assert_eq!((shard.known.len(), shard.bytes), (1, 1));
    }
}
