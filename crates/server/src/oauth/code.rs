//! Authorization codes (RFC 6749 §4.1.2): what a person approved, kept for a minute under the hash of a text.
//!
//! The only place that makes one. What a code is exchanged for is [`super::grants::authorization_code`]'s.

use admit_core::audit::Event;
use admit_core::id::SubjectId;
use admit_core::name::{ApiUri, ScopeName};
use admit_core::oauth::approved::Approved;
use admit_core::realm::Realm;
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::{ShortCredential, ShortKind, Tx};
use serde_json::json;

use crate::app::App;
use crate::http::problem::Problem;
use crate::login::session;
use crate::manage::work::{self, Stop};

/// How long a code is good.
pub const LIFE: Span = Span::seconds(60);

/// What goes along with a code in its transaction.
#[derive(Debug, Default)]
pub struct Along {
    /// The person was asked and agreed: to this and not to that, on this API.
    pub decided: Option<Decided>,
    /// The pushed request that it answers: it is good for one.
    pub pushed: Option<SecretHash>,
    /// Nobody was asked, because of what was decided before: that has to be there still.
    pub by_consent: bool,
}

/// What a person decided, to be remembered.
#[derive(Debug)]
pub struct Decided {
    /// The API; none where it is identity only.
    pub api: Option<ApiUri>,
    /// What he gives; with the scopes that stand for claims.
    pub given: Vec<ScopeName>,
    /// What he was asked for and does not.
    pub declined: Vec<ScopeName>,
    /// Who tells the audit.
    pub event: Event,
}

/// Makes a code. None: the session behind it is over, what was decided before was taken back, or the pushed request was answered.
pub async fn issue(
    app: &App,
    realm: &Realm,
    approved: Approved,
    along: Along,
    now: Time,
) -> Result<Option<Secret>, Problem> {
    let code = secret::write(session::prefix(SecretKind::Code), &app.random());
    let keys = app.master.keys();
    let short = ShortCredential {
        hash: keys.active().lookup.hash(realm.id, SecretKind::Code, code.expose()),
        lookup_key: keys.active().number,
        kind: ShortKind::Code,
        realm: realm.id,
        user: Some(approved.user),
        grant: None,
        bound_to: None,
        detail: Some(serde_json::to_string(&approved).map_err(Problem::unavailable)?),
        created_at: now,
        expires_at: now + LIFE,
        used_at: None,
    };
    let is_issued = work::write(app, move |tx| {
        work::must_be_on_time(tx, now)?;
        let session = tx.find_session(short.realm, approved.session, now)?;
        if !session.is_some_and(|session| session.is_live) {
            return Ok(false);
        }
        tx.lock_subject(short.realm, SubjectId::User(approved.user))?;
        if along.by_consent && tx.find_consent(short.realm, approved.user, approved.client)?.is_none() {
            return Ok(false);
        }
        if let Some(pushed) = &along.pushed
            && !tx.delete_short(short.realm, ShortKind::PushedRequest, pushed)?
        {
            return Ok(false);
        }
        if let Some(decided) = &along.decided {
            remember(tx, &approved, decided, &short, now)?;
        }
        tx.insert_short(&short)?;
        Ok(true)
    });
    Ok(is_issued.await?.then_some(code))
}

/// Puts what was decided in the place of what was before. The person is held: of two who read the same, one would be forgotten.
fn remember(
    tx: &mut Tx<'_>,
    approved: &Approved,
    decided: &Decided,
    short: &ShortCredential,
    now: Time,
) -> Result<(), Stop> {
    let (realm, user, client) = (short.realm, approved.user, approved.client);
    let before = tx.find_consent(realm, user, client)?.map(|kept| kept.consent);
    let mut consent = before.clone().unwrap_or_default();
    consent.decide(decided.api.as_ref(), &decided.given, &decided.declined);
    // The same again is of now: the application may be another than it was.
    tx.update_consent(realm, user, client, &consent, now)?;
    if before.as_ref() == Some(&consent) {
        return Ok(());
    }
    let mut detail = json!({ "client": client, "api": decided.api, "scopes": decided.given });
    if !decided.declined.is_empty() {
        detail["declined"] = json!(decided.declined);
    }
    Ok(tx.insert_event(&Event { detail, ..decided.event.clone() }).map(drop)?)
}
