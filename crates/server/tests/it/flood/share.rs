//! Queues are bounded, and what finds no place is told at once; one realm's changes leave another's alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use admit::http::limits::Limits;
use admit_store::End;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{Reply, TestApp};

const KEYS: &str = "/v1/realms/default/keys";

/// Something that waits until the sender goes.
fn gate() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (open, wait) = channel();
    (open, Arc::new(Mutex::new(wait)))
}

#[track_caller]
fn assert_overloaded(reply: &Reply, took: Duration) {
    assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"), "{}", reply.text);
    assert_eq!(reply.header("retry-after"), "1");
    assert!(reply.header("admit-request-id").starts_with("req_"));
    assert!(took < Duration::from_secs(2), "told at once: {took:?}");
}

async fn timed(work: impl Future<Output = Reply>) -> (Reply, Duration) {
    let begun = Instant::now();
    let reply = work.await;
    (reply, begun.elapsed())
}

/// Asks until there is no place any more, and still none after whoever works had time to take one.
async fn fill<'s>(
    ask: impl Fn() -> BoxFuture<'s, admit_store::Result<()>>,
) -> Vec<BoxFuture<'s, admit_store::Result<()>>> {
    let (mut waiting, mut refused) = (Vec::new(), 0);
    while refused < 3 {
        assert!(waiting.len() < 10_000, "the queue has no end");
        let mut asked = ask();
        match asked.as_mut().now_or_never() {
            None => waiting.push(asked),
            Some(outcome) => {
                assert_eq!(outcome, Err(admit_store::Error::Overloaded));
                refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    waiting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn st_04_full_queues_of_the_store_are_told_at_once() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("known", &["orders:read"]).await;
    assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200);
    let store = app.app.store.clone();
    let (open, wait) = gate();
    let (writer_waits, reader_waits) = (wait.clone(), wait);
    let waiting = fill(|| {
        let gate = writer_waits.clone();
        let work = move |_: &mut admit_store::Tx<'_>| {
            let _ = gate.lock().recv();
            Ok(End::Rollback(()))
        };
        store.write(work).boxed()
    })
    .await;
    let (refused, took) = timed(app.manage("POST", KEYS, json!({"name": "late"}))).await;
    assert_overloaded(&refused, took);

    let reading = fill(|| {
        let gate = reader_waits.clone();
        let query = move |_: &mut admit_store::Tx<'_>| {
            let _ = gate.lock().recv();
            Ok(())
        };
        store.read(query).boxed()
    })
    .await;
    let (refused, took) = timed(app.manage("GET", KEYS, Value::Null)).await;
    assert_overloaded(&refused, took);
    assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200, "what is known is judged");

    drop(open);
    futures_util::future::join_all(waiting).await;
    futures_util::future::join_all(reading).await;
    app.manage("POST", KEYS, json!({"name": "after"})).await.expect(201);
    let names = app.manage("GET", KEYS, Value::Null).await.expect(200).to_string();
    assert!(names.contains("\"after\"") && !names.contains("\"late\""), "what was refused did not happen: {names}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_bounded_and_shared_among_addresses() {
    let limits = Limits { requests: 3, address_requests: 2, ..Limits::default() };
    let app = Arc::new(TestApp::with_limits("trusted_proxies = ['127.0.0.7']", limits).await);
    let (open, wait) = gate();
    let work = move |_: &mut admit_store::Tx<'_>| {
        let _ = wait.lock().recv();
        Ok(End::Rollback(()))
    };
    let mut blocked = Box::pin(app.app.store.write(work));
    assert!(blocked.as_mut().now_or_never().is_none());
    let mut under_way = JoinSet::new();
    for name in ["first", "second"] {
        let app = app.clone();
        under_way.spawn(async move { app.manage("POST", KEYS, json!({ "name": name })).await.status });
    }
    let until = Instant::now() + Duration::from_secs(10);
    while app.app.store.queued() < 2 {
        assert!(Instant::now() < until, "two requests wait for the store");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (refused, took) = timed(app.manage("GET", "/v1/realms", Value::Null)).await;
    assert_overloaded(&refused, took);
    assert_eq!(app.send("GET", "/readyz", &[], None).await.status, 200, "probes are not counted");
    assert_eq!(app.send("GET", "/check/nginx", &[], None).await.status, 403, "checks neither");
    drop(open);
    blocked.await.unwrap();
    assert_eq!(under_way.join_all().await, [201, 201], "what was let in is done");
    app.manage("GET", "/v1/realms", Value::Null).await.expect(200);
    assert!(app.app.metrics.page(&app.app).contains("admit_overloaded_total 1\n"));
}

/// Makes keys in a realm as fast as it can, from as many connections.
fn storm(app: &Arc<TestApp>, realm: &'static str, over: &Arc<AtomicBool>, made: &Arc<AtomicU64>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for task in 0..200 {
        let (app, over, made) = (app.clone(), over.clone(), made.clone());
        tasks.spawn(async move {
            let path = format!("/v1/realms/{realm}/keys");
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let reply = app.manage("POST", &path, json!({"name": format!("k-{task}-{turn}")})).await;
                assert!(matches!(reply.status, 201 | 503), "{}", reply.text);
                made.fetch_add(u64::from(reply.status == 201), Ordering::Relaxed);
            }
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_changes_in_one_realm_leaves_another_s_alone() {
    let app = Arc::new(TestApp::new().await);
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let (over, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let tasks = storm(&app, "acme", &over, &made);
    let until = Instant::now() + Duration::from_secs(20);
    while made.load(Ordering::Relaxed) < 200 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (mut deepest, mut slowest) = (0, Duration::ZERO);
    for number in 0..30 {
        let begun = Instant::now();
        app.manage("POST", KEYS, json!({"name": format!("calm-{number}")})).await.expect(201);
        slowest = slowest.max(begun.elapsed());
        deepest = deepest.max(app.app.store.queued());
    }
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    let made = made.load(Ordering::Relaxed);
    assert!(made >= 200, "the storm was one: {made}");
    // 200 would wait without lanes; 64 of the storm and our own are what there can be.
    assert!(deepest <= 66, "{deepest} changes waited for the writer");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}
