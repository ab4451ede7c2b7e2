//! Spearman's rank correlation.

/// The correlation of the ranks of two lists of as many values, in `[-1, 1]`, equal values sharing the mean of their ranks; `None` of fewer than
/// three pairs, and where all values of a list are equal.
///
/// # Source
/// Spearman (1904), *American Journal of Psychology* 15.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let left = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let right = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let middle = (pairs.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum() };
    let spread = (product(&left, &left) * product(&right, &right)).sqrt();
    (spread > 0.0).then(|| product(&left, &right) / spread)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = from as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&place| ranks[place] = rank);
        from += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.spearmanr` (SciPy 1.17.1) of the same pairs.
    #[test]
    fn it_is_that_of_scipy_with_ties_too() {
        let pairs = [(0.1, 1.0), (0.4, 3.0), (0.4, 2.0), (0.9, 2.0), (1.5, 8.0), (-2.0, 2.5)];
        assert!((spearman(&pairs).unwrap() - 0.426_470_588_235_294_16).abs() < 1e-12, "{:?}", spearman(&pairs));
        assert_eq!(spearman(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
    }

    #[test]
    fn there_is_none_of_equal_values_or_of_two_pairs() {
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(spearman(&[(1.0, 1.0), (2.0, 2.0)]), None);
    }
}
