use std::borrow::Cow;
use std::iter::from_fn;

use super::grade::parse_grade;
use super::lines::columns;
use crate::problem::Problem;

/// The judgement of one line of a BEIR file: query, document and grade, with tabs between them.
///
/// A column that starts with a double quote is quoted as in CSV, where a doubled quote is one and a tab is text, as BEIR's
/// reader (Python's `csv`) has it; a quote within a column is itself.
///
/// # Examples
/// ```
/// use retrieval_eval::BeirJudgement;
///
/// let judgement = BeirJudgement::parse("q1\t\"the \"\"Faust\"\"\"\t1.0")?;
/// assert_eq!((&*judgement.query, &*judgement.document, judgement.grade), ("q1", "the \"Faust\"", 1));
/// # Ok::<(), retrieval_eval::Problem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeirJudgement<'t> {
    /// Id of the query.
    pub query: Cow<'t, str>,
    /// Id of the document.
    pub document: Cow<'t, str>,
    /// How relevant the document is.
    pub grade: i32,
}

impl<'t> BeirJudgement<'t> {
    /// The judgement of a line without its end.
    ///
    /// # Errors
    /// [`Problem::Columns`], [`Problem::OpenQuote`], or [`Problem::Grade`] for a grade that is not a whole number.
    pub fn parse(line: &'t str) -> Result<Self, Problem> {
        let [query, document, grade] = beir_columns(line)?;
        Ok(Self { query, document, grade: parse_grade(grade.trim())? })
    }
}

/// The three columns of a line.
pub(crate) fn beir_columns(line: &str) -> Result<[Cow<'_, str>; 3], Problem> {
    let (mut rest, mut open) = (Some(line), false);
    let fields = from_fn(|| rest.take().map(|text| field(text, &mut rest, &mut open)));
    let columns = columns(fields, "query-id corpus-id score");
    if open { Err(Problem::OpenQuote) } else { columns }
}

/// The first column of `text`; what follows its tab goes to `rest`.
fn field<'t>(text: &'t str, rest: &mut Option<&'t str>, open: &mut bool) -> Cow<'t, str> {
    let mut to_tab = |text: &'t str| match text.split_once('\t') {
        Some((field, more)) => {
            *rest = Some(more);
            field
        }
        None => text,
    };
    let Some(mut quoted) = text.strip_prefix('"') else { return Cow::Borrowed(to_tab(text)) };
    let mut value = String::new();
    while let Some((part, after)) = quoted.split_once('"') {
        value += part;
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                quoted = more;
            }
            None => return Cow::Owned(value + to_tab(after)),
        }
    }
    *open = true;
    Cow::Borrowed(text)
}

/// An id as a column that reads back as it.
pub(crate) fn quoted(id: &str) -> Cow<'_, str> {
    match id.contains(['"', '\t']) {
        true => Cow::Owned(format!("\"{}\"", id.replace('"', "\"\""))),
        false => Cow::Borrowed(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_python_s_csv_reader() {
        // csv.reader([line], delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        for (line, ids) in [
            ("q\td\t1", ["q", "d"]),
            ("\"q\"\t\"d\"\t\"1\"", ["q", "d"]),
            ("\"q\t1\"\t\"\"\t1", ["q\t1", ""]),
            ("\"a \"\"b\"\"\"\ta\"b\"\t1", ["a \"b\"", "a\"b\""]),
            ("\"a\"b\"c\t \"d\"\t1", ["ab\"c", " \"d\""]),
        ] {
            let judgement = BeirJudgement::parse(line).unwrap();
            assert_eq!([&*judgement.query, &*judgement.document], ids, "{line}");
            assert_eq!(judgement.grade, 1);
        }
    }

    #[test]
    fn a_quote_that_does_not_end_is_named() {
        for line in ["\"q\td\t1", "q\t\"d\"\"\t1", "q\td\t\"1"] {
            assert_eq!(BeirJudgement::parse(line), Err(Problem::OpenQuote), "{line}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for id in ["q", "a\tb", "\"", "\"\"a", "a\"b", " a "] {
            let line = format!("{0}\t{0}\t1", quoted(id));
            let judgement = BeirJudgement::parse(&line).unwrap();
            assert_eq!((&*judgement.query, &*judgement.document), (id, id));
        }
    }
}
