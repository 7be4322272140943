//! Large pages of memory: not for a server that does little, and for one that holds much.
//!
//! With them a look-up among a million keys costs a fifth less; without them an idle server takes half the memory, for
//! each thread that asks for a few kilobytes is given two megabytes. So they are off from the start and go on once the
//! cache has grown. Memory that is gone through in no order wants them from the start: see [`with_large`]. Where the system does not know the switch nothing changes.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::app::App;

/// From how many bytes of cache on large pages pay.
const MUCH: usize = 16 << 20;
/// How often the cache is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Whether pages are small, for there is one switch for the whole process.
static IS_SMALL: Mutex<bool> = Mutex::new(false);

/// Small pages from now on, for the whole process. Helps most before much memory was asked for.
pub fn small() {
    switch(true);
}

/// Large pages for what is asked for and written to in there; as it was before for everything after.
pub fn with_large<T>(ask: impl FnOnce() -> T) -> T {
    let is_small = IS_SMALL.lock();
    if !*is_small {
        return ask();
    }
    set_small(false);
    let asked = ask();
    set_small(true);
    asked
}

fn switch(to_small: bool) {
    let mut is_small = IS_SMALL.lock();
    *is_small = to_small;
    set_small(to_small);
}

/// Allows large pages once they pay. What was asked for before stays as it is.
pub async fn large_when_they_pay(app: App, mut stop: watch::Receiver<bool>) {
    while app.principals.bytes() < MUCH {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
    switch(false);
    tracing::debug!("the cache has grown: large pages are on");
}

#[cfg(target_os = "linux")]
fn set_small(is_small: bool) {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(is_small) {
        tracing::debug!(error = %error, "large pages stay as the system has them");
    }
}

#[cfg(not(target_os = "linux"))]
const fn set_small(_: bool) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::thread::transparent_huge_pages_are_disabled;

    #[test]
    fn pages_are_small_until_they_are_allowed_to_be_large() {
        small();
        assert!(transparent_huge_pages_are_disabled().unwrap());
        assert!(!with_large(|| transparent_huge_pages_are_disabled().unwrap()), "for what wants them");
        assert!(transparent_huge_pages_are_disabled().unwrap(), "and small again");
        switch(false);
        assert!(!with_large(|| transparent_huge_pages_are_disabled().unwrap()));
        assert!(!transparent_huge_pages_are_disabled().unwrap());
    }
}
