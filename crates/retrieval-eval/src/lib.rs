#![doc = include_str!("../README.md")]

mod error;
mod evaluate;
mod ids;
mod indexed;
mod measure;
mod measure_name;
mod metric;
mod problem;
mod qrels;
mod ranks;
mod read;
mod report;
mod run;
mod search;
mod statistics;
mod table;

pub use error::EvalError;
pub use evaluate::{EvalOptions, evaluate};
pub use indexed::{IndexedQrels, evaluate_hits};
pub use measure::{Gain, Measure};
pub use metric::{JudgedRanking, Metric, RankedJudgement};
pub use problem::Problem;
pub use qrels::Qrels;
pub use report::{MeasureValues, Report};
pub use run::Run;
pub use search::{ClusteredSearcher, ExactSearcher, Hit, Searcher};
pub use statistics::{
    Bootstrap, BootstrapConfig, Comparison, Interval, Outcomes, Paired, RandomisationConfig, RandomisationTest,
    SeedValues, TTest, holm,
};
pub use table::{CorrectedComparison, RunRow, RunTable, TableFormat};
