//! Reads the counters at every round ten seconds, so that there is something to look back at.

use std::time::Duration;

use admit_core::time::Time;
use tokio::sync::watch;

use crate::app::App;
use crate::metrics::history::EVERY;

/// Until the server stops.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    loop {
        let (next, wait) = next(app.now());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        app.metrics.remember(&app, next);
    }
}

/// The next round moment and how long it is until then.
fn next(now: Time) -> (Time, Duration) {
    let ms = now.unix_ms();
    let next = (ms.div_euclid(EVERY.as_ms()) + 1) * EVERY.as_ms();
    (Time::from_unix_ms(next), Duration::from_millis((next - ms).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_round() {
        let of = |ms| next(Time::from_unix_ms(ms));
        assert_eq!(of(0), (Time::from_unix_ms(10_000), Duration::from_secs(10)));
        assert_eq!(of(9_999), (Time::from_unix_ms(10_000), Duration::from_millis(1)));
        assert_eq!(of(10_000), (Time::from_unix_ms(20_000), Duration::from_secs(10)));
    }
}
