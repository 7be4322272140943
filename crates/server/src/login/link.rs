//! Links that are mailed: each is good once, for a while, and of one kind for one person only the newest is.
//!
//! Stored is a keyed hash of what a link carries, and to which address it was sent: a link that was sent to another address
//! than the person has now is none. Looking at one uses nothing up, so that whoever looks at mails first may follow it.
//! Sends nothing, and knows nothing of what a link leads to.

use admit_core::id::{RealmId, UserId};
use admit_core::login::identifier::Identifier;
use admit_core::name::Label;
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_core::user::User;
use admit_store::{Result, ShortCredential, ShortKind, Tx};
use serde::{Deserialize, Serialize};

use crate::app::App;

const PREFIX: &str = "admit_ln";

/// What is known of a link beside whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The address that it proves, as it was written.
    pub address: Label,
    /// The address that the person had when it was made, where he had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Label>,
    /// False where it was handed to somebody else to pass on: it does not prove the address then.
    pub is_mailed: bool,
}

impl About {
    /// A link for somebody that goes to the address that he has.
    pub fn mailed_to(address: Label) -> Self {
        Self { was: Some(address.clone()), address, is_mailed: true }
    }
}

/// A link that is not stored yet.
pub struct Link {
    /// What it carries.
    pub secret: Secret,
    row: ShortCredential,
}

/// A link that was found and is good.
#[derive(Debug)]
pub struct Found {
    /// Whose it is; nobody's where it is to make somebody.
    pub user: Option<UserId>,
    /// What it is about.
    pub about: About,
}

/// Draws a link.
pub fn draw(
    app: &App,
    realm: RealmId,
    kind: ShortKind,
    user: Option<UserId>,
    about: &About,
    life: Span,
    now: Time,
) -> Link {
    let secret = secret::write(PREFIX, &app.random());
    let keys = app.master.keys();
    let active = keys.active();
    let row = ShortCredential {
        hash: active.lookup.hash(realm, SecretKind::Link, secret.expose()),
        lookup_key: active.number,
        kind,
        realm,
        user,
        grant: None,
        bound_to: None,
        detail: serde_json::to_string(about).ok(),
        created_at: now,
        expires_at: now + life,
        used_at: None,
    };
    Link { secret, row }
}

impl Link {
    /// Until when it is good.
    pub fn expires_at(&self) -> Time {
        self.row.expires_at
    }

    /// What is to be stored, for a unit of work that may run twice.
    pub fn stored(&self) -> Stored {
        Stored(self.row.clone())
    }
}

/// What is kept of a link.
#[derive(Clone)]
pub struct Stored(ShortCredential);

impl Stored {
    /// Keeps it; older ones of its kind end.
    pub fn keep(&self, tx: &mut Tx<'_>) -> Result<()> {
        if let Some(user) = self.0.user {
            tx.delete_shorts_of(self.0.realm, self.0.kind, user)?;
        }
        tx.insert_short(&self.0)
    }
}

/// What a link is, as long as it is good. Uses nothing up.
pub fn find(app: &App, realm: RealmId, kind: ShortKind, link: &Secret, now: Time) -> Result<Option<Found>> {
    let hashes = hashes(app, realm, link);
    let found = app.store.point(|tx| tx.find_short(realm, kind, &hashes, now))?;
    Ok(found.and_then(read))
}

/// Under what it may be stored.
pub fn hashes(app: &App, realm: RealmId, link: &Secret) -> Vec<SecretHash> {
    app.master.keys().hashes(realm, SecretKind::Link, link.expose())
}

/// Uses a link up; of several who try at once one gets it.
pub fn take(
    tx: &mut Tx<'_>,
    realm: RealmId,
    kind: ShortKind,
    hashes: &[SecretHash],
    now: Time,
) -> Result<Option<Found>> {
    for hash in hashes {
        if let Some(taken) = tx.take_short(realm, kind, hash, now)? {
            return Ok(read(taken));
        }
    }
    Ok(None)
}

/// What cannot be read is none: it was written by another version, and is gone soon.
fn read(row: ShortCredential) -> Option<Found> {
    let about = serde_json::from_str(&row.detail?).ok()?;
    Some(Found { user: row.user, about })
}

/// Whom a link is for, as long as he is there and still has the address that he had.
pub fn owner(tx: &mut Tx<'_>, realm: RealmId, found: &Found) -> Result<Option<User>> {
    let Some(id) = found.user else { return Ok(None) };
    let user = tx.find_user(realm, id)?.filter(|user| user.disabled_at.is_none() && user.erased_at.is_none());
    Ok(user.filter(|user| match (&user.spec.email, &found.about.was) {
        (Some(has), Some(had)) => is_same(has, had),
        (None, None) => true,
        _ => false,
    }))
}

/// Whether two spellings are one address.
pub fn is_same(one: &Label, other: &Label) -> bool {
    match (Identifier::parse(one.as_str()), Identifier::parse(other.as_str())) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.as_str().to_lowercase() == other.as_str().to_lowercase(),
    }
}
