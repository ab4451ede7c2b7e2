use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::*;
fn cpu() -> f64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|t| {
            let s = std::fs::read_to_string(t.unwrap().path().join("schedstat")).unwrap();
            s.split(' ').next().unwrap().parse::<f64>().unwrap()
        })
        .sum::<f64>()
        * 1e-9
}
fn time<T>(name: &str, reps: usize, mut f: impl FnMut() -> T) {
    let (mut w, mut c) = (f64::MAX, f64::MAX);
    for _ in 0..reps {
        let t = std::time::Instant::now();
        let c0 = cpu();
        std::hint::black_box(f());
        w = w.min(t.elapsed().as_secs_f64());
        c = c.min(cpu() - c0);
    }
    println!("{name}: min wall {w:.4} min cpu {c:.4}");
}
fn rows(n: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut x = Array2::from_shape_simple_fn((n, 384), || {
        (0..4).map(|_| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0).sum::<f32>()
    });
    for mut r in x.rows_mut() {
        let n = r.dot(&r).sqrt();
        r /= n;
    }
    x
}
fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    if what.contains('s') {
        let d = rows(100_000, 0);
        let q = rows(1000, 1);
        let s = ExactSearcher::new(d.view()).unwrap();
        for k in [1,100,1000] {
            time(&format!("search k={k}"), 8, || s.search(q.view(), k).unwrap());
        }
        time("search 1", 10, || s.search(q.slice(ndarray::s![..1, ..]), 100).unwrap());
        time("search 10", 10, || s.search(q.slice(ndarray::s![..10, ..]), 100).unwrap());
    }
}
