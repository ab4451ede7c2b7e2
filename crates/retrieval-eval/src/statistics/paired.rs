use super::{checked, mean};
use crate::error::EvalError;
use crate::report::Report;

/// The values of one measure for a baseline and a treatment, on the same queries.
///
/// # Examples
/// ```
/// use retrieval_eval::Paired;
///
/// let paired = Paired::new(&[0.5, 0.0], &[0.5, 1.0])?;
/// assert_eq!(paired.difference(), 0.5);
/// assert_eq!(paired.relative_gain(), Some(2.0));
/// assert!(Paired::new(&[0.5, 0.0], &[0.5]).is_err());
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired<'a> {
    baseline: &'a [f64],
    treatment: &'a [f64],
}

impl<'a> Paired<'a> {
    /// Values of the same queries in the same order.
    ///
    /// # Errors
    /// [`EvalError::Unpaired`] for lists of different lengths, [`EvalError::NoQueries`] for empty ones,
    /// [`EvalError::NotFinite`] for a value that is infinite or NaN.
    pub fn new(baseline: &'a [f64], treatment: &'a [f64]) -> Result<Self, EvalError> {
        if baseline.len() != treatment.len() {
            return Err(EvalError::Unpaired { baseline: baseline.len(), treatment: treatment.len() });
        }
        Ok(Self { baseline: checked(baseline)?, treatment: checked(treatment)? })
    }

    /// The values of a measure in two reports over the same queries.
    ///
    /// # Errors
    /// [`EvalError::AbsentMeasure`], [`EvalError::Unpaired`] if the queries differ, and those of [`Paired::new`]. With
    /// [`EvalOptions::complete`](crate::EvalOptions) the queries of two runs under the same judgements never differ.
    pub fn from_reports<Q: PartialEq>(
        baseline: &'a Report<Q>,
        treatment: &'a Report<Q>,
        measure: &str,
    ) -> Result<Self, EvalError> {
        let (one, other) = (baseline.expect_values(measure)?, treatment.expect_values(measure)?);
        if baseline.queries != treatment.queries {
            return Err(EvalError::Unpaired { baseline: one.len(), treatment: other.len() });
        }
        Self::new(one, other)
    }

    /// The number of queries, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.baseline.len()
    }

    /// The values of the baseline.
    pub fn baseline(&self) -> &'a [f64] {
        self.baseline
    }

    /// The values of the treatment.
    pub fn treatment(&self) -> &'a [f64] {
        self.treatment
    }

    /// Mean of the treatment less mean of the baseline.
    pub fn difference(&self) -> f64 {
        mean(&self.differences())
    }

    /// Mean of the treatment over mean of the baseline, less 1; `None` if the baseline's is 0.
    pub fn relative_gain(&self) -> Option<f64> {
        let baseline = mean(self.baseline);
        (baseline != 0.0).then(|| mean(self.treatment) / baseline - 1.0)
    }

    pub(crate) fn differences(&self) -> Vec<f64> {
        self.treatment.iter().zip(self.baseline).map(|(treatment, baseline)| treatment - baseline).collect()
    }
}
