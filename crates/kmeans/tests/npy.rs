//! Rows of a memory-mapped `.npy` file.

mod common;
#[path = "common/npy_file.rs"]
mod npy_file;

use std::path::{Path, PathBuf};

use common::unit_rows;
use half::f16;
use kmeans::{Clusterer, Init, KMeansError, NpyVectors, SphericalKMeansConfig, Vectors};
use ndarray::{Array2, s};
use npy_file::{Folder, npy};

impl Folder {
    fn f16(&self, rows: &Array2<f32>) -> PathBuf {
        let values: Vec<u8> = rows.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        self.file("f16.npy", &npy("<f2", false, &format!("{:?}", rows.dim()), &values))
    }

    /// What is said of such a file, its path left out.
    fn refusal(&self, bytes: &[u8]) -> String {
        refusal(&self.file("bad.npy", bytes))
    }
}

fn refusal(path: &Path) -> String {
    let error = NpyVectors::open(path).expect_err("a refusal");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    let line = format!("{error}{source}");
    line.strip_prefix(&format!("{}: ", path.display())).expect("an error that begins with the path").to_owned()
}

#[test]
fn a_mapped_file_is_clustered_as_its_rows_are() {
    let folder = Folder::new();
    let rows = unit_rows(3000, 24, 6, 0.3, 1);
    let file = NpyVectors::open(&folder.f32(&rows)).unwrap();
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
    let folder = Folder::new();
    let rows = unit_rows(2000, 32, 7, 0.2, 3);
    let (wide, narrow) = (NpyVectors::open(&folder.f32(&rows)).unwrap(), NpyVectors::open(&folder.f16(&rows)).unwrap());
    let clusterer = SphericalKMeansConfig::new(7).with_init(Init::KMeansPlusPlus).with_runs(3).build().unwrap();
    // The same start for both: k-means++ may draw another row where a distance differs in its last digits.
    let start = clusterer.fit(rows.view()).unwrap().centroids;
    let [wide, narrow] = [&wide, &narrow].map(|file| clusterer.fit_from(file, start.view()).unwrap());
    assert_eq!(wide.labels, narrow.labels);
    assert!((wide.objective - narrow.objective).abs() < 1e-3);
}

#[test]
fn a_file_written_by_save_can_be_read() {
    let folder = Folder::new();
    let rows = unit_rows(50, 5, 3, 0.2, 4);
    let clustering = SphericalKMeansConfig::new(3).build().unwrap().fit(rows.view()).unwrap();
    clustering.save(folder.path()).unwrap();
    let centroids = NpyVectors::open(&folder.path().join("centroids.npy")).unwrap();
    assert_eq!(clustering.predict(&centroids).unwrap(), [0, 1, 2]);
    assert_eq!(refusal(&folder.path().join("labels.npy")), "element type '<u4', expected '<f4' or '<f2'");
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = Folder::new();
    assert!(refusal(&folder.path().join("absent.npy")).starts_with("No such file"));
    assert!(refusal(folder.path()).contains("irectory"));
}

#[test]
fn what_is_no_npy_file_is_refused() {
    let folder = Folder::new();
    for bytes in [&b""[..], b"\x93NUM", b"row,column\n1.0,0.0\n", b"PK\x03\x04 a zip of arrays"] {
        assert_eq!(folder.refusal(bytes), "magic not found for NPY file");
    }
    // Cut within the header.
    assert!(!folder.refusal(&npy("<f4", false, "(1, 1)", &[])[..40]).is_empty());
}

#[test]
fn other_element_types_are_refused_with_both_types() {
    let folder = Folder::new();
    for descr in ["<f8", "<i4", ">f4", ">f2", "|u1"] {
        let error = NpyVectors::open(&folder.file("bad.npy", &npy(descr, false, "(2, 2)", &[0; 32]))).unwrap_err();
        assert!(matches!(error, KMeansError::ArrayType { .. }));
        assert!(error.to_string().ends_with(&format!("element type '{descr}', expected '<f4' or '<f2'")), "{error}");
    }
}

#[test]
fn other_shapes_and_orders_are_refused_with_the_shape() {
    let folder = Folder::new();
    let refusal = |order, shape| folder.refusal(&npy("<f4", order, shape, &[0; 16]));
    assert_eq!(refusal(false, "(4,)"), "shape [4], expected [n, dim] in C order");
    assert_eq!(refusal(false, "()"), "shape [], expected [n, dim] in C order");
    assert_eq!(refusal(false, "(2, 2, 1)"), "shape [2, 2, 1], expected [n, dim] in C order");
    assert_eq!(refusal(true, "(2, 2)"), "shape [2, 2] in Fortran order, expected [n, dim] in C order");
}

#[test]
fn a_file_of_another_length_is_refused_with_both_lengths() {
    let folder = Folder::new();
    let whole = npy("<f4", false, "(3, 2)", &[0; 24]);
    assert_eq!(whole.len(), 152);
    assert_eq!(folder.refusal(&whole[..151]), "151 bytes, its header says 152");
    assert_eq!(folder.refusal(&whole[..128]), "128 bytes, its header says 152");
    assert_eq!(folder.refusal(&[&whole[..], &[0]].concat()), "153 bytes, its header says 152");
    assert_eq!(
        folder.refusal(&npy("<f2", false, "(4294967296, 1073741823)", &[])),
        "128 bytes, its header says 9223372028264841344"
    );
}

#[test]
fn a_shape_of_more_values_than_can_be_counted_is_refused() {
    let folder = Folder::new();
    for (shape, bytes) in [
        ("(4294967296, 4294967296)", "73786976294838206592"),
        // Twice 64 bits and two more.
        ("(18446744073709551615, 18446744073709551615)", "340282366920938463463374607431768211455"),
    ] {
        assert_eq!(folder.refusal(&npy("<f4", false, shape, &[])), format!("128 bytes, its header says {bytes}"));
    }
    let refusal = folder.refusal(&npy("<f4", false, "(18446744073709551616, 1)", &[]));
    assert!(refusal.starts_with("no NPY header: "), "{refusal}");
}

#[test]
fn a_header_that_states_gigabytes_is_refused_unread() {
    let folder = Folder::new();
    let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
    bytes.extend(u32::MAX.to_le_bytes());
    assert_eq!(folder.refusal(&bytes), "a header of 4294967295 bytes, the most is 65535");
}

#[test]
fn a_header_of_nested_brackets_is_refused_at_once() {
    let folder = Folder::new();
    for bracket in ["(", "[", "{", "{(", "-", "{'descr':("] {
        let mut bytes = npy("<f4", false, &bracket.repeat(50_000 / bracket.len()), &[]);
        let header = bytes.len() as u16 - 10;
        bytes[8..10].copy_from_slice(&header.to_le_bytes());
        assert!(folder.refusal(&bytes).starts_with("no NPY header: "));
    }
}

#[test]
fn values_between_the_addresses_of_their_type_are_refused() {
    let folder = Folder::new();
    let mut bytes = npy("<f4", false, "(1, 1)", &[0; 4]);
    let header = bytes.len() - 4;
    bytes.splice(header - 1..header, *b" \n");
    bytes[8] += 1;
    assert_eq!(folder.refusal(&bytes), "the values begin at byte 129, no multiple of 4");
}

#[test]
fn a_file_without_values_opens_and_cannot_be_clustered() {
    let folder = Folder::new();
    let clusterer = SphericalKMeansConfig::new(1).build().unwrap();
    for (shape, expected) in [("(0, 3)", "no rows to cluster"), ("(3, 0)", "rows have dimension 0")] {
        let file = NpyVectors::open(&folder.file("empty.npy", &npy("<f2", false, shape, &[]))).unwrap();
        let error = clusterer.fit_with(&file.vectors(), &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_bad_row_of_a_mapped_file_is_named() {
    let folder = Folder::new();
    let mut rows = unit_rows(700, 4, 3, 0.2, 5);
    rows.slice_mut(s![600, ..]).fill(0.0);
    let clusterer = SphericalKMeansConfig::new(2).build().unwrap();
    for path in [folder.f32(&rows), folder.f16(&rows)] {
        let file = NpyVectors::open(&path).unwrap();
        let vectors: Vectors<'_> = (&file).into();
        assert_eq!(clusterer.fit_with(&vectors, &mut |_| ()).unwrap_err().to_string(), "row 600 is all zeros");
    }
}
