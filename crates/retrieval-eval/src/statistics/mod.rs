//! How sure a mean over queries, or a difference between two runs, is.

mod bootstrap;
mod comparison;
mod components;
mod crossed;
mod effect;
mod holm;
mod outcomes;
mod paired;
mod randomisation;
mod seeds;
mod t_test;

pub use bootstrap::{Bootstrap, BootstrapConfig, Interval};
pub use comparison::Comparison;
pub use components::VarianceComponents;
pub use crossed::CrossedTTest;
pub use holm::holm;
pub use outcomes::Outcomes;
pub use paired::Paired;
pub use randomisation::{RandomisationConfig, RandomisationTest};
pub use seeds::SeedValues;
pub use t_test::TTest;

use crate::error::EvalError;

/// What differs by no more than this, relative to the values, differs by rounding only.
const ROUNDING: f64 = 1e-12;

/// The values, if there are any and all are finite.
fn checked(values: &[f64]) -> Result<&[f64], EvalError> {
    if values.is_empty() {
        return Err(EvalError::NoQueries);
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(EvalError::NotFinite { index, value: values[index] }),
        None => Ok(values),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
