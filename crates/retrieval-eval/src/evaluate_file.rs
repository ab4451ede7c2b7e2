use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use crate::error::EvalError;
use crate::evaluate::{EvalOptions, evaluate};
use crate::files::{Content, Input, LineFormat, at};
use crate::metric::Metric;
use crate::problem::Problem;
use crate::qrels::Qrels;
use crate::query_blocks::{last_query, parts};
use crate::report::Report;
use crate::run::Run;
use crate::scorer::{Evaluation, Scored, Scorer, Scores};

/// See [`Stream`].
const BATCH: usize = 4 << 20;
const PART: usize = BATCH / 16;

/// The values of `measures` for the run in a file, which is never in memory as a whole.
///
/// The formats are those of [`Run::from_file`], and so is the result of evaluating that. Memory is bounded, by some
/// megabytes and the results of one query, where the results of each query stand together, as all systems write them;
/// a file in which they do not, or in JSON, is read as a whole. Runs on rayon's current pool.
///
/// # Errors
/// Those of [`Run::from_file`], and [`Problem::ScatteredQuery`] where the results of a query do not stand together in
/// what is not a regular file, which cannot be read twice.
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Measure, Qrels, evaluate_file};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("bm25.run");
/// std::fs::write(&path, "q1 Q0 d1 1 9.5 bm25\nq1 Q0 d2 2 8.1 bm25\n")?;
/// let qrels = Qrels::read_trec("q1 0 d2 1\n".as_bytes(), "qrels")?;
/// let report = evaluate_file(&qrels, &path, &[Measure::mrr(10)], EvalOptions::default())?;
/// assert_eq!(report.mean("MRR@10"), Some(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate_file<M: Metric>(
    qrels: &Qrels,
    path: impl AsRef<Path>,
    measures: &[M],
    options: EvalOptions,
) -> Result<Report, EvalError> {
    let path = path.as_ref();
    let whole = || Ok(evaluate(qrels, &Run::from_file(path)?, measures, options));
    let Input { content, reader } = Input::open(path)?;
    let format = match content {
        Content::Json => return Ok(evaluate(qrels, &Run::read_json(reader, path)?, measures, options)),
        Content::MsMarco => LineFormat::MsMarco,
        Content::Trec | Content::Beir => LineFormat::Trec,
    };
    let evaluation = Evaluation { qrels, measures, options };
    let stream = Stream { evaluation: &evaluation, format, name: path, batch: BATCH, part: PART };
    match stream.evaluate(reader) {
        Err(EvalError::Line { problem: Problem::ScatteredQuery { .. }, .. }) if path.is_file() => whole(),
        result => result,
    }
}

struct Stream<'a, M> {
    evaluation: &'a Evaluation<'a, M>,
    format: LineFormat,
    name: &'a Path,
    /// Bytes that are read while those before them are evaluated; more only where one query has more.
    batch: usize,
    /// Bytes of a part, which one thread takes.
    part: usize,
}

/// Whole queries, measured.
struct Part<'t> {
    scored: Scored<'t>,
    /// Of each of them, the line where it begins.
    starts: Vec<usize>,
    lines: usize,
    /// What is wrong with the last of those lines.
    problem: Option<Problem>,
}

impl<M: Metric> Stream<'_, M> {
    fn evaluate(&self, mut reader: impl Read + Send) -> Result<Report, EvalError> {
        let mut scores = Scores::new(self.evaluation);
        let (mut text, mut next) = (Vec::new(), Vec::new());
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
            let (filled, scored) = rayon::join(read, || self.score(&text[..end], &mut scores, lines));
            lines = scored?;
            if !more {
                return Ok(scores.report());
            }
            more = filled?;
            std::mem::swap(&mut text, &mut next);
        }
    }

    /// Appends what comes next; `false` at the end of the file.
    fn fill(&self, reader: &mut impl Read, text: &mut Vec<u8>) -> Result<bool, EvalError> {
        let read = reader.take(self.batch as u64).read_to_end(text);
        let bytes = read.map_err(|source| EvalError::Io { path: self.name.to_owned(), source })?;
        Ok(bytes == self.batch)
    }

    /// Adds the queries of a text that follows on `lines` lines; returns how many there are now.
    fn score(&self, text: &[u8], scores: &mut Scores<'_, M>, mut lines: usize) -> Result<usize, EvalError> {
        let parts: Vec<Part<'_>> = parts(text, self.part).into_par_iter().map(|part| self.score_part(part)).collect();
        for part in parts {
            scores.add(&part.scored).map_err(|repeated| {
                let query = part.scored.query(repeated).to_owned();
                at(self.name, lines + part.starts[repeated], Problem::ScatteredQuery { query })
            })?;
            lines += part.lines;
            if let Some(problem) = part.problem {
                return Err(at(self.name, lines, problem));
            }
        }
        Ok(lines)
    }

    fn score_part<'t>(&self, part: &'t [u8]) -> Part<'t> {
        let (text, broken) = utf8_lines(part);
        let mut scorer = Scorer::new(self.evaluation);
        let (mut lines, mut starts, mut current) = (0, Vec::new(), "");
        let problem = text.split_inclusive('\n').find_map(|line| {
            lines += 1;
            let line = line.trim_ascii_end();
            if line.is_empty() {
                return None;
            }
            let result = match self.format.parse(line) {
                Ok(result) => result,
                Err(problem) => return Some(problem),
            };
            if result.query != current {
                if !current.is_empty() {
                    scorer.finish_query(current);
                }
                current = result.query;
                starts.push(lines);
            }
            scorer.push(current, result.document, result.score).err()
        });
        if problem.is_none() && !current.is_empty() {
            scorer.finish_query(current);
        }
        let problem = problem.or_else(|| {
            broken.then(|| {
                lines += 1;
                Problem::NotUtf8
            })
        });
        Part { scored: scorer.finish(), starts, lines, problem }
    }
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
    use crate::Measure;

    const MEASURES: [Measure; 3] = [Measure::ndcg(10), Measure::mrr(10), Measure::Retrieved];

    fn stream(
        text: &[u8],
        qrels: &Qrels,
        options: EvalOptions,
        batch: usize,
        part: usize,
    ) -> Result<Report, EvalError> {
        let evaluation = Evaluation { qrels, measures: &MEASURES, options };
        let name = Path::new("a.run");
        Stream { evaluation: &evaluation, format: LineFormat::Trec, name, batch, part }.evaluate(text)
    }

    fn qrels() -> Qrels {
        Qrels::read_trec("q1 0 d1 1\nq2 0 d2 1\nq3 0 d3 2\nq3 0 d1 1\nq9 0 d1 1\n".as_bytes(), "qrels").unwrap()
    }

    proptest! {
        #[test]
        fn a_streamed_run_has_the_values_of_the_run_read_as_a_whole(
            queries in vec((vec((0..9_u32, -3..3_i32), 0..9), 0..3_usize), 0..6),
            end in any::<bool>(),
            complete in any::<bool>(),
            (batch, part) in (1..300_usize, 1..300_usize),
        ) {
            let mut text = String::new();
            for (number, (mut results, blanks)) in queries.into_iter().enumerate() {
                results.sort_unstable();
                results.dedup_by_key(|result| result.0);
                for (document, score) in results {
                    text += &format!("q{number} Q0 d{document} 0 {score}.5 t\n{}", " \n".repeat(blanks));
                }
            }
            if end && text.ends_with('\n') {
                text.pop();
            }
            let options = EvalOptions::default().with_complete(complete);
            let run = Run::read_trec(text.as_bytes(), "a.run").unwrap();
            let whole = evaluate(&qrels(), &run, &MEASURES, options);
            prop_assert_eq!(stream(text.as_bytes(), &qrels(), options, batch, part).unwrap(), whole);
        }
    }

    #[test]
    fn the_first_thing_wrong_is_named_with_its_line_wherever_parts_end() {
        let good = "q1 Q0 d1 1 2 t\nq1 Q0 d2 1 1 t\n\nq2 Q0 d1 1 2 t\nx Q0 d1 1 2 t\n";
        for (bad, problem) in [
            (&b"q3 Q0 d1 1 2 t\nq3 Q0 d1 1 1 t\n"[..], r#"7: query "q3": document "d1" occurs twice"#),
            (b"q3 Q0 d1 1 2 t\nq3 Q0 d1 1 high t\nq", r#"7: the score "high" is not a number"#),
            (b"q3 Q0 d1 1 2 t\nq3 Q0 d\xff 1 2 t\nq", "7: the line is not UTF-8"),
            (b"\xff\xff", "6: the line is not UTF-8"),
            (b"q1 Q0 d8 1 2 t\n", r#"6: query "q1" has results above, and other queries between them"#),
            (b"q3 Q0 d8 1 2 t\nx Q0 d1 1 3 t\n", r#"7: query "x" has results above, and other queries between them"#),
            (b"q3 Q0 d8 1 2 t", ""),
        ] {
            let text = [good.as_bytes(), bad].concat();
            for size in 1..text.len() + 2 {
                let found = stream(&text, &qrels(), EvalOptions::default(), size, 1 + size * 7 % 40);
                let found = found.map_or_else(|error| error.to_string(), |_| String::new());
                assert_eq!(
                    found,
                    if problem.is_empty() { String::new() } else { format!("a.run:{problem}") },
                    "{size}"
                );
            }
        }
    }
}
