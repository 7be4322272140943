//! `Admit-Token`: what an application behind a gateway is told of its caller, signed, where the rule asks for it.
//!
//! One is signed for a caller, what he may do and an audience, and handed out for half of its life: a caller whose rights
//! change is another one here. The key is the realm's for this purpose alone. Knows no rule and no header.

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::decision::Decision;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SigningKey;
use admit_core::signing_key::Purpose;
use admit_core::time::Time;
use admit_core::upstream::{self, Caller, MINTED_FOR, TYP, UpstreamToken};
use parking_lot::Mutex;

use super::policies::RealmPolicy;
use crate::app::App;
use crate::signing;

/// What these tokens are signed by.
const ALGORITHM: Algorithm = Algorithm::Es256;
const SHARDS: usize = 16;
/// The most tokens of one shard, of about a kilobyte each.
const SHARD_MAX: usize = 512;

/// Why there is no token.
pub enum Unminted {
    /// The realm has no key for it yet: [`make_key`].
    NoKey,
    /// It cannot be told who calls.
    Refused(Reason),
}

/// The tokens that were minted lately.
#[derive(Default)]
pub struct Minted([Mutex<HashMap<[u8; 16], Kept>>; SHARDS]);

struct Kept {
    token: UpstreamToken,
    until_us: i64,
}

/// The token for an audience; none where nobody calls, on a rule that only observes.
pub fn token(
    app: &App,
    realm: &RealmPolicy,
    decision: &Decision,
    audience: &str,
    now: Time,
) -> Result<Option<UpstreamToken>, Unminted> {
    let Some(principal) = decision.identity() else { return Ok(None) };
    let key = signing::at_hand(app, realm, Purpose::Upstream, ALGORITHM, now).map_err(Unminted::Refused)?;
    let key = key.ok_or(Unminted::NoKey)?;
    let issuer = upstream::issuer(&app.issuer(&realm.realm));
    let standing = decision.standing().unwrap_or(&principal.standing);
    let caller = Caller::of(principal, standing, &issuer, audience);
    let minted = mint(app, realm, &key, &caller, now);
    minted.map(Some).ok_or(Unminted::Refused(Reason::StoreUnavailable))
}

/// Makes the key that is missed. Who comes next finds it, or is refused.
pub async fn make_key(app: &App, realm: &RealmPolicy, now: Time) {
    if let Err(reason) = signing::key(app, realm, Purpose::Upstream, ALGORITHM, now).await {
        tracing::warn!(realm = %realm.realm.name, %reason, "there is no key to sign for applications with");
    }
}

fn mint(
    app: &App,
    realm: &RealmPolicy,
    key: &Arc<SigningKey>,
    caller: &Caller<'_>,
    now: Time,
) -> Option<UpstreamToken> {
    let told = serde_json::to_vec(caller).ok()?;
    let tag = app.tagger.tag_upstream(realm.realm.id, key.kid(), &told).octets();
    let now_us = app.clock.monotonic_us();
    let shard = &app.minted.0[usize::from(tag[0]) % SHARDS];
    if let Some(kept) = shard.lock().get(&tag).filter(|kept| kept.until_us > now_us) {
        return Some(kept.token.clone());
    }
    // Beside the lock: two who come at once sign twice, and nobody waits.
    let signed = key.sign(TYP, &caller.claims(now)).inspect_err(|flaw| tracing::error!(%flaw, "cannot sign"));
    let token = UpstreamToken::new(signed.ok()?);
    let mut shard = shard.lock();
    if shard.len() >= SHARD_MAX {
        shard.retain(|_, kept| kept.until_us > now_us);
    }
    if shard.len() >= SHARD_MAX
        && let Some(any) = shard.keys().next().copied()
    {
        shard.remove(&any);
    }
    shard.insert(tag, Kept { token: token.clone(), until_us: now_us + MINTED_FOR.as_ms() * 1000 });
    Some(token)
}
