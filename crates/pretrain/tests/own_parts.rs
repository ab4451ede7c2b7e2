//! A run whose every part is handed in: each is used, and what it does shows.
#![cfg(feature = "cpu")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use burn::backend::{Autodiff, Flex};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn_flex::FlexDevice;
use embed::{
    Dropout, EmbedError, Embedder, Encoder, ExportOptions, LoadedModel, Prompts, SaveFolder, Side, StaticConfig,
    StaticEncoder, TextTokenizer, TokenBatch,
};
use infonce::{ContrastiveLoss, InBatch, InfoNceConfig, InfoNceError, LossAndGradients};
use kmeans::{Clusterer, Clustering, Iteration, KMeansError, RandomLabels, Vectors};
use ndarray::{Array2, ArrayView2};
use pretrain::data::{DataError, Dataset, Pair, PairSource, TestQuery};
use pretrain::{
    ClusterConfig, Config, DataConfig, EmbedderConfig, Origin, Parts, Pipeline, PretrainError, SamplerConfig, Strata,
    StudentConfig, TrainableEncoder,
};
use retrieval_eval::{EvalError, ExactSearcher, Hit, Searcher};
use stratified_sampler::{BatchSampler, SamplerError, StratifiedConfig};

type B = Autodiff<Flex>;

/// What was asked for, by name.
type Asked = Rc<RefCell<BTreeSet<&'static str>>>;

/// A question and its answer for each number; every fifth is for the test.
struct Numbers;

const NUMBERS: u32 = 60;

impl PairSource for Numbers {
    fn load(&self) -> Result<Dataset, DataError> {
        let pairs = |test: bool| (0..NUMBERS).filter(move |number| (number % 5 == 4) == test);
        Ok(Dataset {
            queries: (0..NUMBERS).map(|n| (n.to_string(), format!("which one follows number{n} now"))).collect(),
            passages: (0..NUMBERS).map(|n| (n.to_string(), format!("number{n} and then comes another{n}"))).collect(),
            train: pairs(false).map(|n| Pair { query: n, passage: n }).collect(),
            test: pairs(true).map(|n| TestQuery { query: n, relevant: vec![(n, 1)], ..TestQuery::default() }).collect(),
            ..Dataset::default()
        })
    }
}

/// Two directions, by the text's number.
struct EvenOrOdd;

impl Embedder for EvenOrOdd {
    fn dim(&self) -> usize {
        2
    }

    fn embed_with(&self, texts: &[&str], _: Side, _: &mut dyn FnMut(usize)) -> Result<Array2<f32>, EmbedError> {
        let odd = |text: &str| {
            let digits: String =
                text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().expect("a number") % 2
        };
        Ok(Array2::from_shape_fn((texts.len(), 2), |(row, column)| f32::from(odd(texts[row]) as usize == column)))
    }
}

/// The column of the largest value is the label.
struct LargestColumn;

impl Clusterer for LargestColumn {
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError> {
        let mut clustering = RandomLabels { clusters: 2, seed: 0 }.fit_with(rows, observer)?;
        let values = rows.to_f32();
        clustering.labels = values.chunks(2).map(|row| u32::from(row[1] > row[0])).collect();
        clustering.sizes =
            (0..2).map(|label| clustering.labels.iter().filter(|&&l| l == label).count() as u64).collect();
        clustering.centroids = ndarray::array![[1.0, 0.0], [0.0, 1.0]];
        Ok(clustering)
    }
}

/// A static table that forgets nothing of what it is, and is saved as one.
#[derive(Module, Debug)]
struct Table<B: Backend> {
    inner: StaticEncoder<B>,
}

impl<B: Backend> Encoder<B> for Table<B> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn forward_training(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
        self.inner.forward_training(tokens, dropout, device)
    }

    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }
}

impl<B: Backend> SaveFolder for Table<B> {
    fn save_folder(
        &self,
        folder: &std::path::Path,
        tokenizer: &TextTokenizer,
        options: &ExportOptions,
    ) -> Result<(), EmbedError> {
        self.inner.save_folder(folder, tokenizer, options)
    }
}

impl<B: AutodiffBackend> TrainableEncoder<B> for Table<B> {
    fn from_config(
        _: &StudentConfig,
        origin: Origin<'_>,
        seed: u64,
        device: &B::Device,
    ) -> Result<LoadedModel<Self>, EmbedError> {
        let Origin::Scratch(tokenizer) = origin else { panic!("the configuration names no folder") };
        B::seed(device, seed);
        let inner = StaticConfig::new(tokenizer.vocab_size(), 7).init(device)?;
        let (tokenizer, max_tokens) = (tokenizer.with_special_tokens(false), inner.max_tokens());
        Ok(LoadedModel { encoder: Self { inner }, tokenizer, max_tokens, prompts: Prompts::default() })
    }
}

/// Half of another loss.
struct Half(Box<dyn ContrastiveLoss<Flex>>);

impl ContrastiveLoss<Flex> for Half {
    fn loss_and_gradients(
        &self,
        queries: Tensor<Flex, 2>,
        passages: Tensor<Flex, 2>,
        ids: &InBatch<'_>,
    ) -> LossAndGradients<Flex> {
        let whole = self.0.loss_and_gradients(queries, passages, ids);
        LossAndGradients {
            loss: whole.loss / 2.0,
            query_gradient: whole.query_gradient / 2.0,
            passage_gradient: whole.passage_gradient / 2.0,
            ..whole
        }
    }
}

/// Finds the documents in the reverse order of their scores.
struct Worst<'a>(ExactSearcher<'a>, usize);

impl Searcher for Worst<'_> {
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        let mut found = self.0.search(queries, self.1)?;
        for hits in &mut found {
            hits.reverse();
            hits.truncate(k);
            hits.iter_mut().for_each(|hit| hit.score = -hit.score);
        }
        Ok(found)
    }
}

struct AllOwn(Asked);

impl AllOwn {
    fn ask(&self, part: &'static str) {
        self.0.borrow_mut().insert(part);
    }
}

impl Parts<B> for AllOwn {
    type Encoder = Table<B>;

    fn version(&self) -> String {
        "all own".into()
    }

    fn source(&self, _: &DataConfig) -> Result<Box<dyn PairSource>, PretrainError> {
        self.ask("source");
        Ok(Box::new(Numbers))
    }

    fn embedder(&self, _: &EmbedderConfig, passages: &[&str], _: &FlexDevice) -> Result<Box<dyn Embedder>, EmbedError> {
        assert_eq!(passages.len(), NUMBERS as usize);
        self.ask("embedder");
        Ok(Box::new(EvenOrOdd))
    }

    fn clusterer(&self, _: &ClusterConfig, _: &FlexDevice) -> Result<Box<dyn Clusterer>, KMeansError> {
        self.ask("clusterer");
        Ok(Box::new(LargestColumn))
    }

    fn sampler(
        &self,
        config: &SamplerConfig,
        strata: &Strata,
        seed: u64,
    ) -> Result<Box<dyn BatchSampler>, SamplerError> {
        self.ask("sampler");
        let labels = strata.labels.as_deref().expect("labels of the clusterer");
        // Pairs 0, 1, 2, 3, 5, …: every fifth number is for the test.
        let number = |pair: usize| pair / 4 * 5 + pair % 4;
        assert!(labels.iter().enumerate().all(|(pair, &label)| label as usize == number(pair) % 2));
        Ok(Box::new(StratifiedConfig::new(config.batch_size).with_seed(seed).build(labels)?))
    }

    fn loss(&self, config: &InfoNceConfig) -> Result<Box<dyn ContrastiveLoss<Flex>>, InfoNceError> {
        self.ask("loss");
        Ok(Box::new(Half(config.build_boxed()?)))
    }

    fn searcher<'a>(
        &self,
        documents: ArrayView2<'a, f32>,
        _: &FlexDevice,
    ) -> Result<Box<dyn Searcher + 'a>, EvalError> {
        self.ask("searcher");
        Ok(Box::new(Worst(ExactSearcher::new(documents)?, documents.nrows())))
    }
}

fn config(folder: &std::path::Path) -> Config {
    let settings = [
        format!("run.dir={}", folder.join("run").display()),
        "data.format=beir".into(),
        "sampler.batch_size=8".into(),
        "student.vocab_size=256".into(),
        "student.idf=false".into(),
        "train.epochs=40".into(),
        "train.learning_rate=0.05".into(),
        "eval.measures=[\"recall@10\"]".into(),
        "eval.baselines=false".into(),
        "cluster.k=2".into(),
    ];
    Config::parse("", &settings).expect("a configuration")
}

#[test]
fn every_part_of_a_run_can_be_handed_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = Asked::default();
    let pipeline =
        Pipeline::<B, _>::create_with(AllOwn(asked.clone()), config(folder.path()), false, Default::default())
            .expect("a run");
    let comparison = pipeline.run().expect("a finished run");
    let all = ["clusterer", "embedder", "loss", "sampler", "searcher", "source"];
    assert_eq!(*asked.borrow(), BTreeSet::from(all));

    // A trained student finds what it should, and the searcher gives what is farthest from that.
    assert!(comparison.rows[0].means[0] < 0.1, "{:?}", comparison.rows[0].means);
    let metrics = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).expect("the steps");
    let first: serde_json::Value = serde_json::from_str(metrics.lines().next().expect("a step")).expect("JSON");
    // Half of the loss of eight pairs alike, each in the middle of all: ln 8 / 2, or at a low temperature more.
    assert!(first["loss"].as_f64().expect("a loss") > 0.5, "{first}");

    // Asked for again with the same parts, nothing is made anew; the stages know other parts by their version.
    drop(pipeline);
    asked.borrow_mut().clear();
    let again =
        Pipeline::<B, _>::open_with(AllOwn(asked.clone()), config(folder.path()), Default::default()).expect("it");
    assert_eq!(again.run().expect("the same run"), comparison);
    assert_eq!(*asked.borrow(), BTreeSet::from(["source"]));
    let found =
        again.search(&again.index(again.folder().find(None, None).expect("a member")).expect("an index"), "number3", 1);
    assert_eq!(found.expect("a passage").len(), 1);
    let records = std::fs::read_to_string(folder.path().join("run/stages.json")).expect("records");
    assert!(records.contains("all own"), "{records}");
}
