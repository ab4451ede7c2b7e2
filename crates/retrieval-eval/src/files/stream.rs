//! Results read as a stream, a query at a time, in parallel.

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use super::mark::MARK;
use super::place::{at_line, in_file};
use super::query_blocks::{last_query, parts};
use super::result_line::LineFormat;
use crate::error::EvalError;
use crate::problem::Problem;
use crate::ranking::Ranking;

/// What becomes of the results of each query.
pub(crate) trait Consumer: Sync {
    /// What is left of them.
    type Query<'t>: Send;

    /// What to keep of the results of a query, which stand together.
    fn query<'t>(&self, query: &'t str, results: &Ranking<'t>) -> Self::Query<'t>;

    /// Takes a query, in the order of the file; or tells what is wrong with it, and with which of its results.
    fn take(&mut self, query: Self::Query<'_>) -> Result<(), (usize, Problem)>;
}

/// A file of which only some megabytes, and the results of a query, are in memory at a time.
pub(crate) struct Stream<'a> {
    pub(crate) name: &'a Path,
    pub(crate) format: LineFormat,
    /// Bytes that are read while those before them are worked on; more only where one query has more.
    batch: usize,
    /// Bytes of a part, which one thread takes.
    part: usize,
}

/// Some queries, and the lines that they had.
struct Part<Q> {
    /// With the lines where they begin.
    queries: Vec<(usize, Q)>,
    lines: usize,
    /// What is wrong with the last of those lines.
    problem: Option<Problem>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(name: &'a Path, format: LineFormat) -> Self {
        // Sixteen parts a batch keep as many threads busy, each with thousands of lines, so that handing them over does
        // not count.
        Self { name, format, batch: 4 << 20, part: 1 << 18 }
    }

    /// Hands all that `reader` has to `consumer`, up to the first thing that is wrong.
    pub(crate) fn read(
        &self,
        mut reader: impl Read + Send,
        consumer: &mut (impl Consumer + Send),
    ) -> Result<(), EvalError> {
        let (mut text, mut next) = (self.start(&mut reader)?, Vec::new());
        let (mut lines, mut more) = (0, self.fill(&mut reader, &mut text)?);
        loop {
            let end = if more { last_query(&text) } else { text.len() };
            if end == 0 && more {
                more = self.fill(&mut reader, &mut text)?;
                continue;
            }
            let read = || {
                next.clear();
                next.extend_from_slice(&text[end..]);
                if more { self.fill(&mut reader, &mut next) } else { Ok(false) }
            };
            let (filled, done) = rayon::join(read, || self.consume(&text[..end], consumer, lines));
            lines = done?;
            if !more {
                return Ok(());
            }
            more = filled?;
            std::mem::swap(&mut text, &mut next);
        }
    }

    /// The first bytes, unless they are a byte order mark.
    fn start(&self, reader: &mut impl Read) -> Result<Vec<u8>, EvalError> {
        let mut start = Vec::new();
        reader.take(MARK.len() as u64).read_to_end(&mut start).map_err(in_file(self.name))?;
        Ok(if start == MARK { Vec::new() } else { start })
    }

    /// Appends what comes next; `false` at the end of the file.
    fn fill(&self, reader: &mut impl Read, text: &mut Vec<u8>) -> Result<bool, EvalError> {
        let bytes = reader.take(self.batch as u64).read_to_end(text).map_err(in_file(self.name))?;
        Ok(bytes == self.batch)
    }

    /// Hands on the queries of a text that follows on `before` lines; returns how many lines there are now.
    fn consume(&self, text: &[u8], consumer: &mut impl Consumer, before: usize) -> Result<usize, EvalError> {
        let done: Vec<Part<_>> =
            parts(text, self.part).into_par_iter().map(|part| self.part(part, &*consumer)).collect();
        let mut lines = 0;
        for part in done {
            for (start, query) in part.queries {
                consumer.take(query).map_err(|(result, problem)| {
                    at_line(self.name, before + line_of_result(text, lines + start, result), problem)
                })?;
            }
            lines += part.lines;
            if let Some(problem) = part.problem {
                return Err(at_line(self.name, before + lines, problem));
            }
        }
        Ok(before + lines)
    }

    fn part<'t, C: Consumer>(&self, text: &'t [u8], consumer: &C) -> Part<C::Query<'t>> {
        let (text, broken) = utf8_lines(text);
        let mut ranking = Ranking::new();
        let (mut lines, mut at) = (0, 0);
        let (mut queries, mut current) = (Vec::new(), (0, ""));
        let mut finish = |(start, query), ranking: &mut Ranking<'t>| {
            if ranking.len() > 0 {
                queries.push((start, consumer.query(query, ranking)));
                ranking.clear();
            }
        };
        let mut problem = None;
        while at < text.len() && problem.is_none() {
            lines += 1;
            match self.format.next(text, &mut at) {
                Ok(None) => {}
                Ok(Some(result)) => {
                    if result.query != current.1 {
                        finish(current, &mut ranking);
                        current = (lines, result.query);
                    }
                    problem = ranking.take(result.query, result.document, result.score).err();
                }
                Err(error) => problem = Some(error),
            }
        }
        if problem.is_none() {
            finish(current, &mut ranking);
            if broken {
                lines += 1;
                problem = Some(Problem::NotUtf8);
            }
        }
        Part { queries, lines, problem }
    }
}

/// The line of a result of the query that begins at line `start`, counted from 1.
fn line_of_result(text: &[u8], start: usize, result: usize) -> usize {
    let lines = (1..).zip(text.split(|&byte| byte == b'\n')).skip(start - 1);
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).nth(result).map_or(start, |(number, _)| number)
}

/// The lines up to the first that is not UTF-8, and whether there is one.
fn utf8_lines(text: &[u8]) -> (&str, bool) {
    match std::str::from_utf8(text) {
        Ok(text) => (text, false),
        Err(error) => {
            let valid = &text[..error.valid_up_to()];
            let lines = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            (std::str::from_utf8(&valid[..lines]).unwrap_or_default(), true)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Queries with the documents of their results, best first.
    #[derive(Debug, Default, PartialEq)]
    struct Lists(Vec<(String, Vec<String>)>);

    impl Consumer for Lists {
        type Query<'t> = (String, Vec<String>);

        fn query<'t>(&self, query: &'t str, results: &Ranking<'t>) -> Self::Query<'t> {
            (query.to_owned(), results.ranked().map(|result| result.document.to_owned()).collect())
        }

        fn take(&mut self, query: Self::Query<'_>) -> Result<(), (usize, Problem)> {
            if self.0.iter().any(|(other, _)| *other == query.0) {
                return Err((query.1.len() - 1, Problem::ScatteredQuery { query: query.0 }));
            }
            self.0.push(query);
            Ok(())
        }
    }

    fn read(text: &[u8], batch: usize, part: usize) -> Result<Lists, String> {
        let (mut lists, name) = (Lists::default(), Path::new("a.run"));
        let stream = Stream { batch, part, ..Stream::new(name, LineFormat::Trec) };
        stream.read(text, &mut lists).map(|()| lists).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn every_query_comes_once_and_whole_wherever_the_text_is_cut(
            queries in vec((1..9_usize, 0..3_usize), 0..6),
            end in any::<bool>(),
            (batch, part) in (1..300_usize, 1..300_usize),
        ) {
            let (mut text, mut lists) = (String::new(), Lists::default());
            for (number, &(results, blanks)) in queries.iter().enumerate() {
                let query = "q".repeat(1 + number % 3) + &number.to_string();
                let documents: Vec<String> = (0..results).map(|document| format!("d{document}")).collect();
                for (rank, document) in documents.iter().enumerate() {
                    text += &format!("{query} Q0 {document} 0 -{rank}.5 t\n{}", " \n".repeat(blanks));
                }
                lists.0.push((query, documents));
            }
            if end && text.ends_with('\n') {
                text.pop();
            }
            prop_assert_eq!(read(text.as_bytes(), batch, part), Ok(lists));
        }
    }

    #[test]
    fn the_first_thing_wrong_is_named_with_its_line_wherever_the_text_is_cut() {
        let good = "q1 Q0 d1 1 2 t\nq1 Q0 d2 1 1 t\n\nq2 Q0 d1 1 2 t\nx Q0 d1 1 2 t\n";
        for (bad, problem) in [
            (&b"q3 Q0 d1 1 2 t\nq3 Q0 d1 1 1 t\n"[..], r#"7: query "q3": document "d1" occurs twice"#),
            (b"q3 Q0 d1 1 2 t\nq3 Q0 d1 1 high t\nq", r#"7: the score "high" is not a number"#),
            (b"q3 Q0 d1 1 2 t\nq3 Q0 d\xff 1 2 t\nq", "7: the line is not UTF-8"),
            (b"\xff\xff", "6: the line is not UTF-8"),
            (b"q3 Q0 d1 1 2", "6: 5 columns where 6 are expected (query Q0 document rank score tag)"),
            (
                b"q1 Q0 d8 1 2 t\n\nq1 Q0 d9 1 1 t\n",
                r#"8: query "q1" has results above, and other queries between them"#,
            ),
            (b"q3 Q0 d8 1 2 t\nx Q0 d1 1 3 t\n", r#"7: query "x" has results above, and other queries between them"#),
        ] {
            let text = [good.as_bytes(), bad].concat();
            for size in 1..text.len() + 2 {
                assert_eq!(read(&text, size, 1 + size * 7 % 40), Err(format!("a.run:{problem}")), "{size}");
            }
        }
    }
}
