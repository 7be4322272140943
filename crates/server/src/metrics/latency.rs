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
const BUCKETS: usize = ENDS_US.len() + 1;

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
    }
}
