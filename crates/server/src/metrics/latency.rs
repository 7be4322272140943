//! How long decisions take, by door: buckets of plain atomics, because the library's histogram takes a lock per observation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::check::Door;

/// The upper ends of the buckets, in microseconds: a warm decision takes a few, a store that is far away thousands.
const ENDS_US: [u32; 16] =
    [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000];
/// One more for whatever took longer.
pub const BUCKETS: usize = ENDS_US.len() + 1;

#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// One histogram per door.
#[derive(Debug, Default)]
pub struct Latency([Histogram; Door::ALL.len()]);

impl Latency {
    /// Counts one decision.
    pub fn observe(&self, door: Door, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = ENDS_US.partition_point(|end_us| u64::from(*end_us) * 1000 < ns);
        let histogram = &self.0[door as usize];
        histogram.counts[bucket].fetch_add(1, Ordering::Relaxed);
        histogram.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How many decisions of these doors took how long.
    pub(super) fn counts(&self, is_meant: impl Fn(Door) -> bool) -> [u64; BUCKETS] {
        let mut counts = [0; BUCKETS];
        for door in Door::ALL.into_iter().filter(|door| is_meant(*door)) {
            let of_door = self.0[door as usize].counts.iter().map(|count| count.load(Ordering::Relaxed));
            counts.iter_mut().zip(of_door).for_each(|(sum, count)| *sum += count);
        }
        counts
    }
}

/// How long the quickest share of decisions took at most, in seconds, as far as buckets tell: within one it is spread
/// evenly. What took longer than the last end is told as that. None where there were no decisions.
pub fn quantile(counts: &[u64; BUCKETS], share: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let wanted = (total as f64 * share.clamp(0.0, 1.0)).max(1.0);
    let (mut below, mut begin) = (0.0, 0.0);
    for (count, end_us) in counts.iter().zip(ENDS_US) {
        let (count, end) = (*count as f64, f64::from(end_us) / 1e6);
        if below + count >= wanted {
            return Some(begin + (end - begin) * (wanted - below) / count);
        }
        (below, begin) = (below + count, end);
    }
    Some(begin)
}

impl Collector for Latency {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let help = "How long decisions took, from the matched rule to the record";
        let mut family = encoder.encode_descriptor("decision_seconds", help, None, MetricType::Histogram)?;
        for (door, histogram) in Door::ALL.iter().zip(&self.0) {
            let ends = ENDS_US.iter().map(|end_us| f64::from(*end_us) / 1e6).chain([f64::MAX]);
            let buckets: Vec<_> =
                ends.zip(&histogram.counts).map(|(end, count)| (end, count.load(Ordering::Relaxed))).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum = histogram.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
            let labels = [("door", door.as_str())];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_whose_end_it_does_not_pass() {
        let latency = Latency::default();
        for ns in [1, 2_000, 2_001, 1_000_000_000, 1_000_000_001] {
            latency.observe(Door::Nginx, Duration::from_nanos(ns));
        }
        let counts: Vec<_> =
            latency.0[Door::Nginx as usize].counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 1, 1, 1));
        assert_eq!(latency.counts(|door| door == Door::Nginx).to_vec(), counts);
        assert_eq!(latency.counts(|door| door != Door::Nginx), [0; BUCKETS]);
    }

    #[test]
    fn a_share_of_decisions_is_found_in_its_bucket() {
        let mut counts = [0; BUCKETS];
        assert_eq!(quantile(&counts, 0.5), None);
        // A hundred between 5 and 10 µs, one between 1 and 2 ms, one longer than a second.
        (counts[2], counts[9], counts[16]) = (100, 1, 1);
        let us = |share| (quantile(&counts, share).unwrap() * 1e6).round();
        assert_eq!((us(0.0), us(0.5), us(0.985), us(1.0)), (5.0, 8.0, 1470.0, 1_000_000.0));
        counts = [0; BUCKETS];
        counts[16] = 5;
        assert_eq!(quantile(&counts, 0.5), Some(1.0), "longer than the last end is told as that");
    }
}
