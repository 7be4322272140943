//! The server's own counters over time, of this node and this start: every ten seconds for an hour, every five minutes
//! for a day. Bounded, in memory, and free on the path of a request: counters that are there anyway are read now and then.
//!
//! A step holds what happened within it, so that steps can be added up: an hour in minutes is six steps of ten seconds
//! each. Knows neither names nor how anything is drawn.

use std::collections::VecDeque;

use admit_core::check::code::Code;
use admit_core::time::{Span, Time};
use parking_lot::Mutex;

use super::latency::BUCKETS;

/// How often the counters are read.
pub const EVERY: Span = Span::seconds(10);
/// How long a step of the longer memory is.
const LONG: Span = Span::minutes(5);
/// How many steps of either are kept: an hour, and a day.
const SHORT_MAX: usize = 360;
const LONG_MAX: usize = 288;
/// How many short steps make a long one, where none ends at a round time.
const SHORT_PER_LONG: u32 = 30;

/// Counts of all that is followed, by this start or within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that gateways and services asked about, by code.
    pub requests: [u64; Code::ALL.len()],
    /// How many of these took how long.
    pub took: [u64; BUCKETS],
    /// Everything that was judged, the management API as well.
    pub judged: u64,
    /// How often the store had to be asked for a credential.
    pub looked_up: u64,
    /// Sign-ins that were right.
    pub signed_in: u64,
    /// Sign-ins that were wrong.
    pub sign_ins_wrong: u64,
    /// Sign-ins that were turned away unjudged.
    pub sign_ins_refused: u64,
    /// Sessions that began.
    pub sessions: u64,
    /// Accounts that were locked.
    pub locked: u64,
    /// Requests that found no place.
    pub overloaded: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            requests: [0; Code::ALL.len()],
            took: [0; BUCKETS],
            judged: 0,
            looked_up: 0,
            signed_in: 0,
            sign_ins_wrong: 0,
            sign_ins_refused: 0,
            sessions: 0,
            locked: 0,
            overloaded: 0,
        }
    }
}

impl Counts {
    /// The same of both, by a rule for two figures.
    fn merged(&self, other: &Self, rule: fn(u64, u64) -> u64) -> Self {
        let mut merged = *self;
        let arrays = merged.requests.iter_mut().chain(&mut merged.took);
        arrays.zip(other.requests.iter().chain(&other.took)).for_each(|(own, other)| *own = rule(*own, *other));
        merged.judged = rule(self.judged, other.judged);
        merged.looked_up = rule(self.looked_up, other.looked_up);
        merged.signed_in = rule(self.signed_in, other.signed_in);
        merged.sign_ins_wrong = rule(self.sign_ins_wrong, other.sign_ins_wrong);
        merged.sign_ins_refused = rule(self.sign_ins_refused, other.sign_ins_refused);
        merged.sessions = rule(self.sessions, other.sessions);
        merged.locked = rule(self.locked, other.locked);
        merged.overloaded = rule(self.overloaded, other.overloaded);
        merged
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        self.merged(other, u64::saturating_add)
    }

    fn since(&self, earlier: &Self) -> Self {
        self.merged(earlier, u64::saturating_sub)
    }

    /// Requests that were judged with this answer.
    pub fn of_code(&self, code: Code) -> u64 {
        self.requests[code as usize]
    }

    /// Requests with answers that this is true of.
    pub fn requests_where(&self, is_meant: impl Fn(Code) -> bool) -> u64 {
        Code::ALL.iter().filter(|code| is_meant(**code)).map(|code| self.of_code(*code)).sum()
    }
}

/// What has a level and not a count; of a step its highest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// How long ago all changes of other nodes were known, in milliseconds.
    pub feed_age_ms: u64,
    /// Passwords that wait to be hashed or are being hashed.
    pub hashing: u64,
}

/// What happened within a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// How often.
    pub counts: Counts,
    /// How high.
    pub levels: Levels,
}

impl Step {
    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        let (own, other_levels) = (self.levels, other.levels);
        let levels = Levels {
            feed_age_ms: own.feed_age_ms.max(other_levels.feed_age_ms),
            hashing: own.hashing.max(other_levels.hashing),
        };
        Self { counts: self.counts.plus(&other.counts), levels }
    }
}

/// How far back one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Ten minutes.
    Minutes,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Reach {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// As it stands in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minutes => "10m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// How long it is.
    pub const fn span(self) -> Span {
        match self {
            Self::Minutes => Span::minutes(10),
            Self::Hour => Span::hours(1),
            Self::Day => Span::hours(24),
        }
    }

    /// How long a step of it is.
    pub const fn step(self) -> Span {
        match self {
            Self::Minutes => EVERY,
            Self::Hour => Span::minutes(1),
            Self::Day => Span::minutes(15),
        }
    }

    /// How many steps it has.
    pub const fn count(self) -> usize {
        (self.span().as_ms() / self.step().as_ms()) as usize
    }
}

/// The last steps as far back as one looked; none for a time at which this node did not run.
pub struct View {
    /// When the last step ended.
    pub until: Time,
    /// The steps, the oldest first.
    pub steps: Vec<Option<Step>>,
}

impl View {
    /// All of it together.
    pub fn total(&self) -> Step {
        self.steps.iter().flatten().fold(Step::default(), |total, step| total.plus(step))
    }
}

/// The memory.
#[derive(Default)]
pub struct History(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Where the counters stood last.
    last: Counts,
    short: VecDeque<(Time, Step)>,
    long: VecDeque<(Time, Step)>,
    /// The long step that is not yet over, and how many short ones are in it.
    growing: Step,
    grown: u32,
}

impl History {
    /// Keeps what happened since the last call.
    pub fn keep(&self, counts: &Counts, levels: Levels, now: Time) {
        let mut kept = self.0.lock();
        let step = Step { counts: counts.since(&kept.last), levels };
        kept.last = *counts;
        push(&mut kept.short, (now, step), SHORT_MAX);
        kept.growing = kept.growing.plus(&step);
        kept.grown += 1;
        if now.unix_ms().rem_euclid(LONG.as_ms()) == 0 || kept.grown >= SHORT_PER_LONG {
            let whole = std::mem::take(&mut kept.growing);
            kept.grown = 0;
            push(&mut kept.long, (now, whole), LONG_MAX);
        }
    }

    /// The last steps; none at all before the first one is over. The longer memory ends with its last whole step, but
    /// for the first minutes, when there is none.
    pub fn view(&self, reach: Reach) -> Option<View> {
        let kept = self.0.lock();
        let newest = kept.short.back()?.0;
        let growing = [(newest, kept.growing)];
        let (until, steps): (Time, Vec<_>) = match (reach, kept.long.back()) {
            (Reach::Minutes | Reach::Hour, _) => (newest, kept.short.iter().copied().collect()),
            (Reach::Day, Some((until, _))) => (*until, kept.long.iter().copied().collect()),
            (Reach::Day, None) => (newest, growing.to_vec()),
        };
        drop(kept);
        let count = reach.count();
        let mut view = View { until, steps: vec![None; count] };
        for (at, step) in steps {
            let back = usize::try_from(until.since(at).as_ms() / reach.step().as_ms()).unwrap_or(usize::MAX);
            if let Some(place) = count.checked_sub(back.saturating_add(1)) {
                let known = view.steps[place].unwrap_or_default();
                view.steps[place] = Some(known.plus(&step));
            }
        }
        Some(view)
    }
}

fn push(steps: &mut VecDeque<(Time, Step)>, step: (Time, Step), most: usize) {
    if steps.len() >= most {
        steps.pop_front();
    }
    steps.push_back(step);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock of whole ten seconds, and a counter that goes up by one in each.
    fn follow(history: &History, from: i64, steps: i64) {
        for step in from..from + steps {
            let counts = Counts { judged: u64::try_from(step).unwrap(), ..Counts::default() };
            let levels = Levels { feed_age_ms: u64::try_from(step % 7).unwrap(), hashing: 0 };
            history.keep(&counts, levels, Time::from_unix_ms(step * 10_000));
        }
    }

    fn judged(view: &View) -> Vec<Option<u64>> {
        view.steps.iter().map(|step| step.map(|step| step.counts.judged)).collect()
    }

    #[test]
    fn nothing_is_known_before_the_first_step_is_over() {
        let history = History::default();
        assert!(Reach::ALL.iter().all(|reach| history.view(*reach).is_none()));
    }

    #[test]
    fn steps_hold_what_happened_within_them_and_add_up() {
        let history = History::default();
        follow(&history, 1, 12);
        let minutes = judged(&history.view(Reach::Minutes).unwrap());
        assert_eq!((minutes.len(), &minutes[48..]), (60, &[Some(1); 12][..]));
        assert!(minutes[..48].iter().all(Option::is_none), "nobody looked then");
        let hour = history.view(Reach::Hour).unwrap();
        assert_eq!((hour.steps.len(), &judged(&hour)[57..]), (60, &[None, Some(6), Some(6)][..]));
        assert_eq!(hour.until, Time::from_unix_ms(120_000));
        assert_eq!((hour.total().counts.judged, hour.total().levels.feed_age_ms), (12, 6), "levels are the highest");
        assert_eq!(history.view(Reach::Day).unwrap().total().counts.judged, 12, "the first minutes count at once");
    }

    #[test]
    fn a_day_is_made_of_whole_steps() {
        let history = History::default();
        // From 00:00:10 to 01:02:30.
        follow(&history, 1, 375);
        let day = history.view(Reach::Day).unwrap();
        assert_eq!((day.until, day.steps.len()), (Time::from_unix_ms(3_600_000), 96));
        assert_eq!(judged(&day)[91..], [None, Some(90), Some(90), Some(90), Some(90)]);
        assert_eq!(
            history.view(Reach::Hour).unwrap().total().counts.judged,
            360,
            "and an hour goes on to the last one"
        );
    }

    #[test]
    fn a_time_at_which_nobody_looked_is_a_gap() {
        let history = History::default();
        follow(&history, 1, 1);
        follow(&history, 10, 1);
        let minutes = judged(&history.view(Reach::Minutes).unwrap());
        assert_eq!(minutes[50..], [Some(1), None, None, None, None, None, None, None, None, Some(9)]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let history = History::default();
        follow(&history, 1, 8_639);
        let lengths = |history: &History| {
            let kept = history.0.lock();
            (kept.short.len(), kept.long.len())
        };
        assert_eq!(lengths(&history), (SHORT_MAX, LONG_MAX - 1));
        follow(&history, 8_640, 1);
        assert_eq!(lengths(&history), (SHORT_MAX, LONG_MAX));
        follow(&history, 8_641, 400);
        assert_eq!(lengths(&history), (SHORT_MAX, LONG_MAX));
    }

    #[test]
    fn without_round_times_long_steps_end_all_the_same() {
        let history = History::default();
        for step in 0..61 {
            history.keep(&Counts::default(), Levels::default(), Time::from_unix_ms(step * 10_000 + 3));
        }
        assert_eq!(history.0.lock().long.len(), 2);
    }
}
