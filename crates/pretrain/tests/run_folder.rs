//! A stage trusts the content that the stages before it left, not what the configuration says of it.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};

use common::{Bench, npy};

/// One arm of passage clusters, trained for one epoch.
const QUICK: [&str; 6] =
    ["--set", "run.arms=[\"passages\"]", "--set", "train.epochs=1", "--set", "eval.baselines=false"];

fn with(arguments: &[&'static str]) -> Vec<&'static str> {
    [arguments, &QUICK].concat()
}

/// A finished quick run.
fn finished() -> Bench {
    let bench = Bench::new();
    bench.succeed(&with(&["run", "config.toml"]));
    bench
}

fn refused(bench: &Bench, arguments: &[&str], expected: &[&str]) {
    let stderr = bench.fail(arguments);
    for part in expected {
        assert!(stderr.contains(part), "no {part:?} in: {stderr}");
    }
}

/// Whether `stage` was run, and not skipped.
fn ran(stderr: &str, stage: &str) -> bool {
    stderr.lines().any(|line| line.starts_with(&format!("{stage}: done in ")))
}

fn clusters(bench: &Bench) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&bench.read("run/clusters/clusters.json")).unwrap()["clusters"].clone()
}

#[test]
fn training_on_clusters_of_another_configuration_is_refused_and_a_run_makes_them_anew() {
    let bench = finished();
    let other = ["--set", "cluster.k=3", "--force"];
    let expected = ["labels.npy", "cluster.k = 4, not 3", "run `pretrain cluster` again"];
    refused(&bench, &[&["train", "run"][..], &other].concat(), &expected);
    refused(&bench, &[&["eval", "run"][..], &other].concat(), &expected);
    assert_eq!(clusters(&bench), 4);
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "cluster passages") && ran(&stderr, "train passages seed 0"), "{stderr}");
    assert_eq!(clusters(&bench), 3);
}

#[test]
fn evaluating_a_model_of_another_configuration_is_refused() {
    let bench = finished();
    let expected = ["run/model", "train.epochs = 1, not 2", "run `pretrain train` again"];
    refused(&bench, &["eval", "run", "--set", "train.epochs=2", "--force"], &expected);
    refused(&bench, &["search", "run", "opera"], &expected);
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "train passages seed 0") && ran(&stderr, "evaluate passages seed 0"), "{stderr}");
}

#[test]
fn keys_of_evaluation_leave_training_as_it_is() {
    let bench = finished();
    let model = std::fs::read(bench.path("run/model/0_StaticEmbedding/model.safetensors")).unwrap();
    let settings = ["eval.max_passage_tokens=32", "eval.max_query_tokens=8", "eval.depth=100", "eval.resamples=100"];
    let mut arguments = vec!["run", "run", "--force"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let (_, stderr) = bench.succeed(&arguments);
    assert!(!ran(&stderr, "train passages seed 0") && ran(&stderr, "evaluate passages seed 0"), "{stderr}");
    assert_eq!(std::fs::read(bench.path("run/model/0_StaticEmbedding/model.safetensors")).unwrap(), model);
}

#[test]
fn data_edited_between_stages_is_found() {
    let bench = Bench::new();
    bench.succeed(&with(&["embed", "config.toml"]));
    bench.write("data/corpus.jsonl", &bench.read("data/corpus.jsonl").replacen("fluss", "strom", 1));
    let expected = ["embeddings/query.npy was made from other data", "run `pretrain embed` again"];
    refused(&bench, &with(&["cluster", "config.toml"]), &expected);
    bench.succeed(&with(&["run", "config.toml"]));

    bench.write("data/corpus.jsonl", &bench.read("data/corpus.jsonl").replacen("strom", "bach", 1));
    refused(&bench, &["search", "run", "opera"], &["data changed", "run `pretrain run` again"]);
    bench.succeed(&["embed", "run"]);
    refused(&bench, &["search", "run", "opera"], &["passages.npy", "made from other data"]);
    refused(&bench, &["eval", "run"], &["other data", "again"]);
    bench.succeed(&["run", "run"]);
    bench.succeed(&["search", "run", "opera"]);
}

#[test]
fn labels_that_were_edited_are_found() {
    let bench = finished();
    let path = bench.path("run/clusters/labels.npy");
    let before = std::fs::read(&path).unwrap();
    let mut edited = before.clone();
    let last = edited.len() - 8;
    edited.swap(last, last + 4);
    if edited == before {
        edited[last] ^= 1;
    }
    std::fs::write(&path, edited).unwrap();
    let expected = ["clusters/labels.npy changed since it was written", "run `pretrain cluster` again"];
    for command in ["train", "plan", "clusters"] {
        refused(&bench, &[command, "run"], &expected);
    }
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "cluster passages") && !ran(&stderr, "train passages seed 0"), "{stderr}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_model_that_was_replaced_is_found() {
    let bench = finished();
    bench.succeed(&with(&["run", "config.toml", "--set", "run.dir=other", "--set", "train.seed=1"]));
    std::fs::remove_dir_all(bench.path("run/model")).unwrap();
    std::fs::rename(bench.path("other/model"), bench.path("run/model")).unwrap();
    let expected = ["model.safetensors changed since it was written", "run `pretrain train` again"];
    refused(&bench, &["eval", "run"], &expected);
    refused(&bench, &["search", "run", "opera"], &expected);
    std::fs::remove_dir_all(bench.path("run/model")).unwrap();
    refused(&bench, &["eval", "run"], &["run/model is missing", "run `pretrain train` first"]);
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "train passages seed 0"), "{stderr}");
    bench.succeed(&["search", "run", "opera"]);
}

#[test]
fn vectors_of_passages_that_are_not_those_of_the_model_are_never_searched() {
    let bench = finished();
    let path = bench.path("run/passages.npy");
    let before = std::fs::read(&path).unwrap();
    let mut edited = before.clone();
    let end = edited.len();
    edited.copy_within(end - 128..end, end - 256);
    let others = [
        edited,
        npy(&[97, 32], vec![0.0_f32; 97 * 32]),
        npy(&[96, 16], vec![0.0_f32; 96 * 16]),
        npy(&[96], vec![0.0_f32; 96]),
    ];
    for other in others {
        std::fs::write(&path, other).unwrap();
        let expected = ["passages.npy changed since it was written", "run `pretrain eval` again"];
        refused(&bench, &["search", "run", "opera"], &expected);
    }
    std::fs::remove_file(&path).unwrap();
    refused(&bench, &["search", "run", "opera"], &["passages.npy is missing", "run `pretrain eval` first"]);
    bench.succeed(&["eval", "run"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    bench.succeed(&["search", "run", "opera"]);
}

#[test]
fn scores_that_were_edited_are_measured_again() {
    let bench = finished();
    let before = bench.read("run/eval.json");
    bench.write("run/eval.json", &before.replacen('{', "{ ", 1));
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "evaluate passages seed 0") && !ran(&stderr, "train passages seed 0"), "{stderr}");
    assert_eq!(bench.read("run/eval.json"), before);
}

#[test]
fn an_interrupted_stage_is_run_again() {
    let bench = finished();
    let mut stages: serde_json::Value = serde_json::from_str(&bench.read("run/stages.json")).unwrap();
    stages["stages"].as_object_mut().unwrap().remove("train passages seed 0").unwrap();
    bench.write("run/stages.json", &stages.to_string());
    refused(&bench, &["search", "run", "opera"], &["run/model", "not finished", "run `pretrain train` again"]);
    let (_, stderr) = bench.succeed(&["run", "run"]);
    assert!(ran(&stderr, "train passages seed 0") && !ran(&stderr, "cluster passages"), "{stderr}");
}

#[test]
fn a_run_folder_of_the_version_before_is_run_anew() {
    let bench = finished();
    let old = r#"{"embed": {"inputs": "9f86d081", "seconds": 0.1}, "cluster passages": {"inputs": "60303ae2", "seconds": 0.1}}"#;
    bench.write("run/stages.json", old);
    refused(&bench, &["train", "run"], &["of a stage that was not finished", "again"]);
    refused(&bench, &["search", "run", "opera"], &["of a stage that was not finished", "run `pretrain eval` again"]);
    let (_, stderr) = bench.succeed(&["run", "run"]);
    for stage in ["embed", "cluster passages", "train passages seed 0", "evaluate passages seed 0"] {
        assert!(ran(&stderr, stage), "{stage}: {stderr}");
    }
}

#[test]
fn a_second_process_is_told_who_holds_the_folder_while_searches_go_on() {
    let bench = finished();
    let lock = std::fs::File::options().write(true).open(bench.path("run/run.lock")).unwrap();
    lock.lock().unwrap();
    let holder = r#"{"process": 4242, "host": "elsewhere", "command": "pretrain run config.toml", "since": 0}"#;
    bench.write("run/run.lock", holder);
    let expected = ["run is in use by process 4242 on elsewhere", "h ago: pretrain run config.toml"];
    for command in ["run", "embed", "cluster", "train", "eval"] {
        refused(&bench, &[command, "run"], &expected);
    }
    bench.succeed(&["search", "run", "opera"]);
    bench.succeed(&["plan", "run"]);
    drop(lock);
    bench.succeed(&["run", "run"]);
}

#[test]
fn of_two_runs_started_at_once_one_is_refused_or_finds_all_done() {
    let bench = Bench::new();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_pretrain"))
            .args(with(&["run", "config.toml"]))
            .current_dir(bench.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let outputs = [start(), start()].map(|child| child.wait_with_output().unwrap());
    assert!(outputs.iter().any(|output| output.status.success()));
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("run is in use by "), "{stderr}");
    }
    assert!(!bench.succeed(&["run", "run"]).1.contains("done in"));
    assert!(bench.leftovers().is_empty());
}

#[test]
fn what_a_dead_process_left_half_written_is_removed() {
    let bench = finished();
    bench.write("run/.stages.json.4242.tmp", "{");
    bench.write("run/clusters/labels.npy.4242.tmp", "half");
    bench.succeed(&["run", "run"]);
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
}

#[cfg(unix)]
fn inode(bench: &Bench, file: &str) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&bench.path(file).metadata().unwrap())
}

#[cfg(unix)]
#[test]
fn runs_share_vectors_in_a_cache_and_replace_their_own_alone() {
    let bench = Bench::new();
    let run = |dir: &str, more: &[&str]| {
        let dir = format!("run.dir={dir}");
        let settings = [dir.as_str(), "embedder.cache=cache", "run.arms=[\"passages\"]", "train.epochs=1"];
        let mut arguments = vec!["run", "config.toml", "--force"];
        settings.iter().chain(more).for_each(|setting| arguments.extend(["--set", setting]));
        bench.succeed(&arguments).1
    };
    let entries =
        || -> Vec<_> { std::fs::read_dir(bench.path("cache")).unwrap().map(|entry| entry.unwrap().path()).collect() };
    let files = ["query.npy", "passage.npy", "corpus.npy"];
    let inodes = |dir: &str| files.map(|file| inode(&bench, &format!("{dir}/embeddings/{file}")));
    let taken = |stderr: &str| {
        files.map(|file| stderr.lines().any(|line| line.contains(" vectors from ") && line.ends_with(file)))
    };

    assert_eq!(taken(&run("one", &[])), [false; 3]);
    assert_eq!(taken(&run("two", &["cluster.k=3"])), [true; 3]);
    assert_eq!(inodes("one"), inodes("two"));
    let (entry, before) = (entries().remove(0), std::fs::read(bench.path("one/embeddings/query.npy")).unwrap());

    // Vectors of other settings are others; the cache may be moved.
    assert_eq!(taken(&run("two", &["embedder.dim=32"])), [false; 3]);
    assert_eq!(entries().len(), 2);
    assert_eq!(std::fs::read(bench.path("one/embeddings/query.npy")).unwrap(), before);
    std::fs::rename(bench.path("cache"), bench.path("moved")).unwrap();
    assert_eq!(taken(&run("two", &["embedder.cache=moved"])), [true; 3]);
    std::fs::rename(bench.path("moved"), bench.path("cache")).unwrap();

    // A foreign file is found, and the run that finds it puts it right.
    std::fs::remove_file(entry.join("query.npy")).unwrap();
    std::fs::write(entry.join("query.npy"), &before[..before.len() - 4]).unwrap();
    let stderr = run("three", &[]);
    assert_eq!(taken(&stderr), [false, true, true]);
    assert!(stderr.contains("query.npy: not used, made anew"), "{stderr}");
    assert_eq!(std::fs::read(bench.path("three/embeddings/query.npy")).unwrap(), before);
    assert_eq!(taken(&run("four", &[])), [true; 3]);

    let text = bench.read("data/corpus.jsonl");
    bench.write("data/corpus.jsonl", &text.replacen("fluss", "strom", 1));
    assert_eq!(taken(&run("five", &[])), [false; 3]);
    assert_eq!(entries().len(), 3);
    assert!(bench.leftovers().is_empty());
}

#[cfg(unix)]
#[test]
fn a_cache_knows_a_model_by_its_files_wherever_they_are() {
    let bench = Bench::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../embed/tests/golden/folders/st-6.2.0/prompts");
    for copy in ["a", "b"] {
        assert!(Command::new("cp").args(["-r", model]).arg(bench.path(copy)).status().unwrap().success());
    }
    let embed = |dir: &str, model: &str| {
        let settings = [format!("run.dir={dir}"), format!("embedder.path={model}")];
        let mut arguments =
            vec!["embed", "config.toml", "--set", "embedder.kind=bert", "--set", "embedder.cache=cache"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        bench.succeed(&arguments).1.matches(" vectors from cache/").count()
    };
    assert_eq!((embed("one", "a"), embed("two", "b")), (0, 2));
    assert_eq!(inode(&bench, "one/embeddings/query.npy"), inode(&bench, "two/embeddings/query.npy"));
    let config = bench.read("b/config.json");
    bench.write("b/config.json", &(config + "\n"));
    assert_eq!(embed("three", "b"), 0);
}

#[test]
fn a_cache_is_no_part_of_what_a_run_is() {
    let bench = finished();
    let (_, stderr) = bench.succeed(&["run", "run", "--set", "embedder.cache=cache"]);
    assert!(stderr.contains("embed: unchanged, skipped"), "{stderr}");
    assert!(!bench.read("run/stages.json").contains("cache"));
    // One that cannot be written costs no run.
    bench.write("file", "");
    let arguments = with(&["embed", "config.toml", "--set", "run.dir=other", "--set", "embedder.cache=file/cache"]);
    let (_, stderr) = bench.succeed(&arguments);
    assert!(stderr.contains("vectors are not kept there"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_model_folder_of_links_as_a_hub_keeps_it_is_hashed_by_content() {
    use std::os::unix::fs::symlink;
    let bench = finished();
    let snapshot = bench.path("cache/snapshot");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::rename(bench.path("run/model"), bench.path("cache/blobs")).unwrap();
    for name in ["modules.json", "0_StaticEmbedding", "1_Normalize"] {
        symlink(format!("../blobs/{name}"), snapshot.join(name)).unwrap();
    }
    symlink("..", snapshot.join("loop")).unwrap();
    let arguments = with(&["run", "config.toml", "--set", "student.from=cache/snapshot", "--set", "run.dir=second"]);
    bench.succeed(&arguments);
    assert!(!bench.succeed(&arguments).1.contains("done in"));
    let weights = bench.path("cache/blobs/0_StaticEmbedding/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let (_, stderr) = bench.succeed(&arguments);
    assert!(ran(&stderr, "train passages seed 0"), "{stderr}");
}
