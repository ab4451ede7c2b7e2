#![doc = include_str!("../README.md")]

mod error;
pub mod fixed_point;
#[cfg(feature = "matrix")]
mod matrix;
mod npy;
#[cfg(feature = "matrix")]
mod packed;
mod prefetch;
mod product;
mod rows;
#[cfg(feature = "matrix")]
mod shares;
pub mod simd;
mod unit_rows;
mod vectors;
mod whole_file;

pub use error::VectorsError;
#[cfg(feature = "matrix")]
pub use matrix::{Matrix, multiply};
pub use npy::{ArrayWriter, Element, NpyOptions, NpyVectors, read_array, read_labels, write_array};
#[cfg(feature = "matrix")]
pub use packed::PackedMatrix;
pub use prefetch::prefetch;
pub use product::{inner_product, norm, normalise};
pub use rows::Rows;
pub use unit_rows::{UnitRows, is_unit, not_unit};
pub use vectors::Vectors;
pub use whole_file::{remove_drafts, replace_file, sync_folder};
