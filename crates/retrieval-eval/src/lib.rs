#![doc = include_str!("../README.md")]

mod error;
mod evaluate;
mod evaluate_file;
mod evaluate_results;
mod files;
mod ids;
mod indexed;
mod measure;
mod measure_at_level;
mod measure_list;
mod measure_name;
mod measures;
mod metric;
mod problem;
mod qrels;
mod ranking;
mod ranks;
mod report;
mod run;
mod scorer;
mod search;
mod statistics;
mod strings;
mod summary;
mod table;

pub use error::EvalError;
pub use evaluate::{EvalOptions, evaluate};
pub use evaluate_file::evaluate_file;
pub use evaluate_results::evaluate_results;
pub use files::{BeirJudgement, decompressed};
pub use indexed::{IndexedQrels, evaluate_hits};
pub use measure::Measure;
pub use measure_at_level::MeasureAtLevel;
pub use measures::gain::Gain;
pub use metric::{JudgedRanking, Metric, RankedJudgement};
pub use problem::Problem;
pub use qrels::Qrels;
pub use report::{MeasureValues, Report};
pub use run::Run;
#[cfg(feature = "burn")]
pub use search::DeviceSearcher;
pub use search::{ClusteredSearcher, ExactSearcher, Hit, Searcher};
pub use statistics::{
    Bootstrap, BootstrapConfig, Comparison, CrossedTTest, Interval, Outcomes, Paired, RandomisationConfig,
    RandomisationTest, SeedValues, TTest, VarianceComponents, holm,
};
pub use summary::Summary;
pub use table::{CorrectedComparison, RunRow, RunTable, TableFormat};
