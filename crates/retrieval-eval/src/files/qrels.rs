use std::io::{BufRead, Read, Write};
use std::path::Path;

use super::beir_line::{BeirJudgement, beir_columns, quoted};
use super::grade::{Grade, parse_grade};
use super::input::BEIR_HEADER;
use super::lines::{Lines, columns};
use super::output::{Text, check_ids, each_line, save, write_to};
use super::{Content, Input, json};
use crate::error::EvalError;
use crate::problem::Problem;
use crate::qrels::Qrels;

/// Files. All are read plain or compressed (gzip, zstd), whatever their names, without the UTF-8 byte order mark that
/// they may start with; those written are compressed if their name ends in `.gz` or `.zst`, and replace an older file
/// only when they are complete. A grade is a whole number, as `1` or `1.0`.
impl Qrels {
    /// The judgements of a file in any of the formats below, told apart by its first line.
    ///
    /// - TREC and MS MARCO: `query iteration document grade`, separated by white space;
    /// - BEIR: a header, then `query document grade`, separated by tabs;
    /// - JSON: `{query: {document: grade}}`.
    ///
    /// # Errors
    /// [`EvalError::Io`]; [`EvalError::Line`] for a malformed line or a document with two different grades, which is
    /// an [`EvalError::Json`] where the file is JSON.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        Self::read_input(Input::open(path)?, path)
    }

    /// The judgements that a reader has in any of the formats of [`Qrels::from_file`]; `name` stands for the file in
    /// errors.
    ///
    /// # Errors
    /// As [`Qrels::from_file`].
    pub fn read(reader: impl Read + Send, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let name = name.as_ref();
        Self::read_input(Input::new(reader, name)?, name)
    }

    fn read_input(Input { content, reader }: Input<'_>, name: &Path) -> Result<Self, EvalError> {
        match content {
            Content::Json => Self::read_json(reader, name),
            Content::Beir => Self::read_beir(reader, name),
            // Three columns are no judgement, which the error about the first line says.
            Content::Trec | Content::MsMarco => Self::read_trec(reader, name),
        }
    }

    /// The judgements of a TREC file: `query iteration document grade`, separated by white space. MS MARCO's are such
    /// files too.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Line`] for a malformed line or a document with two different grades.
    pub fn from_trec_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_trec(Input::open(path.as_ref())?.reader, path.as_ref())
    }

    /// The judgements of a TREC file's content; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Qrels::from_trec_file`].
    pub fn read_trec(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut qrels = Self::new();
        Lines::new(reader, name.as_ref()).each(|line| {
            let [query, _, document, grade] = columns(line.split_ascii_whitespace(), "query iteration document grade")?;
            qrels.add(query, document, parse_grade(grade)?)
        })?;
        Ok(qrels)
    }

    /// The judgements of one split of a BEIR folder, those in `qrels/SPLIT.tsv`.
    ///
    /// # Errors
    /// As [`Qrels::from_beir_file`].
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Qrels;
    ///
    /// let folder = tempfile::tempdir()?;
    /// std::fs::create_dir(folder.path().join("qrels"))?;
    /// std::fs::write(folder.path().join("qrels/test.tsv"), "query-id\tcorpus-id\tscore\nq1\td1\t1\n")?;
    /// assert_eq!(Qrels::from_beir_folder(folder.path(), "test")?.grade("q1", "d1"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_beir_folder(folder: impl AsRef<Path>, split: &str) -> Result<Self, EvalError> {
        Self::from_beir_file(folder.as_ref().join("qrels").join(format!("{split}.tsv")))
    }

    /// The judgements of a BEIR file, `qrels/test.tsv`: a header of the columns `query-id`, `corpus-id` and `score`,
    /// then one judgement a line, all separated by tabs, each as [`BeirJudgement`] reads it.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Line`] for another header, a malformed line or a document with two different grades.
    pub fn from_beir_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_beir(Input::open(path.as_ref())?.reader, path.as_ref())
    }

    /// The judgements of a BEIR file's content; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Qrels::from_beir_file`].
    pub fn read_beir(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut qrels = Self::new();
        let mut header = false;
        Lines::new(reader, name.as_ref()).each(|line| {
            if header {
                let judgement = BeirJudgement::parse(line)?;
                return qrels.add(&judgement.query, &judgement.document, judgement.grade);
            }
            header = beir_columns(line).is_ok_and(|columns| columns == BEIR_HEADER);
            if header { Ok(()) } else { Err(Problem::Header { found: line.to_owned() }) }
        })?;
        Ok(qrels)
    }

    /// The judgements of JSON, `{query: {document: grade}}`; `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Json`] for anything else and for a document with two different grades.
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Qrels;
    ///
    /// let qrels = Qrels::read_json(r#"{"q1": {"d1": 1, "d2": 0}}"#.as_bytes(), "qrels.json")?;
    /// assert_eq!(qrels.grade("q1", "d2"), Some(0));
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn read_json(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut qrels = Self::new();
        json::read(reader, name.as_ref(), |query, documents: Vec<(String, Grade)>| {
            documents.into_iter().try_for_each(|(document, Grade(grade))| qrels.add(query, &document, grade))
        })?;
        Ok(qrels)
    }

    /// Writes the judgements as a TREC file.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`Problem::UnwritableId`] for an id that is empty or has white space.
    pub fn to_trec_file(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        save(path.as_ref(), self.trec()?)
    }

    /// Writes the lines of a TREC file.
    ///
    /// # Errors
    /// As [`Qrels::to_trec_file`]; what the writer says is [`EvalError::Write`].
    pub fn write_trec(&self, sink: impl Write) -> Result<(), EvalError> {
        write_to(sink, self.trec()?)
    }

    /// Writes the judgements as a BEIR file.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`Problem::UnwritableId`] for an id that is empty or has a line end.
    pub fn to_beir_file(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        save(path.as_ref(), self.beir()?)
    }

    /// Writes the lines of a BEIR file.
    ///
    /// # Errors
    /// As [`Qrels::to_beir_file`]; what the writer says is [`EvalError::Write`].
    pub fn write_beir(&self, sink: impl Write) -> Result<(), EvalError> {
        write_to(sink, self.beir()?)
    }

    /// Writes the judgements as a JSON file, `{query: {document: grade}}`.
    ///
    /// # Errors
    /// [`EvalError::Io`].
    pub fn to_json_file(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        save(path.as_ref(), self.json())
    }

    /// Writes the judgements as JSON.
    ///
    /// # Errors
    /// [`EvalError::Write`].
    pub fn write_json(&self, sink: impl Write) -> Result<(), EvalError> {
        write_to(sink, self.json())
    }

    fn trec(&self) -> Result<impl Text, Problem> {
        self.check_ids(|c| c.is_ascii_whitespace())?;
        Ok(|sink: &mut dyn Write| {
            each_line(self.rows(), |query, _, document, grade| writeln!(sink, "{query} 0 {document} {grade}"))
        })
    }

    fn beir(&self) -> Result<impl Text, Problem> {
        self.check_ids(|c| matches!(c, '\n' | '\r'))?;
        Ok(|sink: &mut dyn Write| {
            writeln!(sink, "{}", BEIR_HEADER.join("\t"))?;
            let rows = self.rows().map(|(query, documents)| (quoted(query), documents));
            each_line(rows, |query, _, document, grade| writeln!(sink, "{query}\t{}\t{grade}", quoted(document)))
        })
    }

    fn json(&self) -> impl Text {
        |sink: &mut dyn Write| json::write(sink, self.rows())
    }

    fn rows(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, i32)>)> {
        self.queries().map(|query| (query, self.judgements(query)))
    }

    fn check_ids(&self, separates: impl Fn(char) -> bool) -> Result<(), Problem> {
        check_ids(self.queries().chain(self.documents.names()), separates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_grades_may_repeat_and_different_grades_may_not() {
        let text = "q1 0 d1 1\nq1 0 d1 1\nq2 0 d1 2\nq1 0 d1 2\n";
        let error = Qrels::read_trec(text.as_bytes(), "a.qrels").unwrap_err();
        assert_eq!(error.to_string(), r#"a.qrels:4: query "q1": document "d1" has grade 1 and grade 2"#);
        assert_eq!(Qrels::read_trec(&text.as_bytes()[..30], "a.qrels").unwrap().len(), 2);
    }

    #[test]
    fn a_short_line_names_its_place() {
        let error = Qrels::read_trec("q1 0 d1 1\n\nq1 0 d2\n".as_bytes(), "a.qrels").unwrap_err();
        assert_eq!(error.to_string(), "a.qrels:3: 3 columns where 4 are expected (query iteration document grade)");
    }

    #[test]
    fn beir_ids_may_hold_spaces_and_lines_may_end_in_carriage_returns() {
        let text = "query-id\tcorpus-id\tscore\r\nq 1\td 1\t1\r\n";
        let qrels = Qrels::read_beir(text.as_bytes(), "test.tsv").unwrap();
        assert_eq!(qrels.judgements("q 1").collect::<Vec<_>>(), [("d 1", 1)]);
    }

    #[test]
    fn a_beir_file_without_its_header_is_refused() {
        let error = Qrels::read_beir("q1\td1\t1\n".as_bytes(), "test.tsv").unwrap_err();
        assert!(error.to_string().starts_with("test.tsv:1: the header is"), "{error}");
    }
}
