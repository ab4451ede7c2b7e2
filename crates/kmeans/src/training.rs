use std::ops::Range;

use vectors::UnitRows;
use vectors::fixed_point::FixedRows;

use crate::assignment::RowsToAssign;

/// The rows of a fit, and their copy in fixed point if there is one.
#[derive(Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) rows: UnitRows<'a>,
    pub(crate) fixed: Option<&'a FixedRows>,
}

impl<'a> Training<'a> {
    pub(crate) fn part(self, range: Range<usize>) -> RowsToAssign<'a> {
        let fixed = self.fixed.map(|fixed| fixed.range(range.clone()));
        RowsToAssign { rows: self.rows.range(range), fixed, residue: self.fixed.map_or(0.0, FixedRows::residue) }
    }
}
