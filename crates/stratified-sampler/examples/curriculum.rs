//! Batches of coarse clusters, then of fine ones, after uniform ones: what each epoch of such a curriculum draws.
//!
//! ```text
//! cargo run --release -p stratified-sampler --example curriculum
//! ```

use std::error::Error;

use stratified_sampler::{
    BatchSampler, Between, Clock, CurriculumConfig, Knot, PlanReport, StratifiedConfig, UniformConfig,
};

const BATCH: usize = 256;
const PAIRS: u32 = 100_000;
const COARSE: u32 = 10;
const FINE_OF_EACH: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    // Nested labels, as hierarchical k-means gives them: 10 clusters of 20 each, of unequal sizes.
    let fine: Vec<u32> = (0..PAIRS).map(|pair| fine_cluster(f64::from(pair.wrapping_mul(0x9e37_79b9)))).collect();
    let coarse: Vec<u32> = fine.iter().map(|cluster| cluster / FINE_OF_EACH).collect();

    let samplers: Vec<Box<dyn BatchSampler>> = vec![
        Box::new(UniformConfig::new(BATCH).build(fine.len())?),
        Box::new(StratifiedConfig::new(BATCH).build(&coarse)?),
        Box::new(StratifiedConfig::new(BATCH).build(&fine)?),
    ];
    // Uniform for an epoch, then coarse until epoch 3, and on to half coarse and half fine.
    let knot = |at, shares: [f64; 3]| Knot { at, shares: shares.to_vec() };
    let knots = vec![
        knot(1.0, [1.0, 0.0, 0.0]),
        knot(2.0, [0.0, 1.0, 0.0]),
        knot(3.0, [0.0, 1.0, 0.0]),
        knot(5.0, [0.0, 0.5, 0.5]),
    ];
    let config = CurriculumConfig { clock: Clock::Epochs, between: Between::Linear, knots };
    let curriculum = config.build(samplers)?;

    println!("epoch  uniform  coarse  fine   pairs seen  purity by coarse  by fine");
    for epoch in 0..6 {
        let mut batches = [0; 3];
        (0..curriculum.len(epoch)).for_each(|index| batches[curriculum.sampler(epoch, index)] += 1);
        let by = |labels: &[u32]| PlanReport::measure(&curriculum, epoch, labels);
        let (by_coarse, by_fine) = (by(&coarse), by(&fine));
        let purity = |report: &PlanReport| report.mean_purity.unwrap_or(f64::NAN);
        println!(
            "{epoch:>5}  {:>7}  {:>6}  {:>4}  {:>10.1}%  {:>16.2}  {:>7.2}",
            batches[0],
            batches[1],
            batches[2],
            100.0 * by_fine.seen as f64 / f64::from(PAIRS),
            purity(&by_coarse),
            purity(&by_fine),
        );
    }
    Ok(())
}

/// Returns the cluster of a number of 32 bits: low clusters get more of them.
fn fine_cluster(number: f64) -> u32 {
    let unit = number / f64::from(u32::MAX);
    let clusters = f64::from(COARSE * FINE_OF_EACH);
    ((unit.powf(1.5) * clusters) as u32).min(COARSE * FINE_OF_EACH - 1)
}
