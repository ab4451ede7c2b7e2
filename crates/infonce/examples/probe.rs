use burn::tensor::{Distribution, IndexingUpdateOp, Int, Tensor, TensorData, activation::softmax, backend::Backend};
use burn_flex::Flex;
use infonce::*;
use std::time::Instant;
fn unit_rows(rows: usize, width: usize) -> Tensor<Flex, 2> {
    let drawn = Tensor::random([rows, width], Distribution::Normal(0.0, 1.0), &Default::default());
    drawn.clone() / drawn.square().sum_dim(1).sqrt()
}
fn main() {
    Flex::seed(&Default::default(), 0);
    let b: usize = std::env::var("PB").map_or(1024, |s| s.parse().unwrap());
    let n: usize = std::env::args().nth(1).map_or(20, |s| s.parse().unwrap());
    let unique: Vec<u64> = (0..b as u64).collect();
    let repeated: Vec<u64> = (0..b as u64).map(|r| r - u64::from(r % 10 == 1)).collect();
    for d in [256, 384] {
        let (q, p) = (unit_rows(b, d), unit_rows(b, d));
        let mut jobs: Vec<(String, Box<dyn Fn()>)> = vec![];
        let (qq, pp) = (q.clone(), p.clone());
        let s = q.clone().matmul(p.clone().transpose());
        let s2 = s.clone();
        jobs.push((
            "floor".into(),
            Box::new(move || {
                std::hint::black_box(qq.clone().matmul(pp.clone().transpose()));
                std::hint::black_box(s2.clone().matmul(pp.clone()));
                std::hint::black_box(s2.clone().transpose().matmul(qq.clone()));
            }),
        ));
        for t in [64, 128, 256, 512] {
            let (qq, pp, s2) = (q.clone(), p.clone(), s.clone());
            jobs.push((
                format!("floor by tiles {t}"),
                Box::new(move || {
                    for i in (0..b).step_by(t) {
                        let qt = qq.clone().slice([i..i + t]);
                        std::hint::black_box(qt.clone().matmul(pp.clone().transpose()));
                        let st = s2.clone().slice([i..i + t]);
                        std::hint::black_box(st.clone().matmul(pp.clone()));
                        std::hint::black_box(st.transpose().matmul(qt));
                    }
                }),
            ));
        }
        if d == 384 && b == 1024 {
            let s2 = s.clone();
            jobs.push((
                "softmax".into(),
                Box::new(move || {
                    std::hint::black_box(softmax(s2.clone(), 1));
                }),
            ));
            let s2 = s.clone();
            jobs.push((
                "max".into(),
                Box::new(move || {
                    std::hint::black_box(s2.clone().max_dim(1));
                }),
            ));
            let s2 = s.clone();
            jobs.push((
                "exp".into(),
                Box::new(move || {
                    std::hint::black_box(s2.clone().exp());
                }),
            ));
            let s2 = s.clone();
            jobs.push((
                "sum".into(),
                Box::new(move || {
                    std::hint::black_box(s2.clone().sum_dim(1));
                }),
            ));
            let s2 = s.clone();
            jobs.push((
                "sub".into(),
                Box::new(move || {
                    std::hint::black_box(s2.clone() - s2.clone().slice([0..1024, 0..1]));
                }),
            ));
            let s2 = s.clone();
            jobs.push((
                "scatter".into(),
                Box::new(move || {
                    let i = Tensor::<Flex, 1, Int>::arange(0..1024, &Default::default()).unsqueeze_dim::<2>(1);
                    std::hint::black_box(s2.clone().scatter(
                        1,
                        i,
                        Tensor::ones([1024, 1], &Default::default()),
                        IndexingUpdateOp::Add,
                    ));
                }),
            ));
            let ids = Tensor::<Flex, 1, Int>::from_data(
                TensorData::new((0..1024i32).collect::<Vec<_>>(), [1024]),
                &Default::default(),
            );
            let i2 = ids.clone();
            jobs.push((
                "int eq".into(),
                Box::new(move || {
                    std::hint::black_box(i2.clone().unsqueeze_dim::<2>(1).equal(i2.clone().unsqueeze_dim(0)));
                }),
            ));
            let i2 = ids.clone().float();
            jobs.push((
                "float eq".into(),
                Box::new(move || {
                    std::hint::black_box(i2.clone().unsqueeze_dim::<2>(1).equal(i2.clone().unsqueeze_dim(0)));
                }),
            ));
            let m = ids.clone().unsqueeze_dim::<2>(1).equal(ids.clone().unsqueeze_dim(0));
            let s2 = s.clone();
            jobs.push((
                "mask_fill".into(),
                Box::new(move || {
                    std::hint::black_box(s2.clone().mask_fill(m.clone(), -1e30));
                }),
            ));
        }
        for (name, dir, ids) in [
            ("oneway", Direction::QueryToPassage, &unique),
            ("repeats", Direction::QueryToPassage, &repeated),
            ("sym", Direction::Symmetric, &unique),
        ] {
            let c = InfoNceConfig::default().with_direction(dir);
            let mut losses: Vec<(String, Box<dyn ContrastiveLoss<Flex>>)> =
                vec![("dense".into(), Box::new(c.build_dense().unwrap()))];
            for t in [128, 256, 512, 1024] {
                losses.push((format!("tiled{t}"), Box::new(c.with_tile(t).build().unwrap())));
            }
            for (l, loss) in losses {
                let (qq, pp) = (q.clone(), p.clone());
                let (u, i) = (unique.clone(), ids.clone());
                jobs.push((
                    format!("{name} {l}"),
                    Box::new(move || {
                        std::hint::black_box(loss.loss_and_gradients(
                            qq.clone(),
                            pp.clone(),
                            &InBatch { query_ids: &u, passage_ids: &i },
                        ));
                    }),
                ));
            }
        }
        if let Some(want) = std::env::args().nth(2) {
            let cpu = || {
                let s = std::fs::read_to_string("/proc/self/stat").unwrap();
                let f: Vec<f64> = s.split(' ').skip(13).take(2).map(|v| v.parse().unwrap()).collect();
                (f[0] + f[1]) * 10.0
            };
            for (name, job) in &jobs {
                if name.starts_with(&want) {
                    job();
                    let t = cpu();
                    for _ in 0..n {
                        job();
                    }
                    println!("{d} {name:24} {:8.3} cpu ms", (cpu() - t) / n as f64);
                }
            }
            continue;
        }
        let mut best = vec![f64::MAX; jobs.len()];
        for _ in 0..n {
            for (k, (_, job)) in jobs.iter().enumerate() {
                let t = Instant::now();
                job();
                best[k] = best[k].min(t.elapsed().as_secs_f64());
            }
        }
        println!("d = {d}");
        for ((name, _), t) in jobs.iter().zip(&best) {
            println!("{name:24} {:8.3} ms", t * 1e3);
        }
    }
}
