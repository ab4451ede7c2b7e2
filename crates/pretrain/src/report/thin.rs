//! Fewer points of a curve, with all its extremes.

/// At most `most` points of a curve, or all where there are no more: of every run of neighbours the least and the greatest value, in
/// their order, and where one is not finite a gap. First and last point stay.
///
/// A line drawn through runs narrower than a pixel covers the same pixels as the line through all points.
///
/// # Panics
/// If `most` is less than 8.
#[track_caller]
pub(super) fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    assert!(most >= 8, "a curve of {most} points");
    if points.len() <= most {
        return points.to_vec();
    }
    let (first, last) = (points[0], points[points.len() - 1]);
    let inner = &points[1..points.len() - 1];
    let gaps = inner.iter().any(|point| !point.1.is_finite());
    let runs = (most - 2) / if gaps { 3 } else { 2 };
    let mut kept = vec![first];
    for run in 0..runs {
        // In 128 bits no product overflows.
        let at = |run: usize| (run as u128 * inner.len() as u128 / runs as u128) as usize;
        keep_extremes(&inner[at(run)..at(run + 1)], &mut kept);
    }
    kept.push(last);
    kept
}

fn keep_extremes(run: &[(f64, f64)], kept: &mut Vec<(f64, f64)>) {
    let finite = || run.iter().enumerate().filter(|(_, point)| point.1.is_finite());
    let by_value = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
    let mut places: Vec<usize> = [finite().min_by(by_value), finite().max_by(by_value)]
        .into_iter()
        .chain([run.iter().enumerate().find(|(_, point)| !point.1.is_finite())])
        .flatten()
        .map(|(place, _)| place)
        .collect();
    places.sort_unstable();
    places.dedup();
    kept.extend(places.into_iter().map(|place| run[place]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_steps_are_a_thousand_points_with_every_spike() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|step| (step as f64, (step as f64).sin())).collect();
        points[31_415].1 = 50.0;
        points[31_416].1 = -50.0;
        let kept = thin(&points, 1000);
        assert!((900..=1000).contains(&kept.len()), "{}", kept.len());
        assert!(kept.contains(&(31_415.0, 50.0)) && kept.contains(&(31_416.0, -50.0)));
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[99_999]));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let points: Vec<(f64, f64)> =
            (0..10_000).map(|step| (step as f64, if step % 2 == 0 { f64::NAN } else { step as f64 })).collect();
        let kept = thin(&points, 1000);
        assert!(kept.len() <= 1000);
        assert!(kept.iter().filter(|point| point.1.is_nan()).count() > 300);
    }

    #[test]
    fn few_points_are_kept_as_they_are() {
        for count in [0, 1, 8] {
            let points: Vec<(f64, f64)> = (0..count).map(|step| (f64::from(step), 1.0)).collect();
            assert_eq!(thin(&points, 8), points);
        }
    }
}
