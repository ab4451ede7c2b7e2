//! A small corpus learns, and every stage can be run alone, skipped and asked.

#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;

fn ndcg(bench: &Bench, system: &str) -> f64 {
    let comparison: serde_json::Value = serde_json::from_str(&bench.read("run/compare.json")).unwrap();
    let rows = comparison["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["system"] == system).unwrap();
    row["means"][0].as_f64().unwrap()
}

#[test]
fn a_small_corpus_learns_in_every_arm_and_the_table_names_every_row() {
    let bench = Bench::new();
    let (stdout, _) = bench.succeed(&["run", "config.toml"]);
    for row in ["unclustered", "query clusters", "passage clusters", "untrained student", "BM25", "clustering embedder"]
    {
        assert!(stdout.contains(row), "{stdout}");
    }
    for arm in ["unclustered", "query clusters", "passage clusters"] {
        assert!(ndcg(&bench, arm) > ndcg(&bench, "untrained student") + 0.2, "{stdout}");
    }
    let steps = |arm: &str| bench.read(&format!("run/arms/{arm}/metrics.jsonl")).lines().count();
    assert_eq!([steps("none"), steps("queries"), steps("passages")], [40; 3]);
    let page = bench.read("run/report.html");
    for shown in ["unclustered", "query clusters", "BM25", "nDCG@10", "sternnebel", "</html>"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(bench.leftovers().is_empty());
}

#[test]
fn stages_run_alone_and_again_only_where_their_inputs_changed() {
    let bench = Bench::new();
    for stage in ["embed", "cluster", "train", "eval"] {
        bench.succeed(&[stage, "config.toml"]);
    }
    let (_, again) = bench.succeed(&["run", "run"]);
    assert!(!again.contains("done in"), "{again}");

    let (_, deeper) = bench.succeed(&["run", "run", "--set", "eval.depth=120", "--force"]);
    assert!(
        deeper.contains("train none seed 0: unchanged") && deeper.contains("evaluate none seed 0: done"),
        "{deeper}"
    );

    // What is left out is what is not there.
    std::fs::remove_file(bench.path("run/compare.json")).unwrap();
    let (path, _) = bench.succeed(&["report", "run"]);
    assert_eq!(path, "run/report.html\n");

    let vectors = bench.path("run/embeddings/query.npy");
    std::fs::remove_file(&vectors).unwrap();
    let (_, restored) = bench.succeed(&["embed", "run"]);
    assert!(restored.contains("embed: done") && vectors.exists());
}

/// The corpus is embedded where the embedder is judged: the texts of training pairs by the rows that there are.
#[test]
fn what_is_not_trained_on_is_embedded_only_to_judge_the_embedder() {
    let bench = Bench::new();
    let rows = |name: &str| {
        let file = vectors::NpyVectors::open(&bench.path(&format!("run/embeddings/{name}.npy"))).unwrap();
        file.array().unwrap().to_owned()
    };
    bench.succeed(&["run", "config.toml", "--set", "eval.baselines=false"]);
    let trained = rows("passage");
    assert_eq!((trained.nrows(), rows("query").nrows()), (83, 83));
    assert!(!bench.path("run/embeddings/corpus.npy").exists());

    let (_, log) = bench.succeed(&["eval", "run", "--set", "eval.baselines=true", "--force"]);
    assert!(log.contains("embed corpus: done") && !log.contains("embed: done"), "{log}");
    let corpus = rows("corpus");
    assert_eq!(corpus.nrows(), 96);
    let of_training: Vec<usize> = (0..96).filter(|id| id % 7 != 6).collect();
    assert_eq!(corpus.select(ndarray::Axis(0), &of_training), trained);
    assert!(corpus.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5));
    // A finished judgement needs them no more.
    std::fs::remove_file(bench.path("run/embeddings/corpus.npy")).unwrap();
    let (_, again) = bench.succeed(&["eval", "run"]);
    assert!(again.contains("evaluate clustering embedder: unchanged"), "{again}");
}

#[test]
fn clusters_of_the_device_are_those_of_the_processor() {
    let labels = |on_device: &str| {
        let bench = Bench::new();
        for stage in ["embed", "cluster"] {
            bench.succeed(&[stage, "config.toml", "--set", on_device]);
        }
        std::fs::read(bench.path("run/arms/passages/clusters/labels.npy")).unwrap()
    };
    assert_eq!(labels("cluster.on_device=true"), labels("cluster.on_device=false"));
}

#[test]
fn the_same_seed_gives_the_same_scores() {
    let [a, b] = [Bench::new(), Bench::new()];
    for bench in [&a, &b] {
        bench.succeed(&["run", "config.toml", "--set", "run.arms=[\"passages\"]", "--threads", "1"]);
    }
    assert_eq!(a.read("run/eval.json"), b.read("run/eval.json"));
}

#[test]
fn several_seeds_share_embeddings_and_clusters_and_give_deviations() {
    let bench = Bench::new();
    let (stdout, _) =
        bench.succeed(&["run", "config.toml", "--set", "run.seeds=[0,1]", "--set", "eval.baselines=false"]);
    assert!(stdout.contains("±"), "{stdout}");
    assert!(bench.path("run/arms/none/seed-1/model/modules.json").exists());
    assert!(bench.path("run/arms/queries/clusters/labels.npy").exists());
}

#[test]
fn a_finished_run_plans_searches_and_shows_its_clusters() {
    let bench = Bench::new();
    bench.succeed(&["run", "config.toml", "--set", "eval.baselines=false"]);
    let (found, _) = bench.succeed(&["search", "run", "huge red opera", "-k", "2"]);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 4, "{found}");
    // Each with its title, which is a topic, and its whole text.
    assert!(lines[0].contains("  d") && lines[0].contains("  (t"), "{found}");
    assert!(lines[1].starts_with("       ") && lines[1].split_whitespace().count() == 3, "{found}");

    // Without a query, each line of stdin that is not blank.
    let (answers, _) = bench.succeed_with(&["search", "run", "-k", "2"], "huge red opera\n\nsmall blue river\n");
    assert_eq!((answers.lines().count(), answers.starts_with(&found)), (10, true), "{answers}");

    let card = bench.read("run/arms/passages/model/README.md");
    let scores: serde_json::Value = serde_json::from_str(&bench.read("run/arms/passages/eval.json")).unwrap();
    let ndcg = format!("| nDCG@10 | {:.4} |", scores["means"][0].as_f64().unwrap());
    assert!(card.contains(&ndcg) && card.contains("16 pairs, passage clusters"), "no {ndcg} in {card}");

    let (clusters, _) = bench.succeed(&["clusters", "run", "--arm", "passages"]);
    assert_eq!(clusters.lines().filter(|line| line.starts_with("cluster ")).count(), 4, "{clusters}");

    let (plan, _) = bench.succeed(&["plan", "run", "--arm", "queries", "--epoch", "1"]);
    let report: serde_json::Value = serde_json::from_str(&bench.read(plan.lines().nth(1).unwrap())).unwrap();
    assert_eq!((&report["pairs"], &report["batches"], &report["seen"]), (&83.into(), &5.into(), &80.into()));
}

#[test]
fn a_bert_from_scratch_goes_the_same_way() {
    let bench = Bench::new();
    let settings =
        ["student.kind=bert", "student.layers=1", "student.heads=2", "train.epochs=1", "run.arms=[\"passages\"]"];
    let mut arguments = vec!["run", "config.toml"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    bench.succeed(&arguments);
    assert!(bench.path("run/model/1_Pooling/config.json").exists());
}

#[test]
fn data_without_training_pairs_can_be_embedded_and_evaluated_but_not_run() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("data/qrels/train.tsv")).unwrap();
    assert!(bench.fail(&["run", "config.toml"]).contains("qrels/train.tsv"));
    bench.succeed(&["embed", "config.toml"]);
    let (stdout, _) = bench.succeed(&["eval", "config.toml"]);
    assert!(
        stdout.contains("BM25") && stdout.contains("clustering embedder") && !stdout.contains("unclustered"),
        "{stdout}"
    );
    let (found, _) = bench.succeed(&["search", "run", "riesig oper"]);
    assert!(found.contains("riesig"), "{found}");
    bench.succeed(&["cluster", "config.toml"]);
    assert!(bench.succeed(&["clusters", "run"]).0.contains("cluster "));
}

#[test]
fn a_student_in_training_is_judged_on_the_validation_split_and_the_best_step_is_kept() {
    let bench = Bench::new();
    let common = ["run", "config.toml", "--set", "data.validation_share=0.3", "--set", "eval.baselines=false"];
    let with = |dir: &str, settings: &[&str]| {
        let dir = format!("run.dir={dir}");
        let mut arguments = [&common[..], &["--set", "run.arms=[\"none\"]", "--set", &dir]].concat();
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        bench.succeed(&arguments);
    };
    let lines = |dir: &str| -> Vec<serde_json::Value> {
        let text = bench.read(&format!("{dir}/metrics.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let judged = ["train.evaluate_every=2", "train.checkpoint_every=2"];
    with("plain", &[]);
    with("last", &judged);
    with("best", &[&judged[..], &["train.keep=best"]].concat());

    let steps = lines("plain").len();
    let validations: Vec<(u64, f64)> = lines("best")
        .iter()
        .filter(|line| line["validation"].is_object())
        .map(|line| (line["step"].as_u64().unwrap(), line["validation"]["nDCG@10"].as_f64().unwrap()))
        .collect();
    assert_eq!(validations.len(), steps.div_ceil(2));
    assert_eq!(validations.last().unwrap().0 as usize, steps - 1);
    // To be judged changes nothing of the training.
    assert_eq!(bench.read("plain/eval.json"), bench.read("last/eval.json"));
    // Of equally good steps the first is kept: that of its checkpoint.
    let best = validations.iter().fold((0, 0.0), |best, &now| if now.1 > best.1 { now } else { best });
    let weights =
        |folder: String| std::fs::read(bench.path(&folder).join("0_StaticEmbedding/model.safetensors")).unwrap();
    assert!(best.0 as usize + 1 < steps, "the last step is the first of the best: {validations:?}");
    assert!(weights("best/model".into()) == weights(format!("best/checkpoints/step-{}", best.0 + 1)));
    assert!(weights("best/model".into()) != weights("last/model".into()));
}

#[test]
fn prompts_are_trained_with_exported_and_part_of_the_stage() {
    let bench = Bench::new();
    let common = ["--set", "eval.baselines=false", "--set", "run.arms=[\"none\"]"];
    bench.succeed(&[&["run", "config.toml"], &common[..]].concat());
    let plain = std::fs::read(bench.path("run/model/0_StaticEmbedding/model.safetensors")).unwrap();
    let prompt = ["--force", "--set", "student.query_prompt=\"huge opera \""];
    let (_, log) = bench.succeed(&[&["run", "config.toml"], &common[..], &prompt].concat());
    assert!(log.contains("train none seed 0: done") && log.contains("embed: unchanged"), "{log}");
    assert!(bench.read("run/model/config_sentence_transformers.json").contains("huge opera "));
    assert!(plain != std::fs::read(bench.path("run/model/0_StaticEmbedding/model.safetensors")).unwrap());
}

#[test]
fn texts_are_cut_at_what_the_student_takes_with_a_warning() {
    let bench = Bench::new();
    let settings =
        ["student.kind=bert", "student.layers=1", "student.heads=2", "train.epochs=1", "run.arms=[\"none\"]"];
    let mut arguments = vec!["run", "config.toml", "--set", "train.max_passage_tokens=4000"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let (_, log) = bench.succeed(&arguments);
    assert!(log.contains("train.max_passage_tokens = 4000: the student takes 512 tokens"), "{log}");
    assert!(bench.read("run/model/sentence_bert_config.json").contains("512"));
}

#[test]
fn arms_as_tables_draw_as_they_say_and_the_table_says_how_they_differ() {
    let bench = Bench::new();
    let config = bench.read("config.toml").replace("arms = [\"none\", \"queries\", \"passages\"]", "") + ARMS;
    bench.write("arms.toml", &config);
    let (table, _) = bench.succeed(&["run", "arms.toml", "--set", "eval.baselines=false"]);
    for row in ["| none ", "| groups ", "| rising ", "| topics "] {
        assert!(table.contains(row), "{table}");
    }
    assert!(table.contains("groups: cluster.k = 8, sampler.group = 4, sampler.kind = \"topic-aware\""), "{table}");
    let report: serde_json::Value = serde_json::from_str(&bench.read("run/arms/groups/plan.json")).unwrap();
    assert_eq!((&report["pure"], &report["mixed"]), (&0.into(), &report["batches"]), "{report}");
    let (plan, _) = bench.succeed(&["plan", "run", "--arm", "groups", "--rank", "1", "--world", "4"]);
    assert!(plan.contains("plan-epoch-0-rank-1-of-4.npy"), "{plan}");
}

const ARMS: &str = r#"
[[run.arm]]
name = "none"
cluster.of = "none"

[[run.arm]]
name = "groups"
cluster.k = 8
sampler.kind = "topic-aware"
sampler.group = 4

[[run.arm]]
name = "rising"
sampler.unique = ["passage"]
sampler.curriculum = { clock = "epochs", starts = [0, 1], samplers = [{ sampler.kind = "uniform" }, { cluster.levels = [2, 4] }] }

[[run.arm]]
name = "topics"
cluster.of = "topics"
sampler.leftovers = "carry"
sampler.weights = "equal"
"#;

#[test]
fn a_guide_masks_by_the_embeddings_which_the_stage_then_depends_on() {
    let bench = Bench::new();
    let arguments =
        ["config.toml", "--set", "run.arms=[\"none\"]", "--set", "train.epochs=1", "--set", "eval.baselines=false"];
    let masked = |dir: &str| -> u64 {
        let text = bench.read(&format!("{dir}/metrics.jsonl"));
        let steps = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        steps
            .map(|step| {
                let similarities = &step["similarities"];
                assert!(similarities["positive"].as_f64().unwrap() <= 1.0 + 1e-6, "{step}");
                assert!((0.0..=1.0).contains(&similarities["masked"].as_f64().unwrap()), "{step}");
                step["masked"].as_u64().unwrap()
            })
            .sum()
    };
    bench.succeed(&[&["run"][..], &arguments].concat());
    let guided = ["--set", "loss.guide={ margin = 0.5, relative = true }", "--set", "run.dir=guided"];
    bench.succeed(&[&["run"][..], &arguments, &guided].concat());
    assert!(masked("guided") > masked("run"), "{} {}", masked("guided"), masked("run"));
    let shows = |dir: &str| bench.read(&format!("{dir}/report.html")).contains("guide: its own passage has ");
    assert!(shows("guided") && !shows("run"));

    let other = ["--set", "embedder.dim=48", "--force"];
    let stderr = bench.fail(&[&["train", "guided"][..], &other].concat());
    assert!(stderr.contains("run `pretrain embed` again"), "{stderr}");
    let stderr = bench.fail(&[&["run"][..], &arguments, &["--set", "loss.guide={ margin = -1.0 }"]].concat());
    assert!(stderr.contains("loss.guide") && stderr.contains("a guide's margin of -1"), "{stderr}");
}

#[test]
fn mined_negatives_are_near_and_answer_nothing() {
    let bench = Bench::new();
    bench.succeed(&["run", "config.toml", "--set", "eval.baselines=false"]);
    let lines = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let (out, _) = bench.succeed(&[&["mine", "run", "--out", "mined.jsonl"], arguments].concat());
        assert_eq!(out, "mined.jsonl\n");
        bench.read("mined.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for by in [&["--arm", "passages"][..], &["--clustering"]] {
        let mined = lines(&[by, &["-n", "3", "--margin", "0"]].concat());
        assert_eq!(mined.len(), 83);
        for line in &mined {
            let scores: Vec<f64> = serde_json::from_value(line["negative_scores"].clone()).unwrap();
            let negatives = line["negatives"].as_array().unwrap();
            assert!(negatives.len() <= 3 && negatives.len() == scores.len(), "{line}");
            assert!(scores.is_sorted_by(|a, b| a >= b), "{line}");
            assert!(scores.iter().all(|&score| score < line["score"].as_f64().unwrap()), "{line}");
            assert!(!negatives.contains(&line["passage"]), "{line}");
        }
        assert!(mined.iter().map(|line| line["negatives"].as_array().unwrap().len()).sum::<usize>() > 83, "{by:?}");
        // Without the first rank, whatever was there is gone: what follows stays.
        let later = lines(&[by, &["-n", "3", "--margin", "0", "--from", "2"]].concat());
        for (all, later) in mined.iter().zip(&later) {
            let (all, later) = (all["negatives"].as_array().unwrap(), later["negatives"].as_array().unwrap());
            assert!(later.starts_with(all.get(1..).unwrap_or_default()) || later.starts_with(all), "{all:?} {later:?}");
        }
    }
    let stderr = bench.fail(&["mine", "run", "--out", "x.jsonl", "--from", "9", "--to", "3"]);
    assert!(stderr.contains("--to = 3") && !bench.path("x.jsonl").exists(), "{stderr}");
    assert!(bench.fail(&["mine", "run", "--out", "x.jsonl", "--margin", "nan"]).contains("--margin = NaN"));
}

#[test]
fn a_learned_temperature_moves_and_a_fixed_one_stays() {
    let bench = Bench::new();
    let common =
        ["config.toml", "--set", "run.arms=[\"none\"]", "--set", "train.epochs=2", "--set", "eval.baselines=false"];
    let temperatures = |dir: &str| -> Vec<f64> {
        let text = bench.read(&format!("{dir}/metrics.jsonl"));
        let steps = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        steps.map(|step| step["temperature"].as_f64().unwrap()).collect()
    };
    bench.succeed(&[&["run"][..], &common].concat());
    let learned = ["--set", "loss.learn_temperature=true", "--set", "run.dir=learned"];
    bench.succeed(&[&["run"][..], &common, &learned].concat());
    let (fixed, learned) = (temperatures("run"), temperatures("learned"));
    assert!(fixed.iter().all(|temperature| *temperature == fixed[0]), "{fixed:?}");
    assert_eq!(learned[0], fixed[0]);
    assert!(learned.windows(2).all(|pair| pair[0] != pair[1]), "{learned:?}");
    assert!(learned.iter().all(|temperature| (0.0099..=1.0).contains(temperature)), "{learned:?}");
}
