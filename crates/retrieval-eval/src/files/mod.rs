//! Judgements and results on disk.

mod compression;
mod input;
mod json;
mod lines;
mod output;
mod qrels;
mod query_blocks;
mod result_line;
mod run;
mod stream;

pub(crate) use input::{Content, Input};
pub(crate) use result_line::LineFormat;
pub(crate) use stream::{Consumer, Stream};
