//! Whose an address is: shown by following a link that was sent there. An address is another one only from then on.
//!
//! A link is bound to the address that the person had when he asked for it, so that none changes what was changed since.
//! Nothing that he is told depends on whether somebody else has the address; its owner is told. Sends no mail and shows no
//! page.

use admit_core::audit::Event;
use admit_core::id::{RealmId, RequestId, UserId};
use admit_core::login::identifier::Identifier;
use admit_core::name::Label;
use admit_core::realm::Realm;
use admit_core::secret::Secret;
use admit_core::time::Time;
use admit_core::user::{User, UserSpec};
use admit_store::{End, ShortKind};
use ipnet::IpNet;
use serde_json::json;

use super::link::{self, About};
use super::password::{event, may_send};
use super::register::{self, Told};
use crate::app::App;
use crate::http::problem::Problem;
use crate::manage::etag;
use crate::manage::users;
use crate::manage::work::{self, Stop};

const KIND: ShortKind = ShortKind::AddressProof;

/// Somebody with an address that he says is his.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who.
    pub user: UserId,
    /// What; the one that he has already, or another.
    pub address: Label,
    /// From where he says so.
    pub source: Option<IpNet>,
    /// By which request.
    pub request_id: RequestId,
}

/// A link that is good.
pub struct Open {
    /// Whose account it is about.
    pub user: User,
    /// The address that it shows to be his.
    pub address: Label,
}

/// What came of a link.
pub struct Proved {
    /// As the person is now.
    pub user: User,
    /// The address that he had before, where that was another one.
    pub before: Option<Label>,
}

/// Makes a link for an address, or finds whose it is. None where there were enough; who asked is told the same, and must not
/// wait for this: run it in a task of its own.
pub async fn begin(app: &App, realm: &Realm, claim: Claim) -> admit_store::Result<Option<Told>> {
    let Ok(name) = Identifier::parse(claim.address.as_str()) else { return Ok(None) };
    if !may_send(app, realm.id, &claim.user, claim.source) {
        return Ok(None);
    }
    let (user, owner) =
        app.store.point(|tx| Ok((tx.find_user(realm.id, claim.user)?, tx.find_user_signing_in(realm.id, &name)?)))?;
    let Some(user) = user else { return Ok(None) };
    if let Some(other) = owner.filter(|owner| owner.id != user.id) {
        return Ok(register::in_use(other));
    }
    let now = app.now();
    let about = About { address: claim.address.clone(), was: user.spec.email.clone(), is_mailed: true };
    let link = link::draw(app, realm.id, KIND, Some(user.id), &about, realm.confirmation_life(), now);
    let (stored, event) = (link.stored(), event(app, &user, "user.address_proof_begun", claim.request_id, now));
    let made = app.store.write(move |tx| {
        stored.keep(tx)?;
        tx.insert_event(&event)?;
        Ok(End::Commit(()))
    });
    made.await?;
    Ok(Some(Told::MayHave(claim.address, link)))
}

/// What a link is about, as long as it is good. Uses nothing up.
pub fn find(app: &App, realm: RealmId, link: &Secret, now: Time) -> admit_store::Result<Option<Open>> {
    let Some(found) = link::find(app, realm, KIND, link, now)? else { return Ok(None) };
    let user = app.store.point(|tx| link::owner(tx, realm, &found))?;
    Ok(user.map(|user| Open { user, address: found.about.address }))
}

/// The address is his from now on. None: the link is none any more, or somebody else has the address by now.
pub async fn finish(
    app: &App,
    realm: &Realm,
    open: &Open,
    link: &Secret,
    request_id: RequestId,
) -> Result<Option<Proved>, Problem> {
    let now = app.now();
    let hashes = link::hashes(app, realm.id, link);
    let (verified, changed) = (
        event(app, &open.user, "user.email_verified", request_id, now),
        event(app, &open.user, "user.email_changed", request_id, now),
    );
    let realm = realm.id;
    work::write_alone(app, realm, move |tx| {
        let Some(found) = link::take(tx, realm, KIND, &hashes, now)? else { return Ok(None) };
        let Some(user) = link::owner(tx, realm, &found)? else { return Ok(None) };
        let address = found.about.address;
        let before = user.spec.email.clone().filter(|before| !link::is_same(before, &address));
        let is_change = before.is_some() || user.spec.email.is_none();
        let spec = with_address(&user.spec, address);
        match users::must_be_free(tx, realm, Some(&user), &spec) {
            Ok(()) => {}
            Err(Stop::Problem(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        }
        let wanted = User { spec, email_verified_at: user.email_verified_at.or(Some(now)), ..user };
        let mut user = tx.update_user(realm, &wanted, now)?.ok_or_else(etag::changed)?;
        // Where it is another text, that took the proof of the one before away: this one's takes its place.
        if user.email_verified_at.is_none() {
            let proved = User { email_verified_at: Some(now), ..user };
            user = tx.update_user(realm, &proved, now)?.ok_or_else(etag::changed)?;
        }
        let event = if is_change { &changed } else { &verified };
        tx.insert_event(&Event { detail: json!({ "by": "mail" }), ..event.clone() })?;
        Ok(Some(Proved { user, before }))
    })
    .await
}

/// The same person with another address. Who is called by his address is called by the new one.
pub fn with_address(spec: &UserSpec, address: Label) -> UserSpec {
    let is_name =
        spec.email.as_ref().is_some_and(|email| email.as_str().to_lowercase() == spec.name.as_str().to_lowercase());
    let name = if is_name { address.clone() } else { spec.name.clone() };
    UserSpec { name, email: Some(address), ..spec.clone() }
}
