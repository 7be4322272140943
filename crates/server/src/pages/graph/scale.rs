//! Axes: round figures beside a graph and round times below it, and figures as people read them.

use admit_core::time::{Span, Time};

use super::Unit;

/// The largest figure there is; sums of a few stay finite.
pub const MOST: f64 = 1e24;
/// How high the room for a graph is, and what stands above and below it, in pixels.
const HEIGHT: f64 = 150.0;
const ABOVE: f64 = 10.0;
/// About how many parts an axis has.
const PARTS: f64 = 4.0;
/// The most times below a graph: more would touch each other on a narrow screen.
const TIMES_MAX: i64 = 5;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1440 * MINUTE_MS;
/// How far apart times below a graph may be, in seconds.
const APART_S: [i64; 17] = [
    10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000,
];

/// An upright axis that begins at nothing.
pub struct Axis {
    /// Where it ends.
    pub top: f64,
    part: f64,
}

/// One figure of it.
pub struct Tick {
    /// How far down, in pixels.
    pub y: i64,
    /// The figure.
    pub text: String,
}

/// One time below a graph.
pub struct TimeTick {
    /// How far across, in tenths of a per cent.
    pub x: String,
    /// How it stands to that place: at the edges it must not reach beyond.
    pub anchor: &'static str,
    /// The time.
    pub text: String,
}

impl Axis {
    /// One on which the highest figure has room.
    pub fn of(unit: Unit, highest: f64) -> Self {
        if unit == Unit::Share {
            return Self { top: 1.0, part: 0.25 };
        }
        if unit == Unit::Seconds && highest <= 0.0 {
            return Self { top: 0.001, part: 0.001 };
        }
        let least = if unit == Unit::Count { 1.0 } else { 1e-6 };
        let part = round_up((highest / PARTS).clamp(least, MOST), least);
        // What binary fractions are off by is no reason for one part more.
        Self { top: part * (highest / part - 1e-9).ceil().max(1.0), part }
    }

    /// Its figures, from the bottom.
    pub fn ticks(&self, unit: Unit, point: &str) -> Vec<Tick> {
        let parts = (self.top / self.part).round() as usize;
        let tick = |number: usize| Tick {
            y: (ABOVE + HEIGHT * (1.0 - number as f64 / parts as f64)).round() as i64,
            text: short(self.part * number as f64, unit, point),
        };
        (0..=parts).map(tick).collect()
    }
}

/// The next of 1, 2, 5, 10, 20, … times the least.
fn round_up(value: f64, least: f64) -> f64 {
    let power = 10_f64.powf((value / least).log10().floor()) * least;
    let found = [1.0, 2.0, 5.0].into_iter().map(|times| times * power).find(|step| *step >= value * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// A figure in as few letters as an axis has room for.
fn short(value: f64, unit: Unit, point: &str) -> String {
    match unit {
        Unit::Count if value < 1000.0 => format!("{value:.0}"),
        Unit::Count => {
            let scales = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P")];
            let (scale, letter) = scales.into_iter().rev().find(|(scale, _)| value >= *scale).unwrap_or((1e3, "k"));
            if value >= 1e18 { format!("{value:e}") } else { format!("{}{letter}", decimal(value / scale, 1, point)) }
        }
        Unit::Seconds | Unit::Share => whole(value, unit, point),
    }
}

/// A figure as a table says it.
pub fn whole(value: f64, unit: Unit, point: &str) -> String {
    match unit {
        Unit::Count => format!("{value:.0}"),
        Unit::Share => format!("{} %", decimal(value * 100.0, 1, point)),
        Unit::Seconds => seconds((value * 1e9).round(), point),
    }
}

/// The largest unit that fits, of whole nanoseconds.
fn seconds(ns: f64, point: &str) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    match units.into_iter().find(|(length, _)| ns >= *length) {
        Some((length, unit)) => format!("{} {unit}", decimal(ns / length, 1, point)),
        None if ns > 0.0 => format!("{ns:.0} ns"),
        None => "0".to_owned(),
    }
}

/// With so many places behind the point, but for noughts.
fn decimal(value: f64, places: usize, point: &str) -> String {
    let text = format!("{value:.places$}");
    match text.split_once('.') {
        Some((before, behind)) if behind.bytes().all(|digit| digit == b'0') => before.to_owned(),
        Some((before, behind)) => format!("{before}{point}{behind}"),
        None => text,
    }
}

/// The time that a graph covers.
pub struct Window {
    /// When the last step ends.
    pub until: Time,
    /// How long a step is.
    pub step: Span,
    /// How many there are.
    pub count: usize,
}

impl Window {
    /// When a step ends, as a clock says it, in UTC.
    pub fn clock(&self, place: usize) -> String {
        let back = i64::try_from(self.count.saturating_sub(place + 1)).unwrap_or(i64::MAX);
        let at = self.until - Span::ms(self.step.as_ms().saturating_mul(back));
        written(at, self.step.as_ms())
    }

    /// Round times.
    pub fn ticks(&self) -> Vec<TimeTick> {
        let steps = i64::try_from(self.count).unwrap_or(i64::MAX).saturating_sub(1);
        let length = self.step.as_ms().saturating_mul(steps);
        let apart = APART_S.into_iter().map(|seconds| seconds * 1000).find(|apart| length / apart < TIMES_MAX);
        let (Some(apart), true) = (apart, length > 0) else { return Vec::new() };
        let from = self.until.unix_ms().saturating_sub(length);
        let first = from.div_euclid(apart) * apart + if from.rem_euclid(apart) == 0 { 0 } else { apart };
        let tick = |number: i64| {
            let at = first.saturating_add(number * apart);
            let share = at.saturating_sub(from) as f64 / length as f64;
            let anchor = if share < 0.06 {
                "start"
            } else if share > 0.94 {
                "end"
            } else {
                "middle"
            };
            let text = written(Time::from_unix_ms(at), apart);
            (at <= self.until.unix_ms()).then(|| TimeTick { x: format!("{:.1}", share * 100.0), anchor, text })
        };
        (0..TIMES_MAX).map_while(tick).collect()
    }
}

/// As much of a moment as tells it from its neighbours.
fn written(at: Time, apart_ms: i64) -> String {
    let text = at.to_string();
    let part = match apart_ms {
        ..MINUTE_MS => 11..19,
        MINUTE_MS..DAY_MS => 11..16,
        _ => 5..10,
    };
    text.get(part).unwrap_or_default().to_owned()
}
