//! The first columns of the rows, as embeddings of their own.

use serde::{Deserialize, Serialize};

use crate::InfoNceConfig;

/// The first columns of every row, and what their loss weighs.
///
/// Written as its width alone where it weighs 1.
///
/// # Source
/// Kusupati et al. (2022), "Matryoshka Representation Learning", arXiv 2205.13147.
///
/// # Examples
///
/// ```
/// use infonce::Prefix;
///
/// let read: Vec<Prefix> = serde_json::from_str(r#"[768, {"width": 128, "weight": 0.5}]"#).unwrap();
/// assert_eq!(read, [Prefix::new(768), Prefix { width: 128, weight: 0.5 }]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Prefix {
    /// How many columns, at least 1 and at most what the rows have.
    pub width: usize,
    /// What its loss is multiplied by, finite and above 0.
    pub weight: f32,
}

impl Prefix {
    /// One that weighs 1.
    pub fn new(width: usize) -> Self {
        Self { width, weight: 1.0 }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "a prefix is a width, or { width = W, weight = A }")]
enum Written {
    Width(usize),
    Weighted { width: usize, weight: f32 },
}

impl From<Written> for Prefix {
    fn from(written: Written) -> Self {
        match written {
            Written::Width(width) => Self::new(width),
            Written::Weighted { width, weight } => Self { width, weight },
        }
    }
}

impl From<Prefix> for Written {
    fn from(Prefix { width, weight }: Prefix) -> Self {
        match weight {
            1.0 => Self::Width(width),
            _ => Self::Weighted { width, weight },
        }
    }
}

/// The prefixes of rows of this width that a loss is of, the whole rows where none are named, and the width of the widest.
#[track_caller]
pub(crate) fn prefixes(config: &InfoNceConfig, width: usize) -> (Vec<Prefix>, usize) {
    let widest = config.matryoshka.iter().map(|prefix| prefix.width).max();
    assert!(widest <= Some(width), "a prefix of width {} of rows of width {width}", widest.unwrap_or_default());
    match widest {
        Some(widest) => (config.matryoshka.clone(), widest),
        None => (vec![Prefix::new(width)], width),
    }
}

/// The first that no loss can be built of, if there is one.
pub(crate) fn refused(prefixes: &[Prefix]) -> Option<&Prefix> {
    let is_refused = |(place, prefix): (usize, &Prefix)| {
        let repeats = prefixes[..place].iter().any(|before| before.width == prefix.width);
        prefix.width == 0 || !prefix.weight.is_finite() || prefix.weight <= 0.0 || repeats
    };
    prefixes.iter().enumerate().find(|&(place, prefix)| is_refused((place, prefix))).map(|(_, prefix)| prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_written_as_it_is_read() {
        let json = r#"[256,{"width":64,"weight":2.0}]"#;
        let prefixes: Vec<Prefix> = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&prefixes).unwrap(), json);
        for (bad, said) in
            [(r#"["256"]"#, "a prefix is a width"), (r#"[{"width":1,"wight":2.0}]"#, "a prefix is a width")]
        {
            let error = serde_json::from_str::<Vec<Prefix>>(bad).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn widths_of_0_and_repeated_ones_and_weights_that_are_none_are_refused() {
        let weighing = |weight: f32| Prefix { width: 3, weight };
        for bad in
            [Prefix::new(0), Prefix::new(8), weighing(0.0), weighing(-1.0), weighing(f32::NAN), weighing(f32::INFINITY)]
        {
            let (prefixes, as_said) = ([Prefix::new(8), bad], format!("{bad:?}"));
            assert_eq!(refused(&prefixes).map(|prefix| format!("{prefix:?}")), Some(as_said));
        }
        assert_eq!(refused(&[Prefix::new(8), Prefix::new(4)]), None);
    }
}
