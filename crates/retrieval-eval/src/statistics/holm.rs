use crate::error::EvalError;

/// The p-values of a family of tests, corrected for their number, in the order in which they were given.
///
/// To reject those at most α keeps the chance of any false rejection at most α, however the tests depend on each other.
/// A corrected p-value is never below the raw one, never above 1, and keeps the order of the raw ones.
///
/// # Errors
/// [`EvalError::PValue`] for a value outside `[0, 1]`.
///
/// # Source
/// Holm (1979), *Scandinavian Journal of Statistics* 6.
///
/// # Examples
/// ```
/// use retrieval_eval::holm;
///
/// assert_eq!(holm(&[0.125, 0.5, 0.0625])?, [0.25, 0.5, 0.1875]);
/// assert_eq!(holm(&[0.625, 0.5])?, [1.0, 1.0]);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, EvalError> {
    if let Some(index) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(EvalError::PValue { index, value: p_values[index] });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&one, &other| p_values[one].total_cmp(&p_values[other]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in order.into_iter().enumerate() {
        // As many tests as are not yet rejected; a smaller p-value's correction is a floor.
        largest = largest.max((p_values.len() - rank) as f64 * p_values[place]).min(1.0);
        corrected[place] = largest;
    }
    Ok(corrected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_test_needs_no_correction() {
        assert!(holm(&[]).unwrap().is_empty());
        assert_eq!(holm(&[0.04]).unwrap(), [0.04]);
    }

    #[test]
    fn what_is_no_p_value_is_an_error() {
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(holm(&[0.5, wrong]), Err(EvalError::PValue { index: 1, .. })));
        }
    }
}
