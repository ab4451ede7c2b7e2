use std::io::{BufRead, Read, Write};
use std::path::Path;

use rustc_hash::FxHashMap;

use super::output::{Text, check_ids, each_line, save, write_to};
use super::{Consumer, Content, Input, LineFormat, Stream, json};
use crate::error::EvalError;
use crate::problem::Problem;
use crate::ranking::{Ranked, Ranking};
use crate::run::Run;

/// Files. All are read plain or compressed (gzip, zstd), whatever their names, without the UTF-8 byte order mark that
/// they may start with; those written are compressed if their name ends in `.gz` or `.zst`, and replace an older file
/// only when they are complete.
/// [`evaluate_file`](crate::evaluate_file) evaluates a file without holding it.
impl Run {
    /// The results of a file in any of the formats below, told apart by its first line.
    ///
    /// - TREC: `query Q0 document rank score tag`, separated by white space;
    /// - MS MARCO: `query document rank`, with 1 / rank as the score;
    /// - JSON: `{query: {document: score}}`.
    ///
    /// # Errors
    /// [`EvalError::Io`]; [`EvalError::Line`] for a malformed line, a NaN score or a document that occurs twice among
    /// the results of a query, which is an [`EvalError::Json`] where the file is JSON.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        Self::read_input(Input::open(path)?, path)
    }

    /// The results that a reader has in any of the formats of [`Run::from_file`]; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Run::from_file`].
    pub fn read(reader: impl Read + Send, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let name = name.as_ref();
        Self::read_input(Input::new(reader, name)?, name)
    }

    fn read_input(Input { content, reader }: Input<'_>, name: &Path) -> Result<Self, EvalError> {
        match content {
            Content::Json => Self::read_json(reader, name),
            Content::MsMarco => Self::read_msmarco(reader, name),
            // BEIR has no form of results; the error about the header says which columns are expected.
            Content::Trec | Content::Beir => Self::read_trec(reader, name),
        }
    }

    /// The results of a TREC file: `query Q0 document rank score tag`, separated by white space.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Line`] for a malformed line, a NaN score or a document that occurs twice
    /// among the results of a query.
    pub fn from_trec_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_trec(Input::open(path.as_ref())?.reader, path.as_ref())
    }

    /// The results of a TREC file's content; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Run::from_trec_file`].
    pub fn read_trec(reader: impl Read + Send, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_lines(reader, name.as_ref(), LineFormat::Trec)
    }

    /// The results of MS MARCO's lines, `query document rank`, with 1 / rank as the score; `name` stands for the file
    /// in errors.
    ///
    /// # Errors
    /// As [`Run::from_trec_file`].
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Run;
    ///
    /// let run = Run::read_msmarco("7\t12\t2\n7\t40\t1\n".as_bytes(), "run.tsv")?;
    /// assert_eq!(run.results("7").collect::<Vec<_>>(), [("40", 1.0), ("12", 0.5)]);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn read_msmarco(reader: impl Read + Send, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_lines(reader, name.as_ref(), LineFormat::MsMarco)
    }

    fn read_lines(reader: impl Read + Send, name: &Path, format: LineFormat) -> Result<Self, EvalError> {
        let mut builder = RunBuilder::default();
        Stream::new(name, format).read(reader, &mut builder)?;
        Ok(builder.finish())
    }

    /// The results of JSON, `{query: {document: score}}`; `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Json`] for anything else and for a query, or a document of a query, that
    /// occurs twice.
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Run;
    ///
    /// let run = Run::read_json(r#"{"q1": {"d1": 0.5, "d2": 2}}"#.as_bytes(), "run.json")?;
    /// assert_eq!(run.results("q1").next(), Some(("d2", 2.0)));
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn read_json(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut run = Self::new();
        json::read(reader, name.as_ref(), |query, documents| run.add(query, &documents))?;
        Ok(run)
    }

    /// Writes the results as a TREC file; reading it gives the same run.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`Problem::UnwritableId`] for an id or tag that is empty or has white space.
    pub fn to_trec_file(&self, path: impl AsRef<Path>, tag: &str) -> Result<(), EvalError> {
        save(path.as_ref(), self.trec(tag)?)
    }

    /// Writes the lines of a TREC file, best result first.
    ///
    /// # Errors
    /// As [`Run::to_trec_file`]; what the writer says is [`EvalError::Write`].
    pub fn write_trec(&self, sink: impl Write, tag: &str) -> Result<(), EvalError> {
        write_to(sink, self.trec(tag)?)
    }

    /// Writes the ranks as an MS MARCO file, `query document rank`: the order of the results without their scores.
    ///
    /// # Errors
    /// As [`Run::to_trec_file`].
    pub fn to_msmarco_file(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        save(path.as_ref(), self.msmarco()?)
    }

    /// Writes the lines of an MS MARCO file.
    ///
    /// # Errors
    /// As [`Run::to_trec_file`]; what the writer says is [`EvalError::Write`].
    pub fn write_msmarco(&self, sink: impl Write) -> Result<(), EvalError> {
        write_to(sink, self.msmarco()?)
    }

    /// Writes the results as a JSON file, `{query: {document: score}}`, best result first.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`Problem::UnwritableScore`] for an infinite score.
    pub fn to_json_file(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        save(path.as_ref(), self.json()?)
    }

    /// Writes the results as JSON.
    ///
    /// # Errors
    /// As [`Run::to_json_file`]; what the writer says is [`EvalError::Write`].
    pub fn write_json(&self, sink: impl Write) -> Result<(), EvalError> {
        write_to(sink, self.json()?)
    }

    fn trec(&self, tag: &str) -> Result<impl Text, Problem> {
        self.check_ids([tag])?;
        Ok(move |sink: &mut dyn Write| {
            each_line(self.rows(), |query, rank, document, score| {
                writeln!(sink, "{query} Q0 {document} {rank} {score} {tag}")
            })
        })
    }

    fn msmarco(&self) -> Result<impl Text, Problem> {
        self.check_ids([])?;
        Ok(|sink: &mut dyn Write| {
            each_line(self.rows(), |query, rank, document, _| writeln!(sink, "{query}\t{document}\t{rank}"))
        })
    }

    fn json(&self) -> Result<impl Text, Problem> {
        self.check_finite()?;
        Ok(|sink: &mut dyn Write| json::write(sink, self.rows()))
    }

    fn rows(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, f64)>)> {
        self.queries().map(|query| (query, self.results(query)))
    }

    /// Of the ids, and of what else becomes a column.
    fn check_ids<const N: usize>(&self, others: [&str; N]) -> Result<(), Problem> {
        check_ids(self.queries().chain(self.documents.iter()).chain(others), |c| c.is_ascii_whitespace())
    }

    fn check_finite(&self) -> Result<(), Problem> {
        let mut scores = self.rows().flat_map(|(query, results)| results.map(move |result| (query, result)));
        match scores.find(|(_, (_, score))| !score.is_finite()) {
            None => Ok(()),
            Some((query, (document, score))) => {
                Err(Problem::UnwritableScore { query: query.to_owned(), document: document.to_owned(), score })
            }
        }
    }
}

/// Results as they come from a file.
#[derive(Default)]
struct RunBuilder {
    run: Run,
    /// All results of the queries whose results do not stand together.
    scattered: FxHashMap<Box<str>, FxHashMap<Box<str>, f64>>,
}

impl Consumer for RunBuilder {
    type Query<'t> = (&'t str, Vec<Ranked<'t>>);

    fn query<'t>(&self, query: &'t str, results: &Ranking<'t>) -> Self::Query<'t> {
        (query, results.ranked().collect())
    }

    fn take(&mut self, (query, results): Self::Query<'_>) -> Result<(), (usize, Problem)> {
        if self.run.is_new(query) {
            self.run.store(query, results.into_iter());
            return Ok(());
        }
        if !self.scattered.contains_key(query) {
            let above = self.run.results(query).map(|(document, score)| (document.into(), score)).collect();
            self.scattered.insert(query.into(), above);
        }
        for Ranked { document, score, place, .. } in results {
            let above = self.scattered.get_mut(query).and_then(|above| above.insert(document.into(), score));
            if above.is_some() {
                let (query, document) = (query.to_owned(), document.to_owned());
                return Err((place, Problem::DuplicateDocument { query, document }));
            }
        }
        Ok(())
    }
}

impl RunBuilder {
    fn finish(self) -> Run {
        if self.scattered.is_empty() {
            return self.run;
        }
        let (mut whole, mut ranking) = (Run::new(), Ranking::new());
        for query in self.run.queries() {
            ranking.clear();
            // No document of a query is there twice.
            match self.scattered.get(query) {
                None => self.run.results(query).for_each(|(document, score)| _ = ranking.push(document, score)),
                Some(all) => all.iter().for_each(|(document, &score)| _ = ranking.push(document, score)),
            }
            whole.store(query, ranking.ranked());
        }
        whole
    }
}
