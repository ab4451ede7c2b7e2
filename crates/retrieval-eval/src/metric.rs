use crate::summary::Summary;

/// A number for the results of one query, higher for better.
///
/// [`Measure`](crate::Measure) has trec_eval's; anything else that can be computed from a [`JudgedRanking`] can be
/// evaluated beside them.
///
/// # Examples
/// The rank of the first relevant document, 0 without one:
/// ```
/// use retrieval_eval::{EvalOptions, JudgedRanking, Metric, Qrels, Run, evaluate};
///
/// struct FirstRelevant;
///
/// impl Metric for FirstRelevant {
///     fn name(&self) -> String {
///         "first_relevant".into()
///     }
///     fn score(&self, query: &JudgedRanking<'_>) -> f64 {
///         query.judged().iter().find(|d| d.grade > 0).map_or(0.0, |d| d.rank as f64)
///     }
/// }
///
/// let mut qrels = Qrels::new();
/// qrels.insert("q", "b", 1)?;
/// let mut run = Run::new();
/// run.insert("q", [("a", 2.0), ("b", 1.0)])?;
/// let report = evaluate(&qrels, &run, &[FirstRelevant], EvalOptions::default());
/// assert_eq!(report.mean("first_relevant"), Some(2.0));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
pub trait Metric: Send + Sync {
    /// The name under which the report lists the values.
    fn name(&self) -> String;

    /// The value for one query.
    fn score(&self, query: &JudgedRanking<'_>) -> f64;

    /// How the values of the queries become one.
    fn summary(&self) -> Summary {
        Summary::Mean
    }
}

impl<M: Metric + ?Sized> Metric for &M {
    fn name(&self) -> String {
        (**self).name()
    }

    fn score(&self, query: &JudgedRanking<'_>) -> f64 {
        (**self).score(query)
    }

    fn summary(&self) -> Summary {
        (**self).summary()
    }
}

impl<M: Metric + ?Sized> Metric for Box<M> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn score(&self, query: &JudgedRanking<'_>) -> f64 {
        (**self).score(query)
    }

    fn summary(&self) -> Summary {
        (**self).summary()
    }
}

/// A judged document among the results of a query; see [`JudgedRanking`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankedJudgement {
    /// Counted from 1.
    pub rank: usize,
    /// Relevant from the relevance level on. Below 0: in the pool of documents to be judged, but not judged.
    pub grade: i32,
}

/// All that a measure may know about one query: which of its results are judged, and what there was to find.
///
/// Results without a judgement are not listed; they only take up ranks. See [`Metric`] for an example.
#[derive(Clone, Copy, Debug)]
pub struct JudgedRanking<'a> {
    judged: &'a [RankedJudgement],
    retrieved: usize,
    grades: &'a [i32],
    relevance_level: i32,
    relevant: usize,
}

impl<'a> JudgedRanking<'a> {
    /// `judged` by ascending rank; `grades` of all judged documents, highest first.
    pub(crate) fn new(
        judged: &'a [RankedJudgement],
        retrieved: usize,
        grades: &'a [i32],
        relevance_level: i32,
    ) -> Self {
        // A grade below 0 is no judgement, whatever the level.
        let relevance_level = relevance_level.max(0);
        let relevant = grades.partition_point(|&grade| grade >= relevance_level);
        Self { judged, retrieved, grades, relevance_level, relevant }
    }

    /// The same results, with grades from `relevance_level` on relevant. Grades below 0 never are.
    pub fn at_relevance_level(&self, relevance_level: i32) -> Self {
        Self::new(self.judged, self.retrieved, self.grades, relevance_level)
    }

    /// The judged results, best rank first.
    pub fn judged(&self) -> &'a [RankedJudgement] {
        self.judged
    }

    /// The number of results, judged or not.
    pub fn retrieved(&self) -> usize {
        self.retrieved
    }

    /// The grades of all judged documents of the query, retrieved or not, highest first.
    pub fn grades(&self) -> &'a [i32] {
        self.grades
    }

    /// The lowest grade that is relevant, 0 or more.
    pub fn relevance_level(&self) -> i32 {
        self.relevance_level
    }

    /// The number of relevant documents of the query, retrieved or not.
    pub fn relevant(&self) -> usize {
        self.relevant
    }

    /// The grades above 0, highest first: the best ranking that there is. The relevance level does not count.
    pub fn ideal(&self) -> &'a [i32] {
        &self.grades[..self.grades.partition_point(|&grade| grade > 0)]
    }

    /// The relevant results among the best `k`, best rank first.
    pub fn found(&self, k: usize) -> impl Iterator<Item = RankedJudgement> + use<'a> {
        let level = self.relevance_level;
        self.judged.iter().copied().take_while(move |result| result.rank <= k).filter(move |it| it.grade >= level)
    }

    /// The results of a grade above 0 among the best `k`, best rank first, whatever the relevance level.
    pub fn gaining(&self, k: usize) -> impl Iterator<Item = RankedJudgement> + use<'a> {
        self.judged.iter().copied().take_while(move |result| result.rank <= k).filter(|result| result.grade > 0)
    }
}
