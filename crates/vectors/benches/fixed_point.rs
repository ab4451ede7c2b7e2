//! `cargo bench -p vectors --bench fixed_point`: products of a tile with a panel in 16-bit fixed point beside the same in f32,
//! both in the first-level cache, and the making of the numbers.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pulp::{Arch, Simd, WithSimd};
use vectors::fixed_point::{IntegerSimd, Panels, TILE, WIDTH, WithIntegerSimd, dispatch, products, quantise, words};
use vectors::normalise;

const DIM: usize = 256;

fn unit_row(seed: usize) -> Vec<f32> {
    let mut row: Vec<f32> = (0..DIM).map(|at| ((at * 7919 + seed * 104_729) % 1009) as f32 - 504.0).collect();
    normalise(&mut row).expect("a row that is not zero");
    row
}

struct Integers<'a>(&'a Panels, [&'a [i32]; TILE]);

impl WithIntegerSimd for Integers<'_> {
    type Output = i32;

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) -> i32 {
        let sums = products(simd, self.0.panel::<I>(0), self.1);
        bytemuck::cast_slice::<_, i32>(&sums[0])[0]
    }
}

/// As many products of f32, a vector of other rows at a time.
struct Floats<'a>(&'a [f32], [&'a [f32]; TILE], usize);

impl WithSimd for Floats<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let Self(panel, tile, rows) = self;
        let (vectors, _) = S::as_simd_f32s(panel);
        let mut first = 0.0;
        for group in 0..rows / S::F32_LANES / WIDTH {
            let mut sums = [[simd.splat_f32s(0.0); WIDTH]; TILE];
            for column in 0..DIM {
                let vectors = &vectors[(group * DIM + column) * WIDTH..][..WIDTH];
                for (sums, row) in sums.iter_mut().zip(tile) {
                    let value = simd.splat_f32s(row[column]);
                    for (sum, &vector) in sums.iter_mut().zip(vectors) {
                        *sum = simd.mul_add_e_f32s(value, vector, *sum);
                    }
                }
            }
            first += simd.reduce_sum_f32s(sums[0][0]);
        }
        first
    }
}

fn fixed_point(criterion: &mut Criterion) {
    let rows: Vec<Vec<f32>> = (0..TILE).map(unit_row).collect();
    let quantised = |rows: &[Vec<f32>]| -> Vec<Vec<i32>> {
        let of_row = |row: &Vec<f32>| {
            let mut words = vec![0; words(DIM)];
            quantise(row, &mut words);
            words
        };
        rows.iter().map(of_row).collect()
    };
    let others: Vec<Vec<f32>> = (TILE..TILE + Panels::panel_len()).map(unit_row).collect();
    let (words_of_rows, words_of_others) = (quantised(&rows), quantised(&others));
    let panels = Panels::new(words_of_others.iter().map(Vec::as_slice), words(DIM));
    let tile: [&[i32]; TILE] = std::array::from_fn(|row| &words_of_rows[row][..]);
    let floats: [&[f32]; TILE] = std::array::from_fn(|row| &rows[row][..]);
    // The order of values within a panel changes no time.
    let panel: Vec<f32> = others.concat();

    let mut group = criterion.benchmark_group("vectors/fixed_point");
    group.throughput(Throughput::Elements((TILE * others.len() * DIM) as u64));
    group.bench_function(BenchmarkId::new("products-i16", DIM), |bencher| {
        bencher.iter(|| dispatch(Integers(black_box(&panels), tile)));
    });
    group.bench_function(BenchmarkId::new("products-f32", DIM), |bencher| {
        bencher.iter(|| Arch::new().dispatch(Floats(black_box(&panel), floats, others.len())));
    });
    group.throughput(Throughput::Elements(DIM as u64));
    let mut words = vec![0; words(DIM)];
    group.bench_function(BenchmarkId::new("quantise", DIM), |bencher| {
        bencher.iter(|| quantise(black_box(&rows[0]), &mut words));
    });
    group.finish();
}

criterion_group!(benches, fixed_point);
criterion_main!(benches);
