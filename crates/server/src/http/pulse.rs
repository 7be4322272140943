//! What a connection does, told by a few figures that cost a request next to nothing, and the judgement over them.
//!
//! The connection's own task writes the figures ([`Pulse`]); the listener looks at all of them every second or so
//! ([`Seen::judge`]). So no request needs a timer, a lock or an allocation for the sake of slow clients. Times are exact
//! to one look. Does not end connections itself: it says which limit was passed.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;

use super::limits::Limits;

/// What a connection is told; nothing at first.
pub const DRAIN: u8 = 1;
/// End now, whatever is under way.
pub const END: u8 = 2;

/// The figures of one connection. Only its own task writes them, hence plain stores.
#[derive(Default)]
pub struct Pulse {
    read: AtomicU64,
    written: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
    /// What had been read when the latest request ended: more belongs to the next head.
    mark: AtomicU64,
    /// The client does not take what is written.
    is_blocked: AtomicBool,
    /// Somebody waits for more of a body.
    wants_body: AtomicBool,
    is_shaking: AtomicBool,
    told: AtomicU8,
    waker: AtomicWaker,
}

impl Pulse {
    /// Bytes came from the socket.
    pub fn read(&self, count: usize) {
        add(&self.read, count as u64);
    }

    /// The socket took bytes, or does not take any now (none).
    pub fn wrote(&self, count: Option<usize>) {
        if let Some(count) = count {
            add(&self.written, count as u64);
        }
        self.is_blocked.store(count.is_none(), Ordering::Relaxed);
    }

    /// The head of a request is complete.
    pub fn begin(&self) {
        add(&self.begun, 1);
    }

    /// Its answer is there.
    pub fn end(&self) {
        add(&self.ended, 1);
        self.rest();
    }

    /// Somebody waits for a body, or does not any more.
    pub fn want_body(&self, wants: bool) {
        self.wants_body.store(wants, Ordering::Relaxed);
    }

    /// True while somebody waits for a body.
    pub fn wants_body(&self) -> bool {
        self.wants_body.load(Ordering::Relaxed)
    }

    /// A TLS handshake begins, or is done.
    pub fn shake(&self, is_shaking: bool) {
        self.is_shaking.store(is_shaking, Ordering::Relaxed);
        self.rest();
    }

    /// What comes from now on belongs to the next head.
    fn rest(&self) {
        self.mark.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Says what to do, from another task.
    pub fn tell(&self, told: u8) {
        self.told.fetch_max(told, Ordering::Release);
        self.waker.wake();
    }

    /// What was said.
    pub fn told(&self) -> u8 {
        self.told.load(Ordering::Acquire)
    }

    /// Who is to be woken when something is said.
    pub fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}

/// There is one writer, so that no locked instruction is needed.
fn add(figure: &AtomicU64, count: u64) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// A TLS handshake that does not come to its end.
    Handshake,
    /// A head that does not come to its end.
    Head,
    /// Nothing happens.
    Idle,
    /// A body that comes too slowly.
    Body,
    /// An answer that is not taken.
    Answer,
}

impl Cut {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Handshake, Self::Head, Self::Idle, Self::Body, Self::Answer];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Answer => "answer",
        }
    }
}

/// Something that began at a look: when, and how many bytes had been moved then.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Duration,
    bytes: u64,
    /// The request that it belongs to.
    request: u64,
}

impl Since {
    /// True where `limit` has passed and the bytes since are fewer than `rate` asks for.
    fn is_slow(self, now: Duration, bytes: u64, limit: Duration, rate: u64) -> bool {
        let passed = now.saturating_sub(self.at);
        passed >= limit && (bytes.wrapping_sub(self.bytes) as f64) < passed.as_secs_f64() * rate as f64
    }
}

/// What the looks at one connection have found so far.
#[derive(Debug, Default)]
pub struct Seen {
    opened: Option<Duration>,
    figures: [u64; 3],
    quiet_since: Duration,
    head: Option<Since>,
    body: Option<Since>,
    blocked: Option<Since>,
}

impl Seen {
    /// Looks at the connection; some limit may have been passed. `now` never runs back.
    pub fn judge(&mut self, pulse: &Pulse, limits: &Limits, now: Duration) -> Option<Cut> {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let (ended, begun) = (of(&pulse.ended), of(&pulse.begun));
        let (read, written) = (of(&pulse.read), of(&pulse.written));
        let opened = *self.opened.get_or_insert(now);
        if self.figures != [read, written, begun] || opened == now {
            self.figures = [read, written, begun];
            self.quiet_since = now;
        }
        if pulse.is_shaking.load(Ordering::Relaxed) {
            return (now.saturating_sub(opened) >= limits.handshake).then_some(Cut::Handshake);
        }
        if pulse.is_blocked.load(Ordering::Relaxed) {
            let since = *self.blocked.get_or_insert(Since { at: now, bytes: written, request: begun });
            if since.is_slow(now, written, limits.answer, limits.rate) {
                return Some(Cut::Answer);
            }
        } else {
            self.blocked = None;
        }
        if begun != ended {
            return self.judge_body(pulse, limits, Since { at: now, bytes: read, request: begun });
        }
        if read != of(&pulse.mark) {
            let now = Since { at: now, bytes: read, request: begun };
            let since = *self.head.get_or_insert(now);
            if since.request != begun {
                self.head = Some(now);
            } else if now.at.saturating_sub(since.at) >= limits.head {
                return Some(Cut::Head);
            }
        } else {
            self.head = None;
        }
        (now.saturating_sub(self.quiet_since) >= limits.idle).then_some(Cut::Idle)
    }

    /// A request is under way: the client is held to its body, and to nothing while the server works.
    fn judge_body(&mut self, pulse: &Pulse, limits: &Limits, now: Since) -> Option<Cut> {
        self.head = None;
        if !pulse.wants_body() {
            return None;
        }
        let known = self.body.filter(|body| body.request == now.request);
        let since = *self.body.insert(known.unwrap_or(now));
        let is_over = now.at.saturating_sub(since.at) >= limits.body;
        (is_over || since.is_slow(now.at, now.bytes, limits.body_grace, limits.rate)).then_some(Cut::Body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Looks each second from `from` on, doing `each` before; the second at which it is cut, and why.
    fn watch(from: u64, pulse: &Pulse, seen: &mut Seen, mut each: impl FnMut(&Pulse)) -> Option<(u64, Cut)> {
        (from..from + 200).find_map(|second| {
            each(pulse);
            seen.judge(pulse, &Limits::default(), s(second)).map(|cut| (second - from, cut))
        })
    }

    #[test]
    fn ht_01_a_connection_that_brings_nothing_is_idle() {
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        assert_eq!(watch(5, &pulse, &mut seen, |_| {}), Some((60, Cut::Idle)));
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        pulse.read(100);
        pulse.begin();
        pulse.end();
        pulse.wrote(Some(100));
        assert_eq!(watch(0, &pulse, &mut seen, |_| {}), Some((60, Cut::Idle)), "kept alive after a request, too");
    }

    #[test]
    fn ht_01_a_head_has_ten_seconds_from_its_first_byte_whatever_drips() {
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        assert_eq!(watch(0, &pulse, &mut seen, |pulse| pulse.read(1)), Some((10, Cut::Head)));
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        (0..40).for_each(|second| assert_eq!(seen.judge(&pulse, &Limits::default(), s(second)), None));
        assert_eq!(
            watch(40, &pulse, &mut seen, |pulse| pulse.read(1)),
            Some((10, Cut::Head)),
            "however long it waited"
        );
    }

    #[test]
    fn requests_one_after_another_are_never_cut() {
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        let cut = watch(0, &pulse, &mut seen, |pulse| {
            pulse.read(300);
            pulse.begin();
            pulse.end();
            pulse.wrote(Some(200));
            pulse.read(40);
        });
        assert_eq!(cut, None, "a part of the next head is there at each look, but always of another one");
    }

    #[test]
    fn ht_01_a_body_has_a_slowest_rate_and_an_end() {
        let begun = || {
            let pulse = Pulse::default();
            pulse.begin();
            pulse.want_body(true);
            pulse
        };
        let cut = |per_second: usize| watch(0, &begun(), &mut Seen::default(), |pulse| pulse.read(per_second));
        assert_eq!(cut(1), Some((10, Cut::Body)), "1 B/s");
        assert_eq!(cut(999), Some((10, Cut::Body)), "just too slow");
        assert_eq!(cut(1000), Some((60, Cut::Body)), "as fast as must be, and without end");
        let worked = begun();
        worked.want_body(false);
        assert_eq!(watch(0, &worked, &mut Seen::default(), |_| {}), None, "nobody waits for the client");
    }

    #[test]
    fn ht_01_an_answer_must_be_taken() {
        let cut = |per_second: usize| {
            let pulse = Pulse::default();
            pulse.read(1);
            pulse.begin();
            pulse.end();
            watch(0, &pulse, &mut Seen::default(), |pulse| {
                pulse.wrote(Some(per_second));
                pulse.wrote(None);
            })
        };
        assert_eq!(cut(0), Some((30, Cut::Answer)));
        assert_eq!(cut(999), Some((30, Cut::Answer)));
        assert_eq!(cut(1000), None);
    }

    #[test]
    fn ht_01_a_handshake_has_ten_seconds_whatever_drips() {
        let (pulse, mut seen) = (Pulse::default(), Seen::default());
        pulse.shake(true);
        assert_eq!(watch(0, &pulse, &mut seen, |pulse| pulse.read(1)), Some((10, Cut::Handshake)));
        pulse.shake(false);
        assert_eq!(seen.judge(&pulse, &Limits::default(), s(11)), None, "done: a head may begin");
    }
}
