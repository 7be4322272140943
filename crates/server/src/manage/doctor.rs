//! `doctor`: what an operator should know of this server before somebody else finds out. Changes nothing.

use admit_core::policy::rule::{Demand, Problem as Flaw};
use admit_core::realm::Realm;
use admit_core::time::{Span, Time};
use admit_store::{EventFilter, KeyFilter, Page, Tx};
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{ServerPermit, ServerRead};
use super::rules;
use super::work::{self, Stop};
use crate::app::App;
use crate::authn::freshness;
use crate::config::{Config, MasterKeySource};
use crate::http::certificate::{self, Pair};
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::mail;

/// How many realms are looked at.
const REALMS: u32 = 200;
/// How many keys of a realm are looked at.
const KEYS: u32 = 2_000;
/// How many clients of a realm are looked at.
const CLIENTS: u32 = 2_000;
/// How many things of one kind and realm are told one by one.
const TOLD: usize = 20;
/// How soon an end is worth a word.
const SOON: Span = Span::days(7);
/// How far the clock may be behind what is stored.
const BEHIND: Span = work::BEHIND_MAX;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    level: Level,
    what: String,
    fix: Option<String>,
}

/// All findings.
#[derive(Debug, Serialize)]
pub struct Findings {
    items: Vec<Finding>,
}

/// Looks over the server and its realms.
#[utoipa::path(get, path = "/v1/doctor", tag = "doctor",
    responses((status = 200, description = "what was found", body = ref("#/components/schemas/Findings"))))]
pub async fn get(State(app): State<App>, permit: ServerPermit<ServerRead>) -> Result<Json<Findings>, Problem> {
    crate::jobs::flush::now(&app).await;
    let now = permit.now;
    let mut items = of_config(&app.config.load());
    items.extend(app.clock.behind().map(|by| {
        let what = format!("The clock was set back by {} s; dates go on from before.", by.as_ms() / 1000);
        Finding {
            level: Level::Error,
            what,
            fix: Some("set the clock, or restart this server if it is right now".to_owned()),
        }
    }));
    items.extend(app.master.wrong().map(of_master_key));
    items.extend(app.certificate.get().and_then(|pair| of_certificate(&pair, now)));
    let has_mail = mail::is_there(&app);
    let of_realms = work::read(&app, move |tx| {
        let realms = tx.list_realms(&Page::first(REALMS))?;
        let mut found = Vec::new();
        for realm in &realms {
            found.extend(of_settings(realm, has_mail));
            found.extend(of_rules(tx, realm)?);
            found.extend(of_keys(tx, realm, now)?);
            found.extend(of_clients(tx, realm)?);
            found.extend(of_clock(tx, realm, now)?);
        }
        Ok(found)
    });
    items.extend(of_realms.await?);
    if items.is_empty() {
        items.push(Finding { level: Level::Ok, what: "Nothing needs your attention.".to_owned(), fix: None });
    }
    items.insert(0, of_store(&app));
    Ok(Json(Findings { items }))
}

fn warning(what: String, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, what, fix: Some(fix.into()) }
}

/// Which store it is, and whether what other nodes change is known in time.
fn of_store(app: &App) -> Finding {
    let (config, age) = (app.config.load(), app.store.feed_age());
    match freshness::overdue(app) {
        None => Finding { level: Level::Ok, what: format!("The store is {}.", config.store), fix: None },
        Some(_) => {
            let what = format!(
                "The store is {}, and what other nodes changed in the last {} s is not known here.",
                config.store,
                age.as_secs()
            );
            warning(what, "look for what keeps this node from the database")
        }
    }
}

/// Until it is put right, what is stored under another key is answered 503 here, and readiness with it.
fn of_master_key(wrong: String) -> Finding {
    Finding {
        level: Level::Error,
        what: format!("The master keys cannot be followed: {wrong}"),
        fix: Some("admit master-key status".to_owned()),
    }
}

fn of_config(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if let MasterKeySource::File(path) = &config.master_key
        && path.starts_with(&config.data)
    {
        let what = "The master key lies beside the store: who copies the folder has both.".to_owned();
        found.push(warning(what, "keep it elsewhere: [master_key] file, env or command"));
    }
    for network in config.trusted_proxies.networks() {
        let widest = if network.addr().is_ipv4() { 16 } else { 48 };
        if network.prefix_len() < widest && !network.addr().is_loopback() {
            let what =
                format!("trusted_proxies has {network}: every machine in it can say where a request comes from.");
            found.push(warning(what, "list the addresses of your gateways only"));
        }
    }
    found
}

fn of_certificate(pair: &Pair, now: Time) -> Option<Finding> {
    let ends_at = pair.ends_at();
    let fix = "renew it and replace the files of [tls]: the server takes new ones over by itself".to_owned();
    if ends_at <= now {
        let what = format!("The TLS certificate ended at {ends_at}: clients refuse it.");
        return Some(Finding { level: Level::Error, what, fix: Some(fix) });
    }
    let days = ends_at.since(now).as_ms() / Span::days(1).as_ms();
    (ends_at <= now + certificate::SOON)
        .then(|| warning(format!("The TLS certificate ends in {days} days, at {ends_at}."), fix))
}

/// What a realm sets for itself: what another version allowed, and what needs something that is not there.
fn of_settings(realm: &Realm, has_mail: bool) -> Vec<Finding> {
    let name = &realm.name;
    let beyond = |problem: Flaw| {
        let setting = problem.path.trim_start_matches("settings.").to_owned();
        let what = format!("Realm {name}: the setting {setting} {}.", problem.message);
        warning(what, format!("admit realm update {name} --setting {setting}=default"))
    };
    let mut found: Vec<_> = realm.settings.judge(realm).into_iter().map(beyond).collect();
    if realm.lets_clients_register() {
        let what = format!("Realm {name}: applications register themselves, with a token that has clients:register.");
        found.push(Finding { level: Level::Ok, what, fix: None });
    }
    if realm.lets_register() && has_mail {
        let what = format!("Realm {name}: anybody with an e-mail address can make an account.");
        found.push(Finding { level: Level::Ok, what, fix: None });
    } else if realm.lets_register() {
        let what =
            format!("Realm {name}: self_registration is on, but no mail is sent from here: nobody can register.");
        let fix = format!("set [mail] in admit.toml, or: admit realm update {name} --setting self_registration=false");
        found.push(warning(what, fix));
    }
    found
}

fn of_rules(tx: &mut Tx<'_>, realm: &Realm) -> Result<Vec<Finding>, Stop> {
    let (policy, name) = (rules::policy(tx, realm.id)?, &realm.name);
    let mut found: Vec<_> = policy
        .problems()
        .iter()
        .map(|problem| Finding {
            level: Level::Error,
            what: format!("Realm {name}: {problem}. Until then it refuses all that it matches."),
            fix: Some(format!("admit rule list --realm {name}")),
        })
        .collect();
    for rule in policy.rules().map(|matched| matched.rule) {
        if rule.observe {
            let what = format!("Realm {name}: rule \"{}\" observes and admits everything.", rule.name);
            found.push(warning(what, "take mode = \"observe\" out of it when you have seen enough"));
        } else if rule.demand == Demand::Public {
            let what = format!("Realm {name}: rule \"{}\" ({}) is open to the public.", rule.name, rule.summary());
            found.push(Finding { level: Level::Ok, what, fix: None });
        }
        if rule.stale_for > Span::ZERO {
            let what = format!(
                "Realm {name}: rule \"{}\" admits by knowledge up to {} s old while the store is away.",
                rule.name,
                rule.stale_for.as_ms() / 1000
            );
            found.push(Finding { level: Level::Ok, what, fix: None });
        }
    }
    Ok(found)
}

fn of_keys(tx: &mut Tx<'_>, realm: &Realm, now: Time) -> Result<Vec<Finding>, Stop> {
    let filter = KeyFilter { live_only: true, ..KeyFilter::default() };
    let keys = tx.list_keys(realm.id, &filter, &Page::first(KEYS), now)?;
    let (mut endless, mut ending, mut seen) = (0, 0, Vec::new());
    for issued in &keys {
        match issued.grant.expires_at {
            None => endless += 1,
            Some(end) if end <= now + SOON => ending += 1,
            Some(_) => {}
        }
        if issued.key.seen_in_browser_at.is_some() {
            seen.push(issued.key.id);
        }
    }
    let (name, more) = (&realm.name, if keys.len() == KEYS as usize { " (of those looked at)" } else { "" });
    let mut found = Vec::new();
    if endless > 0 {
        let fix = format!("give them an end: admit key update KEY --expires 90d --realm {name}");
        found.push(warning(format!("Realm {name}: {} without an end{more}.", keys_of(endless)), fix));
    }
    if ending > 0 {
        let fix = format!("admit key list --expiring 7d --realm {name}");
        found.push(warning(format!("Realm {name}: {} with an end within 7 days{more}.", keys_of(ending)), fix));
    }
    for key in seen.iter().take(TOLD) {
        let what = format!("Realm {name}: {key} was sent by a browser: whoever opens that page can read it.");
        found.push(warning(what, format!("admit key roll {key} --realm {name}")));
    }
    Ok(found)
}

/// What may come with a code that is not its own.
fn of_clients(tx: &mut Tx<'_>, realm: &Realm) -> Result<Vec<Finding>, Stop> {
    let clients = tx.list_clients(realm.id, &Page::first(CLIENTS))?;
    let lax = clients.iter().filter(|client| !client.spec.require_pkce && client.disabled_at.is_none());
    let told = lax.take(TOLD).map(|client| {
        let (name, id) = (&client.spec.name, client.id);
        let what = format!("Realm {}: client \"{name}\" sends no code challenge (PKCE), only a nonce.", realm.name);
        warning(what, format!("admit client update {id} --require-pkce true --realm {}", realm.name))
    });
    Ok(told.collect())
}

fn keys_of(count: usize) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

fn of_clock(tx: &mut Tx<'_>, realm: &Realm, now: Time) -> Result<Option<Finding>, Stop> {
    let newest = tx.list_latest_events(realm.id, &EventFilter::default(), None, 1)?;
    let Some(event) = newest.first().filter(|event| event.at > now + BEHIND) else { return Ok(None) };
    let what = format!("The clock says {now}, but realm {} has an event of {}.", realm.name, event.at);
    Ok(Some(Finding { level: Level::Error, what, fix: Some("set the clock of this machine".to_owned()) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn said(text: &str) -> Vec<String> {
        let config = Config::parse(text, &Overrides::default(), []).unwrap();
        of_config(&config).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn ad_07_wide_proxies_and_a_key_beside_the_store_are_told() {
        let found = said("trusted_proxies = ['10.0.0.0/8', '192.168.0.0/16', '127.0.0.1/32', 'fd00::/8']");
        assert!(found[0].contains("master key"), "{found:?}");
        assert!(found[1].contains("10.0.0.0/8") && found[2].contains("fd00::/8") && found.len() == 3, "{found:?}");
        assert!(said("[master_key]\nenv = 'ADMIT_MASTER_KEY'").is_empty());
    }
}
