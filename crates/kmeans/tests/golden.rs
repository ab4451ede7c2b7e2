//! Against FAISS: `tools/golden/kmeans.py` wrote the values.

use kmeans::SphericalKMeansConfig;
use ndarray::Array2;
use serde::Deserialize;

/// FAISS sums 300 rows in single precision in another order; both centroids and mean cosines stay within this.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    iterations: usize,
    rows: Vec<Vec<f32>>,
    start: Vec<Vec<f32>>,
    objectives: Vec<f64>,
    centroids: Vec<Vec<f32>>,
    labels: Vec<u32>,
    objective: f64,
}

fn array(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).expect("rows of one length")
}

#[test]
fn objectives_centroids_and_labels_are_those_of_faiss() {
    let golden: Golden = serde_json::from_str(include_str!("golden/faiss.json")).unwrap();
    assert_eq!(golden.cases.len(), 2);
    for case in golden.cases {
        let config =
            SphericalKMeansConfig::new(case.start.len()).with_max_iterations(case.iterations).with_tolerance(0.0);
        let clustering = config.build().unwrap().fit_from(array(&case.rows).view(), array(&case.start).view()).unwrap();

        // A run ends where nothing changes any more, here as there.
        assert!(clustering.history.len() >= 4, "{}", case.name);
        for (ours, faiss) in clustering.history.iter().zip(&case.objectives) {
            let difference = (ours.objective - faiss).abs();
            assert!(difference < TOLERANCE, "{}: {ours:?}, FAISS {faiss}", case.name);
        }
        let furthest = (&clustering.centroids - &array(&case.centroids))
            .mapv(f32::abs)
            .fold(0.0_f32, |furthest, &value| furthest.max(value));
        assert!(f64::from(furthest) < TOLERANCE, "{}: {furthest}", case.name);
        assert_eq!(clustering.labels, case.labels, "{}", case.name);
        assert!((clustering.objective - case.objective).abs() < TOLERANCE, "{}", case.name);
    }
}
