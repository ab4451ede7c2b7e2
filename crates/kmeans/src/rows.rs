use vectors::{UnitRows, Vectors};

use crate::KMeansError;

/// The rows, once they are known to be some, finite and of unit norm.
pub(crate) fn checked<'a>(vectors: &'a Vectors<'_>) -> Result<UnitRows<'a>, KMeansError> {
    let rows = vectors.unit_rows()?;
    if rows.is_empty() { Err(KMeansError::NoRows) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rows_and_no_columns_are_refused() {
        let error = |dim| checked(&Vectors::from_f32(&[], dim).unwrap()).unwrap_err().to_string();
        assert_eq!(error(3), "no rows to cluster");
        assert_eq!(error(0), "rows have dimension 0");
    }
}
