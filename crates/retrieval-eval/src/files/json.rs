//! `{query: {document: number}}`, the form in which pytrec_eval and ranx take judgements and results.

use std::fmt::Formatter;
use std::io::{BufRead, Result, Write};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::mark::without_mark;
use crate::error::EvalError;
use crate::problem::Problem;

/// Hands each query, and its documents with their numbers, to `take`, in the order of the text.
pub(super) fn read<N: for<'de> Deserialize<'de>>(
    mut reader: impl BufRead,
    name: &Path,
    take: impl FnMut(&str, Vec<(String, N)>) -> std::result::Result<(), Problem>,
) -> std::result::Result<(), EvalError> {
    let mut text = Vec::new();
    reader.read_to_end(&mut text).map_err(|source| EvalError::Io { path: name.to_owned(), source })?;
    let mut deserializer = serde_json::Deserializer::from_slice(without_mark(&text));
    deserializer
        .deserialize_map(Queries { take, numbers: PhantomData })
        .and_then(|()| deserializer.end())
        .map_err(|source| EvalError::Json { path: name.to_owned(), source })
}

struct Queries<F, N> {
    take: F,
    numbers: PhantomData<N>,
}

impl<'de, N: Deserialize<'de>, F: FnMut(&str, Vec<(String, N)>) -> std::result::Result<(), Problem>> Visitor<'de>
    for Queries<F, N>
{
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of queries")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some((query, Documents(documents))) = map.next_entry::<String, Documents<N>>()? {
            (self.take)(&query, documents).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A map as a list, so that nothing that occurs twice is lost.
struct Documents<N>(Vec<(String, N)>);

impl<'de, N: Deserialize<'de>> Deserialize<'de> for Documents<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries<N>(PhantomData<N>);

        impl<'de, N: Deserialize<'de>> Visitor<'de> for Entries<N> {
            type Value = Vec<(String, N)>;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of documents with their numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

/// Writes queries, one a line, with their documents and numbers.
pub(super) fn write<'q, N: Serialize, R: Iterator<Item = (&'q str, N)>>(
    mut sink: impl Write,
    queries: impl Iterator<Item = (&'q str, R)>,
) -> Result<()> {
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
