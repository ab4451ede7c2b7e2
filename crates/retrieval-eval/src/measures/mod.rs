//! The arithmetic of the measures: one file a family.

pub(crate) mod gain;
pub(crate) mod precision;
pub(crate) mod preference;
pub(crate) mod rank_biased;
pub(crate) mod set;

/// `value / count`, and 0 where nothing counts.
pub(crate) fn over(value: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { value / count as f64 }
}
