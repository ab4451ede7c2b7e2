use serde::{Deserialize, Serialize};

use super::entropy;
use crate::KMeansError;

/// How far labels agree with given topics.
///
/// # Examples
/// ```
/// use kmeans::Agreement;
///
/// let agreement = Agreement::of(&[0, 0, 1, 1], &[7, 7, 3, 3])?;
/// assert_eq!((agreement.normalised_mutual_information, agreement.purity), (1.0, 1.0));
/// let agreement = Agreement::of(&[0, 0, 1, 1], &[7, 3, 7, 3])?;
/// assert_eq!((agreement.normalised_mutual_information, agreement.purity), (0.0, 0.5));
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Mutual information divided by the mean of the two entropies, in `0..=1`; 1 if both name all rows alike.
    #[doc(alias = "NMI")]
    pub normalised_mutual_information: f64,
    /// Part of the rows whose topic is the most frequent one of their label, in `0..=1`.
    pub purity: f64,
}

impl Agreement {
    /// Agreement of two namings of the same rows. The mutual information does not change when they are exchanged, the
    /// purity does.
    ///
    /// # Shapes
    /// - `labels`, `topics`: `[n]`, any numbers
    ///
    /// # Errors
    /// [`KMeansError::NoRows`]; [`KMeansError::LabelCount`] if they differ in length.
    ///
    /// # Source
    /// The arithmetic mean is the default of scikit-learn's `normalized_mutual_info_score`. Purity: Manning, Raghavan &
    /// Schütze (2008), *Introduction to Information Retrieval*, §16.3.
    pub fn of(labels: &[u32], topics: &[u32]) -> Result<Self, KMeansError> {
        if labels.len() != topics.len() {
            return Err(KMeansError::LabelCount { labels: labels.len(), rows: topics.len() });
        }
        if labels.is_empty() {
            return Err(KMeansError::NoRows);
        }
        let counts = Counts::new(labels, topics);
        let most: u64 = counts.both.chunk_by(|a, b| a.label == b.label).filter_map(most).sum();
        Ok(Self {
            normalised_mutual_information: counts.normalised_mutual_information(),
            purity: most as f64 / labels.len() as f64,
        })
    }
}

/// Rows of the most frequent topic of one label.
fn most(cells: &[Cell]) -> Option<u64> {
    cells.iter().map(|cell| cell.rows).max()
}

/// Rows of a label with a topic.
struct Cell {
    label: usize,
    topic: usize,
    rows: u64,
}

/// How often each label, each topic and each pair of them occurs; none of them 0.
struct Counts {
    labels: Vec<u64>,
    topics: Vec<u64>,
    /// Ordered by label.
    both: Vec<Cell>,
    rows: u64,
}

impl Counts {
    fn new(labels: &[u32], topics: &[u32]) -> Self {
        let mut pairs: Vec<(usize, usize)> = numbered(labels).into_iter().zip(numbered(topics)).collect();
        pairs.sort_unstable();
        let count = |of: fn(&(usize, usize)) -> usize| {
            let mut counts = vec![0; pairs.iter().map(of).max().map_or(0, |most| most + 1)];
            pairs.iter().for_each(|pair| counts[of(pair)] += 1);
            counts
        };
        let (labels, topics) = (count(|pair| pair.0), count(|pair| pair.1));
        let runs = pairs.chunk_by(|a, b| a == b);
        let both = runs.map(|run| Cell { label: run[0].0, topic: run[0].1, rows: run.len() as u64 }).collect();
        Self { labels, topics, both, rows: pairs.len() as u64 }
    }

    fn normalised_mutual_information(&self) -> f64 {
        let mean_entropy = f64::midpoint(entropy(&self.labels), entropy(&self.topics));
        if mean_entropy == 0.0 {
            return 1.0;
        }
        (self.mutual_information() / mean_entropy).clamp(0.0, 1.0)
    }

    /// In nats.
    fn mutual_information(&self) -> f64 {
        let term = |cell: &Cell| {
            let (rows, both) = (self.rows as f64, cell.rows as f64);
            let (label, topic) = (self.labels[cell.label] as f64, self.topics[cell.topic] as f64);
            both / rows * (rows * both / (label * topic)).ln()
        };
        self.both.iter().map(term).sum()
    }
}

/// The numbers from 0 on, in the order of the names.
fn numbered(names: &[u32]) -> Vec<usize> {
    let mut distinct = names.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    names.iter().map(|name| distinct.partition_point(|other| other < name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_all_agrees_only_with_itself() {
        assert_eq!(Agreement::of(&[4, 4], &[9, 9]).unwrap().normalised_mutual_information, 1.0);
        assert_eq!(Agreement::of(&[4, 4], &[8, 9]).unwrap().normalised_mutual_information, 0.0);
    }

    #[test]
    fn purity_counts_the_most_frequent_topic_of_each_label() {
        let agreement = Agreement::of(&[0, 0, 0, 1, 1, 5], &[2, 2, 3, 3, 1, 1]).unwrap();
        assert!((agreement.purity - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn namings_of_other_lengths_are_refused() {
        assert_eq!(Agreement::of(&[0, 1], &[0]).unwrap_err().to_string(), "2 labels for 1 rows");
        assert!(matches!(Agreement::of(&[], &[]), Err(KMeansError::NoRows)));
    }
}
