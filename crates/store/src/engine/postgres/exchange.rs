//! Where threads get connections: the runtime that drives them, and the breaker that says no at once while there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use super::dial::{self, Dialer, Line};
use super::url::PostgresUrl;
use crate::error::{Error, Result};

/// How often one connection is tried while the server is gone.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// Makes connections for threads that are of no runtime.
pub(super) struct Exchange {
    dialer: Arc<Dialer>,
    breaker: Arc<Breaker>,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

/// Whether the server is taken to be gone, or to be one that must not be believed.
#[derive(Default)]
pub(super) struct Breaker {
    is_open: AtomicBool,
    is_behind: AtomicBool,
}

impl Breaker {
    /// Somebody has found the server without being asked to look.
    pub(super) fn mend(&self) {
        self.is_open.store(false, Ordering::Release);
    }

    /// The store is behind what this node has seen of it. For good: only a person can say which of both is right.
    pub(super) fn fall_behind(&self) {
        self.is_behind.store(true, Ordering::Release);
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Acquire)
    }

    /// Takes the server to be gone until one connection at a time finds it again.
    pub(super) fn doubt(self: &Arc<Self>, dialer: &Arc<Dialer>, handle: &Handle, cause: impl std::fmt::Display) {
        if self.is_open.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!(%cause, "the database is taken to be gone; everything that needs it is refused until it answers");
        let (dialer, breaker, since) = (dialer.clone(), self.clone(), Instant::now());
        handle.spawn(async move {
            while let Err(error) = dialer.dial().await {
                tracing::debug!(%error, "the database does not answer yet");
                tokio::time::sleep(PROBE_EVERY).await;
            }
            breaker.is_open.store(false, Ordering::Release);
            tracing::info!(after_ms = since.elapsed().as_millis() as u64, "the database answers again");
        });
    }

    /// An error while there is nobody to ask.
    fn check(&self) -> Result<()> {
        if self.is_behind() {
            return Err(Error::Unfit {
                why: "it is behind what this node has seen of it, as after a restore or a failover that lost writes"
                    .to_owned(),
                next: "restore a newer backup, or accept the loss: revoke again what was revoked since, and restart this node",
            });
        }
        if self.is_open.load(Ordering::Acquire) {
            return Err(Error::unavailable("the database is gone"));
        }
        Ok(())
    }
}

impl Exchange {
    pub(super) fn new(url: &PostgresUrl) -> Result<Self> {
        let dialer = Arc::new(Dialer::new(url)?);
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("store-lines").enable_all().build();
        let runtime = runtime.map_err(Error::unavailable)?;
        let handle = runtime.handle().clone();
        Ok(Self { dialer, breaker: Arc::default(), handle, runtime: Mutex::new(Some(runtime)) })
    }

    /// Runs what needs the runtime, and waits for it on this thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
        patience: Duration,
    ) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        self.handle.spawn(async move { drop(reply.send(work.await)) });
        let late = |_| Err(Error::unavailable("the database does not answer in time"));
        answer.recv_timeout(patience).unwrap_or_else(late)
    }

    /// Begins what goes on beside everything else, until the store is closed.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    pub(super) fn breaker(&self) -> Arc<Breaker> {
        self.breaker.clone()
    }

    pub(super) fn dialer(&self) -> Arc<Dialer> {
        self.dialer.clone()
    }

    /// A new connection; at once an error while the server is gone.
    pub(super) fn connect(&self) -> Result<Line> {
        self.breaker.check()?;
        let dialer = self.dialer();
        let dialled = self.run(async move { dialer.dial().await }, dial::PATIENCE + PROBE_EVERY);
        dialled.inspect_err(|error| self.doubt(error))
    }

    /// An error while the server is gone: for those who hold a connection that may be as good as none.
    pub(super) fn check(&self) -> Result<()> {
        self.breaker.check()
    }

    /// Takes the server to be gone until one connection at a time finds it again.
    pub(super) fn doubt(&self, cause: impl std::fmt::Display) {
        self.breaker.doubt(&self.dialer, &self.handle, cause);
    }

    /// Ends every connection and whatever else goes on.
    pub(super) fn close(&self) {
        // Taken out first: ending it waits for nobody, but dropping it inside another runtime would be refused.
        let runtime = self.runtime.lock().take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close();
    }
}
