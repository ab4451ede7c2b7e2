//! Products of rows with centroids, compiled for each instruction set and chosen at run time.
//!
//! | file | what it is |
//! | --- | --- |
//! | `nearest` | the plain pass: nearest centroids by products of f32, all of them |
//! | `dots`, `panels` | its centroids, up to 20 and more, in the order in which it reads them |
//! | `centroids` | passes that assign the rows, and groups of centroids, that bounds leave open |
//! | `float_centroids` | these with few centroids, by products of f32 |
//! | `fixed_centroids`, `fixed_pass`, `row_block` | these with many, by products in fixed point … |
//! | `open_groups`, `candidates`, `close_calls` | … what they keep of a row, and the products of f32 that decide what they leave open |
//!
//! Every product of f32 is summed in the same order wherever its row stands, so that the label of a row does not depend on
//! the rows around it. How far each kind of product is off is derived in `docs/kmeans.md`.
//!
//! No closure in here or below holds a vector: a closure is a function of the baseline instruction set, and where it
//! is not inlined every vector operation in it becomes a call.

mod best;
mod candidates;
mod centroids;
mod close_calls;
mod dots;
mod fixed_centroids;
mod fixed_pass;
mod float_centroids;
mod nearest;
mod open_groups;
mod panels;
mod registers;
mod row_block;

pub(crate) use centroids::{Centroids, are_few, unit_len};
pub(crate) use nearest::{OnRow, PackedCentroids};
