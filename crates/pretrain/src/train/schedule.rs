//! The learning rate of each step.

use std::f64::consts::PI;

use crate::config::{RateDecay, TrainConfig};

/// The peak of a training whose settings name none and know of no student.
const RATE: f64 = 2e-4;

/// A linear warm-up to a peak, then a decay from it over the remaining steps.
///
/// With `W` of `S` steps of warm-up, the warm-up's share of them rounded, step `s` gets `peak · (s + 1) / W` while `s < W`.
/// After it, `t = (s − W) / (S − W)` gives `peak · max(floor, d(t))`, where `d` falls from 1 to 0: `1 − t` (linear),
/// `(1 + cos πt) / 2` (cosine), or stays 1 (constant); warmup-stable-decay stays 1 until the last `C` steps, the cooldown's share of them, and
/// falls in these, `t = (s − S + C) / C`, by `1 − t`. So the highest rate is the peak, always: the last step's where
/// the warm-up is the whole training, the first one's where there is none.
///
/// # Examples
///
/// ```
/// use pretrain::{RateDecay, Schedule};
///
/// let schedule = Schedule { peak: 1.0, warmup: 0.1, decay: RateDecay::Linear, cooldown: 0.0, floor: 0.02, steps: 100 };
/// assert_eq!([0, 9, 10, 55, 99].map(|step| schedule.rate(step)), [0.1, 1.0, 1.0, 0.5, 0.02]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// The share of the steps in which the rate rises, in `0..=1`.
    pub warmup: f64,
    /// How the rate falls after that.
    pub decay: RateDecay,
    /// The share of the steps, at the end, in which a warmup-stable-decay schedule falls, in `0..=1`.
    pub cooldown: f64,
    /// The lowest share of the peak that it falls to, in `0..=1`.
    pub floor: f64,
    /// The steps of the whole training.
    pub steps: usize,
}

impl Schedule {
    /// The schedule that `config` describes, over `steps` steps; its peak is 2e-4 where the rate is absent, since what is trained is not
    /// known here ([`Config::training`](crate::Config::training) knows).
    pub fn new(config: &TrainConfig, steps: usize) -> Self {
        Self {
            peak: config.learning_rate.unwrap_or(RATE),
            warmup: config.warmup,
            decay: config.schedule,
            cooldown: config.cooldown,
            floor: config.final_rate,
            steps,
        }
    }

    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let warm = (self.warmup * self.steps as f64).round() as usize;
        if step < warm {
            return self.peak * ((step + 1) as f64 / warm as f64);
        }
        let first = match self.decay {
            RateDecay::WarmupStableDecay => self.steps - (self.cooldown * self.steps as f64).round() as usize,
            _ => warm,
        };
        let share = (step.saturating_sub(first)) as f64 / self.steps.saturating_sub(first).max(1) as f64;
        self.peak * self.decay.at(share.min(1.0)).max(self.floor)
    }
}

impl RateDecay {
    /// The share of the peak that is left after a share of the decay's steps, both in `0..=1`.
    fn at(self, share: f64) -> f64 {
        match self {
            Self::Linear | Self::WarmupStableDecay => 1.0 - share,
            Self::Cosine => f64::midpoint(1.0, (PI * share).cos()),
            Self::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECAYS: [RateDecay; 4] =
        [RateDecay::Linear, RateDecay::Cosine, RateDecay::Constant, RateDecay::WarmupStableDecay];

    fn rates(decay: RateDecay, warmup: f64, steps: usize) -> Vec<f64> {
        let schedule = Schedule { peak: 2.0, warmup, decay, cooldown: 0.25, floor: 0.0, steps };
        (0..steps).map(|step| schedule.rate(step)).collect()
    }

    #[test]
    fn the_decay_starts_where_the_warm_up_ends() {
        assert_eq!(rates(RateDecay::Linear, 0.5, 8), [0.5, 1.0, 1.5, 2.0, 2.0, 1.5, 1.0, 0.5]);
        assert_eq!(rates(RateDecay::Constant, 0.5, 4), [1.0, 2.0, 2.0, 2.0]);
        let cosine = rates(RateDecay::Cosine, 0.0, 4);
        for (rate, expected) in cosine.iter().zip([2.0, 1.0 + 0.5_f64.sqrt(), 1.0, 1.0 - 0.5_f64.sqrt()]) {
            assert!((rate - expected).abs() < 1e-12, "{cosine:?}");
        }
    }

    #[test]
    fn a_warm_up_of_the_whole_training_ends_at_the_peak() {
        for decay in DECAYS {
            assert_eq!(rates(decay, 1.0, 4), [0.5, 1.0, 1.5, 2.0]);
            assert_eq!(rates(decay, 1.0, 1), [2.0]);
        }
    }

    #[test]
    fn a_stable_rate_falls_in_the_last_steps_alone() {
        assert_eq!(rates(RateDecay::WarmupStableDecay, 0.25, 8), [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak() {
        for decay in DECAYS {
            assert_eq!(rates(decay, 0.0, 4)[0], 2.0);
            assert_eq!(rates(decay, 0.1, 1), [2.0]);
        }
    }

    proptest! {
        #[test]
        fn the_highest_rate_is_the_peak(
            peak in 1e-8..1.0_f64, warmup in 0.0..=1.0_f64, floor in 0.0..=1.0_f64, steps in 1..400_usize, at in 0..4_usize,
        ) {
            let schedule = Schedule { peak, warmup, decay: DECAYS[at], cooldown: 0.3, floor, steps };
            let rates: Vec<f64> = (0..steps).map(|step| schedule.rate(step)).collect();
            prop_assert_eq!(rates.iter().copied().fold(0.0, f64::max), peak);
            let top = rates.iter().position(|&rate| rate == peak).expect("a step has the peak");
            prop_assert!(rates[..top].is_sorted() && rates[top..].is_sorted_by(|a, b| a >= b));
            prop_assert!(rates[top..].iter().all(|&rate| rate >= floor * peak));
        }
    }
}
