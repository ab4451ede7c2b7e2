//! What a report shows of every step.

use super::data::{ArmCurves, StepPoint};

/// A value of every step.
pub(super) struct Metric {
    pub(super) heading: &'static str,
    /// The title of the vertical axis.
    pub(super) unit: &'static str,
    pub(super) note: &'static str,
    pub(super) value: fn(&StepPoint) -> f64,
    pub(super) logarithmic: bool,
    /// Whether it is left out where it is one number throughout.
    only_varied: bool,
}

/// In the order of the page.
pub(super) const METRICS: [Metric; 10] = [
    Metric::new("Loss", "nats a query", |step| step.loss.into())
        .note("InfoNCE over the batch. Harder batches have a higher loss: it compares arms only where they draw alike.")
        .logarithmic(),
    Metric::new("Accuracy in the batch", "share of queries", |step| step.accuracy.into())
        .note("Queries whose own passage scores highest in their batch."),
    Metric::new("Similarity of positives", "mean similarity", |step| step.positive.into())
        .note("A query and its own passage."),
    Metric::new("Similarity of negatives", "mean similarity", |step| optional(step.negative))
        .note("A query and the other passages of its batch: the higher, the harder."),
    Metric::new("Hard end of the negatives", "95th percentile of similarity", |step| optional(step.negative_p95))
        .note("What 95 % of the negatives do not exceed."),
    Metric::new("Negatives above the positive", "share of negatives", |step| optional(step.harder))
        .note("Negatives more similar to the query than its own passage. A share of 0 has no place on a logarithmic axis.")
        .logarithmic(),
    Metric::new("Masked candidates", "share of candidates", |step| step.masked.into())
        .note("Passages of the batch that do not count as negatives of a query.")
        .only_varied(),
    Metric::new("Gradient norm", "L2 norm", |step| step.gradient_norm.into())
        .note("Of all parameters together, before clipping.")
        .logarithmic(),
    Metric::new("Learning rate", "learning rate", |step| step.learning_rate),
    Metric::new("Temperature", "temperature", |step| step.temperature.into())
        .note("Of the loss, where it is learned.")
        .only_varied(),
];

fn optional(value: Option<f32>) -> f64 {
    value.map_or(f64::NAN, f64::from)
}

impl Metric {
    const fn new(heading: &'static str, unit: &'static str, value: fn(&StepPoint) -> f64) -> Self {
        Self { heading, unit, note: "", value, logarithmic: false, only_varied: false }
    }

    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    const fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    const fn only_varied(mut self) -> Self {
        self.only_varied = true;
        self
    }

    /// Whether there is something to see of it.
    pub(super) fn is_shown(&self, arms: &[ArmCurves]) -> bool {
        let values = || arms.iter().flat_map(|arm| &arm.runs).flat_map(|run| &run.steps).map(self.value);
        let mut present = values().filter(|value| !value.is_nan());
        match (self.only_varied, present.next()) {
            (_, None) => false,
            (true, Some(first)) => present.any(|value| value != first),
            (false, Some(_)) => true,
        }
    }
}
