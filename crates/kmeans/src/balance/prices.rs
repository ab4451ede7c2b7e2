use super::bounds::Bounds;
use super::candidates::Candidates;
use super::demand::Demand;

/// One price a cluster: above 0 only where a cluster is full, below 0 only where it is at its least.
pub(super) struct Prices {
    values: Vec<f32>,
    steps: Vec<Step>,
    bounds: Bounds,
}

const FIRST_STEP: f32 = 1.0 / 64.0;
const GROWTH: f32 = 1.3;
const SHRINKAGE: f32 = 0.5;

/// No step is larger than this: cosines differ by 2 at most.
const LARGEST_STEP: f32 = 0.5;

/// Prices have settled when one row in so many is left over.
const ROWS_TO_ONE_LEFT: u64 = 128;

/// Passes over a sample of the rows, so many of them a cluster, if that is a small part, and then over all.
const SAMPLE_PASSES: usize = 64;
const SAMPLE_OF_CLUSTER: usize = 64;
const SMALL_PART: usize = 8;
const PASSES: usize = 48;

impl Prices {
    pub(super) fn new(clusters: usize, bounds: Bounds) -> Self {
        let step = Step { length: FIRST_STEP, up: None };
        Self { values: vec![0.0; clusters], steps: vec![step; clusters], bounds }
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Raises the prices of overfull clusters and lowers those of underfull ones until few rows are left over, each
    /// with a step of its own that grows until the price has gone too far.
    pub(super) fn settle(&mut self, candidates: &Candidates) {
        let stride = candidates.rows() / (SAMPLE_OF_CLUSTER * self.values.len());
        if stride >= SMALL_PART {
            self.settle_on(candidates, stride, SAMPLE_PASSES);
        }
        self.settle_on(candidates, 1, PASSES);
    }

    /// The best prices met are kept.
    fn settle_on(&mut self, candidates: &Candidates, stride: usize, passes: usize) {
        let mut demand = Demand::new(candidates, self.values.len(), stride);
        let mut best = (u64::MAX, self.values.clone());
        for _ in 0..passes {
            let surpluses = self.surpluses(&demand.at(&self.values));
            let left = surpluses.iter().map(|surplus| surplus.unsigned_abs()).sum::<u64>();
            if left < best.0 {
                best = (left, self.values.clone());
            }
            if left <= candidates.rows() as u64 / ROWS_TO_ONE_LEFT {
                break;
            }
            for ((price, step), surplus) in self.values.iter_mut().zip(&mut self.steps).zip(surpluses) {
                step.take(price, surplus);
            }
        }
        self.values = best.1;
    }

    /// Rows beyond those that the cluster may keep at its price.
    fn surpluses(&self, sizes: &[u64]) -> Vec<i64> {
        let surplus = |(&size, &price)| size as i64 - kept(size, price, self.bounds) as i64;
        sizes.iter().zip(&self.values).map(surplus).collect()
    }
}

/// The rows that a cluster of this size keeps at this price: a price other than 0 holds only at a bound.
pub(super) fn kept(size: u64, price: f32, bounds: Bounds) -> u64 {
    let range = bounds.range();
    if price > 0.0 {
        *range.end()
    } else if price < 0.0 {
        *range.start()
    } else {
        size.clamp(*range.start(), *range.end())
    }
}

#[derive(Clone, Copy)]
struct Step {
    length: f32,
    up: Option<bool>,
}

impl Step {
    fn take(&mut self, price: &mut f32, surplus: i64) {
        if surplus == 0 {
            return;
        }
        let up = surplus > 0;
        match self.up {
            Some(before) if before == up => self.length = (self.length * GROWTH).min(LARGEST_STEP),
            Some(_) => self.length *= SHRINKAGE,
            None => {}
        }
        self.up = Some(up);
        let next = if up { *price + self.length } else { *price - self.length };
        // At 0 neither bound may bind: a price does not jump over it.
        *price = if next * *price < 0.0 { 0.0 } else { next };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_stops_at_zero_and_halves_its_step_when_it_turns() {
        let mut step = Step { length: 0.5, up: Some(true) };
        let mut price = 0.1;
        step.take(&mut price, -3);
        assert_eq!((price, step.length), (0.0, 0.25));
        step.take(&mut price, -3);
        assert_eq!(price, -0.325);
        step.take(&mut price, 0);
        assert_eq!(price, -0.325);
    }

    #[test]
    fn a_price_holds_only_at_its_bound() {
        let bounds = Bounds::at_least(2).with_max(Some(5));
        assert_eq!([kept(3, 0.1, bounds), kept(3, -0.1, bounds), kept(3, 0.0, bounds)], [5, 2, 3]);
        assert_eq!([kept(9, 0.0, bounds), kept(1, 0.0, bounds)], [5, 2]);
    }
}
