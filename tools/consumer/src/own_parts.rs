//! A run over data that this program makes up, on batches that it draws itself.

use pretrain::data::{DataError, Dataset, Pair, PairSource, TestQuery};
use pretrain::tensor::AutodiffBackend;
use pretrain::{BackendTask, Config, ConfiguredEncoder, DataConfig, Parts, Pipeline, Result, SamplerConfig, Strata};
use stratified_sampler::{BatchSampler, SamplerError, StratifiedConfig};

const COLOURS: [[&str; 2]; 6] =
    [["red", "rot"], ["blue", "azur"], ["green", "moos"], ["black", "pech"], ["white", "kalk"], ["yellow", "senf"]];
const THINGS: [[&str; 2]; 4] = [["river", "fluss"], ["engine", "motor"], ["opera", "oper"], ["galaxy", "nebel"]];
const SIZES: [[&str; 2]; 4] = [["tiny", "winzig"], ["small", "klein"], ["large", "hoch"], ["huge", "riesig"]];

/// Things in two languages; every seventh is for the test.
struct Words;

impl PairSource for Words {
    fn load(&self) -> std::result::Result<Dataset, DataError> {
        let text = |id: u32, language: usize| {
            let id_ = id as usize;
            let words = [SIZES[id_ / 24], COLOURS[id_ / 4 % 6], THINGS[id_ % 4]].map(|word| word[language]);
            (id.to_string(), words.join(" "))
        };
        let is_test = |id: &u32| id % 7 == 6;
        let test = |id| TestQuery { query: id, relevant: vec![(id, 1)], ..TestQuery::default() };
        Ok(Dataset {
            queries: (0..96).map(|id| text(id, 0)).collect(),
            passages: (0..96).map(|id| text(id, 1)).collect(),
            train: (0..96).filter(|id| !is_test(id)).map(|id| Pair { query: id, passage: id }).collect(),
            test: (0..96).filter(is_test).map(test).collect(),
            ..Dataset::default()
        })
    }
}

struct OwnParts;

impl<B: AutodiffBackend> Parts<B> for OwnParts {
    type Encoder = ConfiguredEncoder<B>;

    fn version(&self) -> String {
        "words, two clusters as one".into()
    }

    fn source(&self, _: &DataConfig) -> Result<Box<dyn PairSource>> {
        Ok(Box::new(Words))
    }

    /// The first two clusters count as one.
    fn sampler(
        &self,
        config: &SamplerConfig,
        strata: &Strata,
        seed: u64,
    ) -> std::result::Result<Box<dyn BatchSampler>, SamplerError> {
        let labels: Vec<u32> = strata.labels.iter().flatten().map(|&label| label.saturating_sub(1)).collect();
        Ok(Box::new(StratifiedConfig::new(config.batch_size).with_seed(seed).build(&labels)?))
    }
}

pub struct Run(pub Config);

impl BackendTask for Run {
    type Output = f64;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<f64> {
        Ok(Pipeline::<B, _>::create_with(OwnParts, self.0, true, device)?.run()?.rows[0].means[0])
    }
}
