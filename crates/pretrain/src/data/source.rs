//! Where a data set comes from.

use super::{Beir, DataError, Dataset, MsMarco, Pairs};

/// Something that gives pairs, corpus and test queries. A [`Dataset`] gives itself.
///
/// # Examples
/// ```
/// use pretrain::data::{DataError, Dataset, Pair, PairSource};
///
/// /// Questions that a program makes up.
/// struct Sums;
///
/// impl PairSource for Sums {
///     fn load(&self) -> Result<Dataset, DataError> {
///         Ok(Dataset {
///             queries: (0..9).map(|n| (n.to_string(), format!("what is {n} and {n}"))).collect(),
///             passages: (0..9).map(|n| (n.to_string(), format!("{}", n + n))).collect(),
///             train: (0..9).map(|n| Pair { query: n, passage: n }).collect(),
///             ..Dataset::default()
///         })
///     }
/// }
///
/// assert_eq!(Sums.load()?.train.len(), 9);
/// # Ok::<(), DataError>(())
/// ```
pub trait PairSource {
    /// The data set; the same each time, as long as what it is read from does not change.
    ///
    /// # Errors
    /// What is malformed or missing; [`DataError::Other`] for what has no variant.
    fn load(&self) -> Result<Dataset, DataError>;

    /// Whether what it is read from changes with other things than the data, so that a run keeps a copy; not so unless
    /// implemented otherwise.
    fn is_fleeting(&self) -> bool {
        false
    }
}

impl PairSource for Dataset {
    fn load(&self) -> Result<Dataset, DataError> {
        Ok(self.clone())
    }
}

impl PairSource for Beir {
    fn load(&self) -> Result<Dataset, DataError> {
        self.load()
    }
}

impl PairSource for Pairs {
    fn load(&self) -> Result<Dataset, DataError> {
        self.load()
    }
}

impl PairSource for MsMarco {
    fn load(&self) -> Result<Dataset, DataError> {
        self.load()
    }
}

#[cfg(feature = "rust-docs")]
impl PairSource for super::RustDocs {
    fn load(&self) -> Result<Dataset, DataError> {
        self.load()
    }

    /// The sources change with every dependency.
    fn is_fleeting(&self) -> bool {
        true
    }
}
