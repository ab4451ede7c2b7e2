//! Counts of similarities, and their quantiles.

use crate::left_out::NO_SIMILARITY;

/// Counts of similarities, evenly over what there can be.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bound: f32,
    counts: Vec<u64>,
}

impl Histogram {
    pub(crate) const BINS: usize = 4096;

    /// Of similarities of at most `bound`, whichever sign.
    pub(crate) fn new(bound: f32) -> Self {
        // Rows of zeros have similarities of 0, whatever they are divided by.
        Self { bound: bound.max(f32::MIN_POSITIVE), counts: vec![0; Self::BINS] }
    }

    /// That with these counts, one for each of [`BINS`](Self::BINS).
    pub(crate) fn of(bound: f32, counts: Vec<u64>) -> Self {
        Self { bound, counts }
    }

    #[cfg(test)]
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Counts similarities, and passes over what is left out.
    pub(crate) fn count(&mut self, similarities: &[f32]) {
        const AT_ONCE: usize = 64;
        for similarities in similarities.chunks(AT_ONCE) {
            let mut places = [0_i32; AT_ONCE];
            for (place, &similarity) in places.iter_mut().zip(similarities) {
                // A cast to an integer takes what is no number to 0.
                *place = ((similarity / self.bound + 1.0) * (0.5 * Self::BINS as f32)) as i32;
            }
            for (&place, &similarity) in places.iter().zip(similarities) {
                if similarity > NO_SIMILARITY {
                    self.counts[place.clamp(0, Self::BINS as i32 - 1) as usize] += 1;
                }
            }
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
    }

    /// The upper end of the bin in which the share of the counts is reached.
    pub(crate) fn quantile(&self, share: f64) -> Option<f32> {
        let all: u64 = self.counts.iter().sum();
        let wanted = (share * all as f64).ceil() as u64;
        let mut below = 0;
        let reached = self.counts.iter().position(|&count| {
            below += count;
            below >= wanted && below > 0
        })?;
        Some(((reached + 1) as f32 / (0.5 * Self::BINS as f32) - 1.0) * self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::left_out::LEFT_OUT;

    #[test]
    fn a_quantile_is_within_a_bin_of_the_exact_one() {
        let mut histogram = Histogram::new(2.0);
        histogram.count(&(0..1000).map(|i| i as f32 * 0.002 - 1.0).collect::<Vec<_>>());
        histogram.count(&[LEFT_OUT; 3000]);
        let p95 = histogram.quantile(0.95).unwrap();
        assert!((p95 - 0.898).abs() <= 2.0 * 2.0 / 4096.0, "{p95}");
        assert_eq!(Histogram::new(1.0).quantile(0.95), None);
        let mut zeros = Histogram::new(0.0);
        zeros.count(&[0.0]);
        assert!(zeros.quantile(0.95).unwrap() < 1e-37);
    }
}
