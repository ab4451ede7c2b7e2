use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use super::{Paired, ROUNDING};

/// On how many queries a treatment is better than the baseline, equal and worse.
///
/// Two values tie if they are equal but for rounding: within 1e-12 of the larger one.
///
/// # Examples
/// ```
/// use retrieval_eval::{Outcomes, Paired};
///
/// let outcomes = Outcomes::new(Paired::new(&[0.5, 0.5, 0.3, 0.0], &[1.0, 0.5, 0.1 + 0.2, 0.1])?);
/// assert_eq!(outcomes, Outcomes { wins: 2, ties: 2, losses: 0 });
/// assert_eq!(outcomes.to_string(), "2/2/0");
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    /// Queries on which the treatment is better.
    pub wins: usize,
    /// Queries on which both are equal.
    pub ties: usize,
    /// Queries on which the treatment is worse.
    pub losses: usize,
}

impl Outcomes {
    /// The counts over the queries of two runs.
    pub fn new(paired: Paired<'_>) -> Self {
        let mut outcomes = Self::default();
        for (baseline, treatment) in paired.baseline().iter().zip(paired.treatment()) {
            let difference = treatment - baseline;
            if difference.abs() <= ROUNDING * baseline.abs().max(treatment.abs()) {
                outcomes.ties += 1;
            } else if difference > 0.0 {
                outcomes.wins += 1;
            } else {
                outcomes.losses += 1;
            }
        }
        outcomes
    }
}

impl Display for Outcomes {
    /// Wins, ties and losses, separated by `/`.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.wins, self.ties, self.losses)
    }
}
