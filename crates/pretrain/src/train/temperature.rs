//! A temperature that is learned.

use infonce::InfoNceConfig;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;

/// The temperature of a training: fixed, or a parameter of AdamW's own, the logarithm of its inverse, without decay.
///
/// # Source
/// Radford et al. (2021), arXiv 2103.00020, §2.5: learned as the logarithm of a factor, which is clipped at 100.
#[derive(Debug)]
pub(super) struct Temperature {
    log_scale: f64,
    moments: [f64; 2],
    steps: i32,
}

/// A temperature in a checkpoint: bits, since JSON's numbers may be read a digit off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedTemperature {
    log_scale: u64,
    moments: [u64; 2],
    steps: i32,
}

impl Temperature {
    pub(super) fn save(&self) -> SavedTemperature {
        let Self { log_scale, moments, steps } = self;
        SavedTemperature { log_scale: log_scale.to_bits(), moments: moments.map(f64::to_bits), steps: *steps }
    }

    pub(super) fn restore(&mut self, saved: SavedTemperature) {
        let SavedTemperature { log_scale, moments, steps } = saved;
        *self = Self { log_scale: f64::from_bits(log_scale), moments: moments.map(f64::from_bits), steps };
    }

    /// The one to learn, if the loss says so.
    pub(super) fn new(config: &InfoNceConfig) -> Option<Self> {
        let log_scale = -f64::from(config.temperature).ln();
        config.learn_temperature.then_some(Self { log_scale, moments: [0.0; 2], steps: 0 })
    }

    pub(super) fn value(&self) -> f32 {
        let (least, most) = (*InfoNceConfig::LEARNED.start(), *InfoNceConfig::LEARNED.end());
        ((-self.log_scale).exp() as f32).clamp(least, most)
    }

    /// One step of Adam against the slope of the loss along the logarithm of `1 / τ`.
    pub(super) fn step(&mut self, slope: f64, rate: f64, config: &TrainConfig) {
        let betas = [config.beta1, config.beta2].map(f64::from);
        self.steps += 1;
        for ((moment, beta), value) in self.moments.iter_mut().zip(betas).zip([slope, slope * slope]) {
            *moment += (1.0 - beta) * (value - *moment);
        }
        let [mean, square] = [0, 1].map(|i| self.moments[i] / (1.0 - betas[i].powi(self.steps)));
        let (least, most) = (*InfoNceConfig::LEARNED.start(), *InfoNceConfig::LEARNED.end());
        let moved = self.log_scale - rate * mean / (square.sqrt() + f64::from(config.epsilon));
        self.log_scale = moved.clamp(-f64::from(most).ln(), -f64::from(least).ln());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(temperature: f32) -> Temperature {
        let config =
            InfoNceConfig { learn_temperature: true, ..InfoNceConfig::default().with_temperature(temperature) };
        Temperature::new(&config).unwrap()
    }

    #[test]
    fn a_fixed_temperature_is_none_to_learn() {
        assert!(Temperature::new(&InfoNceConfig::default()).is_none());
        assert!((learned(0.05).value() - 0.05).abs() < 1e-8);
    }

    /// Adam's first step is the rate, whatever the slope.
    #[test]
    fn a_rising_loss_lowers_the_scale_by_the_rate_and_so_raises_the_temperature() {
        let mut temperature = learned(0.05);
        temperature.step(3.0, 0.1, &TrainConfig::default());
        assert!((f64::from(temperature.value()) / 0.05 - 0.1f64.exp()).abs() < 1e-6);
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let mut temperature = learned(0.02);
        (0..100).for_each(|_| temperature.step(-1.0, 0.5, &TrainConfig::default()));
        assert_eq!(temperature.value(), 0.01);
        (0..100).for_each(|_| temperature.step(1.0, 0.5, &TrainConfig::default()));
        assert_eq!(temperature.value(), 1.0);
    }
}
