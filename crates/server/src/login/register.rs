//! Accounts that people make for themselves, where the realm lets them.
//!
//! An account begins when its link is followed and a password chosen, never before: who only types an address makes nothing
//! that could stand in the way of its owner, or wait for him (PW-14). It is called by its address, which alone is known to
//! be free and to be his. Nothing that a stranger is told depends on whether there is an account; it is told to the
//! address. Sends no mail and shows no page.

use std::hash::Hash;

use admit_core::audit::Event;
use admit_core::id::{RealmId, UserId};
use admit_core::limit::{Limit, Rate};
use admit_core::login::identifier::Identifier;
use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::Secret;
use admit_core::time::{Span, Time};
use admit_core::user::{User, UserSpec};
use admit_store::{End, ShortKind};
use ipnet::IpNet;
use serde_json::json;

use super::link::{self, About, Link};
use super::password::{self, Beside, NotSet, may_send};
use super::verify::Asker;
use crate::app::App;
use crate::manage::users;
use crate::manage::work::{self, Stop};

/// How many links a realm sends in an hour to addresses that nobody has: what holds where nobody can be told apart.
const STARTED_PER_HOUR: u32 = 1_000;

/// What the owner of an address is told.
pub enum Told {
    /// There is an account already: this is its owner, and the address that is stored.
    InUse(UserId, Label),
    /// It may have one, by this link.
    MayHave(Label, Link),
}

#[derive(Hash)]
struct Started;

/// What somebody types as his address, where it may be one.
pub fn read_address(typed: &str) -> Option<Label> {
    let address = Label::parse(typed.trim()).ok()?;
    spec(&address).resolve().ok()?;
    Identifier::parse(address.as_str()).ok().filter(Identifier::is_email)?;
    Some(address)
}

/// Makes a link for an address, or finds whose it is. None where it has had enough; the answer to who asked is the same, and
/// must not wait for this: run it in a task of its own.
pub async fn begin(
    app: &App,
    realm: &Realm,
    address: Label,
    source: Option<IpNet>,
) -> admit_store::Result<Option<Told>> {
    let Ok(name) = Identifier::parse(address.as_str()) else { return Ok(None) };
    if !may_send(app, realm.id, &name, source) {
        return Ok(None);
    }
    if let Some(owner) = app.store.point(|tx| tx.find_user_signing_in(realm.id, &name))? {
        return Ok(in_use(owner));
    }
    let limit = Limit::from(Rate::new(STARTED_PER_HOUR, Span::hours(1)).unwrap_or(Rate::per_minute(10)));
    if !app.limiter.take(realm.id, &Started, &limit, app.clock.monotonic_us()).admitted {
        tracing::warn!(realm = %realm.name, "too many want to make an account: one gets no link");
        return Ok(None);
    }
    let about = About { address: address.clone(), was: None, is_mailed: true };
    let link = link::draw(app, realm.id, ShortKind::Registration, None, &about, realm.confirmation_life(), app.now());
    let stored = link.stored();
    app.store.write(move |tx| stored.keep(tx).map(End::Commit)).await?;
    Ok(Some(Told::MayHave(address, link)))
}

/// Whom to tell that his address is in use. Nobody, where he could not sign in.
pub fn in_use(owner: User) -> Option<Told> {
    let is_out = owner.disabled_at.is_some() || owner.erased_at.is_some();
    let address = owner.spec.email.filter(|_| !is_out)?;
    Some(Told::InUse(owner.id, address))
}

/// For which address a link makes an account, as long as it is good and nobody has one with it. Uses nothing up.
pub fn find(app: &App, realm: RealmId, link: &Secret, now: Time) -> admit_store::Result<Option<Label>> {
    let Some(found) = link::find(app, realm, ShortKind::Registration, link, now)? else { return Ok(None) };
    let address = found.about.address;
    let Ok(name) = Identifier::parse(address.as_str()) else { return Ok(None) };
    let namesake = app.store.point(|tx| tx.find_namesake(realm, &name))?;
    Ok(namesake.is_none().then_some(address))
}

/// Makes the account, with a password that its owner has chosen. The address is proved by the link.
pub async fn finish(app: &App, realm: &Realm, link: &Secret, chosen: &Secret, asker: Asker) -> Result<UserId, NotSet> {
    let unavailable = |error: admit_store::Error| {
        tracing::error!(error = %error, "an account cannot be made");
        NotSet::Unavailable
    };
    let found = find(app, realm.id, link, app.now()).map_err(unavailable)?;
    let spec = spec(&found.ok_or(NotSet::NoLink)?).resolve().map_err(|_| NotSet::NoLink)?;
    // A password that is not taken does not cost the link.
    let accepted = password::accept(app, realm, &spec, chosen, Beside::Nothing, asker.source).await?;
    let now = app.now();
    let user = User { email_verified_at: Some(now), ..users::new(app.id(now), realm.id, spec, now) };
    let (hashes, sealed) = (link::hashes(app, realm.id, link), accepted.seal(app, &user, now));
    let event = password::event(app, &user, "user.registered", asker.request_id, now);
    let id = user.id;
    let made = work::write_alone(app, realm.id, move |tx| {
        if link::take(tx, user.realm, ShortKind::Registration, &hashes, now)?.is_none() {
            return Ok(Err(NotSet::NoLink));
        }
        match users::must_be_free(tx, user.realm, None, &user.spec) {
            Ok(()) => {}
            // Somebody was given the address since: the link is worth nothing any more.
            Err(Stop::Problem(_)) => return Ok(Err(NotSet::NoLink)),
            Err(stop) => return Err(stop),
        }
        tx.insert_user(&user)?;
        tx.update_password(user.realm, user.id, &sealed)?;
        let detail = json!({ "name": user.spec.name });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(Ok(()))
    });
    made.await.map_err(|_| NotSet::Unavailable)?.map(|()| id)
}

/// Who has only an address.
fn spec(address: &Label) -> UserSpec {
    UserSpec {
        name: address.clone(),
        email: Some(address.clone()),
        roles: Vec::new(),
        external_id: None,
        metadata: serde_json::Value::Null,
    }
}
