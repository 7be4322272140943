//! Refused requests for tokens on their way to the audit, as events `token.refused`: of clients that showed who they are.
//!
//! Bounded like refusals (see [`minute`]). Nothing of what was asked for is repeated: the reason is a word of ours.

use std::hash::{BuildHasher, RandomState};

use admit_core::audit::Event;
use admit_core::id::{ClientId, RealmId, RequestId};
use admit_core::oauth::ErrorCode;
use admit_core::time::Time;
use admit_store::End;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex as Turn;

use super::minute::{self, Dated, Kept, Row, Sum};
use crate::app::App;

/// The most rows of one write.
const BATCH: usize = 250;

/// One of them.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Where.
    pub realm: RealmId,
    /// When.
    pub at: Time,
    /// Which client.
    pub client: ClientId,
    /// What it was told.
    pub code: ErrorCode,
    /// Why, in one word.
    pub why: &'static str,
    /// From which network.
    pub source: Option<IpNet>,
    /// The request.
    pub request_id: RequestId,
}

impl Dated for Refused {
    fn at(&self) -> Time {
        self.at
    }
}

/// What waits.
#[derive(Default)]
pub struct Refusals {
    groups: RandomState,
    kept: Mutex<Kept<Refused>>,
    /// Who writes. What was taken out is in the audit before the next one looks.
    turn: Turn<()>,
}

impl Refusals {
    /// Adds one. False where there was no place to count it in.
    pub fn add(&self, refused: &Refused) -> bool {
        let Refused { realm, client, code, why, source, .. } = refused;
        let group = self.groups.hash_one((realm, client, code, why, source));
        self.kept.lock().add(*realm, group, refused)
    }
}

/// Writes what waits.
pub async fn write(app: &App) {
    let _turn = app.token_refusals.turn.lock().await;
    write_rows(app, minute::take(&app.token_refusals.kept, app.now())).await;
}

/// Writes everything, also what counts on: for the end of the server.
pub async fn write_all(app: &App) {
    let _turn = app.token_refusals.turn.lock().await;
    write_rows(app, minute::take_all(&app.token_refusals.kept)).await;
}

async fn write_rows(app: &App, mut rows: Vec<Row<Refused>>) {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        let events: Vec<_> = rows.iter().map(|row| event_of(app, row)).collect();
        let written = app.store.write(move |tx| tx.insert_events(&events).map(End::Commit)).await;
        if let Err(error) = written {
            tracing::debug!(error = %error, "refused requests for tokens cannot be written to the audit yet");
            rows.extend(rest);
            app.metrics.refusals_dropped.inc_by(minute::put_back(&app.token_refusals.kept, rows));
            return;
        }
        rows = rest;
    }
}

fn event_of(app: &App, row: &Row<Refused>) -> Event {
    match row {
        Row::Single(refused) => {
            let request_id = Some(refused.request_id.to_string());
            Event { request_id, ..event(app, refused, refused.at, detail(refused, None)) }
        }
        Row::OfGroup(sum) => event(app, &sum.first, sum.last_at, detail(&sum.first, Some(sum))),
        Row::Rest(sum) => {
            let detail = json!({ "count": sum.count, "from": sum.first.at });
            let event = event(app, &sum.first, sum.last_at, detail);
            Event { actor: String::new(), target: String::new(), reason: None, ..event }
        }
    }
}

fn event(app: &App, refused: &Refused, at: Time, detail: Value) -> Event {
    let event = Event::new(app.id(at), refused.realm, "token.refused", at);
    let event = event.by(refused.client).on(refused.client);
    Event { reason: Some(refused.why.to_owned()), detail, ..event }
}

fn detail(refused: &Refused, sum: Option<&Sum<Refused>>) -> Value {
    let mut detail = Map::new();
    let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
    put("error", json!(refused.code.as_str()));
    refused.source.into_iter().for_each(|source| put("source", json!(source)));
    if let Some(sum) = sum {
        put("count", json!(sum.count));
        put("from", json!(sum.first.at));
    }
    Value::Object(detail)
}
