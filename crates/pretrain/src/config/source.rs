//! The source of data that the section `[data]` names.

use std::path::PathBuf;

use toml::Table;

use super::{DataConfig, DataFormat, NamedSource, SourceTable, SplitBy};
use crate::data::{Beir, BeirValidation, DataError, Dataset, Joined, MsMarco, PairSource, PairSplit, Pairs};
use crate::error::{PretrainError, Result};

impl DataConfig {
    /// The source that these settings name; nothing is read yet.
    ///
    /// # Errors
    /// [`PretrainError::NoFormat`](crate::PretrainError::NoFormat) if this build cannot read the format.
    ///
    /// # Examples
    /// ```
    /// let config = pretrain::Config::parse("[data]\nformat = \"beir\"\npath = \"no/such/folder\"", &[])?;
    /// assert!(config.data.source()?.load().is_err());
    /// # Ok::<(), pretrain::PretrainError>(())
    /// ```
    pub fn source(&self) -> Result<Box<dyn PairSource>> {
        if self.sources.is_empty() {
            return self.single_source();
        }
        let (mut sources, mut prompts) = (Vec::new(), Vec::new());
        for NamedSource { name, data, .. } in self.resolved()? {
            let without = Self { query_prompt: String::new(), passage_prompt: String::new(), ..data.clone() };
            sources.push((name, without.single_source()?));
            prompts.push([data.query_prompt, data.passage_prompt]);
        }
        Ok(Box::new(Joined::new(sources).with_prompts(prompts)))
    }

    /// The sources with all their settings, if there are several.
    ///
    /// # Errors
    /// A source's keys are unknown; never after [`Config::load`](super::Config::load) or [`Config::parse`](super::Config::parse), which have looked.
    pub fn resolved(&self) -> Result<Vec<NamedSource>> {
        self.sources.iter().map(|source| self.resolve(source)).collect()
    }

    fn resolve(&self, source: &SourceTable) -> Result<NamedSource> {
        let base = Self { sources: Vec::new(), ..self.clone() };
        let mut keys =
            Table::try_from(base).map_err(|source| PretrainError::ConfigText { source: Box::new(source) })?;
        keys.extend(source.keys.clone());
        let data = keys.try_into().map_err(|error: toml::de::Error| PretrainError::Source {
            name: source.name.clone(),
            source: Box::new(PretrainError::ArmKeys { message: error.to_string().trim().replace('\n', " ") }),
        })?;
        Ok(NamedSource { name: source.name.clone(), weight: source.weight, data })
    }

    /// The path that a message names, or the key where there are several.
    pub(crate) fn place(&self) -> PathBuf {
        if self.sources.is_empty() { self.path.clone() } else { "data.sources".into() }
    }

    /// Whether the data, or a source of it, is laid out so.
    pub(crate) fn has_format(&self, format: DataFormat) -> bool {
        match self.sources.as_slice() {
            [] => self.format == format,
            _ => self.resolved().is_ok_and(|sources| sources.iter().any(|source| source.data.format == format)),
        }
    }

    fn single_source(&self) -> Result<Box<dyn PairSource>> {
        let source = self.plain_source()?;
        match (self.limit, self.query_prompt.as_str(), self.passage_prompt.as_str()) {
            (None, "", "") => Ok(source),
            _ => Ok(Box::new(Prepared { source, config: self.clone() })),
        }
    }

    fn plain_source(&self) -> Result<Box<dyn PairSource>> {
        Ok(match self.format {
            DataFormat::Beir => {
                let beir = Beir::new(&self.path).with_use_titles(self.use_titles).with_test_split(&self.test_split);
                Box::new(beir.with_validation(self.validation()))
            }
            DataFormat::Pairs => {
                let share = self.test_share;
                let split = match (self.test_topics.as_slice(), self.test_by) {
                    ([], SplitBy::Passage) => PairSplit::PassageShare { share },
                    ([], SplitBy::Topic) => PairSplit::TopicShare { share },
                    (topics, _) => PairSplit::Topics { held_out: topics.to_vec() },
                };
                let pairs = Pairs::new(&self.path).with_columns(self.columns.clone()).with_split(split);
                Box::new(pairs.with_validation_share(self.validation_share))
            }
            DataFormat::MsMarco => {
                let source = MsMarco::new(&self.path).with_test_split(&self.test_split);
                Box::new(MsMarco { validation: self.validation(), triples: self.triples.clone(), ..source })
            }
            #[cfg(feature = "rust-docs")]
            DataFormat::RustDocs => {
                let docs = crate::data::RustDocs::new(&self.path);
                let docs = docs.with_test_share(self.test_share).with_sample(self.sample);
                Box::new(docs.with_validation_share(self.validation_share))
            }
            #[cfg(not(feature = "rust-docs"))]
            DataFormat::RustDocs => return Err(PretrainError::NoFormat { format: "rust-docs" }),
        })
    }

    fn validation(&self) -> BeirValidation {
        match (self.validation_split.as_str(), self.validation_share) {
            ("", 0.0) => BeirValidation::None,
            ("", share) => BeirValidation::Share { share },
            (split, _) => BeirValidation::Split { split: split.to_owned() },
        }
    }
}

/// A source within its limit, its texts after their prompts.
struct Prepared {
    source: Box<dyn PairSource>,
    config: DataConfig,
}

impl PairSource for Prepared {
    fn load(&self) -> std::result::Result<Dataset, DataError> {
        let DataConfig { limit, query_prompt, passage_prompt, .. } = &self.config;
        let dataset = self.source.load()?.with_at_most(limit.unwrap_or(usize::MAX));
        Ok(dataset.with_prompts(query_prompt, passage_prompt))
    }

    fn is_fleeting(&self) -> bool {
        self.source.is_fleeting()
    }
}
