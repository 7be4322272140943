//! Refusals on their way to the audit, as events `access.refused`.
//!
//! Anyone can make refusals, so what they leave behind is bounded (see [`minute`]): a group (realm, reason, credential,
//! network) has its first few of a minute one by one, with what was asked for. While a request waits there is one short
//! lock and no write. Which refusals come here is not decided here: see `check/pipeline.rs`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::time::Time;
use admit_store::End;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex as Turn;

use super::minute::{self, Dated, Kept};
use crate::app::App;
use crate::check::record::Record;

/// The most rows of one write: a long one would hold up everybody else's.
const BATCH: usize = 250;

type Row = minute::Row<Arc<Record>>;
type Sum = minute::Sum<Arc<Record>>;

impl Dated for Arc<Record> {
    fn at(&self) -> Time {
        self.at
    }
}

/// What waits, and what this minute has seen.
#[derive(Default)]
pub struct Refusals {
    groups: RandomState,
    kept: Mutex<Kept<Arc<Record>>>,
    /// Who writes. What was taken out is in the audit before the next one looks.
    turn: Turn<()>,
}

impl Refusals {
    /// Adds one. False where there was no place to count it in.
    pub fn add(&self, record: &Arc<Record>) -> bool {
        let Some(realm) = record.realm() else { return true };
        let key = record.decision.principal.as_ref().and_then(|principal| principal.key);
        let hint = record.credential.as_ref().map(|(_, hint)| hint).filter(|_| key.is_none());
        let alike = (realm, record.decision.reason(), key, hint, network(record));
        let group = self.groups.hash_one(alike);
        self.kept.lock().add(realm, group, record)
    }

    fn take(&self, now: Time) -> Vec<Row> {
        minute::take(&self.kept, now)
    }

    fn take_all(&self) -> Vec<Row> {
        minute::take_all(&self.kept)
    }

    fn put_back(&self, rows: Vec<Row>) -> u64 {
        minute::put_back(&self.kept, rows)
    }
}

fn event_of(app: &App, row: &Row) -> Event {
    match row {
        Row::Single(record) => {
            let request_id = Some(record.decision.request_id.to_string());
            Event { request_id, ..event(app, record, record.at, asked(record)) }
        }
        Row::OfGroup(sum) => event(app, &sum.first, sum.last_at, counted(sum, network(&sum.first))),
        Row::Rest(sum) => {
            let event = event(app, &sum.first, sum.last_at, counted(sum, None));
            Event { actor: String::new(), target: String::new(), reason: None, ..event }
        }
    }
}

fn event(app: &App, record: &Record, at: Time, detail: Value) -> Event {
    let principal = record.decision.principal.as_ref();
    let key = principal.and_then(|principal| principal.key).map(|key| key.to_string());
    let hint = || record.credential.as_ref().map(|(_, hint)| hint.clone());
    Event {
        id: app.id(at),
        number: 0,
        seal: None,
        realm: record.realm(),
        at,
        kind: "access.refused".to_owned(),
        actor: principal.map(|principal| principal.subject.to_string()).unwrap_or_default(),
        target: key.or_else(hint).unwrap_or_default(),
        reason: record.decision.reason().map(|reason| reason.as_str().to_owned()),
        request_id: None,
        detail,
    }
}

/// What was asked for: names of parameters, never their values, and the network, not the address.
fn asked(record: &Record) -> Value {
    let api = record.decision.standing().and_then(|standing| standing.api.as_ref());
    let rule = record.rule.as_ref().and_then(|(id, ..)| *id);
    let mut detail = Map::new();
    let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
    put("door", json!(record.door.as_str()));
    put("method", json!(record.method));
    put("host", json!(record.host));
    put("path", json!(record.path));
    if !record.query_names.is_empty() {
        put("query_names", json!(record.query_names));
    }
    network(record).into_iter().for_each(|network| put("source", json!(network)));
    rule.into_iter().for_each(|rule| put("rule", json!(rule)));
    api.into_iter().for_each(|api| put("api", json!(api)));
    Value::Object(detail)
}

fn counted(sum: &Sum, source: Option<IpNet>) -> Value {
    match source {
        Some(source) => json!({ "count": sum.count, "from": sum.first.at, "source": source }),
        None => json!({ "count": sum.count, "from": sum.first.at }),
    }
}

fn network(record: &Record) -> Option<IpNet> {
    record.client_ip.map(address::network)
}

/// Writes what waits.
pub async fn write(app: &App) {
    let _turn = app.refusals.turn.lock().await;
    write_rows(app, app.refusals.take(app.now())).await;
}

/// Writes everything, also what counts on: for the end of the server.
pub async fn write_all(app: &App) {
    let _turn = app.refusals.turn.lock().await;
    write_rows(app, app.refusals.take_all()).await;
}

async fn write_rows(app: &App, mut rows: Vec<Row>) {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        let events: Vec<_> = rows.iter().map(|row| event_of(app, row)).collect();
        let written = app.store.write(move |tx| tx.insert_events(&events).map(End::Commit)).await;
        if let Err(error) = written {
            tracing::debug!(error = %error, "refusals cannot be written to the audit yet");
            rows.extend(rest);
            app.metrics.refusals_dropped.inc_by(app.refusals.put_back(rows));
            return;
        }
        rows = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Door;
    use admit_core::check::code::Reason;
    use admit_core::check::decision::{Decision, Verdict};
    use admit_core::id::{RealmId, RequestId};
    use minute::WAITING_MAX;

    fn record(at: i64) -> Arc<Record> {
        let decision = Decision::of(RequestId::new(Time::default(), [0; 10]), Verdict::Refused(Reason::Revoked));
        Arc::new(Record::unread(None, Door::Nginx, &decision, Time::from_unix_ms(at)))
    }

    fn realm(number: u8) -> RealmId {
        RealmId::from_bytes([number; 16])
    }

    /// The figures of rows: singles, those of a group, the rest.
    fn figures(rows: &[Row]) -> (usize, Vec<u64>, Vec<u64>) {
        let singles = rows.iter().filter(|row| matches!(row, Row::Single(_))).count();
        let counts = |is_wanted: fn(&Row) -> bool| rows.iter().filter(|row| is_wanted(row)).map(Row::count).collect();
        (singles, counts(|row| matches!(row, Row::OfGroup(_))), counts(|row| matches!(row, Row::Rest(_))))
    }

    #[test]
    fn the_first_of_a_group_are_single_and_then_they_are_counted_until_the_minute_is_over() {
        let refusals = Refusals::default();
        for at in 0..12 {
            assert!(refusals.kept.lock().add(realm(1), 7, &record(at)));
        }
        let rows = refusals.take(Time::from_unix_ms(59_999));
        assert_eq!(figures(&rows), (5, vec![], vec![]));
        assert!(refusals.kept.lock().add(realm(1), 7, &record(59_999)), "a row was written, the minute goes on");
        assert!(refusals.take(Time::from_unix_ms(59_999)).is_empty());
        let rows = refusals.take(Time::from_unix_ms(60_000));
        assert_eq!(figures(&rows), (0, vec![8], vec![]));
        let Row::OfGroup(sum) = &rows[0] else { panic!("a row that counts") };
        assert_eq!((sum.first.at.unix_ms(), sum.last_at.unix_ms()), (5, 59_999));
        refusals.kept.lock().add(realm(1), 7, &record(60_000));
        assert_eq!(figures(&refusals.take(Time::from_unix_ms(60_000))), (1, vec![], vec![]), "and another begins anew");
    }

    #[test]
    fn lo_05_a_realm_has_at_most_200_rows_in_a_minute() {
        let refusals = Refusals::default();
        for turn in 0..10 {
            for group in 0..1000 {
                assert!(refusals.kept.lock().add(realm(1), group, &record(turn)));
            }
        }
        let (singles, sums, rest) = figures(&refusals.take_all());
        assert_eq!((singles, sums.len(), rest.len()), (150, 49, 1));
        assert_eq!(150 + sums.iter().sum::<u64>() + rest[0], 10_000, "and every refusal is in one of them");
    }

    #[test]
    fn at_most_1000_rows_wait_and_what_finds_no_place_is_told() {
        let refusals = Refusals::default();
        let (mut added, mut dropped) = (0, 0);
        for number in 0..20 {
            for group in 0..300 {
                match refusals.kept.lock().add(realm(number), u64::from(number) * 1000 + group, &record(0)) {
                    true => added += 1,
                    false => dropped += 1,
                }
            }
        }
        let rows = refusals.take_all();
        assert_eq!(rows.len(), WAITING_MAX);
        assert_eq!((rows.iter().map(Row::count).sum::<u64>(), added + dropped), (added, 6000));
        assert!(dropped > 3000, "{dropped}");

        refusals.kept.lock().add(realm(1), 1, &record(0));
        let last = rows.last().map(Row::count);
        assert_eq!(Some(refusals.put_back(rows)), last, "the oldest and what is younger stay");
        assert_eq!(refusals.take_all().len(), WAITING_MAX);
    }
}
