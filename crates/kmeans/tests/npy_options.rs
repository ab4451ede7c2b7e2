//! Rows of `.npy` files that are converted before they are mapped.

mod common;
#[path = "common/npy_file.rs"]
mod npy_file;

use std::path::PathBuf;

use common::unit_rows;
use half::f16;
use kmeans::{Clusterer, Clustering, KMeansError, NpyOptions, NpyVectors, SphericalKMeansConfig};
use ndarray::{Array2, s};
use npy_file::{Folder, npy};

/// The bytes of a value as `descr` says.
fn bytes(descr: &str, value: f64) -> Vec<u8> {
    match descr {
        "<f2" => f16::from_f64(value).to_le_bytes().to_vec(),
        ">f2" => f16::from_f64(value).to_be_bytes().to_vec(),
        "<f4" => (value as f32).to_le_bytes().to_vec(),
        ">f4" => (value as f32).to_be_bytes().to_vec(),
        "<f8" => value.to_le_bytes().to_vec(),
        ">f8" => value.to_be_bytes().to_vec(),
        _ => unreachable!("{descr}"),
    }
}

const TYPES: [&str; 6] = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"];

fn write(folder: &Folder, descr: &str, fortran_order: bool, rows: &Array2<f64>) -> PathBuf {
    let stored = if fortran_order { rows.t() } else { rows.view() };
    let values: Vec<u8> = stored.iter().flat_map(|&value| bytes(descr, value)).collect();
    folder.file("rows.npy", &npy(descr, fortran_order, &format!("{:?}", rows.dim()), &values))
}

/// Nothing of a conversion has a name.
fn options(folder: &Folder) -> NpyOptions {
    NpyOptions::new(folder.path())
}

fn fit(rows: &NpyVectors) -> Clustering {
    let clusterer = SphericalKMeansConfig::new(5).with_seed(3).build().expect("a valid configuration");
    clusterer.fit_with(&rows.vectors(), &mut |_| ()).expect("unit rows")
}

#[test]
fn every_type_and_order_has_the_rows_of_f32_in_c_order() {
    let folder = Folder::new();
    let rows = unit_rows(301, 11, 5, 0.3, 1);
    let expected = fit(&NpyVectors::open(&folder.f32(&rows)).unwrap());
    // What f16 holds of them, in f32.
    let narrow = rows.mapv(|value| f16::from_f32(value).to_f32());
    let expected_narrow = fit(&NpyVectors::open(&folder.f32(&narrow)).unwrap());
    for descr in TYPES {
        for fortran_order in [false, true] {
            let path = write(&folder, descr, fortran_order, &rows.mapv(f64::from));
            // All rows at once, 3 at a time (which 301 is no multiple of), one at a time.
            for block_bytes in [1 << 20, 3 * 11 * 8, 0] {
                let file = options(&folder).with_block_bytes(block_bytes).open(&path).unwrap();
                assert_eq!((file.len(), file.dim()), (301, 11));
                let expected = if descr.ends_with("f2") { &expected_narrow } else { &expected };
                assert_eq!(&fit(&file), expected, "{descr}, Fortran order {fortran_order}, {block_bytes}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn f64_is_rounded_to_the_nearest_f32() {
    let folder = Folder::new();
    let third = 1.0_f64 / 3.0;
    let rows = Array2::from_shape_fn((4, 9), |_| third);
    let file = options(&folder).open(&write(&folder, "<f8", false, &rows)).unwrap();
    let clustering = SphericalKMeansConfig::new(1).build().unwrap().fit_with(&file.vectors(), &mut |_| ()).unwrap();
    assert!(clustering.centroids.iter().all(|&value| value == third as f32), "{}", clustering.centroids);
}

#[test]
fn rows_that_lie_as_they_are_used_are_not_copied() {
    let folder = Folder::new();
    let rows = unit_rows(40, 6, 5, 0.3, 2).mapv(f64::from);
    let nowhere = NpyOptions::new(folder.path().join("no folder"));
    for descr in ["<f2", "<f4"] {
        let path = write(&folder, descr, false, &rows);
        assert_eq!(nowhere.open(&path).unwrap().len(), 40);
    }
    for (descr, fortran_order) in [("<f8", false), (">f4", false), ("<f4", true)] {
        let error = nowhere.open(&write(&folder, descr, fortran_order, &rows)).unwrap_err();
        assert_eq!(error.to_string(), folder.path().join("no folder").display().to_string());
        assert!(matches!(error, KMeansError::Io { .. }));
    }
}

#[test]
fn values_between_the_addresses_of_their_type_are_converted() {
    let folder = Folder::new();
    let mut bytes = npy("<f4", false, "(1, 2)", &[0.6_f32.to_le_bytes(), 0.8_f32.to_le_bytes()].concat());
    bytes.splice(127..128, *b" \n");
    bytes[8] += 1;
    let path = folder.file("odd.npy", &bytes);
    assert!(matches!(NpyVectors::open(&path), Err(KMeansError::ArrayOffset { .. })));
    let file = options(&folder).open(&path).unwrap();
    let clustering = SphericalKMeansConfig::new(1).build().unwrap().fit_with(&file.vectors(), &mut |_| ()).unwrap();
    assert!((clustering.centroids[[0, 1]] - 0.8).abs() < 1e-6);
}

#[test]
fn rows_of_any_norm_become_unit_rows() {
    let folder = Folder::new();
    let rows = unit_rows(200, 7, 5, 0.3, 3);
    let expected = fit(&NpyVectors::open(&folder.f32(&rows)).unwrap());
    let scaled = Array2::from_shape_fn(rows.dim(), |(row, column)| {
        f64::from(rows[[row, column]]) * 10_f64.powi(row as i32 % 9 - 4)
    });
    for (descr, fortran_order) in [("<f4", false), ("<f8", false), (">f8", true)] {
        let path = write(&folder, descr, fortran_order, &scaled);
        let refused = options(&folder).open(&path).unwrap();
        let clusterer = SphericalKMeansConfig::new(5).build().unwrap();
        let error = clusterer.fit_with(&refused.vectors(), &mut |_| ()).unwrap_err();
        assert!(matches!(error, KMeansError::NotUnit { row: 0, .. }), "{error}");
        let found = fit(&options(&folder).with_normalise(true).open(&path).unwrap());
        assert_eq!(found.labels, expected.labels, "{descr}");
        assert!((found.objective - expected.objective).abs() < 1e-6);
    }
}

#[test]
fn a_row_without_a_direction_is_named_with_its_file() {
    let folder = Folder::new();
    let mut rows = unit_rows(50, 4, 3, 0.2, 4).mapv(f64::from);
    rows.slice_mut(s![33, ..]).fill(0.0);
    let normalised = options(&folder).with_normalise(true).with_block_bytes(10 * 4 * 8);
    let problem = |rows: &Array2<f64>| {
        let path = write(&folder, "<f8", true, rows);
        let error = normalised.open(&path).unwrap_err();
        assert_eq!(error.to_string(), path.display().to_string());
        std::error::Error::source(&error).expect("a cause").to_string()
    };
    assert_eq!(problem(&rows), "row 33 is all zeros");
    rows[[21, 2]] = f64::INFINITY;
    assert_eq!(problem(&rows), "row 21 has inf in column 2");
    // Unscaled, the fit says the same.
    let file = options(&folder).open(&write(&folder, "<f8", true, &rows)).unwrap();
    let clusterer = SphericalKMeansConfig::new(2).build().unwrap();
    let error = clusterer.fit_with(&file.vectors(), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "row 21 has inf in column 2");
}

#[test]
fn an_observer_sees_every_block() {
    let folder = Folder::new();
    let path = write(&folder, "<f8", false, &unit_rows(10, 3, 2, 0.2, 5).mapv(f64::from));
    let mut seen = Vec::new();
    options(&folder).with_block_bytes(4 * 3 * 8).open_with(&path, &mut |done, rows| seen.push((done, rows))).unwrap();
    assert_eq!(seen, [(4, 10), (8, 10), (10, 10)]);
}

#[test]
fn what_cannot_be_converted_is_refused_with_what_could_be() {
    let folder = Folder::new();
    let refusal = |bytes: &[u8]| {
        let path = folder.file("bad.npy", bytes);
        let error = options(&folder).open(&path).unwrap_err().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).expect("an error that begins with the path").to_owned()
    };
    for descr in ["<i8", "<f16", "|u1", "|O"] {
        assert_eq!(
            refusal(&npy(descr, false, "(2, 2)", &[0; 32])),
            format!("element type '{descr}', expected float16, float32 or float64")
        );
    }
    assert_eq!(refusal(&npy("<f8", false, "(4,)", &[0; 32])), "shape [4], expected [n, dim]");
    assert_eq!(
        refusal(&npy("<f8", true, "(2, 2, 1)", &[0; 32])),
        "shape [2, 2, 1] in Fortran order, expected [n, dim]"
    );
    assert_eq!(refusal(&npy("<f8", true, "(2, 2)", &[0; 31])), "159 bytes, its header says 160");
    assert_eq!(
        refusal(&npy("<f8", true, "(4294967296, 4294967296)", &[])),
        "128 bytes, its header says 147573952589676413056"
    );
}

#[test]
fn a_file_without_values_takes_no_memory_whatever_its_shape() {
    let folder = Folder::new();
    for (shape, expected) in [
        ("(0, 3)", "no rows to cluster"),
        ("(3, 0)", "rows have dimension 0"),
        ("(0, 4611686018427387904)", "no rows to cluster"),
        ("(4611686018427387904, 0)", "rows have dimension 0"),
    ] {
        for fortran_order in [false, true] {
            let path = folder.file("empty.npy", &npy(">f8", fortran_order, shape, &[]));
            let file = options(&folder).with_normalise(true).open(&path).unwrap();
            let clusterer = SphericalKMeansConfig::new(1).build().unwrap();
            let error = clusterer.fit_with(&file.vectors(), &mut |_| ()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
