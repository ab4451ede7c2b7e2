//! Bad input gets one clear error that says what is wrong and where, and nothing is half-written.

mod common;

use common::Bench;

fn fails(bench: &Bench, settings: &[&str], expected: &[&str]) {
    let mut arguments = vec!["run", "config.toml"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let stderr = bench.fail(&arguments);
    for part in expected {
        assert!(stderr.contains(part), "no {part:?} in: {stderr}");
    }
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
}

#[test]
fn a_missing_file_is_named() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("data/queries.jsonl")).unwrap();
    fails(&bench, &[], &["data/queries.jsonl"]);
    assert!(!bench.path("run").exists(), "nothing is written before the data is read");
    assert!(bench.fail(&["run", "absent.toml"]).contains("absent.toml"));
}

#[test]
fn a_malformed_line_is_named_with_its_number() {
    let bench = Bench::new();
    let corpus = bench.read("data/corpus.jsonl").replacen(r#"{"_id":"d3""#, r#"{"_id":"d3"#, 1);
    bench.write("data/corpus.jsonl", &corpus);
    fails(&bench, &[], &["corpus.jsonl", "4"]);
}

#[test]
fn an_id_twice_with_different_content_is_named() {
    let bench = Bench::new();
    let corpus = bench.read("data/corpus.jsonl").replacen(r#""d3""#, r#""d2""#, 1);
    bench.write("data/corpus.jsonl", &corpus);
    fails(&bench, &[], &["corpus.jsonl", "d2"]);
}

#[test]
fn qrels_with_an_unknown_query_are_named() {
    let bench = Bench::new();
    let qrels = bench.read("data/qrels/train.tsv") + "nowhere\td1\t1\n";
    bench.write("data/qrels/train.tsv", &qrels);
    fails(&bench, &[], &["train.tsv", "nowhere"]);
}

#[test]
fn more_clusters_than_rows_are_refused() {
    fails(&Bench::new(), &["cluster.k=84"], &["83", "84"]);
}

#[test]
fn a_batch_larger_than_every_stratum_is_refused_where_leftovers_are_dropped() {
    fails(&Bench::new(), &["sampler.batch_size=70", "sampler.leftovers=drop", "run.arms=[\"passages\"]"], &["70"]);
    fails(&Bench::new(), &["sampler.batch_size=84"], &["84", "83"]);
}

#[test]
fn an_unknown_key_or_a_value_out_of_range_is_found_before_any_file_is_read() {
    let bench = Bench::new();
    std::fs::remove_dir_all(bench.path("data")).unwrap();
    fails(&bench, &["train.epoch=3"], &["epoch"]);
    fails(&bench, &["train.epochs=0"], &["train.epochs"]);
    fails(&bench, &["student.dim=0"], &["student.dim"]);
}

#[test]
fn a_run_folder_of_another_configuration_is_refused() {
    let bench = Bench::new();
    bench.succeed(&["embed", "config.toml"]);
    let before = bench.read("run/config.toml");
    fails(&bench, &["cluster.k=3"], &["another configuration", "cluster.k = 4 there, 3 here"]);
    assert_eq!(bench.read("run/config.toml"), before);
}

#[test]
fn damaged_model_folders_are_named() {
    let bench = Bench::new();
    bench.succeed(&["run", "config.toml", "--set", "run.arms=[\"none\"]", "--set", "eval.baselines=false"]);
    std::fs::rename(bench.path("run/model"), bench.path("model")).unwrap();
    let from = ["student.from=model", "run.dir=second"];

    let weights = bench.path("model/0_StaticEmbedding/model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    fails(&bench, &from, &["model.safetensors"]);
    std::fs::write(&weights, &whole).unwrap();

    let tokenizer = bench.path("model/0_StaticEmbedding/tokenizer.json");
    std::fs::remove_file(&tokenizer).unwrap();
    fails(&bench, &from, &["tokenizer.json"]);
    fails(&bench, &["student.from=nowhere", "run.dir=third"], &["nowhere"]);
}

#[test]
fn embeddings_that_changed_are_refused_and_made_again_by_a_run() {
    let bench = Bench::new();
    bench.succeed(&["embed", "config.toml"]);
    let path = bench.path("run/embeddings/passage.npy");
    let before = std::fs::read(&path).unwrap();
    let mut bytes = before.clone();
    let at = bytes.len() - 4 * 64 * 10;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let stderr = bench.fail(&["cluster", "config.toml"]);
    assert!(stderr.contains("passage.npy changed") && stderr.contains("`pretrain embed`"), "{stderr}");
    bench.succeed(&["run", "config.toml", "--set", "train.epochs=1", "--force"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_stage_before_its_input_says_which_stage_comes_first() {
    let bench = Bench::new();
    assert!(bench.fail(&["cluster", "config.toml"]).contains("pretrain embed"));
    assert!(bench.fail(&["eval", "config.toml"]).contains("pretrain train"));
    assert!(bench.fail(&["search", "config.toml", "opera"]).contains("pretrain eval"));
    assert!(bench.fail(&["search", "config.toml", "opera", "--set", "run.dir=new"]).contains("new is no run folder"));
    bench.write("empty/file", "");
    assert!(bench.fail(&["train", "empty"]).contains("empty is no run folder"));
}

#[test]
fn unknown_arms_and_missing_devices_say_what_there_is() {
    let bench = Bench::new();
    bench.succeed(&["embed", "config.toml"]);
    assert!(bench.fail(&["plan", "config.toml", "--arm", "topics"]).contains("passages seed 0"));
    if !cfg!(feature = "tch") {
        assert!(bench.fail(&["run", "config.toml", "--device", "tch"]).contains("--features tch"));
    }
}
