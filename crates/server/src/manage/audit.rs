//! `audit/verify`: whether the audit of the whole server is as it was sealed.
//!
//! Judges nothing itself: gathers the seals of a page with their rows and lets core walk along them. What was not sealed
//! yet cannot be judged; it is counted.

use std::collections::HashSet;

use admit_core::audit::seal::{self, Anchor, Entry, Keys, Seal};
use admit_core::audit::verify::{Finding, Walk};
use admit_store::Tx;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{ServerPermit, ServerRead};
use super::page::Parameters;
use super::work::{self, Stop};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::checkpoint::Checkpoint;
use crate::jobs::retention::ANCHOR;

/// How many seals a page has unless asked, and at most.
const LIMIT: u32 = 200;
const LIMIT_MAX: u32 = 1000;
/// A page ends behind the seal with which it has more events than this, has looked for so many lost ones, or has found so
/// much.
const EVENTS_MAX: i64 = 5000;
const LOOKED_FOR_MAX: usize = 1000;
const FOUND_MAX: usize = 200;
/// The most findings that one page shows; the others are counted.
const SHOWN_MAX: usize = 2000;
/// The most events of no known seal that are shown.
const STRAYS_MAX: u32 = 100;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify))
}

/// Which part.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    after: Option<i64>,
    limit: Option<u32>,
}

/// What was found in a part of the audit.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// How many seals were checked.
    checked: usize,
    /// How many events they list.
    events: usize,
    /// The last seal of this part.
    last: i64,
    /// What to send as `after` for the next part; null at the end.
    next: Option<i64>,
    /// How many events wait for their seal; at the end only.
    unsealed: Option<i64>,
    findings: Vec<Shown>,
    /// How many more findings there were.
    findings_left_off: usize,
}

/// A finding with a sentence for people.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    finding: Finding,
    says: String,
}

/// Verifies a part of the audit: some seals and the events in them.
#[utoipa::path(get, path = "/v1/audit/verify", tag = "events",
    params(("after" = Option<i64>, Query, description = "`next` of the part before"),
           ("limit" = Option<u32>, Query, description = "1 to 1000 seals, 200 where absent; a part may have fewer")),
    responses((status = 200, description = "what was found")))]
pub async fn verify(
    State(app): State<App>,
    _: ServerPermit<ServerRead>,
    Parameters(part): Parameters<Part>,
) -> Result<Json<Verified>, Problem> {
    let limit = part.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(400, "invalid_request", format!("limit must be 1 to {LIMIT_MAX}.")));
    }
    let after = part.after.unwrap_or(0).max(0);
    let (keys, noted) = (app.master.keys().audit(), Checkpoint::load(&app.config.load().data));
    let verified = work::read(&app, move |tx| walk(tx, &keys, noted.as_ref(), after, limit));
    verified.await.map(Json)
}

fn walk(tx: &mut Tx<'_>, keys: &[Keys], noted: Option<&Checkpoint>, after: i64, limit: u32) -> Result<Verified, Stop> {
    let anchor = anchor(tx, keys)?;
    let swept = anchor.as_ref().ok().and_then(Option::as_ref).copied();
    let after = after.max(swept.map_or(0, |anchor| anchor.number));
    let seals = tx.list_seals(after, limit + 1)?;
    let is_begin = after == swept.map_or(0, |anchor| anchor.number);
    let mut walk = match (is_begin, anchor) {
        (true, Ok(anchor)) => Walk::begin(keys, anchor.as_ref()),
        // Nobody can say any more where the chain began: with what is there.
        (true, Err(finding)) => {
            let first = seals.first().map_or(0, |seal| seal.number.saturating_sub(1));
            let mut walk = Walk::go_on(keys, first, None);
            walk.findings.push(finding);
            walk
        }
        (false, _) => Walk::go_on(keys, after, tx.find_seal(after)?.as_ref()),
    };
    let page = cut(&seals, limit);
    let is_whole = check(tx, &mut walk, page, noted)?;
    let is_end = is_whole && page.len() == seals.len();
    if is_end {
        if let Some(noted) = noted {
            walk.check_end(noted.number);
        }
        add_strays(tx, &mut walk, swept.as_ref())?;
    }
    let unsealed = if is_end { Some(tx.count_unsealed()?) } else { None };
    Ok(Verified::of(walk, is_end, unsealed))
}

/// Where the chain begins, if it is not with the first seal of all.
fn anchor(tx: &mut Tx<'_>, keys: &[Keys]) -> Result<Result<Option<Anchor>, Finding>, Stop> {
    let Some(octets) = tx.find_meta(ANCHOR)? else { return Ok(Ok(None)) };
    Ok(seal::read_anchor(keys, &octets).map(Some).ok_or(Finding::AnchorChanged))
}

/// As many seals as one page may have.
fn cut(seals: &[Seal], limit: u32) -> &[Seal] {
    let mut events: i64 = 0;
    let fits = |seal: &&Seal| {
        let is_room = events < EVENTS_MAX;
        events = events.saturating_add((seal.tags.len() / 24) as i64);
        is_room
    };
    let fitting = seals.iter().take(limit as usize).take_while(fits).count();
    &seals[..fitting]
}

/// Checks these seals, at least the first one. False where it stopped before the last one.
fn check(tx: &mut Tx<'_>, walk: &mut Walk<'_>, seals: &[Seal], noted: Option<&Checkpoint>) -> Result<bool, Stop> {
    let (Some(first), Some(last)) = (seals.first(), seals.last()) else { return Ok(true) };
    let rows_max = u32::try_from(EVENTS_MAX + i64::from(seal::EVENTS_MAX) + 1).unwrap_or(u32::MAX);
    let rows = tx.list_sealed(first.number, last.number, rows_max)?;
    let mut looked_for = 0;
    for seal in seals {
        let mut entries: Vec<Entry> = rows.iter().filter(|entry| entry.seal == Some(seal.number)).cloned().collect();
        let present: HashSet<i64> = entries.iter().map(|entry| entry.number).collect();
        let listed = seal.rows().into_iter().flatten().map(|(number, _)| number);
        for number in listed.filter(|number| !present.contains(number)) {
            looked_for += 1;
            entries.extend(tx.find_sealed(number)?);
        }
        walk.check(seal, &entries);
        if noted.is_some_and(|noted| noted.number == seal.number && noted.mac != seal.mac) {
            walk.findings.push(Finding::NotAsNoted { seal: seal.number });
        }
        let is_much = looked_for >= LOOKED_FOR_MAX || walk.findings.len() >= FOUND_MAX;
        if is_much && seal.number != last.number {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Events that say to be in a seal that does not exist.
fn add_strays(tx: &mut Tx<'_>, walk: &mut Walk<'_>, swept: Option<&Anchor>) -> Result<(), Stop> {
    for stray in tx.list_strays(walk.last(), swept, STRAYS_MAX)? {
        walk.findings.push(Finding::EventAdded { seal: stray.seal.unwrap_or_default(), event: stray.number });
    }
    Ok(())
}

impl Verified {
    fn of(walk: Walk<'_>, is_end: bool, unsealed: Option<i64>) -> Self {
        let (checked, events, last) = (walk.seals, walk.events, walk.last());
        let findings_left_off = walk.findings.len().saturating_sub(SHOWN_MAX);
        let show = |finding: Finding| Shown { says: finding.to_string(), finding };
        let findings = walk.findings.into_iter().take(SHOWN_MAX).map(show).collect();
        let next = (!is_end).then_some(last);
        Self { checked, events, last, next, unsealed, findings, findings_left_off }
    }
}
