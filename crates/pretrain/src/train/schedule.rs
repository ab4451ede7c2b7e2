//! The learning rate of each step.

use crate::config::TrainConfig;

/// Linear warm-up to a peak, then linear decay to a floor.
///
/// Step `s` of `S` gets `peak · min(1, (s + 1) / (warmup · S)) · max(floor, 1 − s / S)`.
///
/// # Examples
///
/// ```
/// let schedule = pretrain::Schedule { peak: 1.0, warmup: 0.1, floor: 0.02, steps: 100 };
/// assert_eq!(schedule.rate(0), 0.1);
/// assert_eq!(schedule.rate(50), 0.5);
/// assert_eq!(schedule.rate(99), 0.02);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// The share of the steps in which the rate rises, in `0..=1`.
    pub warmup: f64,
    /// The lowest share of the peak, in `0..=1`.
    pub floor: f64,
    /// The steps of the whole training.
    pub steps: usize,
}

impl Schedule {
    /// The schedule that `config` describes, over `steps` steps.
    pub fn new(config: &TrainConfig, steps: usize) -> Self {
        Self { peak: config.learning_rate, warmup: config.warmup, floor: config.final_rate, steps }
    }

    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let steps = self.steps.max(1) as f64;
        let rise = match self.warmup * steps {
            warm if warm > 0.0 => ((step + 1) as f64 / warm).min(1.0),
            _ => 1.0,
        };
        self.peak * rise * (1.0 - step as f64 / steps).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_and_decay_multiply() {
        let schedule = Schedule { peak: 2.0, warmup: 0.5, floor: 0.0, steps: 10 };
        assert_eq!(schedule.rate(1), 2.0 * (2.0 / 5.0) * 0.9);
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak() {
        assert_eq!(Schedule { peak: 3.0, warmup: 0.0, floor: 0.0, steps: 4 }.rate(0), 3.0);
    }
}
