//! `.npy` files of any type and order in a folder of their own.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;

/// Unit rows, none like another.
pub(crate) fn rows(n: usize, dim: usize) -> Array2<f32> {
    let mut rows = Array2::from_shape_fn((n, dim), |(row, column)| {
        ((row * 7919 + column * 104_729).pow(2) % 1009) as f32 - 504.25
    });
    for mut row in rows.rows_mut() {
        vectors::normalise(row.as_slice_mut().expect("row-major")).expect("a row with a direction");
    }
    rows
}

/// A `.npy` file as numpy writes it: the header is padded so that the values begin at a multiple of 64.
pub(crate) fn npy(descr: &str, fortran_order: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header.extend(std::iter::repeat_n(' ', 63 - (10 + header.len()) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("a written file");
        path
    }

    pub(crate) fn f32(&self, rows: &Array2<f32>) -> PathBuf {
        let values: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file("f32.npy", &npy("<f4", false, &format!("{:?}", rows.dim()), &values))
    }
}
