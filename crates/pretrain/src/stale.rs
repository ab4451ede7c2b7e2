//! Why the files of a stage are of no use any more.

use std::fmt;

use crate::difference::Difference;

/// How the files of a stage are not those that it would write now.
///
/// # Examples
///
/// ```
/// let stale = pretrain::Stale::Content { what: "embeddings".into() };
/// assert_eq!(stale.to_string(), "was made from other embeddings");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stale {
    /// The stage began and was not finished.
    Unfinished,
    /// It had other settings: theirs are `left`, those of now `right`.
    Settings(Vec<Difference>),
    /// It read other content.
    Content {
        /// What it read.
        what: String,
    },
    /// A file changed since it was written.
    Changed,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Settings that differ are named up to so many.
        const SHOWN: usize = 4;
        match self {
            Self::Unfinished => f.write_str("is of a stage that was not finished"),
            Self::Settings(differences) => {
                let show = |Difference { key, left, right }: &Difference| format!("{key} = {left}, not {right}");
                let shown: Vec<String> = differences.iter().take(SHOWN).map(show).collect();
                write!(f, "was made with {}", shown.join(", "))?;
                match differences.len() - shown.len() {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
            Self::Content { what } => write!(f, "was made from other {what}"),
            Self::Changed => f.write_str("changed since it was written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_settings_some_are_named_and_the_others_counted() {
        let differences = |n: u32| {
            let difference = |key: u32| Difference { key: format!("k{key}"), left: "1".into(), right: "2".into() };
            Stale::Settings((0..n).map(difference).collect()).to_string()
        };
        assert_eq!(differences(1), "was made with k0 = 1, not 2");
        assert!(differences(4).ends_with("k3 = 1, not 2"));
        assert!(differences(6).ends_with("k3 = 1, not 2, and 2 more"));
    }
}
