//! The arms of a comparison: names of what is clustered, or tables of the keys in which they differ.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use super::{ClusterConfig, ClusterOf, Config, SamplerConfig, SamplerKind, overrides};
use crate::difference::Difference;
use crate::error::{PretrainError, Result};

/// An arm as the configuration has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ArmConfig {
    /// What is clustered, the rest as in the sections.
    Of(ClusterOf),
    /// A name, and keys that differ from the sections.
    Table(ArmTable),
}

/// A named arm and the keys in which it differs from the sections.
///
/// # Examples
///
/// ```
/// let text = r#"
/// [[run.arm]]
/// name = "unclustered"
/// cluster.of = "none"
///
/// [[run.arm]]
/// name = "fine groups"
/// cluster.k = 1000
/// sampler = { kind = "topic-aware", group = 16 }
/// "#;
/// let arms = pretrain::Config::parse(text, &[])?.arms()?;
/// assert_eq!(arms[1].config.cluster.kmeans.k, 1000);
/// assert_eq!(arms[1].name, "fine-groups");
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmTable {
    /// The arm's name in tables; in files and on the command line with `-` for spaces.
    pub name: String,
    /// Keys of `cluster`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub cluster: Table,
    /// Keys of `sampler`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub sampler: Table,
    /// Keys of `loss`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub loss: Table,
    /// Keys of `student`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub student: Table,
    /// Keys of `train`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub train: Table,
}

/// By hand, since an untagged enum says only that nothing matched.
impl<'de> Deserialize<'de> for ArmConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Table(table) => table.try_into().map(Self::Table).map_err(D::Error::custom),
            of => of.try_into().map(Self::Of).map_err(D::Error::custom),
        }
    }
}

/// An arm with all its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// The name in files and on the command line.
    pub name: String,
    /// The name in tables.
    pub title: String,
    /// The run's configuration with this arm's keys.
    pub config: Config,
    /// How its batches are drawn: by one sampler, or by those of its curriculum.
    pub draws: Vec<Draw>,
}

/// One sampler of an arm, and the clusters that it draws from.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// What is clustered, and how.
    pub cluster: ClusterConfig,
    /// How batches are drawn.
    pub sampler: SamplerConfig,
}

impl Draw {
    /// The clusters that the stage `cluster` makes for it, if it needs any.
    pub fn clusters(&self) -> Option<&ClusterConfig> {
        let needed = self.cluster.of.is_fitted() && self.sampler.kind != SamplerKind::Uniform;
        needed.then_some(&self.cluster)
    }
}

impl Arm {
    /// Whether its batches look at no clusters: the first such arm is the one that gains are measured against.
    pub fn is_unclustered(&self) -> bool {
        self.draws.iter().all(|draw| draw.cluster.of == ClusterOf::None || draw.sampler.kind == SamplerKind::Uniform)
    }

    /// The clusters that the stage `cluster` makes for it.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterConfig> {
        self.draws.iter().filter_map(Draw::clusters)
    }
}

impl Config {
    /// The arms that are trained, in order.
    ///
    /// # Errors
    /// An arm's keys are unknown or out of range, or two arms have one name; never after [`load`](Self::load) or
    /// [`parse`](Self::parse), which have looked.
    pub fn arms(&self) -> Result<Vec<Arm>> {
        let arms = match self.run.arms.as_slice() {
            [] => vec![self.arm_alone()?],
            arms => arms.iter().map(|arm| self.arm(arm)).collect::<Result<_>>()?,
        };
        let repeated = |(at, arm): &(usize, &Arm)| {
            arms[..*at].iter().any(|other| other.name == arm.name || other.title == arm.title)
        };
        match arms.iter().enumerate().find(repeated) {
            Some((_, arm)) => Err(PretrainError::ArmRepeated { arm: arm.name.clone() }),
            None => Ok(arms),
        }
    }

    /// The keys in which `arm` differs from the sections.
    pub fn differences_of(&self, arm: &Arm) -> Vec<Difference> {
        let own = |difference: &Difference| !difference.key.starts_with("run.");
        self.differences(&arm.config).into_iter().filter(own).collect()
    }

    fn arm(&self, arm: &ArmConfig) -> Result<Arm> {
        match arm {
            ArmConfig::Of(of) => self.arm_of(*of),
            ArmConfig::Table(table) => self.arm_of_table(table).map_err(|source| match source {
                named @ PretrainError::ArmName { .. } => named,
                source => PretrainError::Arm { arm: table.name.clone(), source: Box::new(source) },
            }),
        }
    }

    /// The only arm: the configuration as it is.
    fn arm_alone(&self) -> Result<Arm> {
        let (of, draws) = (self.cluster.of, self.draws()?);
        Ok(Arm { name: of.name().to_owned(), title: of.title().to_owned(), config: self.clone(), draws })
    }

    fn arm_of(&self, of: ClusterOf) -> Result<Arm> {
        let mut config = self.clone();
        config.cluster.of = of;
        if of == ClusterOf::None {
            config.sampler.curriculum = None;
        }
        config.run.arms.clear();
        let draws = config.draws()?;
        Ok(Arm { name: of.name().to_owned(), title: of.title().to_owned(), config, draws })
    }

    fn arm_of_table(&self, arm: &ArmTable) -> Result<Arm> {
        let name = folder_name(&arm.name).ok_or_else(|| PretrainError::ArmName { arm: arm.name.clone() })?;
        if let Some(seed) = arm.train.get("seed") {
            return Err(PretrainError::OutOfRange {
                key: "train.seed",
                value: seed.to_string(),
                expected: "none in an arm: run.seeds are those of every arm",
            });
        }
        let sections = [
            ("cluster", &arm.cluster),
            ("sampler", &arm.sampler),
            ("loss", &arm.loss),
            ("student", &arm.student),
            ("train", &arm.train),
        ];
        let mut base = self.clone();
        base.run.arms.clear();
        let config = overrides::with_sections(&base, &sections)?;
        config.validate_sections()?;
        let draws = config.draws()?;
        Ok(Arm { name, title: arm.name.clone(), config, draws })
    }

    fn draws(&self) -> Result<Vec<Draw>> {
        let Some(curriculum) = &self.sampler.curriculum else {
            return Ok(vec![Draw { cluster: self.cluster.clone(), sampler: self.sampler.clone() }]);
        };
        let mut base = self.clone();
        base.sampler.curriculum = None;
        let draw = |keys: &super::SamplerOverrides| {
            let config = overrides::with_sections(&base, &[("cluster", &keys.cluster), ("sampler", &keys.sampler)])?;
            config.validate_sections()?;
            match config.sampler.curriculum {
                Some(_) => Err(PretrainError::OutOfRange {
                    key: "sampler.curriculum",
                    value: "a curriculum".into(),
                    expected: "no curriculum within a curriculum",
                }),
                None => Ok(Draw { cluster: config.cluster, sampler: config.sampler }),
            }
        };
        let draws = curriculum.samplers.iter().map(draw).collect::<Result<Vec<_>>>()?;
        let sizes: Vec<usize> = draws.iter().map(|draw| draw.sampler.batch_size).collect();
        match sizes.windows(2).all(|two| two[0] == two[1]) {
            true => Ok(draws),
            false => Err(PretrainError::OutOfRange {
                key: "sampler.batch_size",
                value: format!("{sizes:?}"),
                expected: "one for all samplers of a curriculum",
            }),
        }
    }
}

/// The name with `-` for spaces, which is a folder's on every system, if it can be one.
pub(crate) fn folder_name(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || " -_.,=".contains(c);
    let edges =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    let is_name = edges && name.chars().all(good) && name.len() <= 64;
    is_name.then(|| name.to_ascii_lowercase().replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(text: &str) -> Result<Vec<Arm>> {
        Config::parse(text, &[])?.arms()
    }

    fn error(text: &str) -> String {
        crate::error::one_line(&Config::parse(text, &[]).unwrap_err())
    }

    #[test]
    fn names_and_tables_stand_in_one_list() {
        let text = r#"
            [cluster]
            k = 7
            [run]
            arms = ["none", { name = "Fine groups", cluster = { k = 50 }, sampler = { kind = "topic-aware", group = 16 } }]
        "#;
        let arms = arms(text).unwrap();
        assert!(arms[0].is_unclustered() && !arms[1].is_unclustered());
        assert_eq!((arms[0].name.as_str(), arms[1].name.as_str()), ("none", "fine-groups"));
        assert_eq!((arms[0].config.cluster.kmeans.k, arms[1].config.cluster.kmeans.k), (7, 50));
        assert_eq!(arms[1].config.sampler.kind, SamplerKind::TopicAware);
    }

    #[test]
    fn an_arm_overrides_any_key_of_its_sections() {
        let text = "[[run.arm]]\nname = \"a\"\nloss.temperature = 0.1\nstudent.dim = 8\ntrain.epochs = 9\n\
                    [[run.arm]]\nname = \"b\"\nsampler.weights = { temperature = 2.0 }\nsampler.leftovers = \"drop\"";
        let arms = arms(text).unwrap();
        let config = &arms[0].config;
        assert_eq!((config.loss.temperature, config.student.dim(), config.train.epochs), (0.1, 8, 9));
        let base = Config::parse(text, &[]).unwrap();
        let keys: Vec<String> = base.differences_of(&arms[0]).into_iter().map(|difference| difference.key).collect();
        assert_eq!(keys, ["loss.temperature", "student.dim", "train.epochs"]);
    }

    #[test]
    fn mistakes_name_the_arm_and_the_key() {
        for (text, parts) in [
            ("[[run.arm]]\nname = \"a\"\ncluster.kk = 3", ["arm `a`: unknown field `kk`", "in `cluster`"]),
            ("[[run.arm]]\nname = \"a\"\ncluster.k = 0", ["`a`", "cluster.k = 0"]),
            ("[[run.arm]]\nname = \"a\"\n[[run.arm]]\nname = \"A\"", ["`a`", "two arms"]),
            ("[[run.arm]]\nname = \"a\"\n[run]\narms = [\"none\"]", ["duplicate", "arms"]),
            ("[[run.arm]]\nname = \"../a\"", ["../a", "name"]),
            ("[[run.arm]]\nnam = \"a\"", ["nam", "line"]),
            ("[run]\narms = [\"nothing\"]", ["nothing", "line"]),
            ("[[run.arm]]\nname = \"a\"\neval.depth = 3", ["eval", "line"]),
            ("[[run.arm]]\nname = \"a\"\ntrain.seed = 3", ["`a`", "train.seed"]),
            ("[[run.arm]]\nname = \"a\"\ncluster.k = \"x\"", ["`a`", "cluster.k"]),
            ("[run]\narms = [\"none\", { name = \"unclustered\" }]", ["two arms", "unclustered"]),
        ] {
            let message = error(text);
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
    }

    #[test]
    fn a_key_of_an_arm_ends_what_it_replaces() {
        let text = r#"
            [cluster]
            levels = [10, 100]
            [sampler]
            kind = "topic-aware"
            group = 16
            [train]
            steps = 100
            [run]
            arms = [
                { name = "flat", cluster = { k = 50 } },
                { name = "few", sampler = { strata_per_batch = 8 } },
                { name = "long", train = { epochs = 9 } },
                { name = "short", train = { epochs = 9, steps = 10 } },
            ]
        "#;
        let arms = arms(text).unwrap();
        assert_eq!((arms[0].config.cluster.clusters(), arms[1].config.cluster.clusters()), (50, 100));
        assert_eq!(arms[0].config.sampler.topic_aware(0).strata_per_batch, 64);
        assert_eq!(arms[1].config.sampler.topic_aware(0).strata_per_batch, 8);
        let steps = [0, 2, 3].map(|arm: usize| arms[arm].config.train.steps);
        assert_eq!(steps, [Some(100), None, Some(10)]);
    }

    #[test]
    fn the_samplers_of_a_curriculum_have_clusters_of_their_own() {
        let text = r#"
            [sampler.curriculum]
            clock = "epochs"
            starts = [0.0, 1.0]
            samplers = [{ sampler = { kind = "uniform" } }, { cluster = { k = 4 }, sampler = { kind = "topic-aware", strata_per_batch = 2 } }]
        "#;
        let arm = &arms(text).unwrap()[0];
        assert_eq!(arm.draws.len(), 2);
        assert_eq!(arm.clusters().map(|cluster| cluster.kmeans.k).collect::<Vec<_>>(), [4]);
        assert_eq!(arm.draws[1].sampler.topic_aware(3).strata_per_batch, 2);
    }
}
