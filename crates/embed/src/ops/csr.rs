/// A sparse matrix by rows: row `r` has `weights[at]` in column `columns[at]`, for `at` in `offsets[r]..offsets[r + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Csr {
    pub(super) offsets: Vec<u32>,
    pub(super) columns: Vec<u32>,
    pub(super) weights: Vec<f32>,
    pub(super) width: usize,
}

impl Csr {
    /// Row `r` has a 1 in column `columns[r]`, and nothing where there is none.
    pub(super) fn picks(columns: impl IntoIterator<Item = Option<u32>>, width: usize) -> Self {
        let (mut offsets, mut picked) = (vec![0], Vec::new());
        for column in columns {
            picked.extend(column);
            offsets.push(picked.len() as u32);
        }
        Self { offsets, weights: vec![1.0; picked.len()], columns: picked, width }
    }

    /// Row `r` is the mean of the columns between two of `offsets`.
    pub(super) fn means(offsets: &[usize], columns: Vec<u32>, width: usize) -> Self {
        let shares = offsets.windows(2).flat_map(|span| {
            let count = span[1] - span[0];
            std::iter::repeat_n(1.0 / count as f32, count)
        });
        let weights = shares.collect();
        Self { offsets: offsets.iter().map(|&at| at as u32).collect(), columns, weights, width }
    }

    /// Row `r` has the weights of the columns from one of `offsets` to the next.
    pub(super) fn sums(offsets: &[usize], weights: Vec<f32>) -> Self {
        let width = weights.len();
        let columns = (0..width as u32).collect();
        Self { offsets: offsets.iter().map(|&at| at as u32).collect(), columns, weights, width }
    }

    pub(super) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns as rows, each of whose weights are in the order of the rows here.
    pub(super) fn transposed(&self) -> Self {
        let mut offsets = vec![0_u32; self.width + 1];
        for &column in &self.columns {
            offsets[column as usize + 1] += 1;
        }
        for at in 0..self.width {
            offsets[at + 1] += offsets[at];
        }
        let mut next = offsets.clone();
        let (mut columns, mut weights) = (vec![0; self.columns.len()], vec![0.0; self.columns.len()]);
        for (row, span) in self.offsets.windows(2).enumerate() {
            for at in span[0] as usize..span[1] as usize {
                let place = &mut next[self.columns[at] as usize];
                columns[*place as usize] = row as u32;
                weights[*place as usize] = self.weights[at];
                *place += 1;
            }
        }
        Self { offsets, columns, weights, width: self.rows() }
    }

    /// Matrices whose product, the last to the left, is this one, and none of whose rows has more than `most` weights.
    pub(super) fn factors(self, most: usize) -> Vec<Self> {
        assert!(most > 1, "rows of {most} weights never add up to one");
        let (mut factors, mut rest) = (Vec::new(), self);
        while rest.offsets.windows(2).any(|span| (span[1] - span[0]) as usize > most) {
            let (mut pieces, mut sums) = (vec![0], vec![0]);
            for span in rest.offsets.windows(2) {
                pieces.extend((span[0]..span[1]).step_by(most).skip(1));
                pieces.extend((span[0] < span[1]).then_some(span[1]));
                sums.push(pieces.len() as u32 - 1);
            }
            let count = pieces.len() - 1;
            rest.offsets = pieces;
            factors.push(rest);
            let columns = (0..count as u32).collect();
            rest = Self { offsets: sums, columns, weights: vec![1.0; count], width: count };
        }
        factors.push(rest);
        factors
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dense(matrix: &Csr) -> Vec<Vec<f32>> {
        let of_row = |span: &[u32]| {
            let mut row = vec![0.0; matrix.width];
            for at in span[0] as usize..span[1] as usize {
                row[matrix.columns[at] as usize] += matrix.weights[at];
            }
            row
        };
        matrix.offsets.windows(2).map(of_row).collect()
    }

    fn product(left: &[Vec<f32>], right: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let width = right.first().map_or(0, Vec::len);
        let of_row = |row: &Vec<f32>| {
            (0..width).map(|at| row.iter().zip(right).map(|(weight, right)| weight * right[at]).sum()).collect()
        };
        left.iter().map(of_row).collect()
    }

    fn matrices() -> impl Strategy<Value = Csr> {
        (1_u32..9, prop::collection::vec(0_usize..30, 1..7)).prop_flat_map(|(width, lengths)| {
            let total: usize = lengths.iter().sum();
            let columns = prop::collection::vec(0..width, total);
            // Eighths: their sums are exact.
            let weights = prop::collection::vec((-40_i8..40).prop_map(|eighths| f32::from(eighths) / 8.0), total);
            (Just(lengths), columns, weights).prop_map(move |(lengths, columns, weights)| {
                let mut offsets = vec![0];
                offsets.extend(lengths.iter().scan(0, |at, length| {
                    *at += *length as u32;
                    Some(*at)
                }));
                Csr { offsets, columns, weights, width: width as usize }
            })
        })
    }

    proptest! {
        #[test]
        fn transposing_swaps_rows_and_columns(matrix in matrices()) {
            let transposed = dense(&matrix.transposed());
            prop_assert_eq!(transposed.len(), matrix.width);
            for (row, weights) in dense(&matrix).iter().enumerate() {
                for (column, weight) in weights.iter().enumerate() {
                    prop_assert_eq!(transposed[column][row], *weight);
                }
            }
        }

        #[test]
        fn factors_have_short_rows_and_the_same_product(matrix in matrices(), most in 2_usize..9) {
            let expected = dense(&matrix);
            let factors = matrix.factors(most);
            for factor in &factors {
                prop_assert!(factor.offsets.windows(2).all(|span| (span[1] - span[0]) as usize <= most));
            }
            let found = factors.iter().map(dense).reduce(|right, left| product(&left, &right)).unwrap();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn picks_and_means_are_what_they_say() {
        assert_eq!(dense(&Csr::picks([Some(2), None, Some(0)], 3)), [[0.0, 0.0, 1.0], [0.0; 3], [1.0, 0.0, 0.0]]);
        assert_eq!(dense(&Csr::sums(&[0, 2, 2, 3], vec![0.5, 2.0, 3.0])), [[0.5, 2.0, 0.0], [0.0; 3], [0.0, 0.0, 3.0]]);
        assert_eq!(dense(&Csr::means(&[0, 2, 3], vec![1, 1, 0], 2)), [[0.0, 1.0], [1.0, 0.0]]);
    }
}
