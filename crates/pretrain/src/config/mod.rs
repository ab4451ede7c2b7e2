//! The whole configuration of a run: one TOML file, every key overridable.

mod arm;
mod cluster;
mod data;
mod joined;
mod masked;
mod others;
mod overrides;
mod preset;
mod sampler;
mod sections;
mod source;
mod validate;

use std::path::Path;

use infonce::InfoNceConfig;
use serde::{Deserialize, Serialize};

pub(crate) use arm::folder_name;
pub use arm::{Arm, ArmConfig, ArmTable, Draw};
pub use cluster::{ClusterConfig, ClusterOf};
pub use data::{DataConfig, DataFormat, NamedSource, SourceTable, SplitBy};
pub use masked::MlmConfig;
pub use others::OtherData;
pub use preset::Preset;
pub use sampler::{CurriculumSection, SamplerConfig, SamplerKind, SamplerOverrides, UniqueKey};
pub use sections::{
    EmbedderConfig, EmbedderKind, EvalConfig, JudgedSplit, Keep, PoolingKind, RateDecay, RunConfig, StudentConfig,
    StudentKind, TrainConfig,
};

use crate::difference::Difference;
use crate::error::{PretrainError, Result};

/// The configuration of a run, checked as a whole.
///
/// # Examples
///
/// ```
/// let config = pretrain::Config::parse("[cluster]\nk = 4", &["train.epochs=1".into()])?;
/// assert_eq!(config.cluster.kmeans.k, 4);
/// assert_eq!(config.train.epochs, 1);
/// assert!(pretrain::Config::parse("", &["train.epoch=1".into()]).is_err());
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The settings that all else is put over, until they are: then none.
    #[serde(skip_serializing)]
    pub preset: Option<Preset>,
    /// Where pairs, corpus and test queries come from.
    pub data: DataConfig,
    /// The pretrained embedder whose vectors are clustered.
    pub embedder: EmbedderConfig,
    /// What is clustered, and how.
    pub cluster: ClusterConfig,
    /// How batches are drawn.
    pub sampler: SamplerConfig,
    /// The encoder that is trained.
    pub student: StudentConfig,
    /// InfoNCE over the batch.
    pub loss: InfoNceConfig,
    /// The optimisation.
    pub train: TrainConfig,
    /// How the trained encoder is judged.
    pub eval: EvalConfig,
    /// Where the run lives and what it compares.
    pub run: RunConfig,
}

impl Config {
    /// The configuration in the file `path`, with `section.key=value` overrides.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown, or a value is out of range.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
        Self::parse_named(&text, &path.display().to_string(), overrides)
    }

    /// The configuration in `text`, with `section.key=value` overrides.
    ///
    /// # Errors
    /// A key is unknown, or a value is out of range.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        Self::parse_named(text, "configuration", overrides)
    }

    fn parse_named(text: &str, name: &str, settings: &[String]) -> Result<Self> {
        Self::over(text, name, &toml::Table::new(), settings)
    }

    /// The configuration in `text`, of the file `name`, with the keys of `sections` over it, and overrides over those.
    ///
    /// # Errors
    /// A key is unknown, or a value is out of range.
    pub(crate) fn over(text: &str, name: &str, sections: &toml::Table, settings: &[String]) -> Result<Self> {
        // First alone: errors of the file then carry its line.
        let in_file = |error: toml::de::Error| PretrainError::config(name, text, &error);
        toml::from_str::<Self>(text).map_err(in_file)?;
        let mut table: toml::Table = toml::from_str(text).map_err(in_file)?;
        overrides::put_over(&mut table, sections);
        Self::from_table(&table, settings)
    }

    /// The configuration in a table, with `section.key=value` overrides.
    ///
    /// # Errors
    /// A key is unknown, or a value is out of range.
    pub(crate) fn from_table(table: &toml::Table, settings: &[String]) -> Result<Self> {
        let (preset, settings) = overrides::preset_of(table, settings)?;
        let mut below =
            preset.map(Preset::table).transpose().map_err(|error| PretrainError::config("preset", "", &error))?;
        let table = match &mut below {
            Some(below) => {
                overrides::put_over(below, table);
                below.remove("preset");
                below
            }
            None => table,
        };
        let with = |settings: &[String]| -> Result<toml::Table> {
            let mut table = table.clone();
            overrides::end_replaced(&mut table, settings);
            settings.iter().try_for_each(|setting| overrides::apply(&mut table, setting))?;
            Ok(table)
        };
        let config: Self = with(&settings)?.try_into().map_err(|error| {
            // The setting that fails alone, since the message names no key.
            let fails = |setting: &&String| {
                with(std::slice::from_ref(*setting)).is_ok_and(|table| table.try_into::<Self>().is_err())
            };
            let name = settings.iter().find(fails).map_or("--set".to_owned(), |setting| format!("--set {setting}"));
            PretrainError::config(&name, "", &error)
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration with the keys of some sections replaced, as an arm replaces them, and `section.key=value` overrides.
    ///
    /// # Errors
    /// A key is unknown, or a value is out of range.
    pub(crate) fn with(&self, sections: &[(&str, &toml::Table)], settings: &[String]) -> Result<Self> {
        let mut table = overrides::table_with(self, sections)?;
        settings.iter().try_for_each(|setting| overrides::apply(&mut table, setting))?;
        let config: Self = overrides::parse(table)?;
        config.validate()?;
        Ok(config)
    }

    /// What decides what a run computes but for rounding, by key, each value as TOML.
    pub(crate) fn identity(&self) -> std::collections::BTreeMap<String, String> {
        overrides::identity(self)
    }

    /// The section `train`, with the student's learning rate where it names none.
    ///
    /// # Examples
    ///
    /// ```
    /// let config = pretrain::Config::parse("", &["student.kind=bert".into()])?;
    /// assert_eq!(config.training().learning_rate, Some(2e-4));
    /// # Ok::<(), pretrain::PretrainError>(())
    /// ```
    pub fn training(&self) -> TrainConfig {
        let learning_rate = self.train.learning_rate.or_else(|| Some(self.student.learning_rate()));
        TrainConfig { learning_rate, ..self.train.clone() }
    }

    /// The seeds that every arm is trained with.
    pub fn seeds(&self) -> Vec<u64> {
        match self.run.seeds.as_slice() {
            [] => vec![self.train.seed],
            seeds => seeds.to_vec(),
        }
    }

    /// The TOML text that parses to this configuration.
    ///
    /// # Errors
    /// A value that TOML cannot hold, such as a seed above `i64::MAX`.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|source| PretrainError::ConfigText { source: Box::new(source) })
    }

    /// The keys whose values differ and change what a run computes, with both values.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        overrides::differences(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let error = Config::parse(text, &settings).unwrap_err();
        crate::error::one_line(&error)
    }

    #[test]
    fn every_default_is_valid_and_survives_toml() {
        let config = Config::parse("", &[]).unwrap();
        let again = Config::parse(&config.to_toml().unwrap(), &[]).unwrap();
        assert_eq!(config, again);
        // What is absent by default is no setting of the stages of runs that were made before there was such a key.
        let text = config.to_toml().unwrap();
        for absent in ["steps", "cache"] {
            assert!(!text.lines().any(|line| line.starts_with(&format!("{absent} ="))), "{absent}");
        }
    }

    #[test]
    fn a_preset_is_below_the_file_and_the_file_below_settings() {
        let text = "preset = \"paper\"\n[train]\nepochs = 1";
        let config = Config::parse(text, &["sampler.batch_size=64".into()]).unwrap();
        assert_eq!((config.train.epochs, config.sampler.batch_size, config.train.learning_rate), (1, 64, Some(2e-4)));
        // The run's own file says it all.
        assert_eq!(Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
        let config = Config::parse("[cluster]\nk = 3", &["preset=paper".into()]).unwrap();
        assert_eq!((config.cluster.kmeans.k, config.sampler.batch_size), (3, 4096));
        let message = error("[data]\n", &["preset=papers"]);
        assert!(message.starts_with("preset") && message.contains("papers"), "{message}");
        assert!(error("preset = \"papers\"", &[]).contains("line 1"));
    }

    #[test]
    fn an_unknown_key_in_the_file_is_named_with_its_line() {
        let message = error("[train]\nepochs = 1\nlearning_rat = 2", &[]);
        assert!(message.contains("learning_rat") && message.contains("line 3"), "{message}");
    }

    #[test]
    fn an_unknown_key_of_a_setting_is_named() {
        assert!(error("", &["train.epoch=1"]).contains("epoch"));
        assert!(error("", &["trian.epochs=1"]).contains("trian"));
    }

    #[test]
    fn a_setting_without_a_value_is_an_error() {
        assert!(error("", &["train.epochs"]).contains("section.key=value"));
        assert!(error("", &["epochs=3"]).contains("section.key=value"));
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (setting, key) in [
            ("cluster.k=0", "cluster.k"),
            ("sampler.batch_size=1", "sampler.batch_size"),
            ("loss.temperature=0.0", "loss.temperature"),
            ("loss.temperature=nan", "loss.temperature"),
            ("train.learning_rate=-1.0", "train.learning_rate"),
            ("train.warmup=1.5", "train.warmup"),
            ("data.test_share=1.0", "data.test_share"),
            ("data.validation_share=-0.1", "data.validation_share"),
            ("data.validation_split=dev", "data.validation_split"),
            ("eval.measures=[]", "eval.measures"),
            ("eval.measures=[\"nDCG@ten\"]", "eval.measures"),
            ("eval.others=[{name=\"a/b\",path=\"x\"}]", "eval.others.name = a/b: expected a file's name"),
            ("eval.others=[{name=\"\",path=\"x\"}]", "eval.others.name"),
            (
                "eval.others=[{name=\"a\",path=\"x\"},{name=\"A\",path=\"y\"}]",
                "eval.others.name = A: expected each name once",
            ),
            ("eval.others=[{name=\"a\",path=\"\"}]", "eval.others.path"),
            ("eval.others=[{name=\"a\",path=\"x\",split=\"\"}]", "eval.others.split"),
            ("eval.others=[{name=\"a\",path=\"x\",max_query_tokens=1}]", "eval.others.max_query_tokens"),
            ("eval.others=[{name=\"a\",path=\"x\",max_passage_tokens=1048577}]", "eval.others.max_passage_tokens"),
            ("eval.others=[{name=\"a\",path=\"x\",depth=3}]", "depth"),
            ("run.arms=[\"none\",\"none\"]", "two arms"),
            ("sampler.kind=topic-aware", "sampler.group"),
            ("sampler.weights=equal", "sampler.weights"),
            ("sampler.cap=10", "sampler.cap"),
            ("sampler.consistent_within=0", "sampler.consistent_within"),
            ("sampler.consistent_within=16777217", "sampler.consistent_within"),
            ("student.init_std=0.0", "student.init_std"),
            ("train.keep=best", "train.keep"),
            ("train.evaluate_every=10", "train.evaluate_every"),
            ("sampler.curriculum={clock=\"steps\",samplers=[{}]}", "sampler.curriculum"),
            ("sampler.curriculum={clock=\"steps\",samplers=[{},{}],starts=[2,1]}", "sampler.curriculum"),
            ("sampler.curriculum={clock=\"steps\",samplers=[{},{}],starts=[0]}", "sampler.curriculum"),
            ("sampler.curriculum={clock=\"steps\",samplers=[{}],knots=[{at=0,shares=[0]}]}", "sampler.curriculum"),
            ("sampler.curriculum={clock=\"steps\",samplers=[{},{sampler={batch_size=8}}],starts=[0,1]}", "batch_size"),
            ("loss.guide={margin=-0.1}", "loss.guide"),
            ("loss.directions=[\"query-to-query\"]", "directions without query-to-passage"),
            ("cluster.levels=[10,10]", "cluster.levels"),
            ("cluster.balance={min=3,max=2}", "cluster.balance"),
            ("sampler.unique=[\"query\",\"query\"]", "sampler.unique"),
            ("embedder.kind=bert", "embedder.path"),
            ("embedder.cache=", "embedder.cache"),
        ] {
            let message = error("", &[setting]);
            assert!(message.contains(key), "{setting}: {message}");
        }
    }

    /// Values at either end that would break a run later, or make it learn nothing; none where every value is harmless.
    const REFUSED: &[(&str, &[&str])] = &[
        ("data.test_share", &["0.0", "1.0", "nan"]),
        ("embedder.dim", &["0", "15", "65537", "1000000000000000000"]),
        ("embedder.max_query_tokens", &["1", "1048577"]),
        ("embedder.max_passage_tokens", &["1", "1048577"]),
        ("cluster.k", &["0", "4294967296"]),
        ("cluster.runs", &["0", "1000000000000000000"]),
        ("cluster.max_iterations", &["0", "1000000000000000000"]),
        ("data.validation_share", &["-0.1", "1.0", "nan"]),
        ("cluster.tolerance", &["-1.0", "inf", "nan"]),
        ("cluster.seed", &["-1"]),
        ("sampler.batch_size", &["1", "16777217", "1000000000000000000"]),
        ("sampler.min_stratum", &[]),
        ("sampler.drop_below", &[]),
        ("student.dim", &["0", "65537"]),
        ("student.heads", &["0", "65537"]),
        ("student.intermediate", &["262145"]),
        ("student.vocab_size", &["255", "16777217", "1000000000000000000"]),
        ("student.init_std", &["0.0", "101.0", "nan"]),
        ("loss.temperature", &["0.0", "-0.1", "1e-30", "9e-7", "1e-46", "inf", "nan"]),
        ("loss.hardness", &["-0.1", "1000001.0", "inf", "nan"]),
        ("loss.hard_negatives", &["-1", "1025"]),
        ("loss.tile", &[]),
        ("train.epochs", &["0", "1000001", "1000000000000000000"]),
        ("train.learning_rate", &["0.0", "-1.0", "1e-13", "11.0", "1e30", "inf", "nan"]),
        ("train.warmup", &["-0.1", "1.1", "nan"]),
        ("train.final_rate", &["-0.1", "1.1", "nan"]),
        ("train.weight_decay", &["-0.1", "1.1", "nan"]),
        ("train.beta1", &["-0.1", "1.0", "0.99999999999", "nan"]),
        ("train.beta2", &["-0.1", "1.0", "0.99999999999", "nan"]),
        ("train.epsilon", &["0.0", "1e-30", "2.0", "nan"]),
        ("train.clip_norm", &["-1.0", "inf", "1e39", "nan"]),
        ("train.cooldown", &["-0.1", "1.1", "nan"]),
        ("train.skip_at_most", &[]),
        ("train.dropout", &["-0.1", "0.1", "1.0", "nan"]),
        ("train.ema", &["-0.1", "1.0", "nan"]),
        ("train.chunk_tokens", &[]),
        ("train.memory", &["-1.0", "inf", "nan"]),
        ("train.checkpoints", &["0"]),
        ("train.max_query_tokens", &["1", "1048577", "1000000000000000000"]),
        ("train.max_passage_tokens", &["1", "1048577", "1000000000000000000"]),
        ("train.seed", &["-1"]),
        ("train.checkpoint_every", &[]),
        ("train.evaluate_every", &["10"]),
        ("eval.depth", &["0", "99"]),
        ("eval.max_query_tokens", &["1", "1048577"]),
        ("eval.max_passage_tokens", &["1", "1048577"]),
        ("eval.resamples", &["0", "10000001", "1000000000000000000"]),
        ("run.threads", &["4097", "1000000000000000000"]),
    ];

    #[test]
    fn every_number_that_would_break_later_is_refused_by_its_key() {
        let more: [(&str, &[&str]); 20] = [
            ("student.mlm.weight_decay", &["-0.1", "1.1", "nan"]),
            ("student.mlm.dropout", &["-0.1", "1.0", "nan"]),
            ("student.mlm.steps", &["0"]),
            ("student.mlm.batch_size", &["0"]),
            ("student.mlm.max_tokens", &["0", "2", "1048577"]),
            ("student.mlm.mask", &["0.0", "1.1", "nan"]),
            ("student.mlm.learning_rate", &["0.0", "inf"]),
            ("train.steps", &["0", "-1", "100000001", "1000000000000000000"]),
            ("train.devices", &["0", "1025"]),
            ("train.precision", &["bf16", "fp16"]),
            ("train.recluster_every", &["0"]),
            ("data.sample", &["0"]),
            ("data.limit", &["0"]),
            ("student.layers", &["0", "1025"]),
            ("student.family", &["t5", "mpnet"]),
            ("embedder.truncate_dim", &["0"]),
            ("embedder.precision", &["int16", "int8"]),
            ("cluster.max_points_per_centroid", &["0"]),
            ("sampler.cap", &["0"]),
            ("sampler.consistent_within", &["0", "16777217"]),
        ];
        for (key, values) in REFUSED.iter().chain(&more) {
            for value in *values {
                let mut settings = vec![format!("{key}={value}")];
                if *key == "embedder.truncate_dim" {
                    settings.extend(["embedder.kind=bert".into(), "embedder.path=model".into()]);
                }
                if key.starts_with("student.mlm") {
                    settings.insert(0, "student.kind=bert".into());
                    settings.insert(1, "student.mlm.steps=9".into());
                }
                let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
                let message = error("", &settings);
                assert!(message.contains(key), "{key}={value}: {message}");
            }
        }
    }

    #[test]
    fn no_number_of_the_configuration_is_without_a_range() {
        let text = Config::default().to_toml().unwrap();
        let sections: toml::Table = toml::from_str(&text).unwrap();
        for (section, keys) in &sections {
            for (key, value) in keys.as_table().unwrap() {
                let key = format!("{section}.{key}");
                let number = value.is_integer() || value.is_float();
                assert!(!number || REFUSED.iter().any(|(named, _)| *named == key), "{key} has no entry in the table");
            }
        }
    }

    #[test]
    fn a_depth_above_the_cut_of_a_measure_is_refused_and_names_the_measure() {
        let message = error("", &["eval.depth=30"]);
        assert_eq!(message, "eval.depth = 30 with recall@100: expected at least the cut of every measure");
        Config::parse("", &["eval.depth=30".into(), "eval.measures=[\"nDCG@10\",\"MRR\",\"map\"]".into()]).unwrap();
    }

    #[test]
    fn a_value_is_shown_as_it_was_given() {
        for (setting, expected) in [
            (
                "sampler.unique=[\"query\",\"query\"]",
                "sampler.unique = [\"query\", \"query\"]: expected each value once",
            ),
            ("run.seeds=[3,3]", "run.seeds = [3, 3]: expected each value once"),
            ("sampler.kind=topic-aware", "sampler.group = absent: expected either this or sampler.strata_per_batch"),
            ("cluster.k=0", "cluster.k = 0: 0 clusters, expected at least 1"),
        ] {
            assert_eq!(error("", &[setting]), expected);
        }
    }

    #[test]
    fn a_rate_and_a_decay_that_leave_nothing_of_a_weight_are_refused() {
        let message = error("", &["train.learning_rate=2.0", "train.weight_decay=0.5"]);
        assert!(message.contains("train.weight_decay"), "{message}");
    }

    #[test]
    fn a_setting_reaches_a_table_within_a_section() {
        let settings = ["cluster.balance.min=3", "run.arms=[{name=\"a\",cluster={k=2}}]"].map(String::from);
        let config = Config::parse("[[run.arm]]\nname = \"b\"", &settings).unwrap();
        assert_eq!(config.cluster.balance.unwrap().min, 3);
        assert_eq!(config.arms().unwrap()[0].config.cluster.kmeans.k, 2);
        assert!(error("[cluster]\nk = 3", &["cluster.k.x=3"]).contains("cluster.k.x=3"));
    }

    #[test]
    fn a_setting_ends_what_it_replaces_unless_another_gives_that_too() {
        let text = "[train]\nsteps = 50\n[cluster]\nlevels = [2, 4]\n[sampler]\nkind = \"topic-aware\"\ngroup = 2";
        let parse = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
            Config::parse(text, &settings).unwrap()
        };
        assert_eq!(parse(&["train.epochs=2"]).train.steps, None);
        assert_eq!(parse(&["train.epochs=2", "train.steps=9"]).train.steps, Some(9));
        assert_eq!(parse(&["train.steps=9", "train.epochs=2"]).train.steps, Some(9));
        assert_eq!(parse(&["train.seed=2"]).train.steps, Some(50));
        assert_eq!(parse(&["cluster.k=7"]).cluster.clusters(), 7);
        assert_eq!(parse(&["sampler.strata_per_batch=8"]).sampler.group, None);
    }

    #[test]
    fn settings_take_bare_words_numbers_and_lists() {
        let settings =
            ["cluster.of=queries", "train.learning_rate=1e-3", "run.arms=[\"none\",\"both\"]", "data.path=../x y"]
                .map(String::from);
        let config = Config::parse("", &settings).unwrap();
        assert_eq!(config.cluster.of, ClusterOf::Queries);
        assert_eq!(config.train.learning_rate, Some(1e-3));
        let of: Vec<ClusterOf> = config.arms().unwrap().iter().map(|arm| arm.config.cluster.of).collect();
        assert_eq!(of, [ClusterOf::None, ClusterOf::Both]);
        assert_eq!(config.data.path.to_str(), Some("../x y"));
    }

    #[test]
    fn only_keys_that_change_results_differ() {
        let a = Config::default();
        let b = Config::parse("", &["run.threads=1".into(), "run.dir=elsewhere".into(), "embedder.cache=there".into()])
            .unwrap();
        assert!(a.differences(&b).is_empty());
        let c = Config::parse("", &["student.layers=2".into()]).unwrap();
        assert_eq!(a.differences(&c)[0].to_string(), "student.layers = absent there, 2 here");
    }
}
