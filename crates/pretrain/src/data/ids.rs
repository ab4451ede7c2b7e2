//! Ids of texts while a data set is read, and the judgements that name them.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::builder::Builder;
use super::judgements::{Document, Split};
use super::row_index::RowIndex;
use super::{DataError, Texts};

/// The ids of texts of one kind.
#[derive(Default)]
pub(super) struct Ids {
    pub(super) rows: RowIndex,
    /// Of each row, what the line has beside the id.
    contents: Vec<[u8; 16]>,
}

impl Ids {
    /// Whether the id came before with the same content.
    pub(super) fn repeats(
        &self,
        id: &str,
        content: [u8; 16],
        texts: &Texts,
        (path, line): (&Path, usize),
    ) -> Result<bool, DataError> {
        match self.rows.get(id, |row| texts.id(row)) {
            None => Ok(false),
            Some(before) if self.contents[before as usize] == content => Ok(true),
            Some(_) => Err(DataError::DuplicateId { path: path.to_owned(), line, id: id.to_owned() }),
        }
    }

    /// Adds the last of `texts`.
    pub(super) fn insert(&mut self, row: u32, content: [u8; 16], texts: &Texts) {
        self.rows.insert(row, |row| texts.id(row));
        self.contents.push(content);
    }
}

/// What the ids of judgements name.
pub(super) struct Named {
    documents: RowIndex,
    queries: RowIndex,
    /// Numbers of the documents that the corpus lacks.
    missing: FxHashMap<String, u32>,
}

impl Named {
    pub(super) fn new(documents: RowIndex, queries: RowIndex) -> Self {
        Self { documents, queries, missing: FxHashMap::default() }
    }

    /// Hands a judgement of a line to `builder`.
    pub(super) fn judge(
        &mut self,
        split: Split,
        (query, document, grade): (&str, &str, i32),
        (path, line): (&Path, usize),
        builder: &mut Builder,
    ) -> Result<(), DataError> {
        let query = self.query(query, (path, line), builder)?;
        let document = self.document(document, builder.passages())?;
        builder.judge(split, query, document, grade);
        Ok(())
    }

    /// The row of a query.
    pub(super) fn query(&self, id: &str, (path, line): (&Path, usize), builder: &Builder) -> Result<u32, DataError> {
        let unknown = || DataError::UnknownQuery { path: path.to_owned(), line, id: id.to_owned() };
        self.queries.get(id, |row| builder.queries().id(row)).ok_or_else(unknown)
    }

    /// The row of a document that the corpus has.
    pub(super) fn passage(&self, id: &str, builder: &Builder) -> Option<u32> {
        self.documents.get(id, |row| builder.passages().id(row))
    }

    fn document(&mut self, id: &str, passages: &Texts) -> Result<Document, DataError> {
        if let Some(row) = self.documents.get(id, |row| passages.id(row)) {
            return Ok(Document::Passage(row));
        }
        let next = u32::try_from(self.missing.len()).map_err(|_| DataError::TooManyTexts)?;
        Ok(Document::Missing(*self.missing.entry(id.to_owned()).or_insert(next)))
    }
}
