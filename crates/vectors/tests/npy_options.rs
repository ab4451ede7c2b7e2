//! Rows of `.npy` files that are converted before they are mapped.

mod common;

use std::path::PathBuf;

use common::{Folder, npy, rows};
use half::f16;
use ndarray::{Array2, s};
use vectors::{NpyOptions, NpyVectors, VectorsError};

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

fn options(folder: &Folder) -> NpyOptions {
    NpyOptions::new(folder.path())
}

#[test]
fn every_type_and_order_has_the_rows_of_f32_in_c_order() {
    let folder = Folder::new();
    let rows = rows(301, 11);
    // What f16 holds of them, in f32.
    let narrow = rows.mapv(|value| f16::from_f32(value).to_f32());
    for descr in TYPES {
        for fortran_order in [false, true] {
            let path = write(&folder, descr, fortran_order, &rows.mapv(f64::from));
            // All rows at once, 3 at a time (which 301 is no multiple of), one at a time.
            for block_bytes in [1 << 20, 3 * 11 * 8, 0] {
                let file = options(&folder).with_block_bytes(block_bytes).open(&path).unwrap();
                assert_eq!((file.len(), file.dim()), (301, 11));
                let expected = if descr.ends_with("f2") { &narrow } else { &rows };
                let found = Array2::from_shape_vec((301, 11), file.vectors().to_f32().into_owned()).unwrap();
                assert_eq!(&found, expected, "{descr}, Fortran order {fortran_order}, {block_bytes}");
            }
        }
    }
    // Nothing of a conversion has a name.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn f64_is_rounded_to_the_nearest_f32() {
    let folder = Folder::new();
    let third = 1.0_f64 / 3.0;
    let rows = Array2::from_shape_fn((4, 9), |_| third);
    let file = options(&folder).open(&write(&folder, "<f8", false, &rows)).unwrap();
    assert_eq!(file.array().unwrap(), Array2::from_elem((4, 9), third as f32));
}

#[test]
fn rows_that_lie_as_they_are_used_are_not_copied() {
    let folder = Folder::new();
    let rows = rows(40, 6).mapv(f64::from);
    let nowhere = NpyOptions::new(folder.path().join("no folder"));
    for descr in ["<f2", "<f4"] {
        let path = write(&folder, descr, false, &rows);
        assert_eq!(nowhere.open(&path).unwrap().len(), 40);
    }
    for (descr, fortran_order) in [("<f8", false), (">f4", false), ("<f4", true)] {
        let error = nowhere.open(&write(&folder, descr, fortran_order, &rows)).unwrap_err();
        assert_eq!(error.to_string(), folder.path().join("no folder").display().to_string());
        assert!(matches!(error, VectorsError::Io { .. }));
    }
}

#[test]
fn values_between_the_addresses_of_their_type_are_converted() {
    let folder = Folder::new();
    let mut bytes = npy("<f4", false, "(1, 2)", &[0.6_f32.to_le_bytes(), 0.8_f32.to_le_bytes()].concat());
    bytes.splice(127..128, *b" \n");
    bytes[8] += 1;
    let path = folder.file("odd.npy", &bytes);
    assert!(matches!(NpyVectors::open(&path), Err(VectorsError::ArrayOffset { .. })));
    let file = options(&folder).open(&path).unwrap();
    assert_eq!(file.array().unwrap(), ndarray::array![[0.6, 0.8]]);
}

#[test]
fn rows_of_any_norm_become_unit_rows() {
    let folder = Folder::new();
    let rows = rows(200, 7);
    let scaled = Array2::from_shape_fn(rows.dim(), |(row, column)| {
        f64::from(rows[[row, column]]) * 10_f64.powi(row as i32 % 9 - 4)
    });
    for (descr, fortran_order) in [("<f4", false), ("<f8", false), (">f8", true)] {
        let path = write(&folder, descr, fortran_order, &scaled);
        let refused = options(&folder).open(&path).unwrap();
        let error = refused.vectors().unit_rows().map(|_| ()).unwrap_err();
        assert!(matches!(error, VectorsError::NotUnit { row: 0, .. }), "{error}");
        let found = options(&folder).with_normalise(true).open(&path).unwrap();
        let off = (&found.array().unwrap() - &rows).mapv(f32::abs).fold(0.0_f32, |most, &off| most.max(off));
        assert!(off < 2e-7, "{descr}: {off}");
    }
}

#[test]
fn a_row_without_a_direction_is_named_with_its_file() {
    let folder = Folder::new();
    let mut rows = rows(50, 4).mapv(f64::from);
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
    // Unscaled, it opens, and the check says the same.
    let file = options(&folder).open(&write(&folder, "<f8", true, &rows)).unwrap();
    let error = file.vectors().unit_rows().map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "row 21 has inf in column 2");
}

#[test]
fn an_observer_sees_every_block() {
    let folder = Folder::new();
    let path = write(&folder, "<f8", false, &rows(10, 3).mapv(f64::from));
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
    let huge = "4611686018427387904";
    for (shape, expected) in [
        ("(0, 3)".to_owned(), Ok(0)),
        ("(3, 0)".to_owned(), Err("rows have dimension 0")),
        (format!("(0, {huge})"), Ok(0)),
        (format!("({huge}, 0)"), Err("rows have dimension 0")),
    ] {
        for fortran_order in [false, true] {
            let path = folder.file("empty.npy", &npy(">f8", fortran_order, &shape, &[]));
            let file = options(&folder).with_normalise(true).open(&path).unwrap();
            let vectors = file.vectors();
            let found = vectors.unit_rows().map(|rows| rows.len()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
