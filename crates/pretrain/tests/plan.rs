//! `pretrain plan --labels`: labels in, a plan and its report out, and one clear error for bad input.

mod common;

use std::collections::HashSet;
use std::path::Path;

use common::{Bench, npy};
use serde_json::Value;
use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig};

const ARGUMENTS: [&str; 7] = ["plan", "--labels", "labels.npy", "--batch-size", "8", "--out", "plan.npy"];
const POLICIES: [(&str, Leftovers); 4] =
    [("drop", Leftovers::Drop), ("carry", Leftovers::Carry), ("merge", Leftovers::Merge), ("mix", Leftovers::Mix)];

/// 120 pairs of strata 0, 1, 3 and 4: 60, 40, 15 and 5.
fn labels() -> Vec<u32> {
    (0..120).map(|pair| [0, 1, 0, 3, 0, 1, 0, 1, 0, 4, 0, 1][pair % 12].min(if pair < 60 { 4 } else { 3 })).collect()
}

fn bench() -> Bench {
    let bench = Bench::new();
    write(&bench, "labels.npy", npy(&[120], labels()));
    bench
}

fn write(bench: &Bench, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(bench.path(name), bytes).expect("a written file");
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ARGUMENTS.iter().chain(more).copied().collect()
}

/// The plan and its report, after `arguments` wrote them.
fn planned(bench: &Bench, more: &[&str]) -> (Vec<u32>, Value) {
    let (stdout, _) = bench.succeed(&with(more));
    assert_eq!(stdout, "plan.npy\nplan.json\n");
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
    let plan = vectors::read_labels(&bench.path("plan.npy")).expect("a plan");
    let report = serde_json::from_str(&bench.read("plan.json")).expect("JSON");
    (plan, report)
}

/// `arguments` fail with every expected part in the error, and write nothing.
fn fails(bench: &Bench, arguments: &[&str], expected: &[&str]) {
    let stderr = bench.fail(arguments);
    for part in expected {
        assert!(stderr.contains(part), "no {part:?} in: {stderr}");
    }
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
    assert!(!bench.path("plan.npy").exists() && !bench.path("plan.json").exists());
}

#[test]
fn the_plan_is_the_samplers_under_every_policy() {
    let bench = bench();
    let labels = labels();
    for (name, leftovers) in POLICIES {
        for epoch in [0, 3] {
            let config = StratifiedConfig::new(8).with_leftovers(leftovers).with_seed(7);
            let sampler = config.build(&labels).unwrap();
            let epoch_argument = epoch.to_string();
            let (plan, report) = planned(&bench, &["--leftovers", name, "--seed", "7", "--epoch", &epoch_argument]);
            assert_eq!(plan, sampler.plan(epoch), "{name}, epoch {epoch}");

            let batches: Vec<&[u32]> = plan.chunks(8).collect();
            assert_eq!(report["batches"], batches.len(), "{name}, epoch {epoch}");
            assert_eq!(report["last_batch"], batches[batches.len() - 1].len(), "{name}, epoch {epoch}");
            let settings = [&report["batch_size"], &report["leftovers"], &report["seed"], &report["epoch"]];
            assert_eq!(settings, [&8.into(), &name.into(), &7.into(), &Value::from(epoch)]);
            let summary = serde_json::to_value(sampler.report(epoch)).unwrap();
            for (key, value) in summary.as_object().unwrap() {
                assert_eq!(&report[key], value, "{name}, epoch {epoch}: {key}");
            }
        }
    }
}

#[test]
fn batches_are_of_one_stratum_and_pairs_come_once() {
    let bench = bench();
    let (plan, report) = planned(&bench, &["--leftovers", "drop"]);
    let labels = labels();
    for batch in plan.chunks(8) {
        assert_eq!(batch.iter().map(|&pair| labels[pair as usize]).collect::<HashSet<_>>().len(), 1);
    }
    assert_eq!(plan.iter().collect::<HashSet<_>>().len(), plan.len());
    assert_eq!(report["strata"].as_array().unwrap().len(), 4, "strata without pairs are none");

    let (mut plan, report) = planned(&bench, &[]);
    plan.sort_unstable();
    assert_eq!(plan, (0..120).collect::<Vec<_>>());
    assert_eq!(report["leftovers"], serde_json::to_value(Leftovers::default()).unwrap());
}

#[test]
fn a_last_batch_may_be_shorter_and_the_report_says_so() {
    let bench = bench();
    write(&bench, "labels.npy", npy(&[117], labels()[..117].iter().copied()));
    let (plan, report) = planned(&bench, &[]);
    assert_eq!((plan.len(), &report["batches"], &report["last_batch"]), (117, &15.into(), &5.into()));
    assert_eq!((&report["full"], &report["short"], &report["pairs"]), (&14.into(), &1.into(), &117.into()));
}

#[test]
fn integers_of_every_width_and_order_are_the_same_labels() {
    let bench = bench();
    let (expected, _) = planned(&bench, &[]);
    let arrays = [
        npy(&[120], labels().into_iter().map(u64::from)),
        npy(&[120], labels().into_iter().map(i64::from)),
        npy(&[120], labels().into_iter().map(|label| label as i32)),
        npy(&[120], labels().into_iter().map(|label| label as u16)),
        npy(&[120], labels().into_iter().map(|label| label as i16)),
        npy(&[120], labels().into_iter().map(|label| label as u8)),
        npy(&[120], labels().into_iter().map(|label| label as i8)),
        big_endian(&labels()),
    ];
    for array in arrays {
        write(&bench, "labels.npy", array);
        assert_eq!(planned(&bench, &[]).0, expected);
    }
}

/// As numpy writes them on a machine of that order.
fn big_endian(labels: &[u32]) -> Vec<u8> {
    let header = b"\x93NUMPY\x01\x00\x3a\x00{'descr': '>i8', 'fortran_order': False, 'shape': (120,)}\n";
    header.iter().copied().chain(labels.iter().flat_map(|&label| u64::from(label).to_be_bytes())).collect()
}

#[test]
fn merged_leftovers_go_to_the_stratum_of_the_nearest_centroid() {
    let bench = bench();
    let labels = labels();
    let config = StratifiedConfig::new(8).with_leftovers(Leftovers::Merge);
    // Stratum 2 has no pairs: though nearest to all, it is nobody's.
    let centroids = [[1.0, 0.1], [0.9, -0.4], [2.0, 2.0], [-0.9, 0.4], [-1.0, 0.1]];
    write(&bench, "c.npy", npy(&[5, 2], centroids.into_iter().flatten().map(|value: f64| value as f32)));
    let (plan, _) = planned(&bench, &["--leftovers", "merge", "--centroids", "c.npy"]);
    let sampler = config.clone().build_with_nearest(&labels, &[1, 0, 0, 4, 3]).unwrap();
    assert_eq!(plan, sampler.plan(0));

    let (by_size, _) = planned(&bench, &["--leftovers", "merge"]);
    assert_eq!(by_size, config.build(&labels).unwrap().plan(0));
    assert_ne!(by_size, plan);
}

#[test]
fn one_stratum_has_nothing_to_merge_with() {
    let bench = bench();
    write(&bench, "labels.npy", npy(&[20], [0_u32; 20]));
    write(&bench, "c.npy", npy(&[1, 2], [1.0_f32, 0.0]));
    let (plan, _) = planned(&bench, &["--leftovers", "merge", "--centroids", "c.npy"]);
    assert_eq!(plan.len(), 20);
}

#[test]
fn bad_labels_are_named_with_their_row() {
    let bench = bench();
    let bad = |array: Vec<u8>, expected: &[&str]| {
        write(&bench, "labels.npy", array);
        fails(&bench, &ARGUMENTS, expected);
    };
    bad(npy(&[3], [0_i64, 4, -1]), &["error: labels.npy: row 2 has label -1, expected 0 to 4294967295"]);
    bad(npy(&[3], [0_i32, -7, -1]), &["labels.npy: row 1 has label -7"]);
    bad(npy(&[2], [0_u64, 1 << 32]), &["labels.npy: row 1 has label 4294967296, expected 0 to 4294967295"]);
    bad(npy(&[2], [0.0_f32, 1.0]), &["labels.npy: element type '<f4', expected integers"]);
    bad(npy(&[2], [0.0_f64, 1.0]), &["labels.npy: element type '<f8', expected integers"]);
    bad(npy(&[2, 2], [0_u32, 1, 0, 1]), &["labels.npy: shape [2, 2], expected [n]"]);
    bad(npy(&[], [0_u32]), &["labels.npy: shape [], expected [n]"]);
    bad(npy(&[0], Vec::<u32>::new()), &["labels.npy: no pairs to draw from"]);
}

#[test]
fn a_damaged_file_is_named() {
    let bench = bench();
    let good = npy(&[120], labels());
    let bad = |bytes: &[u8], expected: &[&str]| {
        write(&bench, "labels.npy", bytes);
        fails(&bench, &ARGUMENTS, expected);
    };
    let length = good.len();
    bad(&good[..length - 3], &["labels.npy", &format!("{} bytes", length - 3), &format!("header says {length}")]);
    bad(&[&good[..], b"x"].concat(), &["labels.npy", &format!("{} bytes", length + 1)]);
    bad(&good[..40], &["labels.npy: failed to fill whole buffer"]);
    bad(b"0\n1\n2\n", &["labels.npy: magic not found for NPY file"]);
    bad(b"", &["labels.npy: magic not found for NPY file"]);
    std::fs::remove_file(bench.path("labels.npy")).unwrap();
    fails(&bench, &ARGUMENTS, &["labels.npy", "No such file"]);
    std::fs::create_dir(bench.path("labels.npy")).unwrap();
    fails(&bench, &ARGUMENTS, &["labels.npy", "directory"]);
}

#[test]
fn bad_centroids_are_named() {
    let bench = bench();
    let bad = |array: Vec<u8>, expected: &[&str]| {
        write(&bench, "c.npy", array);
        fails(&bench, &with(&["--leftovers", "merge", "--centroids", "c.npy"]), expected);
    };
    bad(npy(&[4, 2], [0.5_f32; 8]), &["labels.npy: row 9 has label 4, c.npy has 4 centroids"]);
    bad(npy(&[0, 2], Vec::<f32>::new()), &["labels.npy: row 0 has label 0, c.npy has 0 centroids"]);
    bad(npy(&[5, 2], [1_u32; 10]), &["c.npy: element type '<u4', expected float16, float32 or float64"]);
    bad(npy(&[10], [0.5_f32; 10]), &["c.npy: shape [10], expected [n, dim]"]);
    let not_finite = [0.5, 0.5, 0.5, f32::NAN, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
    bad(npy(&[5, 2], not_finite), &["c.npy: row 1 has NaN in column 1"]);
    std::fs::remove_file(bench.path("c.npy")).unwrap();
    fails(&bench, &with(&["--leftovers", "merge", "--centroids", "c.npy"]), &["c.npy", "No such file"]);
}

#[test]
fn a_batch_that_cannot_be_drawn_is_refused() {
    let bench = bench();
    let mut arguments = ARGUMENTS;
    arguments[4] = "61";
    let drop = [&arguments[..], &["--leftovers", "drop"]].concat();
    fails(&bench, &drop, &["labels.npy: nothing to draw: batch size 61, largest stratum 60 pairs"]);
    arguments[4] = "0";
    fails(&bench, &arguments, &["invalid value '0' for '--batch-size <N>'"]);
}

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let bench = bench();
    // clap's errors are followed by the usage, which is longer than `Bench::fail` lets an error be.
    let refused = |arguments: &[&str], expected: &[&str]| {
        let output = bench.pretrain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(expected.iter().all(|part| stderr.contains(part)), "no {expected:?} in: {stderr}");
        assert!(!bench.path("plan.npy").exists() && !bench.path("plan.json").exists());
    };
    refused(&["plan"], &["not provided:\n  <CONFIG|RUN>"]);
    refused(&ARGUMENTS[..3], &["not provided:", "--batch-size <N>", "--out <PLAN.npy>"]);
    refused(&ARGUMENTS[..5], &["not provided:\n  --out <PLAN.npy>"]);
    for option in [["--batch-size", "8"], ["--leftovers", "mix"], ["--out", "plan.npy"], ["--centroids", "c.npy"]] {
        refused(&["plan", "config.toml", option[0], option[1]], &["not provided:", "--labels <LABELS.npy>"]);
    }
    refused(&with(&["config.toml"]), &["cannot be used with", "--labels <LABELS.npy>"]);
    for option in [["--set", "cluster.k=3"], ["--device", "cpu"], ["--arm", "none"]] {
        refused(&with(&option), &["cannot be used with", option[0]]);
    }
    refused(&with(&["--force"]), &["cannot be used with", "--force"]);
    refused(&with(&["--leftovers", "keep"]), &["keep", "drop, carry, merge, mix"]);
    refused(&with(&["--centroids", "c.npy"]), &["'--centroids <CENTROIDS.npy>' needs '--leftovers merge'", "Usage"]);
    refused(&with(&["--epoch", "-1"]), &["'-1"]);
    refused(&["plan", "--labels", "labels.npy", "--batch-size", "-1", "--out", "plan.npy"], &["'-1"]);
    refused(&with(&["--epoch", "18446744073709551616"]), &["--epoch"]);
    for out in ["plan", "plan.json", ".npy"] {
        let mut arguments = ARGUMENTS;
        arguments[6] = out;
        refused(&arguments, &["--out <PLAN.npy>", "a file that ends in .npy"]);
    }
}

#[test]
fn what_is_read_is_not_overwritten() {
    let bench = bench();
    let before = npy(&[120], labels());
    let mut arguments = ARGUMENTS;
    arguments[6] = "./labels.npy";
    assert!(bench.fail(&arguments).contains("labels.npy: would be overwritten"));
    assert_eq!(std::fs::read(bench.path("labels.npy")).unwrap(), before);

    write(&bench, "plan.json", &before);
    let labelled_by_json = ["plan", "--labels", "plan.json", "--batch-size", "8", "--out", "plan.npy"];
    assert!(bench.fail(&labelled_by_json).contains("plan.json: would be overwritten"));
    assert_eq!(std::fs::read(bench.path("plan.json")).unwrap(), before);
    std::fs::remove_file(bench.path("plan.json")).unwrap();

    write(&bench, "plan.npy", npy(&[5, 2], [0.5_f32; 10]));
    let centroids = with(&["--leftovers", "merge", "--centroids", "plan.npy"]);
    assert!(bench.fail(&centroids).contains("plan.npy: would be overwritten"));
    assert_eq!(std::fs::read(bench.path("plan.npy")).unwrap(), npy(&[5, 2], [0.5_f32; 10]));
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_an_old_plan_stays() {
    let bench = bench();
    let (plan, _) = planned(&bench, &[]);
    write(&bench, "labels.npy", npy(&[1], [-1_i32]));
    bench.fail(&ARGUMENTS);
    assert_eq!(vectors::read_labels(&bench.path("plan.npy")).unwrap(), plan);

    write(&bench, "labels.npy", npy(&[120], labels()));
    for written in ["plan.npy", "plan.json"] {
        std::fs::remove_file(bench.path(written)).unwrap();
        std::fs::create_dir(bench.path(written)).unwrap();
        assert!(bench.fail(&ARGUMENTS).contains(&format!("error: {written}: ")));
        std::fs::remove_dir(bench.path(written)).unwrap();
        write(&bench, written, "");
    }
    let mut arguments = ARGUMENTS;
    arguments[6] = "config.toml/plan.npy";
    assert!(bench.fail(&arguments).contains("error: config.toml/plan.npy: "));
    arguments[6] = "new/folder/plan.npy";
    bench.succeed(&arguments);
    assert!(bench.path("new/folder/plan.json").exists());
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
}

#[test]
fn an_inspected_plan_says_what_its_batches_hold() {
    let bench = Bench::new();
    bench.succeed(&["embed", "config.toml"]);
    bench.succeed(&["cluster", "config.toml"]);
    let (all, _) = bench.succeed(&["plan", "run", "--inspect"]);
    for row in ["| unclustered ", "| query clusters ", "| passage clusters "] {
        assert!(all.contains(row), "{all}");
    }
    assert!(!all.contains("| stratum ") && !all.contains("| pairs alike "), "{all}");

    let (one, _) = bench.succeed(&["plan", "run", "--inspect", "--arm", "passages", "--batches", "1000"]);
    let cells = |row: &str| -> Vec<String> {
        let line = one.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row:?} in {one}"));
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells("| pairs alike ")[3], "5 of 5");
    let (expected, batches) = by_hand(&bench);
    let found = cells("| passage clusters ");
    assert_eq!(found[3], format!("{batches} of {batches}"));
    // A percentile is the end of its bin, and one negative of 1,200 is as near as the pair's own but for a last digit.
    for ((found, expected), off) in found[7..13].iter().zip(&expected).zip([5e-4, 5e-4, 1.5e-3, 0.1, 0.0, 0.1]) {
        assert!((number(found) - number(expected)).abs() <= off, "{one}\n{found} and by hand {expected}");
    }
    // Four clusters, whose pairs are all that were drawn.
    let strata = one.lines().skip_while(|line| !line.starts_with("| stratum ")).skip(2);
    let pairs: Vec<usize> =
        strata.map_while(|line| line.split('|').nth(2)).map(|pairs| pairs.trim().parse().expect("a number")).collect();
    assert_eq!((pairs.len(), pairs.iter().sum::<usize>()), (4, batches * BATCH));
    fails(&bench, &["plan", "run", "--inspect", "--rank", "0", "--world", "2"], &["--inspect", "cannot be used with"]);
}

#[test]
fn clusters_and_groups_are_proposed_and_nothing_is_written() {
    let bench = Bench::new();
    bench.succeed(&["embed", "config.toml"]);
    bench.succeed(&["cluster", "config.toml"]);
    let files = || -> Vec<_> { walk(&bench.path("run")).collect() };
    let before = files();
    let propose = ["plan", "run", "--propose", "--clusters", "2,8,3000", "--groups", "4,5"];
    let (text, _) = bench.succeed(&propose);
    assert_eq!(files(), before);
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let names: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(names, ["pairs alike", "2 clusters, whole", "8 clusters, groups of 4"], "{text}");
    assert!(text.contains("too few training queries have a second known answer"), "{text}");
    // By words that queries and passages do not share.
    assert!(text.contains("what it calls hard may not be"), "{text}");

    // Of those whose own passages are nearest least often.
    let (text, _) = bench.succeed(&[&propose[..], &["--most-false", "1"]].concat());
    let [whole, groups] = [1, 2].map(|row| number(rows[row][8]) / 100.0);
    let hardest = whole.min(groups);
    // Fewer clusters, where they are as hard but for the standard error of 80 pairs.
    let hardest = if whole <= hardest + (hardest * (1.0 - hardest) / 80.0).sqrt() { 2 } else { 8 };
    let config = pretrain::Config::parse(proposed(&text), &["sampler.batch_size=16".into()]).unwrap();
    assert_eq!(config.arms().unwrap()[0].config.cluster.kmeans.k, hardest, "{text}");
    fails(&bench, &["plan", "run", "--propose", "--most-false", "2"], &["--most-false", "0 to 1"]);
    fails(&bench, &["plan", "run", "--propose", "--clusters", "3000"], &["training pairs", "no batches of"]);
    fails(&bench, &["plan", "run", "--propose", "--inspect"], &["--inspect", "cannot be used with"]);
}

/// Each query with two answers, which have its words and one of their own.
#[test]
fn a_margin_is_proposed_where_queries_have_further_answers() {
    let bench = Bench::new();
    let text = |id: usize| format!("{} w{} w{}", ["red", "blue", "green"][id % 3], 10 + id / 3 % 8, 20 + id / 24);
    let document = |id: usize, of: &str| format!(r#"{{"_id":"d{id}{of}","title":"","text":"{} {of}{id}"}}"#, text(id));
    let queries = (0..72).map(|id| format!(r#"{{"_id":"q{id}","text":"{}"}}"#, text(id)));
    let corpus = (0..72).flat_map(|id| ["one", "two"].map(|of| document(id, of)));
    let train = (0..71).flat_map(|id| ["one", "two"].map(|of| format!("q{id}\td{id}{of}\t1")));
    let lines = |lines: &mut dyn Iterator<Item = String>| lines.map(|line| line + "\n").collect::<String>();
    let head = || std::iter::once("query-id\tcorpus-id\tscore".to_owned());
    bench.write("data/queries.jsonl", &lines(&mut queries.into_iter()));
    bench.write("data/corpus.jsonl", &lines(&mut corpus.into_iter()));
    bench.write("data/qrels/train.tsv", &lines(&mut head().chain(train)));
    bench.write("data/qrels/test.tsv", &lines(&mut head().chain(["q71\td71one\t1".to_owned()])));
    bench.succeed(&["embed", "config.toml", "--set", "embedder.dim=512"]);
    bench.succeed(&["cluster", "config.toml", "--set", "embedder.dim=512"]);
    let (text, _) = bench.succeed(&["plan", "run", "--propose", "--clusters", "2", "--most-false", "1"]);
    let config = pretrain::Config::parse(proposed(&text), &[]).unwrap();
    let guide = config.arms().unwrap()[0].config.loss.guide.unwrap();
    // Both answers of a query are about as near, and negatives share two of its three words at most.
    assert!(guide.relative && (0.0..=0.3).contains(&guide.margin), "{text}");
    let masked: Vec<f64> = text.split_whitespace().filter(|word| word.ends_with('%')).map(number).collect();
    let [answers, negatives] = masked[masked.len() - 2..] else { panic!("{text}") };
    assert!(answers > 90.0 && negatives < 30.0, "{text}");
}

/// The configuration that a proposal ends with.
fn proposed(text: &str) -> &str {
    let start = text.find("[[run.arm]]").unwrap_or_else(|| panic!("nothing is proposed in {text}"));
    text[start..].split("\n\n").next().unwrap_or_default()
}

fn walk(folder: &std::path::Path) -> Box<dyn Iterator<Item = (std::path::PathBuf, u64)>> {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    Box::new(entries.into_iter().flat_map(|path| match path.is_dir() {
        true => walk(&path),
        false => Box::new(std::iter::once((path.clone(), path.metadata().expect("a file").len()))),
    }))
}

fn number(text: &str) -> f64 {
    text.trim_end_matches('%').parse::<f64>().expect("a number")
}

#[test]
fn pairs_whose_passage_is_far_from_their_query_are_not_drawn() {
    let bench = Bench::new();
    let within = [
        "--set",
        "sampler.consistent_within=20",
        "--set",
        "sampler.drop_last=false",
        "--set",
        "sampler.unique=[\"query\"]",
    ];
    bench.succeed(&[&["embed", "config.toml"][..], &within].concat());
    let (_, log) = bench.succeed(&[&["cluster", "config.toml"][..], &within].concat());
    let vectors = ["query", "passage"]
        .map(|side| vectors::NpyVectors::open(&bench.path(&format!("run/embeddings/{side}.npy"))).expect("vectors"));
    let [queries, passages] = vectors.each_ref().map(|file| file.array().expect("f32"));
    // Rows are of what is trained on, one query and one passage a pair.
    let is_near = |&pair: &u32| {
        let score = |row: usize| queries.row(pair as usize).dot(&passages.row(row));
        (0..83).filter(|&row| score(row) > score(pair as usize)).count() < 20
    };
    let near: Vec<u32> = (0..83).filter(is_near).collect();
    assert!(near.len() < 70 && near.len() > 5, "{near:?}");
    assert!(log.contains(&format!("of {} of 83 the passage is among the 20 nearest", near.len())), "{log}");
    for arm in ["none", "passages"] {
        let (files, _) = bench.succeed(&["plan", "run", "--arm", arm]);
        let mut plan = vectors::read_labels(&bench.path(files.lines().next().expect("a plan"))).expect("a plan");
        plan.sort_unstable();
        assert_eq!(plan, near, "{arm}");
    }
    bench.succeed(&[&["train", "config.toml"][..], &within].concat());
    let report: serde_json::Value = serde_json::from_str(&bench.read("run/arms/none/plan.json")).expect("JSON");
    assert_eq!((&report["pairs"], &report["seen"]), (&near.len().into(), &near.len().into()));
    // Another number is another stage, and what was trained before it is stale.
    let further = [&["--set", "sampler.consistent_within=30", "--force"], &within[2..]].concat();
    let stderr = bench.fail(&[&["train", "config.toml"][..], &further].concat());
    assert!(stderr.contains("pretrain cluster"), "{stderr}");
    let (_, log) = bench.succeed(&[&["run", "config.toml", "--set", "eval.baselines=false"][..], &further].concat());
    assert!(log.contains("among the 30 nearest") && log.contains("train none seed 0: done"), "{log}");
    // The samplers of a curriculum may keep others.
    let curriculum = "sampler.curriculum={clock=\"steps\",samplers=[{sampler={consistent_within=83}},{}],starts=[0,2]}";
    let curriculum = [&["--set", curriculum, "--set", "run.dir=rising"][..], &within].concat();
    bench.succeed(&[&["embed", "config.toml"][..], &curriculum].concat());
    bench.succeed(&[&["cluster", "config.toml"][..], &curriculum].concat());
    bench.succeed(&[&["train", "config.toml"][..], &curriculum].concat());
}

/// Pairs of a batch of the small corpus.
const BATCH: usize = 16;

/// Of the whole epoch of passage clusters: similarities of pairs and of negatives, the largest 95th percentile of a batch, the share of negatives that are
/// nearer than the pair's own and that are at 95% of it, the share of pairs whose own is nearest; and the number of batches.
fn by_hand(bench: &Bench) -> ([String; 6], usize) {
    let (files, _) = bench.succeed(&["plan", "run", "--arm", "passages"]);
    let plan = vectors::read_labels(Path::new(&bench.path(files.lines().next().expect("a plan")))).expect("a plan");
    let vectors = ["query", "passage"]
        .map(|side| vectors::NpyVectors::open(&bench.path(&format!("run/embeddings/{side}.npy"))).expect("vectors"));
    let [queries, passages] = vectors.each_ref().map(|file| file.array().expect("f32"));
    // Of what is trained on, one query and one passage a pair.
    assert_eq!((queries.nrows(), passages.nrows()), (83, 83));
    let (mut own, mut negative, mut p95, mut nearer, mut nearest, mut may_be_false) =
        (0.0, 0.0, 0.0_f64, 0.0, 0.0, 0.0);
    for batch in plan.chunks(BATCH) {
        let cosine = |a: u32, b: u32| -> f64 {
            let (a, b) = (queries.row(a as usize), passages.row(b as usize));
            f64::from(a.dot(&b)) / f64::from(a.dot(&a) * b.dot(&b)).sqrt()
        };
        let mut all = Vec::new();
        for &pair in batch {
            let negatives: Vec<f64> =
                batch.iter().filter(|&&other| other != pair).map(|&other| cosine(pair, other)).collect();
            let positive = cosine(pair, pair);
            own += positive;
            negative += negatives.iter().sum::<f64>();
            nearer += negatives.iter().filter(|&&value| value > positive).count() as f64;
            nearest += f64::from(u8::from(negatives.iter().all(|&value| value < positive)));
            may_be_false += negatives.iter().filter(|&&value| value >= positive - 0.05 * positive.abs()).count() as f64;
            all.extend(negatives);
        }
        all.sort_by(f64::total_cmp);
        p95 = p95.max(all[(all.len() as f64 * 0.95).ceil() as usize - 1]);
    }
    let (pairs, negatives) = (plan.len() as f64, (plan.len() * (BATCH - 1)) as f64);
    let share = |share: f64| format!("{:.2}%", 100.0 * share);
    let cosine = |value: f64| format!("{value:.3}");
    let shares = [nearer / negatives, nearest / pairs, may_be_false / negatives].map(share);
    let [a, b, c] = shares;
    ([cosine(own / pairs), cosine(negative / negatives), cosine(p95), a, b, c], plan.len() / BATCH)
}
