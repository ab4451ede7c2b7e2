use std::fmt;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

/// What has to tell its partner from what.
///
/// # Examples
///
/// ```
/// use infonce::Direction;
///
/// assert_eq!(serde_json::to_string(&Direction::QueryToPassage).unwrap(), r#""query-to-passage""#);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Each query its passage from all other passages (van den Oord et al. 2018, Merrick 2024).
    QueryToPassage,
    /// Each passage its query from all other queries, the second half of CLIP's loss (Radford et al. 2021).
    PassageToQuery,
    /// The pair from the query beside all other queries (Li et al. 2023, arXiv 2308.03281).
    QueryToQuery,
    /// The pair from the passage beside all other passages (Li et al. 2023).
    PassageToPassage,
}

impl Direction {
    const EACH: [Self; 4] = [Self::QueryToPassage, Self::PassageToQuery, Self::QueryToQuery, Self::PassageToPassage];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of directions, that from query to passage always among them.
///
/// # Examples
///
/// ```
/// use infonce::{Direction, Directions};
///
/// let directions: Directions = serde_json::from_str(r#"["query-to-passage", "query-to-query"]"#).unwrap();
/// assert_eq!(directions, Directions::default().with(Direction::QueryToQuery));
/// assert!(serde_json::from_str::<Directions>(r#"["query-to-query"]"#).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Directions(u8);

impl Directions {
    /// From query to passage alone.
    pub const QUERY_TO_PASSAGE: Self = Self(0b0001);
    /// From query to passage and back; with [`Partition::Separate`] CLIP's symmetric loss.
    pub const SYMMETRIC: Self = Self(0b0011);
    /// All four; with [`Partition::Joint`] the improved contrastive loss of Li et al. (2023).
    pub const ALL: Self = Self(0b1111);

    /// These and another.
    #[must_use]
    pub fn with(self, direction: Direction) -> Self {
        Self(self.0 | direction.bit())
    }

    /// Whether a direction is among them.
    pub fn contains(self, direction: Direction) -> bool {
        self.0 & direction.bit() > 0
    }

    /// Each of them, in the order of [`Direction`].
    pub fn iter(self) -> impl Iterator<Item = Direction> {
        Direction::EACH.into_iter().filter(move |&direction| self.contains(direction))
    }
}

impl Default for Directions {
    fn default() -> Self {
        Self::QUERY_TO_PASSAGE
    }
}

impl fmt::Debug for Directions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Directions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Directions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let listed = Vec::<Direction>::deserialize(deserializer)?;
        match listed.contains(&Direction::QueryToPassage) {
            true => Ok(listed.into_iter().fold(Self::default(), Self::with)),
            false => Err(D::Error::custom("directions without query-to-passage")),
        }
    }
}

/// Whether the negatives of all directions are in one sum.
///
/// # Examples
///
/// ```
/// assert_eq!(infonce::Partition::default(), infonce::Partition::Joint);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// One softmax over the candidates of all directions.
    #[default]
    Joint,
    /// A softmax for each direction; the loss is their mean.
    Separate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_in_one_order_and_read_in_any() {
        let read: Directions = serde_json::from_str(r#"["passage-to-passage", "query-to-passage"]"#).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"["query-to-passage","passage-to-passage"]"#);
        assert_eq!(Directions::ALL.iter().count(), 4);
        assert_eq!(format!("{:?}", Directions::SYMMETRIC), "{QueryToPassage, PassageToQuery}");
    }

    #[test]
    fn a_set_without_the_first_direction_is_refused() {
        let error = serde_json::from_str::<Directions>("[]").unwrap_err();
        assert_eq!(error.to_string(), "directions without query-to-passage");
        assert!(serde_json::from_str::<Directions>(r#"["symmetric"]"#).is_err());
    }
}
