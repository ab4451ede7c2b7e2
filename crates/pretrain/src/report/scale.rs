//! Axes: what they span, and where their lines stand.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;

use super::format::tick;

/// An axis from one finite value to a greater one; a logarithmic one's are positive. plotters' own logarithmic axis has no lines
/// between powers of ten, and one line alone for what spans less than two.
#[derive(Clone)]
pub(super) struct Scale {
    /// Of a logarithmic axis, the exponents of ten.
    linear: RangedCoordf64,
    range: Range<f64>,
    logarithmic: bool,
}

impl Scale {
    /// An axis that shows all finite `values` with a margin; `None` without any. One that is to be logarithmic is so where the positive
    /// values, which are all that it shows, span a factor of ten or more.
    pub(super) fn around(values: impl Iterator<Item = f64>, logarithmic: bool) -> Option<Self> {
        let shown = values.filter(|&value| value.is_finite() && (!logarithmic || value > 0.0));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        match (low <= high, logarithmic && high / low >= 10.0) {
            (false, _) => None,
            (true, false) => Some(Self::linear(padded(low, high))),
            (true, true) => Some(Self::logarithmic(padded(low.log10(), high.log10()))),
        }
    }

    /// A linear axis over just this range.
    pub(super) fn linear(range: Range<f64>) -> Self {
        Self { linear: range.clone().into(), range, logarithmic: false }
    }

    fn logarithmic(exponents: Range<f64>) -> Self {
        let range = 10_f64.powf(exponents.start)..10_f64.powf(exponents.end);
        Self { linear: exponents.into(), range, logarithmic: true }
    }

    /// Whether a value has a place on the axis.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.logarithmic || value > 0.0)
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// A number beside the axis, with as many decimals as its lines need.
    pub(super) fn label(&self, value: f64) -> String {
        let span = self.range.end - self.range.start;
        match self.logarithmic {
            true => tick(value, 4),
            false => tick(value, (2.0 - span.log10().floor()).clamp(0.0, 12.0) as usize),
        }
    }

    /// plotters adds steps up, and so ends beside 0 where it means 0.
    fn rounded(&self, key: f64) -> f64 {
        let span = self.range.end - self.range.start;
        if key.abs() < 1e-9 * span { 0.0 } else { key }
    }
}

/// The range with 4% beside either end; around one value, a tenth of it, for plotters cannot step along what is narrower than rounding.
fn padded(low: f64, high: f64) -> Range<f64> {
    let size = low.abs().max(high.abs());
    let margin = match high - low > 1e-6 * size {
        true => 0.04 * (high - low),
        false if size > 0.0 => 0.1 * size,
        false => 1.0,
    };
    low - margin..high + margin
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        match self.logarithmic {
            true => self.linear.map(&value.log10(), limit),
            false => self.linear.map(value, limit),
        }
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        match self.logarithmic {
            true => powers(&self.range, hint.max_num_points()),
            false => self.linear.key_points(hint).into_iter().map(|key| self.rounded(key)).collect(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Asked for by plotters, and used where a chart has no labels of its own.
impl ValueFormatter<f64> for Scale {
    fn format(value: &f64) -> String {
        tick(*value, 4)
    }
}

/// Round values within a range: 1, 2 and 5 times the powers of ten, or the powers alone, or every second, third, … of them, whatever of
/// this are no more than `most`.
fn powers(range: &Range<f64>, most: usize) -> Vec<f64> {
    let exponents = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let within = |every: i32, digits: &[f64]| -> Vec<f64> {
        let kept = exponents.clone().filter(|exponent| exponent.rem_euclid(every) == 0);
        let values = kept.flat_map(|exponent| digits.iter().map(move |digit| digit * 10_f64.powi(exponent)));
        values.filter(|value| range.contains(value)).collect()
    };
    let fine = within(1, &[1.0, 2.0, 5.0]);
    if fine.len() <= most {
        return fine;
    }
    let thinner = (1..).map(|every| within(every, &[1.0]));
    thinner.into_iter().find(|values| values.len() <= most.max(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::BoldPoints;

    use super::*;

    fn keys(scale: &Scale) -> Vec<String> {
        scale.key_points(BoldPoints(6)).iter().map(|&key| scale.label(key)).collect()
    }

    #[test]
    fn a_logarithmic_axis_has_round_lines_however_far_it_spans() {
        let scale = |values: [f64; 2]| Scale::around(values.into_iter(), true).unwrap();
        assert_eq!(keys(&scale([0.06, 1.2])), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(keys(&scale([9e-5, 0.2])), ["1e-4", "1e-3", "0.01", "0.1"].map(|key| key.replace("1e-3", "0.001")));
        assert!(keys(&scale([1e-30, 1e30])).len() <= 6);
        assert!(!scale([2.0, 3.0]).is_logarithmic());
    }

    #[test]
    fn zero_is_zero() {
        assert_eq!(keys(&Scale::linear(-0.63..0.41)), ["−0.6", "−0.4", "−0.2", "0", "0.2", "0.4"]);
    }

    #[test]
    fn close_lines_have_different_labels() {
        assert_eq!(keys(&Scale::linear(0.270_31..0.270_35))[..2], ["0.27031", "0.27032"]);
    }

    #[test]
    fn values_without_a_place_are_left_out() {
        assert!(Scale::around([f64::NAN, f64::INFINITY].into_iter(), false).is_none());
        assert!(Scale::around([0.0, -1.0].into_iter(), true).is_none());
        let scale = Scale::around([0.0, 0.01, 1.0].into_iter(), true).unwrap();
        assert!(scale.shows(0.01) && !scale.shows(0.0) && !scale.shows(f64::NAN));
    }

    #[test]
    fn extreme_ranges_have_few_lines() {
        let far = f64::from(f32::MAX);
        for values in [[0.0, 0.0], [5.0, 5.0], [1e8, 1e8 + 1e-9], [-far, far], [1e-38, 2e-38], [1e15, 1e15 + 1.0]] {
            let scale = Scale::around(values.into_iter(), false).unwrap();
            assert!(scale.key_points(BoldPoints(6)).len() <= 8, "{values:?}");
        }
    }
}
