use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Directions that rows gather around.
const TOPICS: usize = 256;

/// Unit rows, each around one of 256 directions, with noise as long as the direction; `[n, dim]`.
pub(crate) fn mixture(n: usize, dim: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut uniform = |rows| Array2::from_shape_simple_fn((rows, dim), || rng.random_range(-1.0..1.0_f32));
    let (topics, mut rows) = (uniform(TOPICS), uniform(n));
    for mut row in rows.axis_iter_mut(Axis(0)) {
        row += &topics.row(rng.random_range(0..TOPICS));
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    rows
}
