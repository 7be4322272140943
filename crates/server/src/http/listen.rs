//! The listener: accepts connections, gives each a place, and ends those that only take it up.
//!
//! A client has its time for everything (`limits`), judged from outside by a look now and then (`pulse`). Peers that are
//! no trusted proxies share a part of the places, and no address takes all of those. Knows nothing of what is asked.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;

use super::limits::Limits;
use super::pulse::{Cut, DRAIN, END, Pulse, Seen};
use super::shares::{Place, Shares, source};
use super::stream::{Socket, Stream, Watched};
use super::{Hall, Link, dispatch, socket};
use crate::app::App;

/// The most bytes of a request's head. Over it: 431. The most headers are hyper's own 100: any other figure costs each request
/// two allocations.
const HEAD_MAX: usize = 64 << 10;
/// The peer of a Unix socket: this machine. No TCP peer has this port.
const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What accepts connections.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(socket::Bound),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Socket::Tcp(stream), peer))
            }
            Self::Unix(bound) => bound.listener.accept().await.map(|(stream, _)| (Socket::Unix(stream), UNIX_PEER)),
        }
    }
}

/// Accepts until `stop` turns true, then lets what is under way finish. With `tls` nothing else is spoken here.
pub async fn serve(
    hall: Arc<Hall>,
    listener: Listener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let strangers = Shares::new(limits.stranger_connections, limits.address_connections);
    let connections = Arc::new(Connections::default());
    let mut looks = tokio::time::interval(limits.look_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            moment = looks.tick() => {
                connections.look(&hall.app, &limits, moment.saturating_duration_since(begun));
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((place, socket, peer)) => {
                let Ok(stranger) = admit(&hall.app, &strangers, peer.ip()) else {
                    hall.app.metrics.connections_refused.inc();
                    continue;
                };
                let member = Connections::add(&connections, &hall.app);
                let (hall, tls) = (hall.clone(), tls.clone());
                tokio::spawn(async move {
                    connection(hall, socket, tls, peer, member.pulse.clone()).await;
                    drop((member, place, stranger));
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
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits.stop, places.acquire_many(all)).await;
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &Listener,
    places: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, Socket, SocketAddr)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

/// No place for this stranger.
struct Full;

/// A place among the strangers', which trusted proxies do not need.
fn admit(app: &App, strangers: &Arc<Shares<IpAddr>>, peer: IpAddr) -> Result<Option<Place<IpAddr>>, Full> {
    if app.config.load().trusted_proxies.trusts(peer) {
        return Ok(None);
    }
    strangers.take(Some(source(peer))).map(Some).ok_or(Full)
}

/// Every connection of a listener, so that none of them needs a timer or a signal of its own.
#[derive(Default)]
struct Connections(Mutex<Slab>);

#[derive(Default)]
struct Slab {
    members: HashMap<u64, (Arc<Pulse>, Seen)>,
    next: u64,
}

impl Connections {
    fn add(all: &Arc<Self>, app: &App) -> Member {
        let pulse = Arc::<Pulse>::default();
        let mut slab = all.0.lock();
        slab.next += 1;
        let number = slab.next;
        slab.members.insert(number, (pulse.clone(), Seen::default()));
        app.metrics.connections.inc();
        Member { all: all.clone(), app: app.clone(), number, pulse }
    }

    /// Lets each finish what is under way.
    fn drain(&self) {
        self.0.lock().members.values().for_each(|(pulse, _)| pulse.tell(DRAIN));
    }

    /// Ends those that have passed a limit.
    fn look(&self, app: &App, limits: &Limits, now: Duration) {
        for (pulse, seen) in self.0.lock().members.values_mut() {
            let Some(cut) = seen.judge(pulse, limits, now) else { continue };
            if pulse.told() < END {
                app.metrics.cut(cut);
                if cut != Cut::Idle {
                    tracing::debug!(connection.cut = cut.as_str(), "a connection is ended");
                }
                pulse.tell(END);
            }
        }
    }
}

/// A connection's place among all; given up even where its task panics.
struct Member {
    all: Arc<Connections>,
    app: App,
    number: u64,
    pulse: Arc<Pulse>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.all.0.lock().members.remove(&self.number);
        self.app.metrics.connections.dec();
    }
}

async fn connection(hall: Arc<Hall>, socket: Socket, tls: Option<TlsAcceptor>, peer: SocketAddr, pulse: Arc<Pulse>) {
    let watched = Watched::new(socket, pulse.clone());
    let Some(acceptor) = tls else {
        return converse(hall, Stream::Plain(watched), Link { peer, is_clear: true, pulse }).await;
    };
    pulse.shake(true);
    let shaken = until_told(&pulse, acceptor.accept(watched)).await;
    let Some(Ok(stream)) = shaken else {
        hall.app.metrics.handshakes_failed.inc();
        return;
    };
    pulse.shake(false);
    converse(hall, Stream::Tls(Box::new(stream)), Link { peer, is_clear: false, pulse }).await;
}

/// The outcome, unless the connection is to end before.
async fn until_told<T>(pulse: &Pulse, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        pulse.register(context.waker());
        if pulse.told() != 0 {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Answers requests until one side has had enough.
async fn converse(hall: Arc<Hall>, stream: Stream, link: Link) {
    let (pulse, beating) = (link.pulse.clone(), link.pulse.clone());
    let service = service_fn(move |request| {
        beating.begin();
        let (answer, beating) = (dispatch(&hall, &link, request), beating.clone());
        answer.inspect(move |_| beating.end())
    });
    // Who has said everything and closes his side still gets his answer.
    let connection =
        http1::Builder::new().half_close(true).max_buf_size(HEAD_MAX).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let (mut is_registered, mut is_draining) = (false, false);
    poll_fn(move |context| {
        // A spawned task has one waker for life.
        if !std::mem::replace(&mut is_registered, true) {
            pulse.register(context.waker());
        }
        match pulse.told() {
            END => return Poll::Ready(()),
            DRAIN if !std::mem::replace(&mut is_draining, true) => connection.as_mut().graceful_shutdown(),
            _ => {}
        }
        connection.as_mut().poll(context).map(|_| ())
    })
    .await;
}
