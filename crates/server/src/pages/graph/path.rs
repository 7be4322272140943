//! Figures as paths, in whole units of a square of [`SIDE`] that is stretched over the room there is.

use std::fmt::Write;

use super::Shape;

/// How wide and how high the square is; 0 is at the top.
const SIDE: f64 = 1000.0;
/// How much room a small bar takes, with the gap behind it.
pub const BAR: usize = 4;
/// How wide and how high it is.
const BAR_WIDTH: usize = 3;
const BAR_HEIGHT: u64 = 20;

/// From where to where a series goes at each step; none where nobody looked.
pub type Band = Vec<Option<(f64, f64)>>;

/// One corner of a run: how far across, and from where to where.
struct Corner {
    x: i64,
    ground: f64,
    top: f64,
}

/// Small bars. Nothing is a hairline, and something is never as little as that.
pub fn bars(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or_default().max(1);
    let mut path = String::new();
    for (place, value) in values.iter().enumerate() {
        let share = u128::from(*value) * u128::from(BAR_HEIGHT - 2) / u128::from(most);
        let height = 1 + u64::from(*value > 0) + u64::try_from(share).unwrap_or_default();
        let (left, top) = (place * BAR, BAR_HEIGHT - height.min(BAR_HEIGHT));
        let _ = write!(path, "M{left} {BAR_HEIGHT}V{top}h{BAR_WIDTH}V{BAR_HEIGHT}z");
    }
    path
}

/// Where each series begins and ends at each step. All have as many steps.
pub fn bands(series: &[&[Option<f64>]], shape: Shape) -> Vec<Band> {
    let mut ground = vec![0.0; series.first().map_or(0, |values| values.len())];
    let mut bands = Vec::with_capacity(series.len());
    for values in series {
        let mut band = Band::with_capacity(values.len());
        for (value, from) in values.iter().zip(&mut ground) {
            band.push(value.map(|value| (*from, *from + value)));
            if shape == Shape::Layers {
                *from += value.unwrap_or_default();
            }
        }
        bands.push(band);
    }
    bands
}

/// The highest point.
pub fn highest(bands: &[Band]) -> f64 {
    bands.iter().flatten().flatten().map(|(_, to)| *to).fold(0.0, f64::max)
}

/// Along the upper end of a series, broken where there is nothing.
pub fn line(band: &Band, highest: f64) -> String {
    let mut path = String::new();
    for run in runs(band) {
        for (place, corner) in run.iter().enumerate() {
            let _ = write!(path, "{}{} {}", letter(place), corner.x, down(corner.top, highest));
        }
    }
    path
}

/// Between both ends of a series.
pub fn area(band: &Band, highest: f64) -> String {
    let mut path = String::new();
    for run in runs(band) {
        for (place, corner) in run.iter().enumerate() {
            let _ = write!(path, "{}{} {}", letter(place), corner.x, down(corner.top, highest));
        }
        for corner in run.iter().rev() {
            let _ = write!(path, "L{} {}", corner.x, down(corner.ground, highest));
        }
        path.push('z');
    }
    path
}

const fn letter(place: usize) -> char {
    if place == 0 { 'M' } else { 'L' }
}

/// What hangs together. A step that stands alone is drawn as wide as a step is, so that it can be seen.
fn runs(band: &Band) -> Vec<Vec<Corner>> {
    let mut runs: Vec<Vec<Corner>> = Vec::new();
    let mut is_broken = true;
    for (place, step) in band.iter().enumerate() {
        let Some((ground, top)) = *step else {
            is_broken = true;
            continue;
        };
        if is_broken {
            runs.push(Vec::new());
        }
        is_broken = false;
        runs.last_mut().into_iter().for_each(|run| run.push(Corner { x: across(place, band.len()), ground, top }));
    }
    runs.iter_mut().for_each(|run| widen(run, band.len()));
    runs
}

fn widen(run: &mut Vec<Corner>, count: usize) {
    let [Corner { x, ground, top }] = run.as_slice() else { return };
    let half = if count > 1 { across(1, count) / 2 } else { across(1, 2) };
    let (x, ground, top) = (*x, *ground, *top);
    let ends = [(x - half).max(0), (x + half).min(across(1, 2))];
    *run = ends.into_iter().map(|x| Corner { x, ground, top }).collect();
}

/// How far across a step stands.
fn across(place: usize, count: usize) -> i64 {
    let last = count.saturating_sub(1).max(1);
    (SIDE * place as f64 / last as f64).round() as i64
}

/// How far down a figure stands.
fn down(value: f64, highest: f64) -> i64 {
    let share = if highest > 0.0 { (value / highest).clamp(0.0, 1.0) } else { 0.0 };
    (SIDE * (1.0 - share)).round() as i64
}
