//! `{query: {document: number}}`, the form in which pytrec_eval and ranx take judgements and results.

use std::fmt::Formatter;
use std::io::{self, BufRead, Write};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::mark::without_mark;
use super::place::in_file;
use crate::error::EvalError;
use crate::problem::Problem;

/// Hands each query, and its documents with their numbers, to `take`, in the order of the text.
pub(super) fn read<N: for<'de> Deserialize<'de>>(
    mut reader: impl BufRead,
    name: &Path,
    mut take: impl FnMut(&str, Vec<(String, N)>) -> Result<(), Problem>,
) -> Result<(), EvalError> {
    // As a whole, because serde_json is slower byte by byte.
    let mut text = Vec::new();
    reader.read_to_end(&mut text).map_err(in_file(name))?;
    let mut deserializer = serde_json::Deserializer::from_slice(without_mark(&text));
    let take = |query: String, Documents(documents)| take(&query, documents);
    entries(&mut deserializer, "an object of queries", take)
        .and_then(|()| deserializer.end())
        .map_err(|source| EvalError::Json { path: name.to_owned(), source })
}

/// A map as a list, so that nothing that occurs twice is lost.
struct Documents<N>(Vec<(String, N)>);

impl<'de, N: Deserialize<'de>> Deserialize<'de> for Documents<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut documents = Vec::new();
        entries(deserializer, "an object of documents with their numbers", |document, number| {
            documents.push((document, number));
            Ok(())
        })?;
        Ok(Self(documents))
    }
}

/// Hands the entries of an object to `take`; `what` says what was expected where something else stands.
fn entries<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
    what: &'static str,
    take: impl FnMut(String, V) -> Result<(), Problem>,
) -> Result<(), D::Error> {
    deserializer.deserialize_map(Entries { what, take, values: PhantomData })
}

struct Entries<F, V> {
    what: &'static str,
    take: F,
    values: PhantomData<V>,
}

impl<'de, V: Deserialize<'de>, F: FnMut(String, V) -> Result<(), Problem>> Visitor<'de> for Entries<F, V> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            (self.take)(key, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Writes queries, one a line, with their documents and numbers.
pub(super) fn write<'q, N: Serialize, R: Iterator<Item = (&'q str, N)>>(
    mut sink: impl Write,
    queries: impl Iterator<Item = (&'q str, R)>,
) -> io::Result<()> {
    sink.write_all(b"{")?;
    for (place, (query, documents)) in queries.enumerate() {
        sink.write_all(if place == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut sink, query)?;
        sink.write_all(b": {")?;
        for (place, (document, number)) in documents.enumerate() {
            sink.write_all(if place == 0 { b"" } else { b", " })?;
            serde_json::to_writer(&mut sink, document)?;
            sink.write_all(b": ")?;
            serde_json::to_writer(&mut sink, &number)?;
        }
        sink.write_all(b"}")?;
    }
    sink.write_all(b"\n}\n")
}
