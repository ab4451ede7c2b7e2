//! The section `[sampler]`: how batches are drawn.

use serde::{Deserialize, Serialize};
use stratified_sampler::{
    Between, Clock, CurriculumConfig, Knot, Leftovers, StratifiedConfig, TopicAwareConfig, UniformConfig, Weights,
};
use toml::Table;

/// How batches are drawn.
///
/// # Examples
///
/// ```
/// let text = "[sampler]\nkind = \"topic-aware\"\nbatch_size = 256\ngroup = 16\nunique = [\"passage\"]";
/// let config = pretrain::Config::parse(text, &[])?;
/// assert_eq!(config.sampler.topic_aware(0).strata_per_batch, 16);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// What the pairs of a batch have in common.
    pub kind: SamplerKind,
    /// Pairs in a batch.
    pub batch_size: usize,
    /// What becomes of the pairs that fill no batch of their stratum (`stratified`).
    pub leftovers: Leftovers,
    /// Whether a batch shorter than `batch_size` is left out, so that every step has equal weight.
    pub drop_last: bool,
    /// Clusters below this many pairs are leftovers as a whole (`stratified`).
    pub min_stratum: usize,
    /// Clusters below this many pairs are not drawn from at all (`stratified`).
    pub drop_below: usize,
    /// The most pairs that an epoch draws of one cluster; absent: all (`stratified`).
    pub cap: Option<usize>,
    /// How batches are shared out between clusters: `"size"`, `"equal"`, `{ temperature = T }` or `{ given = […] }`
    /// (`stratified`, with `drop` or `carry`).
    pub weights: Weights,
    /// Clusters in a batch (`topic-aware`).
    pub strata_per_batch: Option<usize>,
    /// Pairs of one cluster in a batch: the other way to say `strata_per_batch` (`topic-aware`).
    pub group: Option<usize>,
    /// What no two pairs of a batch may share.
    pub unique: Vec<UniqueKey>,
    /// Pairs are drawn whose passage is among so many nearest to their query, by the clustering embedder; absent: all.
    pub consistent_within: Option<usize>,
    /// Whether the pairs of a batch are of one source too, where `data.sources` names several: strata are then clusters within sources.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_source: bool,
    /// Several samplers by a schedule, each with keys of its own.
    pub curriculum: Option<CurriculumSection>,
}

/// What the pairs of a batch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// One cluster.
    Stratified,
    /// A few clusters, as many pairs of each.
    TopicAware,
    /// Nothing: they are drawn from all pairs alike.
    Uniform,
}

/// What two pairs of a batch may not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UniqueKey {
    /// The query.
    Query,
    /// The passage.
    Passage,
}

/// Several samplers by a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurriculumSection {
    /// The samplers, each as the keys in which it differs from the sections `cluster` and `sampler`.
    pub samplers: Vec<SamplerOverrides>,
    /// What the times of `starts` and `knots` count.
    pub clock: Clock,
    /// How shares go from one knot to the next.
    #[serde(default)]
    pub between: Between,
    /// When each sampler begins and ends the one before; the other way to say `knots`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<f64>,
    /// The samplers' shares over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knots: Vec<Knot>,
}

/// Keys in which one sampler of a curriculum differs from the arm's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerOverrides {
    /// Keys of `cluster`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub cluster: Table,
    /// Keys of `sampler`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub sampler: Table,
}

impl Default for SamplerConfig {
    /// Batches of 1,024 pairs of one cluster each, none shorter; else the sampler's own defaults.
    fn default() -> Self {
        let StratifiedConfig { batch_size, leftovers, min_stratum, drop_below, cap, weights, .. } =
            StratifiedConfig::new(1024);
        Self {
            kind: SamplerKind::Stratified,
            batch_size,
            leftovers,
            drop_last: true,
            min_stratum,
            drop_below,
            cap,
            weights,
            strata_per_batch: None,
            group: None,
            unique: Vec::new(),
            consistent_within: None,
            by_source: false,
            curriculum: None,
        }
    }
}

impl SamplerConfig {
    /// The settings of batches of one cluster each.
    pub fn stratified(&self, seed: u64) -> StratifiedConfig {
        StratifiedConfig {
            batch_size: self.batch_size,
            leftovers: self.leftovers,
            seed,
            drop_last: self.drop_last,
            min_stratum: self.min_stratum,
            drop_below: self.drop_below,
            cap: self.cap,
            weights: self.weights.clone(),
        }
    }

    /// The settings of batches of a few clusters each; 0 clusters a batch where neither key says how many, or `group` does
    /// not divide the batch, which the sampler refuses.
    pub fn topic_aware(&self, seed: u64) -> TopicAwareConfig {
        let of_group = |group: usize| match group > 0 && self.batch_size.is_multiple_of(group) {
            true => self.batch_size / group,
            false => 0,
        };
        let strata_per_batch = self.strata_per_batch.or(self.group.map(of_group)).unwrap_or(0);
        TopicAwareConfig { batch_size: self.batch_size, strata_per_batch, seed }
    }

    /// The settings of batches of all pairs alike.
    pub fn uniform(&self, seed: u64) -> UniformConfig {
        UniformConfig { batch_size: self.batch_size, seed, drop_last: self.drop_last }
    }
}

impl CurriculumSection {
    /// The schedule over the samplers.
    pub fn schedule(&self) -> CurriculumConfig {
        match self.starts.as_slice() {
            [] => CurriculumConfig { clock: self.clock, between: self.between, knots: self.knots.clone() },
            starts => CurriculumConfig::stages(self.clock, starts),
        }
    }
}
