//! Rows of a memory-mapped `.npy` file.

mod common;

use std::path::{Path, PathBuf};

use common::unit_rows;
use half::f16;
use kmeans::{Clusterer, Init, NpyVectors, SphericalKMeansConfig, Vectors};
use ndarray::{Array2, s};
use vectors::{Element, replace_file, write_array};

fn write<T: Element>(path: PathBuf, rows: &Array2<T>) -> PathBuf {
    replace_file(&path, |out| write_array(out, rows.shape(), rows.iter().copied())).expect("a written file");
    path
}

fn file_of(folder: &Path, rows: &Array2<f32>) -> PathBuf {
    write(folder.join("f32.npy"), rows)
}

fn narrow_file_of(folder: &Path, rows: &Array2<f32>) -> PathBuf {
    write(folder.join("f16.npy"), &rows.mapv(f16::from_f32))
}

#[test]
fn a_mapped_file_is_clustered_as_its_rows_are() {
    let folder = tempfile::tempdir().unwrap();
    let rows = unit_rows(3000, 24, 6, 0.3, 1);
    let file = NpyVectors::open(&file_of(folder.path(), &rows)).unwrap();
    assert_eq!((file.len(), file.dim(), file.is_empty()), (3000, 24, false));
    for init in [Init::RandomRows, Init::KMeansPlusPlus, Init::KMeansParallel] {
        let clusterer = SphericalKMeansConfig::new(6).with_init(init).with_seed(2).build().unwrap();
        let mapped = clusterer.fit_with(&file.vectors(), &mut |_| ()).unwrap();
        assert_eq!(mapped, clusterer.fit(rows.view()).unwrap());
        assert_eq!(mapped.predict(&file).unwrap(), mapped.labels);
    }
}

#[test]
fn rows_of_f16_and_of_f32_get_the_same_labels() {
    let folder = tempfile::tempdir().unwrap();
    let rows = unit_rows(2000, 32, 7, 0.2, 3);
    let (wide, narrow) = (
        NpyVectors::open(&file_of(folder.path(), &rows)).unwrap(),
        NpyVectors::open(&narrow_file_of(folder.path(), &rows)).unwrap(),
    );
    let clusterer = SphericalKMeansConfig::new(7).with_init(Init::KMeansPlusPlus).with_runs(3).build().unwrap();
    // The same start for both: k-means++ may draw another row where a distance differs in its last digits.
    let start = clusterer.fit(rows.view()).unwrap().centroids;
    let [wide, narrow] = [&wide, &narrow].map(|file| clusterer.fit_from(file, start.view()).unwrap());
    assert_eq!(wide.labels, narrow.labels);
    assert!((wide.objective - narrow.objective).abs() < 1e-3);
}

#[test]
fn a_file_written_by_save_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let rows = unit_rows(50, 5, 3, 0.2, 4);
    let clustering = SphericalKMeansConfig::new(3).build().unwrap().fit(rows.view()).unwrap();
    clustering.save(folder.path()).unwrap();
    let centroids = NpyVectors::open(&folder.path().join("centroids.npy")).unwrap();
    assert_eq!(clustering.predict(&centroids).unwrap(), [0, 1, 2]);
    let error = NpyVectors::open(&folder.path().join("labels.npy")).unwrap_err().to_string();
    assert!(error.ends_with("labels.npy: element type '<u4', expected '<f4' or '<f2'"), "{error}");
}

#[test]
fn a_file_without_values_opens_and_cannot_be_clustered() {
    let folder = tempfile::tempdir().unwrap();
    let clusterer = SphericalKMeansConfig::new(1).build().unwrap();
    for (shape, expected) in [((0, 3), "no rows to cluster"), ((3, 0), "rows have dimension 0")] {
        let file = NpyVectors::open(&file_of(folder.path(), &Array2::zeros(shape))).unwrap();
        let error = clusterer.fit_with(&file.vectors(), &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_bad_row_of_a_mapped_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = unit_rows(700, 4, 3, 0.2, 5);
    rows.slice_mut(s![600, ..]).fill(0.0);
    let clusterer = SphericalKMeansConfig::new(2).build().unwrap();
    for path in [file_of(folder.path(), &rows), narrow_file_of(folder.path(), &rows)] {
        let file = NpyVectors::open(&path).unwrap();
        let vectors: Vectors<'_> = (&file).into();
        assert_eq!(clusterer.fit_with(&vectors, &mut |_| ()).unwrap_err().to_string(), "row 600 is all zeros");
    }
}
