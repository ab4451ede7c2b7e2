use super::lines::columns;
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
    /// Not NaN.
    pub(crate) score: f64,
}

impl LineFormat {
    /// The result of a line that is not blank.
    #[inline]
    pub(crate) fn parse<'t>(self, line: &'t str) -> Result<ResultLine<'t>, Problem> {
        let fields = line.split_ascii_whitespace();
        match self {
            Self::Trec => {
                let [query, _, document, _, score, _] = columns(fields, "query Q0 document rank score tag")?;
                Ok(ResultLine { query, document, score: parse_score(query, document, score)? })
            }
            Self::MsMarco => {
                let [query, document, rank] = columns(fields, "query document rank")?;
                let number: u32 = rank.parse().map_err(|_| Problem::Rank { text: rank.to_owned() })?;
                match number {
                    0 => Err(Problem::Rank { text: rank.to_owned() }),
                    _ => Ok(ResultLine { query, document, score: 1.0 / f64::from(number) }),
                }
            }
        }
    }
}

fn parse_score(query: &str, document: &str, text: &str) -> Result<f64, Problem> {
    let score = text.parse().map_err(|_| Problem::Score { text: text.to_owned() })?;
    check_score(query, document, score)?;
    Ok(score)
}

pub(crate) fn check_score(query: &str, document: &str, score: f64) -> Result<(), Problem> {
    match score.is_nan() {
        true => Err(Problem::NanScore { query: query.to_owned(), document: document.to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rank_has_the_highest_score() {
        let score = |line: &str| LineFormat::MsMarco.parse(line).map(|result| result.score);
        assert_eq!(score("q1\td1\t1"), Ok(1.0));
        assert_eq!(score("q1\td1\t4"), Ok(0.25));
        for rank in ["0", "-1", "1.5", "first"] {
            assert_eq!(score(&format!("q1\td1\t{rank}")), Err(Problem::Rank { text: rank.to_owned() }));
        }
    }

    #[test]
    fn scores_may_be_infinite_and_may_not_be_nan() {
        let score = |score| LineFormat::Trec.parse(&format!("q Q0 d 1 {score} t")).map(|result| result.score);
        assert_eq!(score("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(score("1e999"), Ok(f64::INFINITY));
        assert_eq!(score("-1.5e-3"), Ok(-0.0015));
        assert!(matches!(score("NaN"), Err(Problem::NanScore { .. })));
        assert!(matches!(score("0x1"), Err(Problem::Score { .. })));
    }
}
