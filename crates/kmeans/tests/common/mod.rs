use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Unit rows around `modes` directions; `noise` is the half-width of the noise in each column.
pub(crate) fn unit_rows(n: usize, dim: usize, modes: usize, noise: f32, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres = Array2::from_shape_simple_fn((modes, dim), || rng.random_range(-1.0..1.0_f32));
    let mut rows = Array2::zeros((n, dim));
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let centre = centres.row(rng.random_range(0..modes));
        row.assign(&centre);
        row.mapv_inplace(|value| value + noise * rng.random_range(-1.0..1.0_f32));
        let norm = row.dot(&row).sqrt();
        match norm > 0.0 {
            true => row.mapv_inplace(|value| value / norm),
            // In one column centre and noise cancel once in some million rows.
            false => row[0] = 1.0,
        }
    }
    rows
}
