//! Several sources as one.

use rustc_hash::FxHashMap;

use super::builder::Builder;
use super::judgements::{Document, Split};
use super::{Counts, DataError, Dataset, PairSource, TestQuery, Texts};

/// Several sources as one data set.
///
/// The corpus is that of all sources, each distinct text that is not blank once; ids have the source's name before them. A query that two sources
/// have is one, with the answers of both; a pair of the training of one that is relevant in the test of another is left out. Topics are of a source each.
///
/// ```
/// use pretrain::data::{Dataset, Joined, Pair, PairSource};
///
/// let dataset = |query: &str, passage: &str| Dataset {
///     queries: [("q", query)].into_iter().collect(),
///     passages: [("d", passage)].into_iter().collect(),
///     train: vec![Pair { query: 0, passage: 0 }],
///     ..Dataset::default()
/// };
/// let rome = dataset("hills of Rome", "Seven hills.");
/// let joined = Joined::new(vec![("a".into(), Box::new(rome.clone())), ("b".into(), Box::new(dataset("gases", "Oxygen.")))]).load()?;
/// assert_eq!((joined.train.len(), joined.queries.id(1)), (2, "b/q"));
/// assert_eq!(joined.sources.unwrap().of_pair, [0, 1]);
/// # Ok::<(), pretrain::data::DataError>(())
/// ```
pub struct Joined {
    sources: Vec<(String, Box<dyn PairSource>)>,
    /// Of each what goes before its queries and before its passages.
    prompts: Vec<[String; 2]>,
}

impl Joined {
    /// These sources, each with its name.
    #[must_use]
    pub fn new(sources: Vec<(String, Box<dyn PairSource>)>) -> Self {
        Self { sources, prompts: Vec::new() }
    }

    /// Puts these before the queries and the passages of each source, once equal texts are one; a text of two sources has the prompt of the first.
    #[must_use]
    pub fn with_prompts(mut self, prompts: Vec<[String; 2]>) -> Self {
        self.prompts = prompts;
        self
    }

    /// The texts after the prompts of the sources that their ids begin with.
    fn after_prompts(&self, texts: Texts, side: usize) -> Texts {
        let prompts =
            self.sources.iter().zip(&self.prompts).map(|((name, _), prompts)| (name.as_str(), prompts[side].as_str()));
        let prompts: FxHashMap<&str, &str> = prompts.filter(|(_, prompt)| !prompt.is_empty()).collect();
        if prompts.is_empty() {
            return texts;
        }
        let prompt =
            |id: &str| id.split_once('/').and_then(|(source, _)| prompts.get(source)).copied().unwrap_or_default();
        texts.iter().map(|text| (text.id, format!("{}{}", prompt(text.id), text.text))).collect()
    }
}

impl PairSource for Joined {
    fn load(&self) -> Result<Dataset, DataError> {
        let mut join = Join::default();
        for (name, source) in &self.sources {
            join.add(name, &source.load()?)?;
        }
        let mut dataset = join.finish();
        dataset.queries = self.after_prompts(dataset.queries, 0);
        dataset.passages = self.after_prompts(dataset.passages, 1);
        Ok(dataset)
    }

    fn is_fleeting(&self) -> bool {
        self.sources.iter().any(|(_, source)| source.is_fleeting())
    }
}

/// What was joined so far.
#[derive(Default)]
struct Join {
    builder: Builder,
    with_topics: bool,
    /// Documents that a corpus lacks.
    missing: u32,
    counts: Vec<Counts>,
    notes: Vec<String>,
}

impl Join {
    fn add(&mut self, name: &str, dataset: &Dataset) -> Result<(), DataError> {
        self.builder.begin_source(name);
        self.with_topics |= dataset.topics.is_some();
        let topic = |row| {
            dataset.topics.as_ref().map_or_else(|| name.to_owned(), |topics| format!("{name}/{}", topics.name(row)))
        };
        let mut passages = Vec::with_capacity(dataset.passages.len());
        for (row, passage) in (0..).zip(&dataset.passages) {
            passages.push(self.builder.merged_document(
                &format!("{name}/{}", passage.id),
                passage.text,
                &topic(row),
            )?);
        }
        let mut queries = Vec::with_capacity(dataset.queries.len());
        for query in &dataset.queries {
            queries.push(self.builder.merged_query(&format!("{name}/{}", query.id), query.text)?);
        }
        let rows = Rows { queries, passages };
        for (pair, row) in (0..).zip(&dataset.train) {
            let (query, passage) = (rows.queries[row.query as usize], rows.passages[row.passage as usize]);
            self.builder.judge_pair(Split::Train, query, passage);
            let negatives = dataset.negatives.of(pair).iter().filter_map(|&row| rows.passages[row as usize]);
            if let Some((query, passage)) = query.zip(passage) {
                negatives.for_each(|negative| self.builder.negative(query, passage, negative));
            }
        }
        for row in &dataset.known {
            if let Some((query, passage)) = rows.queries[row.query as usize].zip(rows.passages[row.passage as usize]) {
                self.builder.known(query, passage);
            }
        }
        for (split, queries) in [(Split::Validation, &dataset.validation), (Split::Test, &dataset.test)] {
            queries.iter().for_each(|query| self.judge(split, query, &rows));
        }
        let counts = &dataset.counts;
        let kept = [dataset.passages.len(), dataset.train.len(), dataset.validation.len(), dataset.test.len()];
        let [all, train, validation, test] = kept;
        self.notes.push(format!(
            "source {name}: {all} passages, {train} training pairs, {validation} validation and {test} test queries"
        ));
        self.notes.extend(dataset.notes.iter().map(|note| format!("source {name}: {note}")));
        self.counts.push(counts.clone());
        Ok(())
    }

    fn judge(&mut self, split: Split, judged: &TestQuery, rows: &Rows) {
        let Some(query) = rows.queries[judged.query as usize] else {
            (0..judged.relevant.len() + judged.missing.len()).for_each(|_| self.builder.judge_pair(split, None, None));
            return;
        };
        for &(passage, grade) in &judged.relevant {
            // What is blank is not searched for here.
            let document = rows.passages[passage as usize].map_or_else(|| self.next_missing(), Document::Passage);
            self.builder.judge(split, query, document, grade);
        }
        for &grade in &judged.missing {
            let document = self.next_missing();
            self.builder.judge(split, query, document, grade);
        }
        if let Some(own) = judged.own.and_then(|own| rows.passages[own as usize]) {
            self.builder.same_id(query, own);
        }
    }

    fn next_missing(&mut self) -> Document {
        self.missing += 1;
        Document::Missing(self.missing)
    }

    fn finish(self) -> Dataset {
        let mut dataset = self.builder.finish(self.with_topics);
        dataset.counts = joined(dataset.counts, &self.counts);
        dataset.notes.splice(0..0, self.notes);
        dataset
    }
}

/// Where the texts of a source went; `None` for blank ones.
struct Rows {
    queries: Vec<Option<u32>>,
    passages: Vec<Option<u32>>,
}

/// The counts of the join with those of its sources: what these read, and what either left out.
fn joined(mut counts: Counts, sources: &[Counts]) -> Counts {
    let sum = |field: fn(&Counts) -> usize| sources.iter().map(field).sum::<usize>();
    // A BEIR folder keeps blank and repeated documents and queries, which the join left out then.
    let documents_left_out = |counts: &Counts| counts.documents_read > counts.documents_again + counts.passages;
    let queries_left_out =
        |counts: &Counts| counts.queries_read > counts.queries_again + counts.queries_unused + counts.queries;
    for source in sources {
        if documents_left_out(source) {
            counts.documents_empty += source.documents_empty;
            counts.documents_repeated += source.documents_repeated;
        }
        if queries_left_out(source) {
            counts.queries_empty += source.queries_empty;
            counts.queries_repeated += source.queries_repeated;
        }
    }
    Counts {
        documents_read: sum(|counts| counts.documents_read),
        documents_again: sum(|counts| counts.documents_again),
        queries_read: sum(|counts| counts.queries_read),
        queries_again: sum(|counts| counts.queries_again),
        queries_unused: counts.queries_unused + sum(|counts| counts.queries_unused),
        train_judgements_read: sum(|counts| counts.train_judgements_read),
        validation_judgements_read: sum(|counts| counts.validation_judgements_read),
        test_judgements_read: sum(|counts| counts.test_judgements_read),
        judgements_not_relevant: counts.judgements_not_relevant + sum(|counts| counts.judgements_not_relevant),
        judgements_of_empty: counts.judgements_of_empty + sum(|counts| counts.judgements_of_empty),
        judgements_of_missing: counts.judgements_of_missing + sum(|counts| counts.judgements_of_missing),
        judgements_held_out: counts.judgements_held_out + sum(|counts| counts.judgements_held_out),
        judgements_in_test: counts.judgements_in_test + sum(|counts| counts.judgements_in_test),
        judgements_over_limit: sum(|counts| counts.judgements_over_limit),
        judgements_repeated: counts.judgements_repeated + sum(|counts| counts.judgements_repeated),
        negatives_left_out: counts.negatives_left_out + sum(|counts| counts.negatives_left_out),
        lone_surrogates: sum(|counts| counts.lone_surrogates),
        rust_docs: sources.iter().find_map(|counts| counts.rust_docs.clone()),
        ..counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pair;
    use super::*;

    fn dataset(pairs: &[(&str, &str)]) -> Dataset {
        let row = |n: usize| Pair { query: n as u32, passage: n as u32 };
        Dataset {
            queries: pairs.iter().enumerate().map(|(n, (query, _))| (format!("q{n}"), *query)).collect(),
            passages: pairs.iter().enumerate().map(|(n, (_, passage))| (format!("d{n}"), *passage)).collect(),
            train: (0..pairs.len()).map(row).collect(),
            ..Dataset::default()
        }
    }

    fn tested(pairs: &[(&str, &str)]) -> Dataset {
        let dataset = dataset(pairs);
        let query =
            |pair: &Pair| TestQuery { query: pair.query, relevant: vec![(pair.passage, 1)], ..TestQuery::default() };
        Dataset { test: dataset.train.iter().map(query).collect(), train: Vec::new(), ..dataset }
    }

    fn joined(sources: Vec<(&str, Dataset)>) -> Joined {
        let boxed = |(name, source): (&str, Dataset)| (name.to_owned(), Box::new(source) as Box<dyn PairSource>);
        Joined::new(sources.into_iter().map(boxed).collect())
    }

    #[test]
    fn a_pair_that_another_source_tests_is_left_out_whatever_the_prompts() {
        let trained = dataset(&[("hills of Rome", "Seven hills."), ("gases", "Oxygen.")]);
        let source = joined(vec![("a", trained), ("b", tested(&[("hills of Rome", " Seven hills. ")]))]);
        let prompts = vec![["ask: ".to_owned(), String::new()], [String::new(), "text: ".to_owned()]];
        let dataset = source.with_prompts(prompts).load().unwrap();
        assert_eq!((dataset.train.len(), dataset.counts.judgements_in_test, dataset.passages.len()), (1, 1, 2));
        let texts: Vec<(&str, &str)> = dataset.queries.iter().map(|text| (text.id, text.text)).collect();
        assert_eq!(texts, [("a/q1", "ask: gases"), ("a/q0", "ask: hills of Rome")]);
        let sources = dataset.sources.unwrap();
        assert_eq!((sources.of_pair, sources.of_test), (vec![0], vec![1]));
        assert!(dataset.notes.iter().any(|note| note.starts_with("source a: 2 passages, 2 training pairs")));
    }

    #[test]
    fn a_query_of_two_sources_has_the_answers_of_both() {
        let source = joined(vec![("a", tested(&[("rivers", "The Tiber.")])), ("b", tested(&[("rivers", "The Po.")]))]);
        let dataset = source.load().unwrap();
        assert_eq!(dataset.test, [TestQuery { query: 0, relevant: vec![(0, 1), (1, 1)], ..TestQuery::default() }]);
        assert_eq!(dataset.sources.unwrap().of_test, [0]);
    }

    #[test]
    fn known_answers_and_negatives_follow_their_texts() {
        let mut a = dataset(&[("rivers", "The Tiber."), ("gases", "Oxygen.")]);
        a.known = vec![Pair { query: 0, passage: 1 }];
        let mut b = dataset(&[("rivers", "The Po.")]);
        b.passages = ["The Po.", "Oxygen.", "Iron."].map(|text| (text, text)).into_iter().collect();
        b.negatives = super::super::Negatives::new(1, [(0, 1), (0, 2)]);
        let dataset = joined(vec![("a", a), ("b", b)]).load().unwrap();
        assert_eq!(dataset.known, [Pair { query: 0, passage: 1 }]);
        // "Oxygen." answers "rivers", as the first source knows.
        let place = dataset.train.iter().position(|pair| pair.passage == 2).unwrap();
        let texts: Vec<&str> =
            dataset.negatives.of(place as u32).iter().map(|&passage| dataset.passages.text(passage)).collect();
        assert_eq!((texts, dataset.counts.negatives_left_out), (vec!["Iron."], 1));
    }
}
