//! The keys that sign for a realm: at hand when something is to be signed or verified, made when they are missed.
//!
//! [`key`] is for who signs and may wait, [`at_hand`] for who may not, [`verifying`] for who verifies. All three look into the
//! realm's ring ([`ring`]): its keys, opened and parsed once and read again when one of them changes. What will sign for a
//! client is there before anybody signs in to it ([`prepare`]). [`make`] draws new
//! ones, [`reseal`] follows the master key. When which key signs is settled in `core::signing_key`.
//!
//! Knows nothing of what is signed. Private halves leave this folder as `SigningKey` only, which can sign and not be read.

pub mod make;
pub mod reseal;
pub mod ring;

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::client::{ClientSpec, ClientType};
use admit_core::id::RealmId;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SigningKey;
use admit_core::signing_key::Purpose;
use admit_core::time::{Span, Time};

use crate::app::App;
use crate::check::policies::RealmPolicy;
use make::Workshop;
pub use ring::Published;
use ring::{Ring, Rings};

/// What a node has of it.
#[derive(Default)]
pub struct Signing {
    rings: Rings,
    workshop: Workshop,
}

impl Signing {
    /// Where new keys are made.
    pub fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// The keys of a realm as they are now.
    pub fn ring(&self, app: &App, realm: &RealmPolicy) -> Result<Arc<Ring>, Reason> {
        self.rings.of(app, realm.realm.id)
    }

    /// The same; where they cannot be read, as they were not longer than this ago, as far as is known.
    pub fn lately(&self, app: &App, realm: &RealmPolicy, ago: Span) -> Result<Arc<Ring>, Reason> {
        self.rings.lately(app, realm.realm.id, ago)
    }
}

/// The key that signs now. The first one of its kind is made here, and is durable before it signs.
pub async fn key(
    app: &App,
    realm: &RealmPolicy,
    purpose: Purpose,
    algorithm: Algorithm,
    now: Time,
) -> Result<Arc<SigningKey>, Reason> {
    if let Some(key) = at_hand(app, realm, purpose, algorithm, now)? {
        return Ok(key);
    }
    make::first(app, realm, purpose, algorithm, now).await?;
    at_hand(app, realm, purpose, algorithm, now)?.ok_or_else(|| {
        tracing::error!(realm = %realm.realm.name, %algorithm, "a key was made to sign with, and is not there");
        Reason::StoreUnavailable
    })
}

/// Makes the key that is to sign the ID tokens of a client, so that it is published before anybody signs in: some libraries
/// read the keys when they start, and never again. Where it cannot be made now, the first ID token waits for it.
pub async fn prepare(app: &App, realm: RealmId, client: &ClientSpec, now: Time) {
    if client.kind == ClientType::Service {
        return;
    }
    let Ok(Some(policy)) = app.policies.of(app, realm) else { return };
    if let Err(reason) = key(app, &policy, Purpose::Issuer, client.id_token_alg().algorithm(), now).await {
        tracing::warn!(realm = %policy.realm.name, reason = reason.as_str(), "the key for ID tokens is not made yet");
    }
}

/// The same where nothing can be waited for: none where there is no such key yet. Warm it reads nothing, else one row by row.
pub fn at_hand(
    app: &App,
    realm: &RealmPolicy,
    purpose: Purpose,
    algorithm: Algorithm,
    now: Time,
) -> Result<Option<Arc<SigningKey>>, Reason> {
    let ring = app.signing.ring(app, realm)?;
    Ok(ring.signing(purpose, algorithm, now).cloned())
}

/// The key of this name that is published now; none where there is none, where it is over, and where it was revoked.
///
/// Whoever remembers that something was signed by it depends on [`Published::id`]: the slot of that id rises when the key is
/// revoked, and with no other change of keys.
pub fn verifying(
    app: &App,
    realm: &RealmPolicy,
    purpose: Purpose,
    kid: &str,
    now: Time,
) -> Result<Option<Arc<Published>>, Reason> {
    let ring = app.signing.ring(app, realm)?;
    Ok(ring.verifying(purpose, kid, &realm.apis, now).cloned())
}
