//! The listener: accepts connections, bounds them, and ends them gracefully.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use futures_util::task::AtomicWaker;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::dispatch;
use crate::app::App;

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 8192;
/// How often a connection is looked at. One that brought no whole request between two looks is closed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The most bytes of a request's head. Over it: 431. The most headers are hyper's own 100: any other figure costs each request
/// two allocations.
const HEAD_MAX: usize = 64 << 10;
/// How long a stop waits for requests under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts until `stop` turns true, then lets what is under way finish.
pub async fn serve(app: App, listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = Arc::new(Connections::default());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = looks.tick() => {
                connections.look();
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                let (app, router, member) = (app.clone(), router.clone(), Connections::add(&connections));
                tokio::spawn(async move {
                    connection(app, router, stream, peer, member.pulse.clone()).await;
                    drop((member, place));
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
    connections.drain();
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(PATIENCE, places.acquire_many(all)).await;
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

/// Every connection of a listener, so that none of them needs a timer or a signal of its own.
#[derive(Default)]
struct Connections(Mutex<Slab>);

#[derive(Default)]
struct Slab {
    pulses: HashMap<u64, Arc<Pulse>>,
    next: u64,
}

impl Connections {
    fn add(all: &Arc<Self>) -> Member {
        let pulse = Arc::<Pulse>::default();
        let mut slab = all.0.lock();
        slab.next += 1;
        let number = slab.next;
        slab.pulses.insert(number, pulse.clone());
        Member { all: all.clone(), number, pulse }
    }

    /// Lets each finish what is under way.
    fn drain(&self) {
        self.0.lock().pulses.values().for_each(|pulse| pulse.tell(DRAIN));
    }

    /// Ends those that bring nothing.
    fn look(&self) {
        self.0.lock().pulses.values().filter(|pulse| pulse.has_stopped()).for_each(|pulse| pulse.tell(END));
    }
}

/// A connection's place among all; given up even where its task panics.
struct Member {
    all: Arc<Connections>,
    number: u64,
    pulse: Arc<Pulse>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.all.0.lock().pulses.remove(&self.number);
    }
}

/// What a connection is told; nothing at first.
const DRAIN: u8 = 1;
const END: u8 = 2;

/// One connection: whether requests come in on it, and what it shall do. A look now and then instead of a timer per request,
/// an atomic per wake-up instead of a channel.
#[derive(Default)]
struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
    seen: AtomicU64,
    told: AtomicU8,
    waker: AtomicWaker,
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

    fn tell(&self, told: u8) {
        self.told.fetch_max(told, Ordering::Release);
        self.waker.wake();
    }
}

async fn connection(app: App, router: Router, stream: TcpStream, peer: SocketAddr, pulse: Arc<Pulse>) {
    let _ = stream.set_nodelay(true);
    let beating = pulse.clone();
    let service = service_fn(move |request| {
        beating.begin();
        let (answer, beating) = (dispatch(&app, &router, peer, request), beating.clone());
        answer.inspect(move |_| beating.end())
    });
    let connection = http1::Builder::new().max_buf_size(HEAD_MAX).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let (mut is_registered, mut is_draining) = (false, false);
    poll_fn(move |context| {
        // A spawned task has one waker for life.
        if !std::mem::replace(&mut is_registered, true) {
            pulse.waker.register(context.waker());
        }
        match pulse.told.load(Ordering::Acquire) {
            END => return Poll::Ready(()),
            DRAIN if !std::mem::replace(&mut is_draining, true) => connection.as_mut().graceful_shutdown(),
            _ => {}
        }
        connection.as_mut().poll(context).map(|_| ())
    })
    .await;
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
