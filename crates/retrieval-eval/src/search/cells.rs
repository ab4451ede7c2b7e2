use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice, Zip};

use super::documents::Documents;
use crate::error::EvalError;

/// The rows of a matrix, those of one label side by side: inverted lists.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    rows: Array2<f32>,
    /// Index of each row in the matrix; ascending within a cell.
    indices: Vec<u32>,
    /// Where each cell starts, and the last one ends.
    starts: Vec<usize>,
}

impl Cells {
    /// Copies the rows into `count` cells; there must be fewer than 2³² of them.
    pub(crate) fn new(rows: ArrayView2<'_, f32>, labels: &[u32], count: usize) -> Result<Self, EvalError> {
        if labels.len() != rows.nrows() {
            return Err(EvalError::LabelCount { labels: labels.len(), documents: rows.nrows() });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= count) {
            return Err(EvalError::Label { row, label: labels[row], centroids: count });
        }
        let starts = starts(labels, count);
        let mut next = starts.clone();
        let mut indices = vec![0; labels.len()];
        for (index, &label) in (0..).zip(labels) {
            indices[next[label as usize]] = index;
            next[label as usize] += 1;
        }
        let mut grouped = Array2::zeros(rows.dim());
        Zip::from(grouped.rows_mut())
            .and(ArrayView1::from(&indices))
            .par_for_each(|mut row, &index| row.assign(&rows.row(index as usize)));
        Ok(Self { rows: grouped, indices, starts })
    }

    /// `[n, dim]`
    pub(crate) fn dim(&self) -> (usize, usize) {
        self.rows.dim()
    }

    /// Places of the rows of a cell.
    pub(crate) fn places(&self, cell: u32) -> Range<usize> {
        self.starts[cell as usize]..self.starts[cell as usize + 1]
    }
}

impl Documents for Cells {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32> {
        self.rows.slice_axis(Axis(0), Slice::from(places))
    }

    fn row(&self, place: usize) -> ArrayView1<'_, f32> {
        self.rows.row(place)
    }

    fn index(&self, place: usize) -> u32 {
        self.indices[place]
    }
}

fn starts(labels: &[u32], count: usize) -> Vec<usize> {
    let mut starts = vec![0; count + 1];
    for &label in labels {
        starts[label as usize + 1] += 1;
    }
    for cell in 0..count {
        starts[cell + 1] += starts[cell];
    }
    starts
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;

    #[test]
    fn rows_of_one_label_stand_together_in_their_order() {
        let rows = array![[0.0, 0.5], [1.0, 1.5], [2.0, 2.5], [3.0, 3.5]];
        let cells = Cells::new(rows.view(), &[3, 1, 3, 0], 5).unwrap();
        let expected: [&[u32]; 5] = [&[3], &[1], &[], &[0, 2], &[]];
        for (cell, expected) in (0..).zip(expected) {
            let places = cells.places(cell);
            assert_eq!(places.clone().map(|place| cells.index(place)).collect::<Vec<_>>(), expected);
            let expected: Vec<usize> = expected.iter().map(|&index| index as usize).collect();
            assert_eq!(cells.rows(places), rows.select(Axis(0), &expected));
        }
    }
}
