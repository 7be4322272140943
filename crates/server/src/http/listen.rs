//! The listener: accepts connections, bounds them, and ends them gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::dispatch;
use crate::app::App;

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 8192;
/// How often a connection is looked at. One that brought no whole request between two looks is closed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The most bytes of a request's head. Over it: 431.
const HEAD_MAX: usize = 64 << 10;
/// The most headers of a request. Over it: 431.
const HEADERS_MAX: usize = 128;
/// How long a stop waits for requests under way.
const DRAIN: Duration = Duration::from_secs(10);

/// Accepts until `stop` turns true, then lets what is under way finish.
pub async fn serve(app: App, listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (app, router, stop) = (app.clone(), router.clone(), stop.clone());
                tokio::spawn(async move {
                    connection(app, router, stream, peer, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(error = %error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(DRAIN, places.acquire_many(all)).await;
}

/// Whether requests come in on a connection. A look now and then instead of a timer per request.
#[derive(Default)]
struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
    seen: AtomicU64,
}

impl Pulse {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// True where no request is under way and none has begun since the last look: idle, or a head that never ends.
    fn has_stopped(&self) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        let is_busy = begun != self.ended.load(Ordering::Relaxed);
        !is_busy && self.seen.swap(begun + 1, Ordering::Relaxed) == begun + 1
    }
}

async fn connection(app: App, router: Router, stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let pulse = Arc::new(Pulse::default());
    let beating = pulse.clone();
    let service = service_fn(move |request| {
        beating.begin();
        let (answer, beating) = (dispatch(&app, &router, peer, request), beating.clone());
        answer.inspect(move |_| beating.end())
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(LOOK_EVERY) => {
                if pulse.has_stopped() {
                    return;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ht_01_a_connection_that_brings_no_request_is_found() {
        let pulse = Pulse::default();
        assert!(!pulse.has_stopped(), "the first look only remembers");
        assert!(pulse.has_stopped(), "nothing came");
        pulse.begin();
        assert!(!pulse.has_stopped(), "a request is under way");
        assert!(!pulse.has_stopped(), "and takes its time");
        pulse.end();
        assert!(!pulse.has_stopped());
        assert!(pulse.has_stopped());
    }
}
