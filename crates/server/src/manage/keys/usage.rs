//! `GET keys/{key}/usage`: how often a key was shown, per day, secret and outcome.

use admit_core::time::{Span, Time};
use admit_store::UsageRow;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::manage::guard::{KeysRead, Permit};
use crate::manage::page::{Ignored, Parameters};
use crate::manage::work;

/// How many days are shown unless asked.
const DAYS: u32 = 30;
/// How long counters are kept.
const DAYS_MAX: u32 = 400;

/// How far back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    days: Option<u32>,
    // All of it is one page.
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

/// How often a key was used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    items: Vec<UsageItem>,
    total: i64,
}

/// One count.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageItem {
    /// The day in UTC.
    day: String,
    /// The number of the secret.
    secret: u32,
    /// `ok`, or why it was refused.
    code: &'static str,
    count: i64,
}

/// Counts of the last days, today included.
#[utoipa::path(get, path = "/v1/realms/{realm}/keys/{key}/usage", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name"),
           ("days" = Option<u32>, Query, description = "1 to 400, 30 where absent")),
    responses((status = 200, description = "counts", body = Usage)))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<KeysRead>,
    Path((_realm, key)): Path<(String, String)>,
    Parameters(window): Parameters<Window>,
) -> Result<Json<Usage>, Problem> {
    let days = window.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::new(400, "invalid_request", format!("days must be 1 to {DAYS_MAX}.")));
    }
    flush::now(&app).await;
    let rows = work::read(&app, move |tx| {
        let issued = find(tx, permit.realm_id(), &key, permit.now)?;
        let from = permit.now.day() - i64::from(days) + 1;
        Ok(tx.list_usage(permit.realm_id(), issued.key.id, from)?)
    });
    let rows = rows.await?;
    let total = rows.iter().map(|row| row.count).sum();
    Ok(Json(Usage { items: rows.iter().map(UsageItem::of).collect(), total }))
}

impl UsageItem {
    fn of(row: &UsageRow) -> Self {
        let mut day = (Time::default() + Span::days(row.day)).to_string();
        day.truncate("2026-11-22".len());
        Self { day, secret: row.number, code: row.code.as_str(), count: row.count }
    }
}
