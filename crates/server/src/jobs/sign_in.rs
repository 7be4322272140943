//! Failed sign-ins on their way to the audit, as events `sign_in.failed`, and clients that did not prove who they are, as
//! `client.refused`.
//!
//! Bounded like refusals (see [`minute`]). Never the password or secret, and never what was typed as a name: people type
//! passwords there. Who is meant is told by id, where it is anybody.

use std::hash::{BuildHasher, RandomState};

use admit_core::audit::Event;
use admit_core::id::{ClientId, RealmId, RequestId, UserId};
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

/// Why nobody was signed in. Told to the audit only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Another password.
    WrongPassword,
    /// The name is nobody's.
    UnknownName,
    /// The right one, of somebody who is switched off.
    Disabled,
    /// He has none.
    NoPassword,
    /// Too many failures: unknown devices need a mailed link.
    Locked,
    /// One after the other too fast.
    TooFast,
    /// Another secret than the client's, or one that has ended.
    WrongSecret,
    /// No client of the realm.
    UnknownClient,
    /// Another way than the client's own.
    WrongMethod,
    /// What it signed proves nothing.
    BadAssertion,
    /// What it signed was shown before.
    SpentAssertion,
}

/// Who was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whom {
    /// A person.
    Person {
        /// None where the name is nobody's.
        user: Option<UserId>,
        /// Whether from a device on which he had signed in before.
        is_known_device: bool,
    },
    /// A client; none where there is none of that id.
    Client(Option<ClientId>),
}

impl Why {
    /// The word of the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::UnknownName => "unknown_name",
            Self::Disabled => "subject_disabled",
            Self::NoPassword => "no_password",
            Self::Locked => "locked",
            Self::TooFast => "too_fast",
            Self::WrongSecret => "wrong_secret",
            Self::UnknownClient => "unknown_client",
            Self::WrongMethod => "wrong_auth_method",
            Self::BadAssertion => "bad_assertion",
            Self::SpentAssertion => "spent_assertion",
        }
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Where.
    pub realm: RealmId,
    /// When.
    pub at: Time,
    /// Why.
    pub why: Why,
    /// Who was meant.
    pub whom: Whom,
    /// From which network.
    pub source: Option<IpNet>,
    /// The request, where it has an id.
    pub request_id: Option<RequestId>,
}

impl Dated for Failed {
    fn at(&self) -> Time {
        self.at
    }
}

/// What waits.
#[derive(Default)]
pub struct Failures {
    groups: RandomState,
    kept: Mutex<Kept<Failed>>,
    /// Who writes. What was taken out is in the audit before the next one looks.
    turn: Turn<()>,
}

impl Failures {
    /// Adds one. False where there was no place to count it in.
    pub fn add(&self, failed: &Failed) -> bool {
        let Failed { realm, why, whom, source, .. } = failed;
        let group = self.groups.hash_one((realm, why, whom, source));
        self.kept.lock().add(*realm, group, failed)
    }
}

/// Writes what waits.
pub async fn write(app: &App) {
    let _turn = app.failures.turn.lock().await;
    write_rows(app, minute::take(&app.failures.kept, app.now())).await;
}

/// Writes everything, also what counts on: for the end of the server.
pub async fn write_all(app: &App) {
    let _turn = app.failures.turn.lock().await;
    write_rows(app, minute::take_all(&app.failures.kept)).await;
}

async fn write_rows(app: &App, mut rows: Vec<Row<Failed>>) {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        let events: Vec<_> = rows.iter().map(|row| event_of(app, row)).collect();
        let written = app.store.write(move |tx| tx.insert_events(&events).map(End::Commit)).await;
        if let Err(error) = written {
            tracing::debug!(error = %error, "failed sign-ins cannot be written to the audit yet");
            rows.extend(rest);
            app.metrics.refusals_dropped.inc_by(minute::put_back(&app.failures.kept, rows));
            return;
        }
        rows = rest;
    }
}

fn event_of(app: &App, row: &Row<Failed>) -> Event {
    match row {
        Row::Single(failed) => {
            let request_id = failed.request_id.map(|id| id.to_string());
            Event { request_id, ..event(app, failed, failed.at, detail(failed, None)) }
        }
        Row::OfGroup(sum) => event(app, &sum.first, sum.last_at, detail(&sum.first, Some(sum))),
        Row::Rest(sum) => {
            let detail = json!({ "count": sum.count, "from": sum.first.at });
            Event { target: String::new(), reason: None, ..event(app, &sum.first, sum.last_at, detail) }
        }
    }
}

fn event(app: &App, failed: &Failed, at: Time, detail: Value) -> Event {
    let (kind, target) = match failed.whom {
        Whom::Person { user, .. } => ("sign_in.failed", user.map(|user| user.to_string())),
        Whom::Client(client) => ("client.refused", client.map(|client| client.to_string())),
    };
    Event {
        id: app.id(at),
        number: 0,
        seal: None,
        realm: Some(failed.realm),
        at,
        kind: kind.to_owned(),
        actor: String::new(),
        target: target.unwrap_or_default(),
        reason: Some(failed.why.as_str().to_owned()),
        request_id: None,
        detail,
    }
}

fn detail(failed: &Failed, sum: Option<&Sum<Failed>>) -> Value {
    let mut detail = Map::new();
    failed.source.into_iter().for_each(|source| drop(detail.insert("source".to_owned(), json!(source))));
    if let Whom::Person { is_known_device, .. } = failed.whom {
        detail.insert("known_device".to_owned(), json!(is_known_device));
    }
    if let Some(sum) = sum {
        detail.insert("count".to_owned(), json!(sum.count));
        detail.insert("from".to_owned(), json!(sum.first.at));
    }
    Value::Object(detail)
}
