//! Traces: one span for each judged request of `/check`, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! The only module that knows OpenTelemetry. A decision never waits for it: a span goes into a bounded queue or is dropped
//! and counted. A span says what the log says of a decision, and the rule and realm: no secret, no path, no address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use admit_core::check::code::Reason;
use admit_core::check::decision::Verdict;
use admit_core::time::Time;
use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::app;
use crate::check::Door;
use crate::check::pipeline::Judged;
use crate::config::Telemetry;
use crate::http::trace;

/// The most spans that wait; more are dropped.
const QUEUE: usize = 4096;
/// The most spans of one message.
const BATCH: usize = 512;
/// How long a message waits to be filled.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is said that spans were dropped.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Spans on their way.
pub struct Spans {
    way: Option<Way>,
    dropped: AtomicU64,
}

struct Way {
    to: Telemetry,
    sender: mpsc::Sender<SpanData>,
    /// Taken by the one who sends them on.
    receiver: Mutex<Option<mpsc::Receiver<SpanData>>>,
    /// How many requests came without a `traceparent`.
    count: AtomicU64,
}

impl Spans {
    /// To where the configuration says, if it does.
    pub fn new(to: Option<&Telemetry>) -> Self {
        let way = to.map(|to| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            Way { to: to.clone(), sender, receiver: Mutex::new(Some(receiver)), count: AtomicU64::new(0) }
        });
        Self { way, dropped: AtomicU64::new(0) }
    }

    /// Adds the span of a decision, if its request is one of those that are kept.
    pub fn add(&self, headers: &HeaderMap, realm: &str, door: Door, judged: &Judged<'_>, now: Time, took: Duration) {
        let Some(way) = &self.way else { return };
        let Some(place) = way.place(headers) else { return };
        let start = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.unix_ms()).unwrap_or_default());
        if way.sender.try_send(span(place, realm, door, judged, start, start + took)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where a span stands in its trace.
struct Place {
    trace: TraceId,
    parent: SpanId,
}

impl Way {
    /// A caller who is traced decides; of the others one in so many is kept. None: not kept.
    fn place(&self, headers: &HeaderMap) -> Option<Place> {
        if let Some(parent) = trace::parent(headers) {
            let (trace, span) = (TraceId::from_hex(parent.trace).ok()?, SpanId::from_hex(parent.span).ok()?);
            return parent.is_sampled.then_some(Place { trace, parent: span });
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let is_kept = count.is_multiple_of(u64::from(self.to.one_in));
        is_kept.then(|| Place { trace: TraceId::from_bytes(app::random()), parent: SpanId::INVALID })
    }
}

fn span(place: Place, realm: &str, door: Door, judged: &Judged<'_>, start: SystemTime, end: SystemTime) -> SpanData {
    let decision = &judged.decision;
    let verdict = match decision.verdict {
        Verdict::Admitted => "admitted",
        Verdict::Preflight => "preflight",
        Verdict::Refused(_) => "refused",
    };
    let mut attributes = vec![
        KeyValue::new("admit.door", door.as_str()),
        KeyValue::new("admit.realm", realm.to_owned()),
        KeyValue::new("admit.verdict", verdict),
        KeyValue::new("admit.code", decision.code().as_str()),
        KeyValue::new("admit.request_id", decision.request_id.to_string()),
    ];
    attributes.extend(judged.rule.as_ref().map(|found| KeyValue::new("admit.rule", found.rule.name.to_string())));
    attributes.extend(decision.reason().map(|reason| KeyValue::new("admit.reason", reason.as_str())));
    attributes.extend(decision.observed.map(|reason| KeyValue::new("admit.observed", reason.as_str())));
    let has_failed = decision.reason().map(Reason::code).is_some_and(|code| code.status() >= 500);
    SpanData {
        span_context: SpanContext::new(
            place.trace,
            SpanId::from_bytes(app::random()),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        ),
        parent_span_id: place.parent,
        parent_span_is_remote: place.parent != SpanId::INVALID,
        span_kind: SpanKind::Server,
        name: "admit check".into(),
        start_time: start,
        end_time: end,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if has_failed { Status::error(decision.code().as_str()) } else { Status::Unset },
        instrumentation_scope: InstrumentationScope::builder("admit").with_version(env!("CARGO_PKG_VERSION")).build(),
    }
}

/// Sends spans on until `stop` turns true, then those that wait still.
pub async fn send(spans: &Spans, mut stop: watch::Receiver<bool>) {
    let Some(way) = &spans.way else { return };
    let Some(mut receiver) = way.receiver.lock().take() else { return };
    let exporter = match exporter(&way.to) {
        Ok(exporter) => exporter,
        Err(error) => return tracing::error!(error, "traces cannot be sent"),
    };
    let (mut was_well, mut said_at) = (true, None::<Instant>);
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        let stopped = tokio::select! {
            () = fill(&mut receiver, &mut batch) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        while batch.len() < BATCH
            && let Ok(span) = receiver.try_recv()
        {
            batch.push(span);
        }
        if !batch.is_empty() {
            let count = batch.len() as u64;
            let sent = tokio::time::timeout(PATIENCE, exporter.export(batch)).await;
            let is_well = matches!(sent, Ok(Ok(())));
            if !is_well {
                spans.dropped.fetch_add(count, Ordering::Relaxed);
            }
            was_well = is_well;
        }
        if said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            let dropped = spans.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::warn!(
                    otlp = way.to.otlp,
                    dropped,
                    "traces were dropped: the collector takes them too slowly or not at all"
                );
                said_at = Some(Instant::now());
            }
        }
        if stopped && (receiver.is_empty() || !was_well) {
            return;
        }
    }
}

/// Waits for a first span, and for more until there are enough or it took long enough.
async fn fill(receiver: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if receiver.recv_many(batch, BATCH).await == 0 {
        return std::future::pending().await;
    }
    let _ = tokio::time::timeout(EVERY, async {
        while batch.len() < BATCH {
            receiver.recv_many(batch, BATCH - batch.len()).await;
        }
    })
    .await;
}

fn exporter(to: &Telemetry) -> Result<SpanExporter, String> {
    // A second installation finds the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    let client = builder.build().map_err(|error| error.to_string())?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", to.otlp))
        .with_timeout(PATIENCE)
        .build();
    let mut exporter = exporter.map_err(|error| error.to_string())?;
    exporter.set_resource(&Resource::builder_empty().with_service_name("admit").build());
    Ok(exporter)
}
