use crate::problem::Problem;

/// How a line of a run is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// `query Q0 document rank score tag`.
    Trec,
    /// `query document rank`; the score is 1 / rank, as Anserini and Pyserini convert such files.
    MsMarco,
}

/// A result as a line has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ResultLine<'t> {
    pub(crate) query: &'t str,
    pub(crate) document: &'t str,
    pub(crate) score: f64,
}

impl LineFormat {
    /// The result of the line that starts at `at`, which becomes the start of the next line; `None` for a blank line.
    #[inline]
    pub(crate) fn next<'t>(self, text: &'t str, at: &mut usize) -> Result<Option<ResultLine<'t>>, Problem> {
        match self {
            Self::Trec => {
                let Some(fields) = row(text, at, "query Q0 document rank score tag")? else { return Ok(None) };
                let [query, _, document, _, score, _] = fields;
                let score = score.parse().map_err(|_| Problem::Score { text: score.to_owned() })?;
                Ok(Some(ResultLine { query, document, score }))
            }
            Self::MsMarco => {
                let Some([query, document, rank]) = row(text, at, "query document rank")? else { return Ok(None) };
                match rank.parse::<u32>() {
                    Ok(number @ 1..) => Ok(Some(ResultLine { query, document, score: 1.0 / f64::from(number) })),
                    _ => Err(Problem::Rank { text: rank.to_owned() }),
                }
            }
        }
    }
}

/// The `N` columns of a line, which white space separates.
#[inline]
fn row<'t, const N: usize>(
    text: &'t str,
    at: &mut usize,
    names: &'static str,
) -> Result<Option<[&'t str; N]>, Problem> {
    let bytes = text.as_bytes();
    let byte = |place: usize| bytes.get(place).copied().unwrap_or(b'\n');
    let (mut fields, mut found, mut end) = ([""; N], 0, *at);
    loop {
        let mut start = end;
        while byte(start) != b'\n' && byte(start).is_ascii_whitespace() {
            start += 1;
        }
        end = start;
        // Most bytes take one comparison.
        while byte(end) > b' ' || !byte(end).is_ascii_whitespace() {
            end += 1;
        }
        if start == end {
            break;
        }
        if let Some(field) = fields.get_mut(found) {
            *field = &text[start..end];
        }
        found += 1;
    }
    *at = end + 1;
    match found {
        0 => Ok(None),
        _ if found == N => Ok(Some(fields)),
        _ => Err(Problem::Columns { found, expected: N, names }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(format: LineFormat, line: &str) -> Result<f64, Problem> {
        Ok(format.next(line, &mut 0)?.unwrap().score)
    }

    #[test]
    fn lines_are_taken_one_after_the_other() {
        let (text, mut at) = ("\t q1  Q0 d1 1 0.5 t \r\n\r\né Q0 d\u{a0}2 1 -1e-3 t", 0);
        let mut next = || LineFormat::Trec.next(text, &mut at).unwrap();
        assert_eq!(next(), Some(ResultLine { query: "q1", document: "d1", score: 0.5 }));
        assert_eq!(next(), None);
        assert_eq!(next(), Some(ResultLine { query: "é", document: "d\u{a0}2", score: -0.001 }));
        assert!(at > text.len());
    }

    #[test]
    fn columns_are_counted() {
        for (line, columns) in [("q Q0 d 1 2\nq", 5), ("q Q0 d 1 2 t t t\n", 8)] {
            let error = LineFormat::Trec.next(line, &mut 0).unwrap_err();
            assert!(matches!(error, Problem::Columns { found, expected: 6, .. } if found == columns), "{error}");
        }
    }

    #[test]
    fn the_first_rank_has_the_highest_score() {
        assert_eq!(score(LineFormat::MsMarco, "q1\td1\t1"), Ok(1.0));
        assert_eq!(score(LineFormat::MsMarco, "q1\td1\t4"), Ok(0.25));
        for rank in ["0", "-1", "1.5", "first"] {
            let line = format!("q1\td1\t{rank}");
            assert_eq!(score(LineFormat::MsMarco, &line), Err(Problem::Rank { text: rank.to_owned() }));
        }
    }

    #[test]
    fn scores_are_decimal_and_may_be_infinite() {
        let score = |text| score(LineFormat::Trec, &format!("q Q0 d 1 {text} t"));
        assert_eq!(score("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(score("1e999"), Ok(f64::INFINITY));
        assert_eq!(score("-1.5e-3"), Ok(-0.0015));
        assert!(matches!(score("0x1"), Err(Problem::Score { .. })));
    }
}
