//! The demo's applications that people sign in to: one on the web, whose pages are in [`crate::pages::demo`], and one on
//! this machine, for `admit login test`. Clients like others: nothing is easier for them.

use admit_core::client::secret::ClientSecret;
use admit_core::client::{Client, ClientSpec, ClientType};
use admit_core::name::{ApiUri, Label, ScopeName};
use admit_core::scope::Rights;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::Time;
use admit_store::{End, Tx};

use super::{DEMO_KEY_LIFE, Failure};
use crate::app::App;
use crate::pages::demo::{CALLBACK, Demo, PLACE};
use crate::relying_party;

/// The name of the one on the web.
const WEB: &str = "demo app";
/// The name of the one on this machine.
pub const NATIVE: &str = "demo native";

/// Makes what is missing of them, and a new secret of the one on the web, which is told to it alone.
pub async fn prepare(app: &App, api: &ApiUri, scopes: &[ScopeName]) -> Result<(), Failure> {
    let bad = |error: admit_core::name::BadName| Failure(format!("the demo's names are bad: {error}"));
    let url = app.config.load().public_url.clone();
    let blank = |name: &str| {
        let rights = Rights::from([(api.clone(), scopes.iter().cloned().collect())]);
        Ok::<_, Failure>(ClientSpec::service(Label::parse(name).map_err(bad)?, rights))
    };
    let web = ClientSpec {
        kind: ClientType::Web,
        redirect_uris: vec![format!("{url}{CALLBACK}")],
        post_logout_redirect_uris: vec![format!("{url}{PLACE}")],
        ..blank(WEB)?
    };
    let native = ClientSpec {
        kind: ClientType::Native,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        ..blank(NATIVE)?
    };
    let (now, shared) = (app.now(), app.clone());
    let proof = secret::write("admit_cs", &app.random());
    let shown = proof.clone();
    let made = app.store.write(move |tx| {
        client(tx, &shared, &native, now)?;
        let web = client(tx, &shared, &web, now)?;
        tx.delete_client_secrets(web.realm, web.id, now)?;
        tx.insert_client_secret(&kept(&shared, &web, &shown, now))?;
        Ok(End::Commit(web.id))
    });
    let id = made.await?;
    let http = relying_party::client(true).map_err(|error| Failure(format!("cannot prepare TLS: {error}")))?;
    let demo = Demo::new(&url, id.to_string(), proof, api.to_string(), http);
    app.demo.set(demo).map_err(|_| Failure("the demo was made twice".to_owned()))
}

/// The client as it must be today: the port may be another than the last time.
fn client(tx: &mut Tx<'_>, app: &App, spec: &ClientSpec, now: Time) -> admit_store::Result<Client> {
    let realm = app.default_realm;
    if let Some(known) = tx.find_client_named(realm, spec.name.as_str())? {
        let is_same = known.spec.redirect_uris == spec.redirect_uris;
        let today = Client { spec: spec.clone(), ..known };
        return Ok(if is_same { today } else { tx.update_client(realm, &today, now)?.unwrap_or(today) });
    }
    let made = Client {
        id: app.id(now),
        realm,
        org: None,
        spec: spec.clone(),
        disabled_at: None,
        valid_after: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    tx.insert_client(&made)?;
    Ok(made)
}

fn kept(app: &App, client: &Client, proof: &Secret, now: Time) -> ClientSecret {
    let keys = app.master.keys();
    ClientSecret {
        id: app.id(now),
        hash: keys.active().lookup.hash(client.realm, SecretKind::ClientSecret, proof.expose()),
        lookup_key: keys.active().number,
        realm: client.realm,
        client: client.id,
        hint: secret::hint(proof.expose()),
        created_at: now,
        expires_at: Some(now + DEMO_KEY_LIFE),
        last_used_at: None,
    }
}
