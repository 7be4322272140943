//! What follows from a decision, once: metrics, usage, notices, the record of a refusal.
//!
//! Knows neither how it was decided nor how it is answered.

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, Verdict};
use admit_core::check::request::Request;
use admit_core::time::Time;

use super::Door;
use super::pipeline::Judged;
use super::policies::RealmPolicy;
use super::record::Record;
use super::usage::Use;
use crate::app::App;
use crate::http::trace;
use crate::jobs::notice::Notice;

/// Metrics, usage, notices and the record of a refusal: once, from the decision.
pub fn judged(app: &App, realm: &Arc<RealmPolicy>, request: &Request<'_>, door: Door, judged: &Judged<'_>, now: Time) {
    let decision = &judged.decision;
    app.metrics.decided(door, decision);
    note_stale(app, realm, judged, now);
    tracing::debug!(
        door = door.as_str(),
        decision.code = decision.code().as_str(),
        decision.reason = decision.reason().or(decision.observed).map(Reason::as_str),
        request.id = %decision.request_id,
        trace.id = trace::trace_id(request.headers),
        "decided"
    );
    if let Some(principal) = &decision.principal
        && let Some(key) = principal.key
    {
        let used = Use {
            realm: realm.realm.id,
            key,
            number: principal.secret_number,
            code: decision.observed.map_or(decision.code(), Reason::code),
            ip: request.client_ip,
            headers: request.headers,
            in_browser: request.from_browser(),
        };
        if !app.usage.count(&used, now) {
            app.metrics.usage_dropped.inc();
        }
    }
    if let Some(principal) = decision.identity()
        && !app.activity.note(realm.realm.id, principal, request.client_ip, request.headers, now)
    {
        app.metrics.usage_dropped.inc();
    }
    if decision.verdict == Verdict::Admitted && decision.observed.is_none() {
        return;
    }
    if let Some(reason @ (Reason::SecretInWrongPlace | Reason::PlainHttp)) = decision.reason().or(decision.observed) {
        let target = decision.principal.as_ref().and_then(|principal| principal.key).map(|key| key.to_string());
        let hint = judged.credential.as_ref().map(|(_, hint)| hint.clone());
        let notice = Notice::misused(realm.realm.id, reason, target.or(hint), decision.request_id, now);
        if !app.notices.add(notice) {
            app.metrics.notices_dropped.inc();
        }
    }
    let record = Arc::new(Record::of(realm, request, door, judged, now));
    if is_audited(decision) && !app.refusals.add(&record) {
        app.metrics.refusals_dropped.inc();
    }
    app.records.keep(record);
}

/// Refusals for want of proof or right are told to the audit, but for credentials that were misused, which it is told as
/// such, and for what no rule covers and nobody signed: noise that anyone can make.
fn is_audited(decision: &Decision) -> bool {
    match decision.reason() {
        None | Some(Reason::SecretInWrongPlace | Reason::PlainHttp) => false,
        Some(Reason::NothingMatched) if decision.principal.is_none() => false,
        Some(reason) => matches!(reason.code().status(), 401 | 403),
    }
}

/// An answer from knowledge that is older than it should be is counted, and told to the audit.
fn note_stale(app: &App, realm: &Arc<RealmPolicy>, judged: &Judged<'_>, now: Time) {
    if judged.decision.stale.is_none() {
        return;
    }
    app.metrics.stale_answers.inc();
    let rule = judged.rule.as_ref().map(|found| found.rule.name.to_string()).unwrap_or_default();
    if !app.notices.add(Notice::stale(realm.realm.id, rule, judged.decision.request_id, now)) {
        app.metrics.notices_dropped.inc();
    }
}

/// A request that could not be read as one: refused, counted and recorded like every other; nothing for the audit.
pub fn refuse(app: &App, realm: Option<&Arc<RealmPolicy>>, reason: Reason, door: Door, now: Time) -> Judged<'static> {
    let decision = Decision::of(app.request_id(now), Verdict::Refused(reason));
    app.metrics.decided(door, &decision);
    app.records.keep(Arc::new(Record::unread(realm, door, &decision, now)));
    Judged { decision, rule: None, credential: None, question: None }
}
