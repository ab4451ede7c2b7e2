//! Uses each crate alone, as its README shows it, and runs `pretrain` with parts of its own.

use std::error::Error;

type Result = std::result::Result<(), Box<dyn Error>>;

fn main() -> Result {
    map_rows()?;
    embed_texts()?;
    cluster_rows()?;
    draw_batches()?;
    score_batch()?;
    judge_rankings()?;
    read_docs()?;
    train_with_own_parts()
}

fn map_rows() -> Result {
    use vectors::{NpyVectors, replace_file, write_array};

    let path = std::env::temp_dir().join("consumer-rows.npy");
    replace_file(&path, |out| write_array(out, &[2, 2], [1.0_f32, 0.0, 0.6, 0.8]))?;
    let file = NpyVectors::open(&path)?;
    println!("vectors: {} rows of {}", file.len(), file.dim());
    assert_eq!(file.vectors().unit_rows()?.row(1, &mut Vec::new()), [0.6, 0.8]);
    Ok(())
}

fn embed_texts() -> Result {
    use embed::{Embedder, LexicalConfig, Side};

    let texts = ["a cat on a mat", "the cat, the mat", "stock market prices"];
    let embedder = LexicalConfig::default().fit(&texts)?;
    let rows = embedder.embed(&texts, Side::Passage)?;
    println!("embed: rows of {}, cosines {:.2} and {:.2}", rows.ncols(), rows.row(0).dot(&rows.row(1)), rows.row(0).dot(&rows.row(2)));
    assert!(rows.row(0).dot(&rows.row(1)) > rows.row(0).dot(&rows.row(2)));
    Ok(())
}

fn cluster_rows() -> Result {
    use kmeans::{Clusterer, Init, SphericalKMeansConfig};

    let rows = ndarray::array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
    let clustering = SphericalKMeansConfig::new(2).with_init(Init::KMeansPlusPlus).with_seed(1).build()?.fit(rows.view())?;
    println!("kmeans: labels {:?}, mean cosine {:.3}", clustering.labels, clustering.objective);
    assert_eq!(clustering.labels[0], clustering.labels[1]);
    Ok(())
}

fn draw_batches() -> Result {
    use stratified_sampler::{BatchSampler, Batches, StratifiedConfig};

    let labels: Vec<u32> = (0..1000).map(|pair| pair * pair % 7).collect();
    let sampler = StratifiedConfig::new(64).with_seed(42).build(&labels)?;
    let drawn: usize = Batches::new(&sampler, 0).map(|batch| batch.len()).sum();
    println!("stratified-sampler: {} batches, {drawn} pairs", sampler.len(0));
    assert_eq!(drawn, 1000);
    Ok(())
}

fn score_batch() -> Result {
    use burn::tensor::{Distribution, Tensor};
    use burn_flex::Flex;
    use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};

    let device = Default::default();
    let unit = |rows: Tensor<Flex, 2>| rows.clone() / rows.square().sum_dim(1).sqrt();
    let queries = unit(Tensor::random([64, 16], Distribution::Normal(0.0, 1.0), &device));
    let passages = unit(Tensor::random([64, 16], Distribution::Normal(0.0, 1.0), &device));
    let output = InfoNceConfig::default().build()?.loss_and_gradients(queries, passages, &InBatch::default());
    println!("infonce: {:.3} nats", output.loss);
    assert_eq!(output.query_gradient.dims(), [64, 16]);
    Ok(())
}

fn judge_rankings() -> Result {
    use retrieval_eval::{EvalOptions, Measure, Qrels, Run, evaluate};

    let qrels = Qrels::read_trec("q1 0 d1 1\nq2 0 d2 2\nq2 0 d3 1\n".as_bytes(), "qrels")?;
    let run = Run::read_trec("q1 Q0 d2 1 0.9 run\nq1 Q0 d1 2 0.8 run\nq2 Q0 d2 1 0.7 run\n".as_bytes(), "run")?;
    let report = evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default().with_complete(true));
    println!("retrieval-eval: {report}");
    assert_eq!(report.values("MRR@10"), Some(&[0.5, 1.0][..]));
    Ok(())
}

mod own_parts;

fn train_with_own_parts() -> Result {
    use pretrain::{Config, DeviceKind};

    let folder = std::env::temp_dir().join("consumer-run");
    let settings = [
        format!("run.dir={}", folder.display()),
        "data.format=pairs".into(),
        "sampler.batch_size=16".into(),
        "student.vocab_size=300".into(),
        "student.dim=32".into(),
        "train.epochs=20".into(),
        "eval.measures=[\"recall@10\"]".into(),
        "eval.baselines=false".into(),
        "cluster.k=3".into(),
    ];
    let reached = DeviceKind::Cpu.run(own_parts::Run(Config::parse("", &settings)?))?;
    println!("pretrain: recall@10 {reached:.3} with data and a sampler from here");
    assert!(reached > 0.5);
    Ok(())
}

fn read_docs() -> Result {
    use rust_docs::{Reader, Workspace};

    let mut found = Workspace::new(env!("CARGO_MANIFEST_DIR")).with_local(true).packages()?;
    found.packages.retain(|package| package.name == "rust-docs");
    let docs = Reader::new()?.pairs(&found.packages).remove(0);
    let (id, pair) = &docs.items[0];
    println!("rust-docs: {} of {} items give a pair; {id}: {}", docs.items.len(), docs.counts.items, pair.query);
    assert!(docs.items.iter().any(|(id, _)| id.ends_with("/rust_docs::Reader")));
    Ok(())
}
