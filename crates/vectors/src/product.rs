//! Products and norms in double precision, where products of f32 are exact.

/// The inner product, summed in f64 in one order: the same number on every processor.
///
/// # Panics
/// If the lengths differ, in debug builds; else the shorter one counts.
///
/// # Examples
/// ```
/// assert_eq!(vectors::inner_product(&[1.0, 2.0], &[3.0, 0.5]), 4.0);
/// ```
#[inline(always)]
#[must_use]
pub fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    // As many sums as keep the additions of AVX-512 busy; fewer would only wait.
    const SUMS: usize = 16;
    debug_assert_eq!(a.len(), b.len());
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    let mut sums = [0.0_f64; SUMS];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..SUMS {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += f64::from(a) * f64::from(b);
    }
    sums.iter().sum()
}

/// The L2 norm, summed in f64 from the first value to the last.
///
/// # Examples
/// ```
/// assert_eq!(vectors::norm(&[3.0, -4.0]), 5.0);
/// ```
#[must_use]
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// Divides a row by its norm.
///
/// # Errors
/// The norm, if it is 0, infinite or NaN; the row then stays as it is.
///
/// # Examples
/// ```
/// let mut row = [3.0, 4.0];
/// assert_eq!(vectors::normalise(&mut row), Ok(()));
/// assert_eq!(row, [0.6, 0.8]);
/// assert_eq!(vectors::normalise(&mut [0.0, 0.0]), Err(0.0));
/// ```
pub fn normalise(row: &mut [f32]) -> Result<(), f64> {
    let norm = norm(row);
    if !(norm.is_finite() && norm > 0.0) {
        return Err(norm);
    }
    row.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_length_are_exact_where_f64_is() {
        for len in [0, 1, 15, 16, 17, 40] {
            let row: Vec<f32> = (0..len).map(|at| at as f32).collect();
            assert_eq!(inner_product(&row, &row), (0..len).map(|at| f64::from(at * at)).sum::<f64>());
        }
    }

    #[test]
    fn a_row_that_cannot_be_normalised_stays() {
        let mut row = [f32::INFINITY, 1.0];
        assert_eq!(normalise(&mut row), Err(f64::INFINITY));
        assert_eq!(row, [f32::INFINITY, 1.0]);
    }
}
