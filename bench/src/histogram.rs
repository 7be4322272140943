//! Times in microseconds, counted in steps of at most 1/32 of the value.

use std::time::Duration;

/// How often which time was seen.
#[derive(Clone)]
pub struct Histogram(Vec<u32>);

const STEPS: u64 = 64;

impl Histogram {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self(vec![0; 40 * STEPS as usize])
    }

    /// One more.
    pub fn count(&mut self, time: Duration) {
        let last = self.0.len() - 1;
        self.0[step(time.as_micros() as u64).min(last)] += 1;
    }

    /// How many times there are.
    pub fn all(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// Takes the counts of another over.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// The time that `share` of all stayed below, in microseconds.
    pub fn percentile(&self, share: f64) -> u64 {
        let wanted = (self.all() as f64 * share).ceil() as u64;
        let mut below = 0;
        let step = self.0.iter().position(|count| {
            below += u64::from(*count);
            below >= wanted.max(1)
        });
        step.map_or(0, value)
    }
}

/// The step of a value: exact below 64, then 32 steps to each doubling.
fn step(value: u64) -> usize {
    let doublings = u64::from(value.max(1).ilog2()).saturating_sub(5);
    (doublings * STEPS / 2 + (value >> doublings)) as usize
}

/// The least value of a step.
fn value(step: usize) -> u64 {
    let step = step as u64;
    let doublings = (step / (STEPS / 2)).saturating_sub(1);
    (step - doublings * STEPS / 2) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_close_to_its_value() {
        for number in (0..100).chain((100..10_000_000).step_by(9_973)) {
            let least = value(step(number));
            assert!(least <= number && number - least <= number / 32, "{number} {least}");
        }
        assert!((1..100_000).all(|number| step(number) >= step(number - 1)));
    }

    #[test]
    fn percentiles_are_read_from_the_steps() {
        let mut times = Histogram::new();
        (1..=100).for_each(|time| times.count(Duration::from_micros(time)));
        assert_eq!(times.percentile(0.5), 50);
        assert!((96..=99).contains(&times.percentile(0.99)));
        assert_eq!(Histogram::new().percentile(0.5), 0);
    }
}
