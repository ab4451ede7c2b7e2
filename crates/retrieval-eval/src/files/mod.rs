//! Judgements and results on disk.

mod beir_line;
mod compression;
mod grade;
mod input;
mod json;
mod lines;
mod mark;
mod output;
mod place;
mod qrels;
mod query_blocks;
mod result_line;
mod run;
mod stream;

pub use beir_line::BeirJudgement;
pub use compression::decompressed;
pub(crate) use input::{Content, Input};
pub(crate) use result_line::LineFormat;
pub(crate) use stream::{Consumer, Stream};
