//! Tells applications that somebody signed out (OpenID Connect Back-Channel Logout 1.0 §2.5): soon after the session ended, and
//! again, ever more seldom, for a day.
//!
//! A notice is put off before it is sent, by one guarded statement: so of several nodes one sends it, and one that dies while
//! doing so leaves it to be sent again. How an application answers holds nobody up but itself: who signs out does not wait, and
//! a realm has so many places to tell from, others have theirs.

use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::client::Client;
use admit_core::oauth::logout::{LOGOUT_TYP, LogoutToken, TOLD_FOR, pause};
use admit_core::outbound::Target;
use admit_core::time::{Span, Time};
use admit_store::{End, LogoutNotice, Result};
use serde_json::json;

use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::oauth::mint;
use crate::outbound::Place;

/// How many are looked at, at a time.
const BATCH: u32 = 64;
/// When it is looked again for one that there was no place for.
const NO_PLACE: Span = Span::seconds(5);

/// Why an application was not told.
enum NotTold {
    /// It does not want to be, or is gone.
    NotAsked,
    /// It did not take it, or cannot be reached; to be tried again.
    Failed(String),
}

/// Sends what is due. Does not wait for the answers.
pub async fn run(app: &App) {
    match claim(app).await {
        Ok(claimed) => claimed.into_iter().for_each(|(notice, place)| {
            let app = app.clone();
            tokio::spawn(async move { tell(&app, notice, &place).await });
        }),
        Err(error) => tracing::warn!(%error, "what applications are to be told of sign-outs cannot be read"),
    }
}

/// Those that this node sends now, each with a place to send it from.
async fn claim(app: &App) -> Result<Vec<(LogoutNotice, Place)>> {
    let now = app.now();
    let due = app.store.read(move |tx| tx.list_due_logout_notices(BATCH, now)).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let due: Vec<_> = due.into_iter().map(|notice| (notice, app.outbound.place_to_tell(notice.realm))).collect();
    let wanted: Vec<_> = due.iter().map(|(notice, place)| (*notice, place.is_some())).collect();
    let ours = app.store.write(move |tx| {
        let put_off = |(notice, has_place): &(LogoutNotice, bool)| match has_place {
            true => tx.put_off_logout_notice(notice, now + pause(notice.tries), notice.tries + 1),
            false => tx.put_off_logout_notice(notice, now + NO_PLACE, notice.tries).map(|_| false),
        };
        wanted.iter().map(put_off).collect::<Result<Vec<bool>>>().map(End::Commit)
    });
    let ours = ours.await?;
    let claimed = due.into_iter().zip(ours).filter(|(_, is_ours)| *is_ours);
    Ok(claimed.filter_map(|((notice, place), _)| Some((notice, place?))).collect())
}

async fn tell(app: &App, notice: LogoutNotice, place: &Place) {
    let now = app.now();
    let event = match send(app, &notice, place, now).await {
        Ok(()) => {
            app.metrics.logout.told.inc();
            None
        }
        Err(NotTold::NotAsked) => None,
        Err(NotTold::Failed(why)) if now + pause(notice.tries) < notice.created_at + TOLD_FOR => {
            app.metrics.logout.retried.inc();
            tracing::info!(client.id = %notice.client, why, "an application was not told of a sign-out yet");
            return;
        }
        Err(NotTold::Failed(why)) => {
            app.metrics.logout.failed.inc();
            tracing::warn!(client.id = %notice.client, why, "an application was not told of a sign-out");
            let detail =
                json!({ "session": notice.session, "user": notice.user, "tries": notice.tries + 1, "why": why });
            let event = Event::new(app.id(now), notice.realm, "logout.not_told", now).on(notice.client);
            Some(Event { detail, reason: Some("too_late".to_owned()), ..event })
        }
    };
    let done = app.store.write(move |tx| {
        tx.delete_logout_notice(&notice)?;
        event.iter().try_for_each(|event| tx.insert_event(event).map(drop))?;
        Ok(End::Commit(()))
    });
    if let Err(error) = done.await {
        tracing::warn!(%error, "that an application was told of a sign-out cannot be written down");
    }
}

async fn send(app: &App, notice: &LogoutNotice, place: &Place, now: Time) -> std::result::Result<(), NotTold> {
    let failed = |why: &dyn std::fmt::Display| NotTold::Failed(why.to_string());
    let realm = app.policies.of(app, notice.realm).map_err(|reason| failed(&reason.as_str()))?;
    let realm = realm.ok_or(NotTold::NotAsked)?;
    let (id, client) = (notice.realm, notice.client);
    let client = app.store.read(move |tx| tx.find_client(id, client)).await.map_err(|error| failed(&error))?;
    let client = client.ok_or(NotTold::NotAsked)?;
    let uri = client.spec.backchannel_logout_uri.as_deref().ok_or(NotTold::NotAsked)?;
    let target = Target::parse(uri).map_err(|bad| failed(&bad.must))?;
    let form = format!("logout_token={}", signed(app, &realm, &client, notice, now).await?);
    let config = app.config.load_full();
    app.outbound.post_form(place, &target, &config.outbound_allow, form).await.map_err(|why| failed(&why))
}

/// The logout token, signed like the ID tokens of the application.
async fn signed(
    app: &App,
    realm: &Arc<RealmPolicy>,
    client: &Client,
    notice: &LogoutNotice,
    now: Time,
) -> std::result::Result<String, NotTold> {
    let algorithm = client.spec.id_token_alg().algorithm();
    let issuer = app.issuer(&realm.realm);
    let token = LogoutToken::new(&issuer, client.id, notice.user, notice.session, app.id(now), now);
    let signed = mint::jwt(app, realm, algorithm, LOGOUT_TYP, &token, now).await;
    signed
        .map(|text| text.expose().to_owned())
        .map_err(|_| NotTold::Failed("the logout token cannot be signed".to_owned()))
}
