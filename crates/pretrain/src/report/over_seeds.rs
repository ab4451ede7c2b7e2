//! One curve of several trainings.

use super::data::SeedCurves;

/// Points across the window of a running mean.
const FINENESS: usize = 16;

/// What the trainings of one arm had at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) step: f64,
    pub(super) low: f64,
    pub(super) mean: f64,
    pub(super) high: f64,
}

/// Least, mean and greatest value of each step over the trainings that have it; `points` gives a training's. What is not finite counts
/// where no other value is there.
pub(super) fn over_seeds(runs: &[SeedCurves], points: impl Fn(&SeedCurves) -> Vec<(usize, f64)>) -> Vec<Spread> {
    let mut points: Vec<(usize, f64)> = runs.iter().flat_map(points).collect();
    points.sort_by_key(|point| point.0);
    points.chunk_by(|a, b| a.0 == b.0).map(spread).collect()
}

/// The spread of one step.
fn spread(points: &[(usize, f64)]) -> Spread {
    let step = points[0].0 as f64;
    let finite = || points.iter().map(|point| point.1).filter(|value| value.is_finite());
    let count = finite().count();
    match count {
        0 => Spread { step, low: f64::NAN, mean: f64::NAN, high: f64::NAN },
        _ => Spread {
            step,
            low: finite().fold(f64::INFINITY, f64::min),
            mean: finite().map(|value| value / count as f64).sum(),
            high: finite().fold(f64::NEG_INFINITY, f64::max),
        },
    }
}

/// The mean of each point and its neighbours, about `window` points together, fewer at the ends; what is not finite stays a gap.
///
/// Of a wide window, means of a [`FINENESS`]th of it take the points' place. Running sums would be faster yet, but after a loss of 1e30
/// they are nothing but rounding.
pub(super) fn running_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let stride = (window / FINENESS).max(1);
    let points: Vec<(f64, f64)> = points.chunks(stride).map(centre).collect();
    let half = window / stride / 2;
    let mean = |at: usize| {
        // As many to the left as to the right, so that a slope is not bent at the ends.
        let reach = half.min(at).min(points.len() - 1 - at);
        centre(&points[at - reach..=at + reach]).1
    };
    points.iter().enumerate().map(|(at, &(x, y))| (x, if y.is_finite() { mean(at) } else { y })).collect()
}

/// The mean place of points, and the mean of their finite values.
fn centre(points: &[(f64, f64)]) -> (f64, f64) {
    if let &[alone] = points {
        return alone;
    }
    let finite = points.iter().map(|point| point.1).filter(|value| value.is_finite());
    let (sum, count) = finite.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64, sum / count)
}

#[cfg(test)]
mod tests {
    use super::super::data::StepPoint;
    use super::*;

    fn run(losses: &[f32]) -> SeedCurves {
        let point = |(step, &loss): (usize, &f32)| StepPoint { step, loss, ..StepPoint::default() };
        SeedCurves { steps: losses.iter().enumerate().map(point).collect(), ..SeedCurves::default() }
    }

    #[test]
    fn seeds_of_unequal_length_are_joined_by_step() {
        let runs = [run(&[1.0, 2.0, f32::NAN]), run(&[3.0])];
        let spreads = over_seeds(&runs, |run| run.steps.iter().map(|step| (step.step, step.loss.into())).collect());
        assert_eq!(spreads[0], Spread { step: 0.0, low: 1.0, mean: 2.0, high: 3.0 });
        assert_eq!(spreads[1], Spread { step: 1.0, low: 2.0, mean: 2.0, high: 2.0 });
        assert!(spreads[2].mean.is_nan());
    }

    #[test]
    fn a_running_mean_keeps_a_slope_and_a_gap() {
        let points: Vec<(f64, f64)> = (0..9).map(|step| (f64::from(step), f64::from(step))).collect();
        assert_eq!(running_mean(&points, 5), points);
        let spike: Vec<(f64, f64)> =
            (0..1000).map(|step| (f64::from(step), if step == 9 { 1e30 } else { 1.0 })).collect();
        assert_eq!(running_mean(&spike, 100).last().unwrap().1, 1.0);
        let gap = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)];
        assert!(running_mean(&gap, 3)[1].1.is_nan());
        assert!(running_mean(&[], 3).is_empty());
    }
}
