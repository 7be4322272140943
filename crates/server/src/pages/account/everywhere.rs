//! `/account/everywhere`: ends every session but this one and every device, and the applications and keys whose boxes are
//! ticked.

use admit_core::grant::GrantKind;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{AppLine, KeyLine, apps, keys, owner, to_sign_in};
use crate::http::problem::Problem;
use crate::login::ending::Ticked;
use crate::login::session::{self, Why};
use crate::manage::work;
use crate::pages::form::Sent;
use crate::pages::visit::{Visit, go, with_cookies};
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "everywhere.html")]
struct EverywherePage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    apps: Vec<AppLine>,
    keys: Vec<KeyLine>,
}

/// `GET /account/everywhere`
pub async fn get(visit: Visit) -> Result<Response, Problem> {
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let ticket = visit.ticket();
    let (keys, _) = keys(&visit, signed_in.user)?;
    let apps = apps(&visit, signed_in.user)?;
    let shown = EverywherePage { frame: visit.frame(), base: &visit.base, token: ticket.token, apps, keys };
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

/// `POST /account/everywhere`
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let (realm, user) = (visit.row().id, signed_in.user);
    session::end_others(&visit.app, realm, user, Some(signed_in.grant), Why::Revoked, visit.now).await?;
    let devices = visit.app.store.point(|tx| tx.list_live_grants(realm, user, GrantKind::Device, None, visit.now))?;
    for device in devices {
        session::end(&visit.app, realm, user, device, Why::Revoked, visit.now).await?;
    }
    let ending = Ticked::read(&form).of(&visit.app, owner(&visit, user));
    work::write(&visit.app, move |tx| {
        tx.delete_all_shorts_of(realm, user)?;
        Ok(ending.write(tx)?)
    })
    .await?;
    Ok(go(&visit.path("/account?done=everywhere")))
}
