//! What became of the data that was read.

use serde::{Deserialize, Serialize};

/// What was read, what was left out and why, and what was kept.
///
/// A judgement is a line of qrels, or a row of a file of pairs. All that were read are those left out and those kept.
///
/// ```
/// let counts = pretrain::data::Counts { documents_read: 3, documents_repeated: 1, passages: 2, ..Default::default() };
/// assert!(serde_json::to_string(&counts).unwrap().contains("\"documents_repeated\":1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Documents in the data.
    pub documents_read: usize,
    /// Documents with the id and the text of an earlier one, left out.
    pub documents_again: usize,
    /// Documents with a blank text, never in training; in a BEIR folder they are searched, elsewhere left out.
    pub documents_empty: usize,
    /// Documents whose exact text came before: training has the first; a BEIR folder's are searched, others left out.
    pub documents_repeated: usize,
    /// Queries in the data.
    pub queries_read: usize,
    /// Queries with the id and the text of an earlier one, left out.
    pub queries_again: usize,
    /// Queries with a blank text, never in training; those of a BEIR folder's test are kept, others left out.
    pub queries_empty: usize,
    /// Queries whose exact text came before: training has the first; a BEIR folder's test has each, others are left out.
    pub queries_repeated: usize,
    /// Queries that no kept judgement names, or only through the first of the same text, left out.
    pub queries_unused: usize,
    /// Judgements of the training split, with the share of it that is the validation split.
    pub train_judgements_read: usize,
    /// Judgements of a validation split of its own.
    pub validation_judgements_read: usize,
    /// Judgements of the test split.
    pub test_judgements_read: usize,
    /// Judgements with a grade of 0 or less, left out.
    pub judgements_not_relevant: usize,
    /// Judgements of a blank query or document, left out.
    pub judgements_of_empty: usize,
    /// Judgements of training that name a document which the corpus lacks, left out.
    pub judgements_of_missing: usize,
    /// Judgements of training with a query or passage of the validation split that are not in that split, left out.
    pub judgements_held_out: usize,
    /// Judgements of training whose texts are a relevant pair of the test too, left out.
    pub judgements_in_test: usize,
    /// Judgements of training beyond the number that was asked for, left out.
    pub judgements_over_limit: usize,
    /// Judgements of the same split as an earlier one, with the same query and document or, in training, texts.
    pub judgements_repeated: usize,
    /// Negatives that the data gives, but of pairs that are not trained on, that answer the query somewhere in the data or another's in the test or
    /// validation alone, that are blank or come again, left out.
    pub negatives_left_out: usize,
    /// Negatives that the data gives of training pairs, kept.
    pub negatives: usize,
    /// Passages kept: the corpus that is searched.
    pub passages: usize,
    /// Queries kept.
    pub queries: usize,
    /// Test queries whose text is that of a training query.
    pub queries_in_both: usize,
    /// Training pairs kept.
    pub train_pairs: usize,
    /// Validation queries kept.
    pub validation_queries: usize,
    /// Validation judgements kept.
    pub validation_judgements: usize,
    /// Those of them that name a document which the corpus lacks.
    pub validation_missing: usize,
    /// Test queries kept.
    pub test_queries: usize,
    /// Test judgements kept.
    pub test_judgements: usize,
    /// Those of them that name a document which the corpus lacks.
    pub test_missing: usize,
    /// Halves of surrogate pairs that stood alone in JSON, each read as U+FFFD.
    pub lone_surrogates: usize,
    /// What the `rust-docs` reader met before there were pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rust_docs: Option<RustDocsCounts>,
}

/// What the `rust-docs` reader met before there were pairs.
///
/// ```
/// let counts = pretrain::data::RustDocsCounts { files: 9, files_unparsed: 1, ..Default::default() };
/// assert_eq!(counts.files - counts.files_unparsed, 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RustDocsCounts {
    /// Packages whose sources were read.
    pub packages: usize,
    /// Packages with pairs in the test split.
    pub packages_tested: usize,
    /// Source files read.
    pub files: usize,
    /// Source files that are no Rust of this edition, left out.
    pub files_unparsed: usize,
    /// Documented public items.
    pub items: usize,
    /// Items whose documentation does not begin with a paragraph, left out.
    pub without_paragraph: usize,
    /// Items whose first paragraph makes no sense without its code, left out.
    pub with_code: usize,
    /// Items whose first paragraph has fewer than four words or only points elsewhere, left out.
    pub short: usize,
    /// Items whose passage repeats the query, left out.
    pub verbatim: usize,
    /// Pairs whose query came before, left out.
    pub queries_repeated: usize,
}
