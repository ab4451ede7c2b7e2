//! Settings that go together, by a name.

use serde::{Deserialize, Serialize};
use toml::Table;

/// Keys of several sections by one name, `preset = "paper"` at the beginning of a file: what the file and overrides say goes over them.
///
/// # Examples
///
/// ```
/// let config = pretrain::Config::parse("preset = \"paper\"\n[cluster]\nk = 20", &[])?;
/// assert_eq!((config.sampler.batch_size, config.cluster.kmeans.k), (4096, 20));
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The paper's batches and optimisation: 4,096 pairs of one of ten clusters of passages.
    Paper,
}

impl Preset {
    /// Its sections.
    pub(super) fn table(self) -> Result<Table, toml::de::Error> {
        let text = match self {
            Self::Paper => include_str!("../../presets/paper.toml"),
        };
        toml::from_str(text)
    }
}
