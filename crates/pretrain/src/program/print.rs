//! What commands print on stdout.

use std::io::Write;
use std::path::Path;

use super::found;
#[cfg(feature = "cli")]
use super::plans;
use crate::error::{PretrainError, Result};
#[cfg(feature = "cli")]
use crate::pipeline::{ClusterSummary, PlanInspection, Proposal};
use crate::pipeline::{Comparison, Found};

/// Prints the comparison as a table on stdout.
///
/// # Errors
/// Stdout cannot be written.
pub fn print_comparison(comparison: &Comparison, folder: &Path) -> Result<()> {
    let seeds = match comparison.seeds.len() {
        1 => String::new(),
        n => format!(", mean and standard deviation of {n} seeds"),
    };
    print(&format!("{comparison}\n\n{} test queries{seeds}; run folder: {}\n", comparison.queries, folder.display()))
}

/// Prints what a search found on stdout, one passage a paragraph, wrapped to the terminal; to 100 columns where stdout is none.
///
/// # Errors
/// Stdout cannot be written.
pub fn print_found(found: &[Found]) -> Result<()> {
    print(&found::render(found, found::columns()))
}

#[cfg(feature = "cli")]
pub(crate) fn print_clusters(clusters: &[ClusterSummary]) -> Result<()> {
    let paragraphs: Vec<String> = clusters
        .iter()
        .map(|cluster| {
            let nearest: String =
                cluster.nearest.iter().map(|(cosine, text)| format!("  {cosine:.3}  {}\n", shorten(text))).collect();
            let terms = cluster.terms.join(", ");
            format!("cluster {}: {} texts, {} pairs: {terms}\n{nearest}", cluster.label, cluster.size, cluster.pairs)
        })
        .collect();
    print(&paragraphs.join("\n"))
}

#[cfg(feature = "cli")]
pub(crate) fn print_plans(plans: &[PlanInspection]) -> Result<()> {
    print(&plans::render(plans))
}

#[cfg(feature = "cli")]
pub(crate) fn print_proposal(proposal: &Proposal) -> Result<()> {
    print(&plans::render_proposal(proposal))
}

pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| PretrainError::Stdout { source })
}

/// A text's beginning, on one line.
#[cfg(feature = "cli")]
fn shorten(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shorten("a\n b"), "a b");
        assert!(shorten(&"é".repeat(200)).ends_with("é…"));
    }
}
