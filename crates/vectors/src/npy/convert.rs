use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use half::f16;

use super::layout::{Float, Layout};
use crate::VectorsError;

/// Why rows were not converted.
pub(super) enum Failure {
    /// The file cannot be read.
    Read(io::Error),
    /// The rows cannot be written.
    Write(io::Error),
    /// A row has no direction.
    Row(VectorsError),
}

/// Reads the rows of a file some at a time and writes them as f32, one after another.
pub(super) struct Conversion<'a> {
    pub(super) file: &'a File,
    pub(super) layout: &'a Layout,
    /// Rows that are read together, at least 1.
    pub(super) block_rows: usize,
    pub(super) normalise: bool,
}

impl Conversion<'_> {
    /// `observer` sees how many rows are done.
    pub(super) fn run(&self, out: &mut impl Write, observer: &mut dyn FnMut(usize)) -> Result<(), Failure> {
        let (rows, dim) = (self.layout.rows, self.layout.dim);
        // Without a value either number may be any, and memory for a row too much.
        if rows == 0 || dim == 0 {
            return Ok(());
        }
        let mut block = vec![0.0; self.block_rows.min(rows) * dim];
        let mut bytes = Vec::new();
        let mut narrow = vec![0.0_f32; dim];
        for first in (0..rows).step_by(self.block_rows) {
            let count = self.block_rows.min(rows - first);
            let block = &mut block[..count * dim];
            self.read(first, block, &mut bytes).map_err(Failure::Read)?;
            for (row, values) in (first..).zip(block.chunks_exact_mut(dim)) {
                if self.normalise {
                    normalise(row, values).map_err(Failure::Row)?;
                }
                narrow.iter_mut().zip(&*values).for_each(|(narrow, &value)| *narrow = value as f32);
                out.write_all(bytemuck::cast_slice(&narrow)).map_err(Failure::Write)?;
            }
            observer(first + count);
        }
        Ok(())
    }

    /// Fills `block` with the rows from `first` on.
    fn read(&self, first: usize, block: &mut [f64], bytes: &mut Vec<u8>) -> io::Result<()> {
        let (rows, dim) = (self.layout.rows, self.layout.dim);
        if !self.layout.fortran_order {
            return self.read_values(first * dim, block.len(), bytes, block.iter_mut());
        }
        let count = block.len() / dim;
        (0..dim).try_for_each(|column| {
            self.read_values(column * rows + first, count, bytes, block[column..].iter_mut().step_by(dim))
        })
    }

    /// Reads `count` values from one place of the file on.
    fn read_values<'v>(
        &self,
        place: usize,
        count: usize,
        bytes: &mut Vec<u8>,
        values: impl Iterator<Item = &'v mut f64>,
    ) -> io::Result<()> {
        let size = self.layout.float.size();
        bytes.resize(count * size, 0);
        let mut file = self.file;
        file.seek(SeekFrom::Start((self.layout.start + place * size) as u64))?;
        file.read_exact(bytes)?;
        decode(self.layout, bytes, values);
        Ok(())
    }
}

fn decode<'v>(layout: &Layout, bytes: &[u8], values: impl Iterator<Item = &'v mut f64>) {
    match (layout.float, layout.big_endian) {
        (Float::F16, false) => each(bytes, values, |bytes| f16::from_le_bytes(bytes).to_f64()),
        (Float::F16, true) => each(bytes, values, |bytes| f16::from_be_bytes(bytes).to_f64()),
        (Float::F32, false) => each(bytes, values, |bytes| f32::from_le_bytes(bytes).into()),
        (Float::F32, true) => each(bytes, values, |bytes| f32::from_be_bytes(bytes).into()),
        (Float::F64, false) => each(bytes, values, f64::from_le_bytes),
        (Float::F64, true) => each(bytes, values, f64::from_be_bytes),
    }
}

fn each<'v, const SIZE: usize>(
    bytes: &[u8],
    values: impl Iterator<Item = &'v mut f64>,
    value_of: impl Fn([u8; SIZE]) -> f64,
) {
    for (&bytes, value) in bytes.as_chunks::<SIZE>().0.iter().zip(values) {
        *value = value_of(bytes);
    }
}

/// Scales a row to norm 1.
fn normalise(row: usize, values: &mut [f64]) -> Result<(), VectorsError> {
    if let Some(column) = values.iter().position(|value| !value.is_finite()) {
        return Err(VectorsError::NotFinite { row, column, value: values[column] as f32 });
    }
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return Err(VectorsError::ZeroRow { row });
    }
    // By the largest first: squares of values above 1e154 overflow, those below 1e-162 vanish.
    values.iter_mut().for_each(|value| *value /= largest);
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter_mut().for_each(|value| *value /= norm);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_are_scaled_to_norm_one() {
        for scale in [1.0, 1e-3, 1e300, 4e307, 1e-300, 5e-324] {
            let mut values = [3.0 * scale, -4.0 * scale, 0.0];
            normalise(0, &mut values).unwrap();
            for (value, expected) in values.iter().zip([0.6, -0.8, 0.0]) {
                assert!((value - expected).abs() < 1e-12, "{scale}: {values:?}");
            }
        }
    }

    #[test]
    fn a_row_without_a_direction_is_named() {
        let error = |mut values: [f64; 3]| normalise(7, &mut values).unwrap_err().to_string();
        assert_eq!(error([0.0, -0.0, 0.0]), "row 7 is all zeros");
        assert_eq!(error([0.0, f64::NAN, f64::INFINITY]), "row 7 has NaN in column 1");
        assert_eq!(error([1e308, 0.0, f64::NEG_INFINITY]), "row 7 has -inf in column 2");
    }
}
