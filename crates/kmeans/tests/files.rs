//! What `load` says of files that contradict each other.

use std::fs;
use std::path::Path;

use kmeans::{Clusterer, Clustering, SphericalKMeansConfig};
use ndarray::{Array2, array};

fn clustering(rows: &Array2<f32>) -> Clustering {
    SphericalKMeansConfig::new(2).build().expect("a valid configuration").fit(rows.view()).expect("valid rows")
}

fn saved() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    clustering(&array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0]]).save(dir.path()).expect("a saved clustering");
    dir
}

fn error(dir: &Path) -> String {
    let error = Clustering::load(dir).expect_err("a refusal");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn edit(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).expect("a file");
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes to replace");
    bytes.splice(at..at + from.len(), to.iter().copied());
    fs::write(path, bytes).expect("a written file");
}

#[test]
fn a_folder_holds_three_files_and_no_leftovers() {
    let dir = saved();
    clustering(&array![[1.0, 0.0], [0.0, 1.0]]).save(dir.path()).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["centroids.npy", "clusters.json", "labels.npy"]);
    assert_eq!(Clustering::load(dir.path()).unwrap().labels.len(), 2);
}

#[test]
fn a_missing_file_is_named() {
    for name in ["labels.npy", "centroids.npy", "clusters.json"] {
        let dir = saved();
        fs::remove_file(dir.path().join(name)).unwrap();
        assert!(error(dir.path()).contains(name), "{}", error(dir.path()));
    }
}

#[test]
fn a_label_out_of_range_is_named_with_its_row() {
    let dir = saved();
    let path = dir.path().join("labels.npy");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last] = 9;
    fs::write(&path, bytes).unwrap();
    assert!(error(dir.path()).ends_with("labels.npy: row 2 has label 9 of 2 clusters"), "{}", error(dir.path()));
}

#[test]
fn labels_of_another_clustering_are_refused() {
    let (dir, other) = (saved(), tempfile::tempdir().unwrap());
    clustering(&array![[1.0, 0.0], [0.0, 1.0]]).save(other.path()).unwrap();
    fs::copy(other.path().join("labels.npy"), dir.path().join("labels.npy")).unwrap();
    assert!(error(dir.path()).ends_with("labels.npy: shape [2], expected [3]"), "{}", error(dir.path()));
}

#[test]
fn sizes_that_the_labels_do_not_have_are_refused() {
    let dir = saved();
    let path = dir.path().join("clusters.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["sizes"] = serde_json::json!([0, 3]);
    fs::write(&path, json.to_string()).unwrap();
    assert!(error(dir.path()).contains("clusters.json: sizes [0, 3], the labels count"), "{}", error(dir.path()));
}

#[test]
fn an_unknown_key_is_named() {
    let dir = saved();
    edit(&dir.path().join("clusters.json"), b"\"objective\"", b"\"objectives\"");
    assert!(error(dir.path()).contains("clusters.json: unknown field `objectives`"), "{}", error(dir.path()));
}

#[test]
fn another_element_type_is_named() {
    let dir = saved();
    edit(&dir.path().join("centroids.npy"), b"<f4", b"<i4");
    assert!(
        error(dir.path()).ends_with("centroids.npy: element type '<i4', expected float32"),
        "{}",
        error(dir.path())
    );
}

#[test]
fn a_centroid_that_is_not_unit_is_named() {
    let dir = saved();
    let path = dir.path().join("centroids.npy");
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes.len() - 16;
    bytes[first..first + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(error(dir.path()).ends_with("centroids.npy: centroid 0 has norm NaN, not 1"), "{}", error(dir.path()));
}

#[test]
fn a_cut_file_is_named() {
    let dir = saved();
    let path = dir.path().join("labels.npy");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
    assert!(error(dir.path()).contains("labels.npy: "), "{}", error(dir.path()));
}

#[test]
fn a_number_of_clusters_without_their_sizes_is_refused_before_it_is_counted() {
    let dir = saved();
    edit(&dir.path().join("clusters.json"), b"\"clusters\": 2", b"\"clusters\": 1000000000000000");
    let message = error(dir.path());
    assert!(message.ends_with("clusters.json: 2 sizes of 1000000000000000 clusters"), "{message}");
}

#[test]
fn rows_that_no_file_can_hold_are_refused_before_memory_is_taken() {
    let dir = saved();
    edit(&dir.path().join("clusters.json"), b"\"rows\": 3", b"\"rows\": 4000000000000000");
    edit(&dir.path().join("labels.npy"), b"(3,", b"(4000000000000000,");
    // The header stays as long as it says.
    edit(&dir.path().join("labels.npy"), &[b' '; 15], b"");
    assert!(error(dir.path()).ends_with("its header says 16000000000000128"), "{}", error(dir.path()));
}

#[test]
fn bytes_after_the_values_are_refused() {
    let dir = saved();
    let path = dir.path().join("centroids.npy");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    assert!(error(dir.path()).ends_with("centroids.npy: 145 bytes, its header says 144"), "{}", error(dir.path()));
}

#[test]
fn values_in_the_other_byte_order_are_read() {
    let dir = saved();
    let expected = Clustering::load(dir.path()).unwrap();
    for name in ["labels.npy", "centroids.npy"] {
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let (header, values) = bytes.split_at_mut(128);
        let order = header.iter().position(|byte| b"<>".contains(byte)).unwrap();
        header[order] = if header[order] == b'<' { b'>' } else { b'<' };
        values.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(Clustering::load(dir.path()).unwrap(), expected);
}
