//! `cargo bench -p vectors --bench npy`: a `.npy` file of rows written, mapped and checked, and converted from f64 in Fortran
//! order.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vectors::{NpyOptions, NpyVectors, replace_file, write_array};

const ROWS: usize = 20_000;
const DIM: usize = 384;

/// Unit rows with one value apart from 0 each, in a column that differs from row to row.
fn values() -> Vec<f32> {
    (0..ROWS * DIM).map(|at| if at % DIM == (at / DIM * 7) % DIM { 1.0 } else { 0.0 }).collect()
}

fn npy(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, wide) = (folder.path().join("rows.npy"), folder.path().join("wide.npy"));
    let values = values();
    let write = || replace_file(&path, |out| write_array(out, &[ROWS, DIM], values.iter().copied()));
    write().expect("a written file");
    replace_file(&wide, |out| write_array(out, &[ROWS, DIM], values.iter().map(|&value| f64::from(value))))
        .expect("a written file");

    let mut group = criterion.benchmark_group("vectors/npy");
    group.sample_size(20).throughput(Throughput::Bytes((4 * ROWS * DIM) as u64));
    let shape = format!("{ROWS}x{DIM}");
    group.bench_function(BenchmarkId::new("write", &shape), |bencher| bencher.iter(|| write().is_ok()));
    group.bench_function(BenchmarkId::new("map-and-check", &shape), |bencher| {
        bencher.iter(|| {
            let rows = NpyVectors::open(black_box(&path)).expect("a file of rows");
            rows.vectors().unit_rows().map(|rows| rows.len()).ok()
        });
    });
    group.bench_function(BenchmarkId::new("convert-f64", &shape), |bencher| {
        bencher.iter(|| NpyOptions::new(folder.path()).open(black_box(&wide)).map(|rows| rows.len()).ok());
    });
    group.finish();
}

criterion_group!(benches, npy);
criterion_main!(benches);
