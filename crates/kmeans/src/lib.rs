#![doc = include_str!("../README.md")]

mod assign;
mod clustering;
mod config;
mod error;
mod init;
mod io;
mod kernel;
mod lloyd;
mod random;
mod rows;
mod split;
mod sums;
mod vectors;

pub use clustering::{Clusterer, Clustering, Iteration};
pub use config::{Init, SphericalKMeansConfig};
pub use error::KMeansError;
pub use lloyd::SphericalKMeans;
pub use random::RandomLabels;
pub use vectors::Vectors;
