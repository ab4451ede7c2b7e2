#![doc = include_str!("../README.md")]

mod assign;
mod assignment;
mod balance;
mod clustering;
mod config;
#[cfg(feature = "burn")]
mod device;
mod drift;
mod error;
mod grouping;
mod hierarchy;
mod init;
mod io;
mod kernel;
#[cfg(feature = "linfa")]
mod linfa_interop;
mod lloyd;
mod moves;
mod parts;
mod passes;
mod pruning;
mod quality;
mod random;
mod rows;
mod split;
mod sums;
mod training;

pub use balance::{Balanced, Bounds};
pub use clustering::{Clusterer, Clustering, Iteration};
pub use config::{Init, SphericalKMeansConfig};
#[cfg(feature = "burn")]
pub use device::{AnyRows, DeviceKMeans};
pub use error::KMeansError;
pub use hierarchy::{HierarchicalKMeans, Hierarchy, HierarchyConfig, Level, LevelIteration};
#[cfg(feature = "linfa")]
pub use linfa_interop::LinfaKMeans;
pub use lloyd::SphericalKMeans;
pub use quality::{Agreement, Quality, Sample};
pub use random::RandomLabels;
pub use vectors::{NpyOptions, NpyVectors, Vectors, VectorsError};
