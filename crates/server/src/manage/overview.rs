//! `GET /v1/overview`: how this node is doing: its counters over time, its busiest keys, and what somebody should look at.
//!
//! Cheap enough to be asked every few seconds: memory is read, and a handful of rows. `doctor` looks closer.

use std::collections::BTreeMap;

use admit_core::check::code::Code;
use admit_core::time::{Span, Time};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{ServerPermit, ServerRead};
use super::page::Parameters;
use super::work;
use crate::app::App;
use crate::authn::freshness;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::metrics::history::{Reach, Step};
use crate::metrics::latency;

/// How many keys are shown.
const KEYS: usize = 10;
/// Up to how many counters are written so that what is shown is of this moment; more wait for their turn.
const FLUSHED_MAX: usize = 1_000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// How far back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    span: Option<String>,
}

/// How this node is doing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// `10m`, `1h` or `24h`.
    pub span: String,
    /// Since when this node runs.
    #[schema(value_type = String)]
    pub running_since: Time,
    /// When the last step ended; null in the first seconds.
    #[schema(value_type = Option<String>)]
    pub until: Option<Time>,
    /// How long a step is, in seconds.
    pub step_s: i64,
    /// The steps, the oldest first; null where this node did not run.
    pub steps: Vec<Option<Figures>>,
    /// All steps together.
    pub total: Figures,
    /// The keys that were shown most often to this node, the busiest first.
    pub keys: Vec<BusyKey>,
    /// What stands now.
    pub state: NodeState,
}

/// What happened within a time.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Requests that gateways and services asked about, by the code of the answer; those that are none are left out.
    pub requests: BTreeMap<String, u64>,
    /// Half of the decisions took no longer, in seconds; null where there were none.
    pub p50_s: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99_s: Option<f64>,
    /// Which part of all decisions needed no look into the store; null where there were none.
    pub from_memory: Option<f64>,
    /// Sign-ins that were right.
    pub sign_ins_right: u64,
    /// Sign-ins that were wrong.
    pub sign_ins_wrong: u64,
    /// Sign-ins that were turned away: too many, or no place.
    pub sign_ins_refused: u64,
    /// Sessions that began.
    pub sessions_begun: u64,
    /// Accounts that take no more guesses from unknown devices.
    pub accounts_locked: u64,
    /// Requests that were refused because a queue or a share was full.
    pub overloaded: u64,
    /// How long ago all changes of other nodes were known, at most, in milliseconds.
    pub feed_age_ms: u64,
    /// How many passwords waited to be hashed or were hashed, at most.
    pub hashing: u64,
}

/// A key and how often it was shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BusyKey {
    /// Its id.
    pub id: String,
    /// Its realm; null where the key is gone.
    pub realm: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// How often it was shown.
    pub uses: u64,
    /// How often it was refused.
    pub refused: u64,
}

/// What stands now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeState {
    /// How long ago all changes of other nodes were known, in milliseconds.
    pub feed_age_ms: u64,
    /// True where that is longer than may be.
    pub feed_is_late: bool,
    /// When the TLS certificate ends.
    #[schema(value_type = Option<String>)]
    pub certificate_ends_at: Option<Time>,
    /// What is wrong with the master keys.
    pub master_keys_wrong: Option<String>,
    /// By how much the clock was set back, in seconds; 0 where it was not.
    pub clock_behind_s: i64,
    /// How many keys end within 7 days, counted each hour.
    pub keys_ending_7d: i64,
    /// How many keys end within 30 days.
    pub keys_ending_30d: i64,
    /// Refusals, failed sign-ins and notices that are missing in the audit, since this node runs.
    pub audit_missing: u64,
}

/// Counters of this node over time.
#[utoipa::path(get, path = "/v1/overview", tag = "overview",
    params(("span" = Option<String>, Query, description = "10m, 1h (where absent) or 24h")),
    responses((status = 200, description = "how this node is doing", body = Overview)))]
pub async fn get(
    State(app): State<App>,
    permit: ServerPermit<ServerRead>,
    Parameters(window): Parameters<Window>,
) -> Result<Json<Overview>, Problem> {
    let reach = read_span(window.span.as_deref())?;
    if app.usage.pending() <= FLUSHED_MAX {
        flush::now(&app).await;
    }
    let now = permit.now;
    let view = app.metrics.history.view(reach);
    let total = view.as_ref().map(|view| view.total()).unwrap_or_default();
    let busiest = app.metrics.busiest.since(now - reach.span(), KEYS);
    let places = work::read(&app, move |tx| {
        let locate = |(key, uses)| Ok((key, uses, tx.locate_key(key)?));
        busiest.iter().copied().map(locate).collect::<Result<Vec<_>, _>>()
    });
    let keys = places.await?.into_iter().map(|(key, uses, place)| {
        let (realm, name) = place.map(|place| (place.realm, place.name)).unzip();
        BusyKey { id: key.to_string(), realm, name, uses: uses.all, refused: uses.refused }
    });
    Ok(Json(Overview {
        span: reach.as_str().to_owned(),
        running_since: now - Span::ms(app.clock.monotonic_us() / 1000),
        until: view.as_ref().map(|view| view.until),
        step_s: reach.step().as_ms() / 1000,
        keys: keys.collect(),
        total: Figures::of(&total),
        steps: view
            .map_or_else(Vec::new, |view| view.steps.iter().map(|step| step.as_ref().map(Figures::of)).collect()),
        state: NodeState::of(&app),
    }))
}

fn read_span(text: Option<&str>) -> Result<Reach, Problem> {
    let Some(text) = text else { return Ok(Reach::Hour) };
    let known = Reach::ALL.into_iter().find(|reach| reach.as_str() == text);
    known.ok_or_else(|| Problem::new(400, "invalid_request", "span must be 10m, 1h or 24h."))
}

impl Figures {
    fn of(step: &Step) -> Self {
        let counts = &step.counts;
        let requests = Code::ALL.iter().map(|code| (code.as_str().to_owned(), counts.of_code(*code)));
        let looked_up = counts.looked_up as f64 / counts.judged as f64;
        Self {
            requests: requests.filter(|(_, count)| *count > 0).collect(),
            p50_s: latency::quantile(&counts.took, 0.5),
            p99_s: latency::quantile(&counts.took, 0.99),
            // Pages of people look up sessions, and are no decisions: there may be more look-ups than these.
            from_memory: (counts.judged > 0).then(|| (1.0 - looked_up).clamp(0.0, 1.0)),
            sign_ins_right: counts.signed_in,
            sign_ins_wrong: counts.sign_ins_wrong,
            sign_ins_refused: counts.sign_ins_refused,
            sessions_begun: counts.sessions,
            accounts_locked: counts.locked,
            overloaded: counts.overloaded,
            feed_age_ms: step.levels.feed_age_ms,
            hashing: step.levels.hashing,
        }
    }
}

impl NodeState {
    fn of(app: &App) -> Self {
        let metrics = &app.metrics;
        let [_, week, month] = &metrics.ending;
        Self {
            feed_age_ms: u64::try_from(app.store.feed_age().as_millis()).unwrap_or(u64::MAX),
            feed_is_late: freshness::overdue(app).is_some(),
            certificate_ends_at: app.certificate.get().map(|pair| pair.ends_at()),
            master_keys_wrong: app.master.wrong(),
            clock_behind_s: app.clock.behind().map_or(0, Span::as_seconds_up),
            keys_ending_7d: week.get(),
            keys_ending_30d: month.get(),
            audit_missing: metrics.refusals_dropped.get() + metrics.notices_dropped.get(),
        }
    }
}
