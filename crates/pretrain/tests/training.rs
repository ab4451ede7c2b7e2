//! What a training does beside its plain steps: steps that are not finite, averages, decay, presets, memory.

#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;

use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use common::Bench;
use embed::{Prompts, StaticConfig, StaticEncoder, TextTokenizer, TokenLimits};
use infonce::{ContrastiveLoss, InBatch, InfoNceConfig, LossAndGradients, Tiled};
use pretrain::data::{Dataset, Pair};
use pretrain::{Outcome, PairTokens, PretrainError, RateDecay, Schedule, TrainConfig, Training};
use stratified_sampler::{BatchSampler, PlanHash, SamplerError, Uniform, UniformConfig};

type B = Autodiff<Flex>;

const PAIRS: usize = 16;

struct Parts {
    tokens: PairTokens,
    sampler: Uniform,
    loss_config: InfoNceConfig,
    encoder: StaticEncoder<B>,
}

impl Parts {
    fn new() -> Self {
        let text = |side: &str, pair: usize| format!("{side} {} {}", ["red", "blue", "green"][pair % 3], pair * pair);
        let dataset = Dataset {
            queries: (0..PAIRS).map(|pair| ("", text("query", pair))).collect(),
            passages: (0..PAIRS).map(|pair| ("", text("passage", pair))).collect(),
            train: (0..PAIRS as u32).map(|pair| Pair { query: pair, passage: pair }).collect(),
            ..Dataset::default()
        };
        let texts = dataset.queries.iter().chain(&dataset.passages).map(|text| text.text);
        let tokenizer = TextTokenizer::train_wordpiece(texts, 300).unwrap();
        let tokens = PairTokens::new(&dataset, &tokenizer, &Prompts::default(), TokenLimits::new(8, 12)).unwrap();
        let encoder = StaticConfig::new(tokenizer.vocab_size(), 8).init::<B>(&Default::default()).unwrap();
        Self {
            tokens,
            sampler: UniformConfig::new(4).build(PAIRS).unwrap(),
            loss_config: InfoNceConfig::default().with_temperature(0.1),
            encoder,
        }
    }

    fn training<'a>(&'a self, loss: &'a dyn ContrastiveLoss<Flex>, config: &'a TrainConfig) -> Training<'a, B> {
        Training {
            tokens: &self.tokens,
            sampler: &self.sampler,
            loss,
            loss_config: &self.loss_config,
            guide: None,
            hard_negatives: None,
            strata: None,
            config,
            device: &burn::backend::flex::FlexDevice,
            beside: &[],
        }
    }
}

fn table(encoder: &StaticEncoder<B>) -> Vec<f32> {
    encoder.table().into_data().to_vec().unwrap()
}

/// A loss that is no number in some of its calls.
struct Broken {
    tiled: Tiled,
    calls: Cell<usize>,
    in_calls: std::ops::Range<usize>,
}

impl ContrastiveLoss<Flex> for Broken {
    fn loss_and_gradients(
        &self,
        queries: Tensor<Flex, 2>,
        passages: Tensor<Flex, 2>,
        ids: &InBatch<'_>,
    ) -> LossAndGradients<Flex> {
        let call = self.calls.replace(self.calls.get() + 1);
        let mut output = self.tiled.loss_and_gradients(queries, passages, ids);
        if self.in_calls.contains(&call) {
            output.query_gradient = output.query_gradient * f32::NAN;
        }
        output
    }
}

#[test]
fn a_step_that_is_not_finite_moves_nothing_and_too_many_in_a_row_end_the_training() {
    let parts = Parts::new();
    let broken = |in_calls| Broken { tiled: parts.loss_config.build().unwrap(), calls: Cell::new(0), in_calls };
    let config = TrainConfig { epochs: 2, skip_at_most: 2, ..TrainConfig::default() };
    let steps = |loss: &Broken| -> Result<Vec<(bool, bool)>, PretrainError> {
        let training = parts.training(loss, &config);
        let (mut state, mut seen) = (training.start(parts.encoder.clone()), Vec::new());
        loop {
            let before = table(state.encoder());
            let (next, outcome) = training.step(state)?;
            let Some(outcome) = outcome else { return Ok(seen) };
            seen.push((matches!(outcome, Outcome::Skipped(_)), table(next.encoder()) == before));
            state = next;
        }
    };
    let expected: Vec<(bool, bool)> = (0..8).map(|step| ((2..4).contains(&step), (2..4).contains(&step))).collect();
    assert_eq!(steps(&broken(2..4)).unwrap(), expected);
    match steps(&broken(2..5)) {
        Err(error @ PretrainError::Diverged { step: 4, in_a_row: 3, .. }) => {
            assert!(error.to_string().contains("the 3. such step in a row"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(steps(&broken(7..8)).unwrap()[7], (true, true));
    // Nothing was trained.
    let (one, broken) = (TrainConfig { epochs: 1, ..config.clone() }, broken(0..8));
    let [sampler, skipped] = [UniformConfig::new(8), UniformConfig::new(16)].map(|config| config.build(PAIRS).unwrap());
    for (sampler, last) in [(&sampler, 1), (&skipped, 0)] {
        let training = Training { sampler, ..parts.training(&broken, &one) };
        let error = training.run(parts.encoder.clone(), &mut |_, _| Ok(())).err().unwrap();
        assert!(matches!(error, PretrainError::Diverged { step, .. } if step == last), "{error}");
    }
}

#[test]
fn the_average_of_the_weights_is_the_one_worked_by_hand() {
    let parts = Parts::new();
    let loss = parts.loss_config.build().unwrap();
    let config = TrainConfig { epochs: 3, learning_rate: Some(0.05), ema: 0.4, ..TrainConfig::default() };
    let mut average: Vec<f64> = table(&parts.encoder).into_iter().map(f64::from).collect();
    let training = parts.training(&loss, &config);
    let averaged = training.run(parts.encoder.clone(), &mut |report, encoder| {
        let step = (report.step + 1) as f64;
        let keep = 0.4_f64.min((1.0 + step) / (10.0 + step));
        for (average, value) in average.iter_mut().zip(table(encoder)) {
            *average = *average * keep + f64::from(value) * (1.0 - keep);
        }
        Ok(())
    });
    for (found, expected) in table(&averaged.unwrap()).into_iter().zip(average) {
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn a_schedule_that_stays_and_falls_reaches_the_steps() {
    let parts = Parts::new();
    let loss = parts.loss_config.build().unwrap();
    let config = TrainConfig {
        epochs: 2,
        learning_rate: Some(1.0),
        warmup: 0.25,
        schedule: RateDecay::WarmupStableDecay,
        cooldown: 0.5,
        final_rate: 0.0,
        ..TrainConfig::default()
    };
    let mut rates = Vec::new();
    let training = parts.training(&loss, &config);
    training
        .run(parts.encoder.clone(), &mut |report, _| {
            rates.push(report.learning_rate);
            Ok(())
        })
        .unwrap();
    assert_eq!(rates, [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]);
}

/// So many steps of four batches an epoch.
fn counted(steps: u64) -> TrainConfig {
    TrainConfig { steps: Some(steps), epochs: 1, learning_rate: Some(0.05), ema: 0.5, ..TrainConfig::default() }
}

#[test]
fn so_many_steps_go_through_as_many_epochs_as_it_takes() {
    let parts = Parts::new();
    let loss = parts.loss_config.build().unwrap();
    let trained = |config: &TrainConfig| {
        let (mut seen, training) = (Vec::new(), parts.training(&loss, config));
        let trained = training.run(parts.encoder.clone(), &mut |report, _| {
            seen.push((report.epoch, report.learning_rate));
            Ok(())
        });
        (table(&trained.unwrap()), seen)
    };
    for steps in [1, 3, 4, 6, 9] {
        let config = counted(steps);
        let schedule = Schedule::new(&config, steps as usize);
        let expected: Vec<(u64, f64)> = (0..steps).map(|step| (step / 4, schedule.rate(step as usize))).collect();
        assert_eq!(trained(&config).1, expected);
    }
    // Whole epochs are those, to the bit.
    assert_eq!(trained(&counted(8)), trained(&TrainConfig { steps: None, epochs: 2, ..counted(8) }));
}

#[test]
fn a_training_of_so_many_steps_goes_on_to_the_same_bits() {
    let parts = Parts::new();
    let (loss, config) = (parts.loss_config.build().unwrap(), counted(6));
    let training = parts.training(&loss, &config);
    let whole = training.run(parts.encoder.clone(), &mut |_, _| Ok(())).unwrap();
    for stop in 1..6 {
        let mut state = training.start(parts.encoder.clone());
        for _ in 0..stop {
            state = training.step(state).unwrap().0;
        }
        let (saved, tensors) = state.save();
        let fresh = training.start(parts.encoder.clone());
        let (mut state, mut steps) = (fresh.restore(&config, saved, tensors, training.device).unwrap(), stop);
        loop {
            let (next, outcome) = training.step(state).unwrap();
            state = next;
            match outcome {
                Some(_) => steps += 1,
                None => break,
            }
        }
        assert_eq!((steps, table(&state.into_encoder())), (6, table(&whole)));
    }
}

/// The batches of another sampler in some epochs, none in the others.
struct Sometimes<'a>(&'a Uniform, fn(u64) -> bool);

impl BatchSampler for Sometimes<'_> {
    fn len(&self, epoch: u64) -> usize {
        if self.1(epoch) { self.0.len(epoch) } else { 0 }
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        self.0.batch(epoch, index, out)
    }

    fn batch_size(&self) -> usize {
        self.0.batch_size()
    }

    fn pairs(&self) -> usize {
        self.0.pairs()
    }

    fn plan_hash(&self) -> PlanHash {
        self.0.plan_hash()
    }
}

#[test]
fn epochs_without_batches_are_passed_over_until_there_are_no_others() {
    let parts = Parts::new();
    let loss = parts.loss_config.build().unwrap();
    let trained = |config: &TrainConfig, has_batches| {
        let (mut epochs, sampler) = (Vec::new(), Sometimes(&parts.sampler, has_batches));
        let training = Training { sampler: &sampler, ..parts.training(&loss, config) };
        let trained = training.run(parts.encoder.clone(), &mut |report, _| {
            epochs.push(report.epoch);
            Ok(())
        });
        trained.map(|_| epochs)
    };
    assert_eq!(trained(&counted(6), |epoch| epoch % 4 == 3).unwrap(), [3, 3, 3, 3, 7, 7]);
    let error = trained(&counted(6), |epoch| epoch < 1).unwrap_err();
    assert!(matches!(error, PretrainError::EmptyEpochs { epoch: 1, step: 4, steps: 6 }), "{error}");
    assert_eq!(error.to_string(), "train.steps = 6: from epoch 1 on no batch can be drawn, after 4 steps");
    let error = trained(&counted(6), |_| false).unwrap_err();
    assert!(matches!(error, PretrainError::EmptyEpochs { epoch: 0, step: 0, steps: 6 }), "{error}");
    assert_eq!(trained(&TrainConfig { steps: None, epochs: 3, ..counted(6) }, |epoch| epoch < 1).unwrap(), [0; 4]);
}

const STEPS: &str = r#"
[[run.arm]]
name = "short"
cluster.of = "none"

[[run.arm]]
name = "long"
sampler.batch_size = 4
train.recluster_every = 5

[[run.arm]]
name = "rising"
sampler.curriculum = { clock = "epochs", starts = [0, 0.5], samplers = [{ sampler.kind = "uniform" }, { cluster.k = 3 }] }

[[run.arm]]
name = "by epochs"
train.epochs = 1
"#;

#[test]
fn arms_with_epochs_of_other_lengths_train_for_equally_many_steps_and_go_on() {
    let bench = Bench::new();
    let config = bench.read("config.toml").replace("arms = [\"none\", \"queries\", \"passages\"]", "");
    bench.write("config.toml", &(config.replace("epochs = 8", "steps = 13\ncheckpoint_every = 4") + STEPS));
    bench.succeed(&["run", "config.toml", "--set", "eval.baselines=false"]);
    let arms = ["short", "long", "rising"];
    let steps = |arm: &str| bench.read(&format!("run/arms/{arm}/metrics.jsonl")).lines().count();
    assert_eq!(arms.map(steps), [13; 3]);
    assert!(steps("by-epochs") < 13);
    let epochs = arms.map(|arm| bench.read(&format!("run/arms/{arm}/metrics.jsonl")).contains("\"epoch\":2"));
    assert_eq!(epochs, [true, false, true]);
    let card = |arm: &str| bench.read(&format!("run/arms/{arm}/model/README.md"));
    assert!(card("long").contains("| steps | 13 |") && card("by-epochs").contains("| epochs | 1 |"));

    let weights = |arm: &str| bench.path(&format!("run/arms/{arm}/model/0_StaticEmbedding/model.safetensors"));
    let whole = arms.map(|arm| std::fs::read(weights(arm)).unwrap());
    arms.iter().for_each(|arm| std::fs::remove_file(weights(arm)).unwrap());
    let (_, stderr) = bench.succeed(&["train", "run"]);
    for (arm, whole) in arms.iter().zip(whole) {
        assert!(stderr.contains(&format!("train {arm} seed 0: goes on after step 12")), "{stderr}");
        assert!(std::fs::read(weights(arm)).unwrap() == whole, "{arm}");
    }

    // Epochs are of no effect beside steps, and end them alone.
    let (_, stderr) = bench.succeed(&["train", "run", "--force", "--set", "train.steps=13", "--set", "train.epochs=5"]);
    assert!(stderr.contains("train short seed 0: unchanged, skipped"), "{stderr}");
    let (_, stderr) = bench.succeed(&["train", "run", "--force", "--set", "train.epochs=1"]);
    assert!(stderr.contains("train.steps = 13, not absent"), "{stderr}");
    assert!(stderr.contains("train by-epochs seed 0: unchanged, skipped"), "{stderr}");
    assert_eq!(steps("short"), 5);
}

/// The paper's preset, at a width and a batch that a test has time for.
#[test]
fn the_papers_preset_trains_in_chunks_at_reduced_width() {
    let bench = Bench::new();
    let preset = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/paper.toml")).unwrap();
    bench.write("paper.toml", &preset);
    let settings = [
        "data.path=data",
        "embedder.kind=lexical",
        "embedder.max_query_tokens=0",
        "embedder.max_passage_tokens=0",
        "cluster.k=4",
        "sampler.batch_size=32",
        "student.layers=2",
        "student.dim=32",
        "student.heads=2",
        "student.vocab_size=300",
        "train.chunk_tokens=50",
        "train.epochs=2",
        "eval.baselines=false",
        "run.dir=run",
    ];
    let arguments: Vec<&str> =
        ["run", "paper.toml"].into_iter().chain(settings.iter().flat_map(|setting| ["--set", setting])).collect();
    let (stdout, _) = bench.succeed(&arguments);
    assert!(stdout.contains("passage clusters"), "{stdout}");
    let metrics = bench.read("run/arms/passages/metrics.jsonl");
    let step: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert!(step["chunks"].as_u64().unwrap() > 3 && step["tokens"].as_u64().unwrap() > 150, "{step}");
}

#[test]
fn dropout_reaches_the_student_of_a_run() {
    let bench = Bench::new();
    let loss = |dropout: &str| {
        let settings = ["student.kind=bert", "student.dim=32", "train.epochs=1", "run.arms=[\"none\"]", dropout];
        let arguments = settings.iter().flat_map(|setting| ["--set", setting]);
        std::fs::remove_dir_all(bench.path("run")).ok();
        bench.succeed(&["train", "config.toml"].into_iter().chain(arguments).collect::<Vec<_>>());
        let step: serde_json::Value =
            serde_json::from_str(bench.read("run/metrics.jsonl").lines().next().unwrap()).unwrap();
        step["loss"].as_f64().unwrap()
    };
    let [none, again, some, same] =
        ["train.dropout=0.0", "train.dropout=0.0", "train.dropout=0.3", "train.dropout=0.3"].map(loss);
    assert!(none == again && some == same && none != some, "{none} {some}");
}

#[test]
fn products_in_bf16_reach_a_run_and_leave_its_losses_near() {
    let bench = Bench::new();
    let first = |file: &str| -> f64 {
        let step: serde_json::Value = serde_json::from_str(bench.read(file).lines().next().unwrap()).unwrap();
        step["loss"].as_f64().unwrap()
    };
    let train = |more: &[&str]| {
        let settings = ["student.kind=bert", "student.dim=32", "train.epochs=1", "run.arms=[\"none\"]"];
        let arguments = settings.iter().chain(more).flat_map(|setting| ["--set", setting]);
        std::fs::remove_dir_all(bench.path("run")).ok();
        let (_, told) = bench.succeed(&["train", "config.toml"].into_iter().chain(arguments).collect::<Vec<_>>());
        assert_eq!(told.contains("train.precision = bf16: the processor"), more.contains(&BF16), "{told}");
    };
    let near = |exact: f64, rounded: f64| {
        assert!(exact != rounded && (rounded / exact - 1.0).abs() < 2e-2, "{exact} in f32, {rounded} in bf16");
    };
    const BF16: &str = "train.precision=bf16";
    let masked = "student.mlm={steps=2,batch_size=16}";
    let [exact, rounded] = [&[][..], &[BF16]].map(|more| {
        train(more);
        first("run/metrics.jsonl")
    });
    near(exact, rounded);
    let [exact, rounded] = [&[masked][..], &[masked, BF16]].map(|more| {
        train(more);
        first("run/mlm/metrics.jsonl")
    });
    near(exact, rounded);
}

#[test]
fn a_run_in_bf16_is_another_and_f32_is_what_is_not_said() {
    let bench = Bench::new();
    let train = |more: &[&str]| {
        let settings = ["student.kind=bert", "student.dim=32", "train.epochs=1", "run.arms=[\"none\"]"];
        let arguments = settings.iter().chain(more).flat_map(|setting| ["--set", setting]);
        bench.pretrain(&["train", "config.toml"].into_iter().chain(arguments).collect::<Vec<_>>())
    };
    assert!(train(&[]).status.success());
    let metrics = bench.read("run/metrics.jsonl");
    assert!(train(&["train.precision=f32"]).status.success());
    assert_eq!(bench.read("run/metrics.jsonl"), metrics);
    let refused = train(&["train.precision=bf16"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("train.precision"), "{told}");
}

#[test]
fn devices_share_a_batch_and_change_nothing_else() {
    let bench = Bench::new();
    let first_step = |more: &[&str]| -> serde_json::Value {
        let settings = ["student.kind=bert", "student.dim=32", "train.epochs=1", "run.arms=[\"none\"]"];
        let arguments = settings.iter().chain(more).flat_map(|setting| ["--set", setting]);
        bench.succeed(&["train", "config.toml"].into_iter().chain(arguments).collect::<Vec<_>>());
        serde_json::from_str(bench.read("run/metrics.jsonl").lines().next().unwrap()).unwrap()
    };
    let two = first_step(&["train.devices=2"]);
    // The same run: nothing is trained again.
    assert_eq!(first_step(&[]), two);
    std::fs::remove_dir_all(bench.path("run")).unwrap();
    let one = first_step(&[]);
    assert_eq!((&one["chunks"], &two["chunks"]), (&1.into(), &2.into()));
    for number in ["loss", "gradient_norm"] {
        let [one, two] = [&one, &two].map(|step| step[number].as_f64().unwrap());
        assert!((one / two - 1.0).abs() < 1e-5, "{number}: {one} {two}");
    }
}

#[test]
fn a_step_beyond_the_memory_is_refused_with_the_chunk_that_fits() {
    let bench = Bench::new();
    let settings = [
        "student.kind=bert",
        "student.dim=64",
        "student.layers=16",
        "sampler.batch_size=80",
        "train.epochs=1",
        "run.arms=[\"none\"]",
    ];
    let train = |memory: f64, chunk_tokens: usize| {
        let more = [format!("train.memory={memory}"), format!("train.chunk_tokens={chunk_tokens}")];
        let settings = settings.iter().copied().chain(more.iter().map(String::as_str));
        let arguments: Vec<&str> =
            ["train", "config.toml"].into_iter().chain(settings.flat_map(|setting| ["--set", setting])).collect();
        let output = bench.pretrain(&arguments);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let number = |text: &str, after: &str| -> f64 {
        text.split(after)
            .nth(1)
            .unwrap_or_else(|| panic!("{text}"))
            .split(' ')
            .next()
            .unwrap()
            .replace(',', "")
            .parse()
            .unwrap()
    };
    let (ran, hopeless) = train(1e-4, 256);
    assert!(!ran && hopeless.contains("no train.chunk_tokens would fit"), "{hopeless}");
    let (ran, refused) = train(1e-3, 0);
    assert!(!ran && refused.contains("error: "), "{refused}");
    let needed = number(&refused, "a step takes about ") * 1e6 / (1_u64 << 30) as f64;
    assert!(train(needed * 1.1, 0).0);
    std::fs::remove_dir_all(bench.path("run")).unwrap();
    let (ran, refused) = train(needed * 0.8, 0);
    assert!(!ran, "{refused}");
    let advised = number(&refused, "train.chunk_tokens = ") as usize;
    assert!(advised.is_multiple_of(256) && train(needed * 0.8, advised).0, "{refused}");
}
