//! Refusals on their way to the audit, as events `access.refused`.
//!
//! Anyone can make refusals, so what they leave behind is bounded. A group (realm, reason, credential, network) has its
//! first few of a minute one by one, with what was asked for, and then one row that counts; a realm has so many rows in a
//! minute, and one more that counts all the rest. While a request waits there is one short lock and no write. Which
//! refusals come here is not decided here: see `check/pipeline.rs`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::id::RealmId;
use admit_core::time::Time;
use admit_store::End;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::check::record::Record;

/// How many of a group are written one by one in a minute.
const SINGLES: u32 = 5;
/// How many of a realm are, and how many of its groups may have a row that counts; with the row for the rest a realm has
/// at most 200 in a minute.
const REALM_SINGLES: u32 = 150;
const REALM_SUMS: u32 = 49;
/// The most rows that wait; what finds no place is counted in a metric.
const WAITING_MAX: usize = 1000;
/// The most rows of one write: a long one would hold up everybody else's.
const BATCH: usize = 250;

/// What waits, and what this minute has seen.
#[derive(Default)]
pub struct Refusals {
    groups: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// That of the first refusal in the tables.
    minute: i64,
    waiting: Vec<Row>,
    /// How many rows that count there are in the two tables; they wait for the end of the minute.
    sums: usize,
    /// Groups that have a row of their own; as many as rows were written at most.
    groups: HashMap<u64, Group>,
    realms: HashMap<RealmId, Share>,
}

#[derive(Default)]
struct Group {
    singles: u32,
    sum: Option<Sum>,
}

/// What a realm has taken of its rows.
#[derive(Default)]
struct Share {
    singles: u32,
    sums: u32,
    rest: Option<Sum>,
}

struct Sum {
    first: Arc<Record>,
    last_at: Time,
    count: u64,
}

enum Row {
    Single(Arc<Record>),
    /// Those of a group that came after its first few.
    OfGroup(Sum),
    /// Those that found no row in which their group is named.
    Rest(Sum),
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

    /// What is to be written now: rows that count only once their minute is over.
    fn take(&self, now: Time) -> Vec<Row> {
        let mut kept = self.kept.lock();
        if kept.minute == minute(now) {
            return std::mem::take(&mut kept.waiting);
        }
        drop(kept);
        self.take_all()
    }

    /// Everything there is, to begin anew.
    fn take_all(&self) -> Vec<Row> {
        let over = std::mem::take(&mut *self.kept.lock());
        let mut rows = over.waiting;
        rows.extend(over.groups.into_values().filter_map(|group| group.sum.map(Row::OfGroup)));
        rows.extend(over.realms.into_values().filter_map(|share| share.rest.map(Row::Rest)));
        rows
    }

    /// Keeps what could not be written, and says how many refusals found no place.
    fn put_back(&self, rows: Vec<Row>) -> u64 {
        let mut kept = self.kept.lock();
        let mut rows = rows.into_iter();
        let room = WAITING_MAX.saturating_sub(kept.waiting.len() + kept.sums);
        kept.waiting.extend(rows.by_ref().take(room));
        rows.map(|row| row.count()).sum()
    }
}

impl Kept {
    fn add(&mut self, realm: RealmId, group: u64, record: &Arc<Record>) -> bool {
        let is_room = self.waiting.len() + self.sums < WAITING_MAX;
        if !is_room && !self.realms.contains_key(&realm) {
            return false;
        }
        if self.realms.is_empty() {
            self.minute = minute(record.at);
        }
        let share = self.realms.entry(realm).or_default();
        let singles = self.groups.get(&group).map_or(0, |group| group.singles);
        if singles < SINGLES && share.singles < REALM_SINGLES && is_room {
            share.singles += 1;
            self.groups.entry(group).or_default().singles += 1;
            self.waiting.push(Row::Single(record.clone()));
            return true;
        }
        if let Some(group) = self.groups.get_mut(&group) {
            if let Some(sum) = &mut group.sum {
                sum.add(record.at);
                return true;
            }
            if share.sums < REALM_SUMS && is_room {
                share.sums += 1;
                self.sums += 1;
                group.sum = Some(Sum::of(record));
                return true;
            }
        }
        match &mut share.rest {
            Some(rest) => rest.add(record.at),
            None if is_room => {
                self.sums += 1;
                share.rest = Some(Sum::of(record));
            }
            None => return false,
        }
        true
    }
}

impl Sum {
    fn of(record: &Arc<Record>) -> Self {
        Self { first: record.clone(), last_at: record.at, count: 1 }
    }

    fn add(&mut self, at: Time) {
        self.last_at = self.last_at.max(at);
        self.count += 1;
    }
}

impl Row {
    /// How many refusals it stands for.
    fn count(&self) -> u64 {
        match self {
            Self::Single(_) => 1,
            Self::OfGroup(sum) | Self::Rest(sum) => sum.count,
        }
    }

    fn event(&self, app: &App) -> Event {
        match self {
            Self::Single(record) => {
                let request_id = Some(record.decision.request_id.to_string());
                Event { request_id, ..event(app, record, record.at, asked(record)) }
            }
            Self::OfGroup(sum) => event(app, &sum.first, sum.last_at, counted(sum, network(&sum.first))),
            Self::Rest(sum) => {
                let event = event(app, &sum.first, sum.last_at, counted(sum, None));
                Event { actor: String::new(), target: String::new(), reason: None, ..event }
            }
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

fn minute(at: Time) -> i64 {
    at.unix_ms().div_euclid(60_000)
}

/// Writes what waits.
pub async fn write(app: &App) {
    write_rows(app, app.refusals.take(app.now())).await;
}

/// Writes everything, also what counts on: for the end of the server.
pub async fn write_all(app: &App) {
    write_rows(app, app.refusals.take_all()).await;
}

async fn write_rows(app: &App, mut rows: Vec<Row>) {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        let events: Vec<_> = rows.iter().map(|row| row.event(app)).collect();
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
    use admit_core::id::RequestId;

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
