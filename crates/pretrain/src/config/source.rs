//! The source of data that the section `[data]` names.

use super::{DataConfig, DataFormat, SplitBy};
use crate::data::{Beir, BeirValidation, PairSource, PairSplit, Pairs};
use crate::error::Result;

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
        Ok(match self.format {
            DataFormat::Beir => {
                let validation = match (self.validation_split.as_str(), self.validation_share) {
                    ("", 0.0) => BeirValidation::None,
                    ("", share) => BeirValidation::Share { share },
                    (split, _) => BeirValidation::Split { split: split.to_owned() },
                };
                let beir = Beir::new(&self.path).with_use_titles(self.use_titles).with_test_split(&self.test_split);
                Box::new(beir.with_validation(validation))
            }
            DataFormat::Pairs => {
                let share = self.test_share;
                let split = match (self.test_topics.as_slice(), self.test_by) {
                    ([], SplitBy::Passage) => PairSplit::PassageShare { share },
                    ([], SplitBy::Topic) => PairSplit::TopicShare { share },
                    (topics, _) => PairSplit::Topics { held_out: topics.to_vec() },
                };
                Box::new(Pairs::new(&self.path).with_split(split).with_validation_share(self.validation_share))
            }
            #[cfg(feature = "rust-docs")]
            DataFormat::RustDocs => {
                let docs = crate::data::RustDocs::new(&self.path);
                let docs = docs.with_test_share(self.test_share).with_sample(self.sample);
                Box::new(docs.with_validation_share(self.validation_share))
            }
            #[cfg(not(feature = "rust-docs"))]
            DataFormat::RustDocs => return Err(crate::PretrainError::NoFormat { format: "rust-docs" }),
        })
    }
}
