//! Everything that can go wrong in a run, each as one clear line.

use std::path::{Path, PathBuf};

use crate::config::OtherData;
use crate::data::DataError;
use crate::difference::Difference;
use crate::holder::RunHolder;
use crate::stale::Stale;

/// The result of a stage.
pub type Result<T, E = PretrainError> = std::result::Result<T, E>;

/// What went wrong in a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainError {
    /// A file or folder could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The configuration's text is no configuration.
    #[error("{name}{}: {message}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    ConfigFile {
        /// The file, or `--set`.
        name: String,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What is wrong with it.
        message: String,
    },
    /// The keys of an arm or of a curriculum's sampler are no keys of their sections.
    #[error("{message}")]
    ArmKeys {
        /// What is wrong with them, and where.
        message: String,
    },
    /// The configuration cannot be written as TOML.
    #[error("configuration cannot be written as TOML")]
    ConfigText {
        /// The cause.
        source: Box<toml::ser::Error>,
    },
    /// An override is not of the form `section.key=value`.
    #[error("--set {setting}: expected section.key=value")]
    Setting {
        /// The override as given.
        setting: String,
    },
    /// A configuration value is out of range.
    #[error("{key} = {value}: expected {expected}")]
    OutOfRange {
        /// `section.key`.
        key: &'static str,
        /// The value.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A configuration value is refused by the crate that it is for.
    #[error("{key}{}", value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default())]
    Refused {
        /// `section.key`.
        key: String,
        /// The value as TOML, if the key has one.
        value: Option<String>,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A query has too few passages to be told from.
    #[error(
        "loss.hard_negatives = {wanted}: of a query only {found} training passages were found that do not answer it"
    )]
    TooFewNegatives {
        /// How many each is to have.
        wanted: usize,
        /// How many one has at most.
        found: usize,
    },
    /// A prefix of more columns than the student has.
    #[error("loss.matryoshka: a prefix of width {width} of a student of dimension {dim}")]
    WidePrefix {
        /// Columns of the prefix.
        width: usize,
        /// Columns of the student's vectors.
        dim: usize,
    },
    /// The keys of an arm make no configuration.
    #[error("arm `{arm}`")]
    Arm {
        /// The arm's name.
        arm: String,
        /// What is wrong with them.
        source: Box<PretrainError>,
    },
    /// The keys of a source make no source.
    #[error("source `{name}`")]
    Source {
        /// The source's name.
        name: String,
        /// What is wrong with them.
        source: Box<PretrainError>,
    },
    /// Other data cannot be judged on.
    #[error("eval.others `{name}`")]
    Other {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: Box<PretrainError>,
    },
    /// Some pairs are to be drawn oftener than others by batches that cannot do it.
    #[error(
        "weights of data.sources: the batches of {arm} are not of one source each, with sampler.by_source, \
         kind \"stratified\", leftovers \"drop\" or \"carry\" and weights \"size\""
    )]
    SourceWeights {
        /// The arm.
        arm: String,
    },
    /// A key of an arm or a setting of a study is none.
    #[error("`{variant}`: {key}: expected {expected}")]
    StudyKey {
        /// The arm or the setting.
        variant: String,
        /// The key.
        key: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A name in a study is none, or of nothing.
    #[error("{what} `{name}`: {problem}")]
    StudyName {
        /// What is named.
        what: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An experiment of a study is none.
    #[error("experiment `{name}`")]
    Experiment {
        /// The experiment.
        name: String,
        /// What is wrong with it.
        source: Box<PretrainError>,
    },
    /// A marked block of a page cannot be written.
    #[error("{}:{line}: {problem}", path.display())]
    StudyPage {
        /// The page.
        path: PathBuf,
        /// The block's line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A training of a study ended with an error.
    #[error("{title}: {message} ({})", log.display())]
    CellFailed {
        /// The training.
        title: String,
        /// The last line that it wrote.
        message: String,
        /// What it wrote.
        log: PathBuf,
    },
    /// Some trainings of a study are not done.
    #[error("{failed} of {cells} trainings failed; the same command tries them again")]
    CellsFailed {
        /// Those that failed.
        failed: usize,
        /// All of them.
        cells: usize,
    },
    /// A study was interrupted.
    #[error("stopped; {done} of {cells} trainings are done, and the same command goes on")]
    StudyStopped {
        /// Those that are done.
        done: usize,
        /// All of them.
        cells: usize,
    },
    /// A folder that is to be written holds something.
    #[error("{}: expected no folder or an empty one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// An arm's name cannot be a folder's.
    #[error("arm `{arm}`: a name has letters, digits, spaces and any of -_.,= within, at most 64 in all")]
    ArmName {
        /// The name.
        arm: String,
    },
    /// Two arms would share a folder.
    #[error("two arms are named `{arm}`")]
    ArmRepeated {
        /// The name in files.
        arm: String,
    },
    /// The data has no gold topics.
    #[error("{} has no topics to draw batches from", path.display())]
    NoTopics {
        /// The data.
        path: PathBuf,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data has no file of training judgements.
    #[error(
        "{} has no training pairs: training needs qrels/train.tsv; \
         without it the data can be embedded, clustered, searched and evaluated",
        path.display()
    )]
    NoTrainingJudgements {
        /// The data's folder.
        path: PathBuf,
    },
    /// No pair of the data is left for training.
    #[error("{} has no training pairs: the test split took all of them", path.display())]
    NoTrainingPairs {
        /// The data's path.
        path: PathBuf,
    },
    /// The data has no test queries.
    #[error("{} has no test queries", path.display())]
    NoTestQueries {
        /// The data's path.
        path: PathBuf,
    },
    /// The data has no validation split.
    #[error("{} has no validation split; data.validation_share cuts one from the training pairs", path.display())]
    NoValidation {
        /// The data's path.
        path: PathBuf,
    },
    /// Rows or labels of a file could not be read.
    #[error(transparent)]
    Vectors(#[from] vectors::VectorsError),
    /// Texts could not be embedded.
    #[error(transparent)]
    Embed(#[from] embed::EmbedError),
    /// What an arm draws from could not be clustered.
    #[error("{arm}")]
    Cluster {
        /// The arm, by the name of its clusters.
        arm: String,
        /// The cause.
        source: kmeans::KMeansError,
    },
    /// What an option of `pretrain cluster --vectors` names cannot be read or written.
    #[error("{option}")]
    ClusterOption {
        /// The option.
        option: &'static str,
        /// The cause.
        source: kmeans::KMeansError,
    },
    /// The rows of a file could not be clustered.
    #[error("{}", path.display())]
    ClusterFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: kmeans::KMeansError,
    },
    /// A row of a file is to have norm 1.
    #[error("{}: row {row} has norm {norm}, not 1: --normalize scales every row to norm 1", path.display())]
    NotUnit {
        /// The file.
        path: PathBuf,
        /// The first such row.
        row: usize,
        /// Its L2 norm.
        norm: f64,
    },
    /// A file holds a NaN or an infinite value.
    #[error("{}: row {row} has {value} in column {column}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The first such row.
        row: usize,
        /// The first such column of it.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A label is that of no centroid.
    #[error("{}: row {row} has label {label}, {} has {strata} centroids", labels.display(), centroids.display())]
    NoCentroid {
        /// The file of labels.
        labels: PathBuf,
        /// The first such row.
        row: usize,
        /// Its label.
        label: u32,
        /// The file of centroids.
        centroids: PathBuf,
        /// How many it holds.
        strata: usize,
    },
    /// A file that is read would be written too.
    #[error("{}: would be overwritten: choose another {option}", path.display())]
    WouldOverwrite {
        /// The file.
        path: PathBuf,
        /// The option that says what is written.
        option: &'static str,
    },
    /// Batches of an arm could not be drawn.
    #[error("{arm}")]
    Sample {
        /// The arm whose batches.
        arm: String,
        /// The cause.
        source: stratified_sampler::SamplerError,
    },
    /// Batches of the pairs that a file labels could not be drawn.
    #[error("{}", path.display())]
    SampleFile {
        /// The file of labels.
        path: PathBuf,
        /// The cause.
        source: stratified_sampler::SamplerError,
    },
    /// A batch of a training could not be drawn.
    #[error("batch {index} of epoch {epoch}")]
    Batch {
        /// The epoch, counted from 0.
        epoch: u64,
        /// The batch of it, counted from 0.
        index: usize,
        /// The cause.
        source: stratified_sampler::SamplerError,
    },
    /// The loss cannot be built.
    #[error(transparent)]
    Loss(#[from] infonce::InfoNceError),
    /// Rankings could not be made or judged.
    #[error(transparent)]
    Eval(#[from] retrieval_eval::EvalError),
    /// A file of judgements is empty.
    #[error("{} has no judgements", path.display())]
    NoJudgements {
        /// The file.
        path: PathBuf,
    },
    /// A run has results for no query that is judged.
    #[error("{} has no results for any query that is judged", path.display())]
    NothingJudged {
        /// The run.
        path: PathBuf,
    },
    /// Runs to be compared do not answer the same queries.
    #[error(
        "{} and {} have results for different queries; -c counts judged queries without results as 0",
        first.display(),
        second.display()
    )]
    DifferentQueries {
        /// The baseline.
        first: PathBuf,
        /// The first run that differs.
        second: PathBuf,
    },
    /// The BM25 index failed.
    #[cfg(feature = "bm25")]
    #[error("BM25 index")]
    Bm25(#[from] tantivy::TantivyError),
    /// A JSON file of the run folder is malformed.
    #[error("{}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        source: serde_json::Error,
    },
    /// The run folder belongs to another configuration.
    #[error(
        "{} holds a run of another configuration ({}); choose another run.dir, or --force to rerun what changed",
        dir.display(), list(differences)
    )]
    OtherConfiguration {
        /// The run folder.
        dir: PathBuf,
        /// The keys that differ.
        differences: Vec<Difference>,
    },
    /// The folder is no run folder.
    #[error("{} is no run folder", dir.display())]
    NotARun {
        /// The folder.
        dir: PathBuf,
    },
    /// The data is not what the run was made from.
    #[error("{} changed since {} was made: run `pretrain run` again", path.display(), run.display())]
    DataChanged {
        /// The data.
        path: PathBuf,
        /// The run folder.
        run: PathBuf,
    },
    /// A stage was asked for whose input is not there.
    #[error("{} is missing: run `pretrain {stage}` first", path.display())]
    StageMissing {
        /// What is missing.
        path: PathBuf,
        /// The stage that makes it.
        stage: &'static str,
    },
    /// What a stage left is not what a later one needs.
    #[error("{} {why}: run `pretrain {stage}` again", path.display())]
    StageStale {
        /// The file.
        path: PathBuf,
        /// How it differs.
        why: Stale,
        /// The stage that makes it.
        stage: &'static str,
    },
    /// Another process runs in the run folder.
    #[error("{} is in use by {}", dir.display(), holder.as_ref().map_or("another process".into(), RunHolder::to_string))]
    RunInUse {
        /// The run folder.
        dir: PathBuf,
        /// Which process, where it could be read.
        holder: Option<RunHolder>,
    },
    /// An arm was named that the run does not have.
    #[error("no arm {arm} in this run; its arms are {arms}")]
    NoSuchArm {
        /// The arm asked for.
        arm: String,
        /// The arms there are.
        arms: String,
    },
    /// A name that is no device's.
    #[error("no device {name:?}, expected cpu, wgpu, cuda or tch")]
    UnknownDevice {
        /// The name.
        name: String,
    },
    /// A seed was named that the run's arms were not trained with.
    #[error("no seed {seed} in this run; its arms are {arms}")]
    NoSuchSeed {
        /// The seed asked for.
        seed: u64,
        /// The arms there are, with their seeds.
        arms: String,
    },
    /// An arm was named that draws from no clusters of texts.
    #[error("no arm {arm} with clusters of texts in this run; those are {arms}")]
    NoClustersOf {
        /// The arm asked for.
        arm: String,
        /// The arms that do.
        arms: String,
    },
    /// No arm draws from clusters of texts.
    #[error("no arm of {} draws from clusters of texts", dir.display())]
    NoClusters {
        /// The run folder.
        dir: PathBuf,
    },
    /// No number of clusters that was to be tried can be drawn from.
    #[error(
        "of {pairs} training pairs no batches of {batch_size} can be drawn from clusters and groups of the sizes that are to be tried"
    )]
    NothingToPropose {
        /// Training pairs.
        pairs: usize,
        /// Pairs of a batch.
        batch_size: usize,
    },
    /// The device is not compiled in, or not there.
    #[error("device {device} needs a build with --features {device}")]
    NoDevice {
        /// The device asked for.
        device: &'static str,
    },
    /// The data's format is not compiled in.
    #[error("data.format = {format} needs a build with --features {format}")]
    NoFormat {
        /// The format asked for.
        format: &'static str,
    },
    /// The loss or its gradient became infinite or NaN.
    #[error(
        "step {step}: the loss is {loss}, the gradient's norm {gradient_norm}, the {in_a_row}. such step in a row; \
         a lower train.learning_rate or higher loss.temperature may help"
    )]
    Diverged {
        /// The step, counted from 0.
        step: usize,
        /// The loss.
        loss: f32,
        /// The L2 norm of all gradients together.
        gradient_norm: f32,
        /// How many steps in a row were so.
        in_a_row: usize,
    },
    /// A student cannot learn to fill in masked tokens.
    #[error("student.mlm wants a BERT whose tokenizer has a token [MASK]")]
    NotMasked,
    /// No student is to fill in masked tokens.
    #[error("no student of {} has student.mlm", dir.display())]
    NoMlm {
        /// The run folder.
        dir: PathBuf,
    },
    /// A checkpoint is of another student.
    #[error("{}: a checkpoint of another student", path.display())]
    OtherStudent {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        source: crate::train::StateError,
    },
    /// A checkpoint is of another training.
    #[error("{}: of a training with other settings, data or clusters; --force begins anew, and removes it", path.display())]
    OtherTraining {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// The program was asked to stop.
    #[error("stopped after step {step} of {steps}; the same command goes on from {}", path.display())]
    Stopped {
        /// Steps done.
        step: usize,
        /// Steps of the training.
        steps: usize,
        /// The checkpoint.
        path: PathBuf,
    },
    /// The program was asked to stop when a training had just ended.
    #[error("stopped after training {name}; the same command goes on from there")]
    StoppedAfter {
        /// The arm and the seed.
        name: String,
    },
    /// A step would take more memory than there is.
    #[error("{arm}: a step takes about {needed}, {available} are there: {advice}")]
    Memory {
        /// The arm.
        arm: String,
        /// What it takes.
        needed: String,
        /// What is left, or may be taken.
        available: String,
        /// What would fit.
        advice: String,
    },
    /// A device that does not compute in bf16.
    #[error("train.precision = bf16: {device} does not compute in it; expected f32, or --device cuda")]
    Precision {
        /// The run's.
        device: String,
    },
    /// There are fewer devices than a training is to encode on.
    #[error("train.devices = {wanted}: there are not so many of this kind beside {device}")]
    Devices {
        /// `train.devices`.
        wanted: usize,
        /// The run's.
        device: String,
    },
    /// Signals cannot be waited for.
    #[error("signals")]
    Signals {
        /// The cause.
        source: std::io::Error,
    },
    /// Stdin could not be read.
    #[error("stdin")]
    Stdin {
        /// The cause.
        source: std::io::Error,
    },
    /// Stdout could not be written.
    #[error("stdout")]
    Stdout {
        /// The cause.
        source: std::io::Error,
    },
    /// Threads could not be started.
    #[error("worker threads could not be started")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The sampler gives no batch.
    #[error("{arm}: no batch of {batch_size} can be drawn from {pairs} pairs")]
    NoBatches {
        /// The arm.
        arm: String,
        /// Pairs in a batch.
        batch_size: usize,
        /// Training pairs.
        pairs: usize,
    },
    /// The sampler has no batch for the rest of a training of so many steps.
    #[error("train.steps = {steps}: from epoch {epoch} on no batch can be drawn, after {step} steps")]
    EmptyEpochs {
        /// The first epoch without a batch, counted from 0.
        epoch: u64,
        /// Steps done.
        step: usize,
        /// Those of the whole training.
        steps: usize,
    },
}

impl PretrainError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn of_other(self, other: &OtherData) -> Self {
        Self::Other { name: other.name.clone(), source: Box::new(self) }
    }

    pub(crate) fn json(path: &Path, source: serde_json::Error) -> Self {
        Self::Json { path: path.to_owned(), source }
    }

    pub(crate) fn config(name: &str, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        // Without the text it shows the key, not a part of the text.
        let mut error = error.clone();
        error.set_input(None);
        Self::ConfigFile { name: name.to_owned(), line, message: error.to_string().trim().replace('\n', " ") }
    }
}

fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 4;
    let mut shown: Vec<String> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    if differences.len() > SHOWN {
        shown.push(format!("{} more", differences.len() - SHOWN));
    }
    shown.join("; ")
}

/// The error and its causes in one line.
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line.replace('\n', " ")
}
