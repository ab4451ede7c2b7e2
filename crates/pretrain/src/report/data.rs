//! What a report shows, as plain data. What is empty or absent is left out of the page.

/// All that a report shows.
///
/// # Examples
///
/// ```
/// use pretrain::report::{ArmCurves, ReportData, SeedCurves, StepPoint, render};
///
/// let steps = (0..3).map(|step| StepPoint { step, loss: 2.0 / (step + 1) as f32, ..StepPoint::default() }).collect();
/// let run = SeedCurves { seed: 0, steps, validation: Vec::new() };
/// let arm = ArmCurves { arm: "passage <clusters>".into(), runs: vec![run], strata: Vec::new() };
/// let page = render(&ReportData { title: "First run".into(), arms: vec![arm], ..ReportData::default() });
/// assert!(page.contains("<h1>First run</h1>") && page.contains("passage &lt;clusters&gt;"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportData {
    /// The page's title.
    pub title: String,
    /// How much of what the run had, a tile each.
    pub facts: Vec<Fact>,
    /// What a reader should know about how the data was found, a sentence each.
    pub notes: Vec<String>,
    /// What every system reached on the test queries.
    pub scores: Option<Scoreboard>,
    /// How the arms trained, in the order of their colours.
    pub arms: Vec<ArmCurves>,
    /// The clusters that arms draw from.
    pub clusters: Vec<ClusterSet>,
    /// Examples of what was not counted as a negative.
    pub masked: Vec<MaskedNegative>,
    /// What the run was made with.
    pub settings: Settings,
}

/// A number with what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fact {
    /// What is counted, such as `training pairs`.
    pub name: String,
    /// How many, as it is shown.
    pub value: String,
}

/// What every system reached, arms first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scoreboard {
    /// The measures, by name; gains are of the first.
    pub measures: Vec<String>,
    /// The test queries behind every mean.
    pub queries: usize,
    /// One row a system.
    pub systems: Vec<SystemScore>,
}

/// What one system reached.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SystemScore {
    /// The system's name; an arm's is that of its [`ArmCurves`].
    pub name: String,
    /// One a measure, in their order.
    pub scores: Vec<MeasureScore>,
    /// The relative gain in the first measure over the arm that gains are measured against.
    pub gain: Option<GainInterval>,
}

/// One measure of one system.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MeasureScore {
    /// The mean over queries and seeds, in `[0, 1]`.
    pub mean: f64,
    /// The ends of its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// The standard deviation over seeds.
    pub deviation: Option<f64>,
}

/// A relative gain with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GainInterval {
    /// The arm's mean over the other's, less 1.
    pub relative: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The p-value corrected for the number of arms (Holm).
    pub p_holm: Option<f64>,
}

/// How one arm trained.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ArmCurves {
    /// The arm's name.
    pub arm: String,
    /// Its trainings, one a seed.
    pub runs: Vec<SeedCurves>,
    /// How hard the negatives of each stratum were at the end, over all seeds.
    pub strata: Vec<StratumHardness>,
}

/// One training.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeedCurves {
    /// The seed.
    pub seed: u64,
    /// Its steps, ascending.
    pub steps: Vec<StepPoint>,
    /// What it reached on the validation split, ascending by step.
    pub validation: Vec<ValidationPoint>,
}

/// One step of a training. Values that are not finite are gaps in a curve.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepPoint {
    /// The step, counted from 0.
    pub step: usize,
    /// InfoNCE, in nats a query.
    pub loss: f32,
    /// The share of queries whose positive scores highest in the batch.
    pub accuracy: f32,
    /// Mean similarity of a query and its own passage.
    pub positive: f32,
    /// Mean similarity of a query and a negative.
    pub negative: Option<f32>,
    /// The similarity that 95% of the negatives do not exceed.
    pub negative_p95: Option<f32>,
    /// The share of negatives that are more similar to the query than its own passage.
    pub harder: Option<f32>,
    /// The share of a query's candidates that are masked.
    pub masked: f32,
    /// The temperature of the loss.
    pub temperature: f32,
    /// The norm of the gradient before clipping.
    pub gradient_norm: f32,
    /// The learning rate.
    pub learning_rate: f64,
    /// The pairs of the batch.
    pub pairs: usize,
    /// How long the step took, in seconds.
    pub seconds: f64,
}

impl StepPoint {
    /// A step that moved nothing, since its loss or gradient was not finite: a gap in every curve.
    ///
    /// ```
    /// let step = pretrain::report::StepPoint::skipped(7);
    /// assert!(step.step == 7 && step.loss.is_nan() && step.pairs == 0);
    /// ```
    pub fn skipped(step: usize) -> Self {
        let none = f32::NAN;
        Self {
            step,
            loss: none,
            accuracy: none,
            positive: none,
            masked: none,
            temperature: none,
            gradient_norm: none,
            learning_rate: f64::NAN,
            ..Self::default()
        }
    }
}

/// What a student in training reached on the validation split.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValidationPoint {
    /// The step after which it was asked, counted from 0.
    pub step: usize,
    /// Each measure's name and mean.
    pub means: Vec<(String, f64)>,
}

/// How hard the negatives of one stratum were.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StratumHardness {
    /// The stratum's label.
    pub stratum: u32,
    /// The pairs drawn of it that this is a mean of.
    pub pairs: usize,
    /// The share of queries that score their own passage above every negative.
    pub accuracy: f64,
    /// Mean similarity of a query and its own passage.
    pub positive: f64,
    /// Mean similarity of a query and a negative.
    pub negative: Option<f64>,
    /// The share of negatives that are more similar to the query than its own passage.
    pub harder: Option<f64>,
}

/// Clusters that one arm or several draw from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterSet {
    /// Their name, which is that of the first arm.
    pub name: String,
    /// The arms that draw from them.
    pub arms: Vec<String>,
    /// What is clustered, such as `passages`.
    pub of: String,
    /// Rows of each label.
    pub sizes: Vec<u64>,
    /// Mean cosine of a row with its centroid.
    pub objective: f64,
    /// What the largest of them are about.
    pub notes: Vec<ClusterNote>,
    /// A sample of the rows in the plane.
    pub map: Option<ClusterMap>,
}

/// What one cluster is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterNote {
    /// The label.
    pub label: u32,
    /// The words that mark it off from the rest, strongest first.
    pub terms: Vec<String>,
    /// A text near its centroid.
    pub example: String,
}

/// Rows in the plane of their first two principal components.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterMap {
    /// The rows.
    pub points: Vec<MapPoint>,
    /// The share of the variance along each axis, in `[0, 1]`.
    pub explained: [f64; 2],
    /// How many rows the sample was taken from.
    pub rows: usize,
}

/// One row of a map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapPoint {
    /// Along the first component.
    pub x: f64,
    /// Along the second component.
    pub y: f64,
    /// The label of its cluster.
    pub label: u32,
    /// Its text; may be empty.
    pub text: String,
}

/// A passage that was not counted as a negative of a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MaskedNegative {
    /// The query.
    pub query: String,
    /// Its own passage.
    pub positive: String,
    /// The passage that was masked.
    pub masked: String,
    /// Why, such as `known positive`.
    pub reason: String,
    /// The similarity of query and masked passage, where it is known.
    pub similarity: Option<f64>,
}

/// What a run was made with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// The configuration, as TOML.
    pub configuration: String,
    /// For each arm the keys in which it differs from the sections, as `section.key = value`.
    pub arms: Vec<(String, Vec<String>)>,
    /// The hash of the data.
    pub data_hash: Option<String>,
    /// The stages that were run, in the order of the run.
    pub stages: Vec<StageFacts>,
}

/// What one stage took and wrote.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageFacts {
    /// Its name.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Each file that it wrote, with its hash.
    pub files: Vec<(String, String)>,
}
