//! Clusters vectors and looks at the result: objective, sizes and quality, balanced sizes, a hierarchy, and labels for new
//! rows from a saved clustering.
//!
//! ```text
//! cargo run --release -p kmeans --example cluster_vectors                    # a made-up mixture, a second or two
//! cargo run --release -p kmeans --example cluster_vectors -- rows.npy 100    # f32 or f16 unit rows, 100 clusters
//! ```
//!
//! Prints a line for each step. 100,000 rows of 384 values take a few seconds on two cores.

use std::error::Error;
use std::path::Path;

use kmeans::{
    Bounds, Clusterer, Clustering, HierarchyConfig, Init, NpyVectors, Sample, SphericalKMeansConfig, Vectors,
};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => cluster(&mixture(20_000, 64, 40).view().into(), 20),
        [path] => cluster(&NpyVectors::open(Path::new(path))?.vectors(), 10),
        [path, clusters] => cluster(&NpyVectors::open(Path::new(path))?.vectors(), clusters.parse()?),
        _ => Err("usage: cluster_vectors [rows.npy [CLUSTERS]]".into()),
    }
}

fn cluster(rows: &Vectors<'_>, clusters: usize) -> Result<(), Box<dyn Error>> {
    println!("{} rows of {} values", rows.len(), rows.dim());
    let config = SphericalKMeansConfig::new(clusters).with_init(Init::KMeansPlusPlus).with_seed(1);
    let clustering = config.clone().build()?.fit_with(rows, &mut |_| ())?;
    let (objective, iterations) = (clustering.objective, clustering.history.len());
    println!(
        "{clusters} clusters: mean cosine {objective:.4} after {iterations} iterations, sizes {}",
        sizes(&clustering)
    );

    let quality = clustering.quality(rows.clone(), Sample::default())?;
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    println!(
        "quality: cosine within clusters {}, between {}, silhouette {}",
        shown(quality.within),
        shown(quality.between),
        shown(quality.silhouette)
    );

    let least = rows.len() / clusters / 2;
    let balanced = clustering.balanced(rows.clone(), Bounds::at_least(least))?;
    println!(
        "at least {least} rows each: sizes {}, {} rows moved, mean cosine lost {:.6}",
        sizes(&balanced.clustering),
        balanced.moved,
        balanced.objective_lost
    );

    if rows.len() >= 8 * clusters {
        let levels =
            HierarchyConfig::new([clusters, 8 * clusters]).with_kmeans(config).build()?.fit(rows.clone())?.levels;
        let [_, fine] = levels.as_slice() else { unreachable!("two levels were asked for") };
        let children = fine.parents.iter().filter(|&&parent| parent == 0).count();
        let (fine_clusters, objective) = (fine.parents.len(), fine.clustering.objective);
        println!("nested {fine_clusters} clusters: mean cosine {objective:.4}; cluster 0 has {children} of them");
    }

    let dir = std::env::temp_dir().join(format!("cluster-vectors-{}", std::process::id()));
    clustering.save(&dir)?;
    let loaded = Clustering::load(&dir)?;
    // Centroids are unit rows too: each is nearest to itself.
    let nearest = loaded.predict(&NpyVectors::open(&dir.join("centroids.npy"))?)?;
    let own = (0..).zip(&nearest).filter(|(centroid, label)| centroid == *label).count();
    let same = loaded.predict(rows.clone())?.iter().zip(&clustering.labels).filter(|(a, b)| a == b).count();
    println!("saved and loaded: {same} of {} rows and {own} of {clusters} centroids predicted as they are", rows.len());
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// The least, the middle and the largest.
fn sizes(clustering: &Clustering) -> String {
    let mut sizes = clustering.sizes.clone();
    sizes.sort_unstable();
    format!("{} / {} / {}", sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1])
}

/// Unit rows around `topics` directions, the first ones the most frequent.
fn mixture(n: usize, dim: usize, topics: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut rows = Array2::from_shape_simple_fn((topics + n, dim), || rng.random_range(-1.0..1.0_f32));
    let (directions, mut rows) = rows.view_mut().split_at(Axis(0), topics);
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let most = rng.random_range(1..=topics);
        row += &directions.row(rng.random_range(0..most));
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    rows.to_owned()
}
