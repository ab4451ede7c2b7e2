//! Data of several sources and formats, through the command.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::Bench;
use pretrain::data::{Columns, DataError, PairSplit, Pairs};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet").join(name)
}

fn of_sentence_transformers() -> Columns {
    Columns {
        query: "anchor".into(),
        passage: "positive".into(),
        negatives: vec!["negative".into()],
        ..Columns::default()
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read_as_pyarrow_writes_it_whatever_its_compression() {
    let all = PairSplit::PassageShare { share: 0.0 };
    let codecs = ["none", "snappy", "gzip", "lz4", "brotli"];
    let zstd = cfg!(feature = "parquet-zstd").then_some("zstd");
    for codec in codecs.into_iter().chain(zstd) {
        let pairs = Pairs::new(golden(&format!("{codec}.parquet"))).with_columns(of_sentence_transformers());
        let dataset = pairs.with_split(all.clone()).load().unwrap();
        let text = |passage: &u32| dataset.passages.text(*passage);
        let pairs: Vec<(&str, &str)> =
            dataset.train.iter().map(|pair| (dataset.queries.text(pair.query), text(&pair.passage))).collect();
        let expected = [
            ("hills of Rome", "Seven hills."),
            ("river of Rome", "The Tiber."),
            ("river of Rome", "A river."),
            ("gases", "Oxygen."),
            ("Größe ☃", "Size."),
        ];
        assert_eq!(pairs, expected, "{codec}");
        let negatives: Vec<Vec<&str>> =
            (0..5).map(|pair| dataset.negatives.of(pair).iter().map(text).collect()).collect();
        assert_eq!(negatives, [vec!["Oxygen."], vec![], vec![], vec![], vec!["Seven hills."]]);
        let topics = dataset.topics.as_ref().unwrap();
        // A topic that is missing is none, and "Oxygen." is first of all a negative.
        assert_eq!(
            dataset.train.iter().map(|pair| topics.name(pair.passage)).collect::<Vec<_>>(),
            ["7", "7", "7", "", "9"]
        );
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_that_cannot_be_read_is_named_with_its_column() {
    let error = |path: PathBuf| {
        let error = Pairs::new(&path).with_columns(of_sentence_transformers()).load().unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}").replace(&format!("{}/", path.parent().unwrap().display()), "")
    };
    assert_eq!(error(golden("fraction.parquet")), "fraction.parquet: column `anchor` is a fraction, expected text");
    let Err(DataError::NoColumn { found, .. }) = Pairs::new(golden("none.parquet")).load() else { panic!("no column") };
    assert_eq!(found, ["id", "anchor", "positive", "topic", "negative", "scores"]);
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(golden("snappy.parquet")).unwrap();
    let broken = folder.path().join("broken.parquet");
    for content in [&whole[..whole.len() / 2], b"not Parquet at all", b""] {
        std::fs::write(&broken, content).unwrap();
        assert!(error(broken.clone()).starts_with("broken.parquet cannot be read as Parquet: "));
    }
    if !cfg!(feature = "parquet-zstd") {
        let message = error(golden("zstd.parquet"));
        assert!(
            message.starts_with("zstd.parquet cannot be read as Parquet: ") && message.contains("zstd"),
            "{message}"
        );
    }
}

/// Two sources beside the folder of [`Bench`]: pairs of other words as JSON lines with negatives, and as a table without a header.
fn with_sources() -> Bench {
    let bench = Bench::new();
    let pair = |n: usize| {
        let words = ["ash", "oak", "elm", "fir", "yew", "bay"];
        let (query, negative) = (words[n % 6], words[(n + 1) % 6]);
        format!(
            "{{\"query\": \"{query} {n}\", \"passage\": \"tree {query} number {n}\", \"negatives\": [\"tree {negative} {n}\"]}}\n"
        )
    };
    bench.write("trees.jsonl", &(0..40).map(pair).collect::<String>());
    let row = |n: usize| format!("song {n}\tmelody of the song {n}\n");
    bench.write("songs.tsv", &(0..20).map(row).collect::<String>());
    let sources = r#"
[[data.source]]
name = "items"
[[data.source]]
name = "trees"
format = "pairs"
path = "trees.jsonl"
test_share = 0.3
[[data.source]]
name = "songs"
format = "pairs"
path = "songs.tsv"
test_share = 0.0
limit = 12
query_prompt = "lyrics: "
"#;
    bench.write("config.toml", &(bench.read("config.toml") + sources));
    bench
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn several_sources_train_and_are_scored_one_by_one() {
    let bench = with_sources();
    let settings = ["run", "config.toml", "--set", "train.epochs=1", "--set", "loss.hard_negatives=1"];
    let (stdout, _) = bench.succeed(&settings);
    let counts = json(&bench.read("run/pairs.json"))["counts"].clone();
    // 96 items of 83 pairs, 40 trees with their negatives of as many texts, 20 songs of which 12 train.
    assert_eq!(counts["passages"], 96 + 40 + 40 + 20);
    let tested = counts["test_queries"].as_u64().unwrap() - 13;
    assert_eq!(counts["train_pairs"], 83 + (40 - tested) + 12);
    assert_eq!(counts["judgements_over_limit"], 8);
    assert_eq!(counts["negatives"], 40 - tested);
    assert!(stdout.contains("items (13 queries)") && stdout.contains("songs (0 queries)"), "{stdout}");
    let compared = json(&bench.read("run/compare.json"));
    let by_source = compared["rows"][0]["by_source"].as_array().unwrap();
    assert!(by_source[0].is_f64() && by_source[1].is_f64() && by_source[2].is_null(), "{by_source:?}");
}

/// The source of each pair, by its query's place behind the others' in the data.
fn sources_of_batches(bench: &Bench, settings: &[&str]) -> Vec<Vec<usize>> {
    for command in ["embed", "cluster"] {
        let mut arguments = vec![command, "config.toml", "--force"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        bench.succeed(&arguments);
    }
    bench.succeed(&["plan", "run"]);
    let counts = json(&bench.read("run/pairs.json"))["counts"].clone();
    let trees = 83..counts["train_pairs"].as_u64().unwrap() as u32 - 12;
    let plan = vectors::read_labels(&bench.path("run/plan-epoch-0.npy")).unwrap();
    let source = |&pair: &u32| if trees.contains(&pair) { 1 } else { 2 * usize::from(pair >= trees.end) };
    plan.chunks(4).map(|batch| batch.iter().map(source).collect()).collect()
}

#[test]
fn a_batch_is_of_one_source_and_sources_come_as_often_as_they_weigh() {
    let bench = with_sources();
    let by_source =
        ["sampler.by_source=true", "sampler.batch_size=4", "run.arms=[]", "cluster.of=none", "sampler.leftovers=drop"];
    let batches = sources_of_batches(&bench, &by_source);
    assert!(batches.iter().all(|batch| batch.iter().all(|source| *source == batch[0])));
    let count = |batches: &[Vec<usize>], source| batches.iter().filter(|batch| batch[0] == source).count();
    assert_eq!([0, 2].map(|source| count(&batches, source)), [20, 3]);
    // Twelve pairs times six weigh as much as 72.
    bench.write("config.toml", &bench.read("config.toml").replace("limit = 12", "limit = 12\nweight = 6.0"));
    let weighted = sources_of_batches(&bench, &by_source);
    assert!(weighted.iter().all(|batch| batch.iter().all(|source| *source == batch[0])));
    let [items, songs] = [0, 2].map(|source| count(&weighted, source) as f64);
    assert!((songs / items - 72.0 / 83.0).abs() < 0.15, "{items} and {songs}");
    let clustered: Vec<&str> = by_source.iter().copied().filter(|&set| set != "cluster.of=none").collect();
    let clustered = sources_of_batches(&bench, &[&clustered[..], &["cluster.k=2"]].concat());
    assert!(clustered.iter().all(|batch| batch.iter().all(|source| *source == batch[0])));
}

#[test]
fn what_is_wrong_with_a_source_is_named_by_its_key() {
    let bench = with_sources();
    let fail = |settings: &[&str]| {
        let mut arguments = vec!["embed", "config.toml", "--set", "run.dir=elsewhere"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        bench.fail(&arguments)
    };
    let message = fail(&["sampler.by_source=true", "sampler.kind=uniform"]);
    assert!(message.contains("sampler.by_source = true"), "{message}");
    let config = bench.read("config.toml");
    for (from, to, expected) in [
        ("limit = 12", "limt = 12", "source `songs`: unknown field `limt`"),
        ("limit = 12", "limit = 0", "source `songs`: data.limit = 0"),
        ("test_share = 0.3", "test_share = 1.0", "source `trees`: data.test_share = 1"),
        ("limit = 12", "triples = \"x.tsv\"", "source `songs`: data.triples = given"),
        ("limit = 12", "sample = 5", "source `songs`: data.sample = given"),
        ("name = \"songs\"", "name = \"trees\"", "data.sources.name"),
        ("name = \"songs\"", "name = \"\"", "data.sources.name"),
        ("limit = 12", "weight = 2.0", "weights of data.sources"),
        ("limit = 12", "weight = -1.0", "data.sources.weight = -1"),
        ("path = \"songs.tsv\"", "path = \"nowhere.tsv\"", "nowhere.tsv cannot be read"),
    ] {
        bench.write("config.toml", &config.replace(from, to));
        let message = fail(&[]);
        assert!(message.contains(expected), "{to}: {message}");
    }
    bench.write("config.toml", &config.replace("limit = 12", "validation_share = 0.5"));
    bench.succeed(&["embed", "config.toml", "--set", "run.dir=valid", "--set", "train.evaluate_every=5"]);
    bench.write("config.toml", &config);
    bench.write("songs.tsv", "song\tmelody\nsong\n");
    let message = fail(&[]);
    assert!(message.contains("songs.tsv:2: no field `passage`"), "{message}");
    let message = bench.fail(&["embed", "config.toml", "--set", "data.sources=[]", "--set", "sampler.by_source=true"]);
    assert!(message.contains("sampler.by_source = true"), "{message}");
}
