//! The batches of an epoch with their tokens, in folders of Parquet files as ArcticTraining's Arctic Embed trains on.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::backend::AutodiffBackend;
use embed::TokenBatch;
use parquet::basic::Compression;
use parquet::data_type::{DataType, Int32Type, Int64Type};
use parquet::errors::Result as Written;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Serialize;
use stratified_sampler::Batches;

use super::Pipeline;
use super::initial::Start;
use crate::error::{PretrainError, Result};
use crate::files::{write_json, write_whole};
use crate::parts::Parts;
use crate::progress::bar;
use crate::run_folder::Member;
use crate::train::BatchTokens;

/// What is beside the batches, for who reads them.
#[derive(Serialize)]
struct Metadata<'a> {
    arm: &'a str,
    seed: u64,
    epoch: u64,
    batches: usize,
    batch_size: usize,
    vocab_size: usize,
    max_tokens: usize,
    query_prompt: &'a str,
    passage_prompt: &'a str,
}

/// Relevance of an answer, and of a hard negative; what is neither has no line.
const ANSWER: i32 = 1;
const NEGATIVE: i32 = -1;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Writes the batches that `member` trains on in `epoch` to `folder`, which must not be there or be empty: `data/batch_{number}` each, with
    /// the tokens of its distinct queries and documents, and which of them answer (relevance 1) and, where the loss has hard negatives, which of these do not
    /// (−1); beside them `tokenizer.json` and, last of all, `metadata.json`. The number of batches.
    ///
    /// # Errors
    /// The arm is not clustered yet, the folder holds something, or a file cannot be written.
    ///
    /// # Source
    /// The layout is that of `projects/arctic_embed` in Snowflake's ArcticTraining.
    pub fn write_arctic(&self, member: Member<'_>, epoch: u64, folder: &Path) -> Result<usize> {
        require_empty(folder)?;
        let config = &member.arm.config;
        self.mine_hard_negatives(&config.loss)?;
        let (sampler, hard_negatives) = (self.sampler(member)?, self.hard_negatives(&config.loss)?);
        let mut start = None;
        let start = Start::of_arm(&mut start, self, config)?;
        let vocab_size = start.tokenizer.vocab_size();
        let batches = Batches::new(&*sampler, epoch);
        let count = batches.len();
        let bar = bar(count as u64, "plan");
        for (number, batch) in batches.enumerate() {
            let tokens = start.tokens.batch(&batch, hard_negatives.as_ref());
            let folder = folder.join("data").join(format!("batch_{number:08}"));
            let each = hard_negatives.as_ref().map_or(0, |negatives| negatives.each);
            write_batch(&folder, &Batch::new(tokens, each), vocab_size)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        start.tokenizer.save(folder.join("tokenizer.json"))?;
        let metadata = Metadata {
            arm: &member.arm.title,
            seed: member.seed,
            epoch,
            batches: count,
            batch_size: sampler.batch_size(),
            vocab_size,
            max_tokens: start.longest(),
            query_prompt: start.prompts.query.as_str(),
            passage_prompt: start.prompts.passage.as_str(),
        };
        write_json(&folder.join("metadata.json"), &metadata)?;
        Ok(count)
    }
}

fn require_empty(folder: &Path) -> Result<()> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(PretrainError::NotEmpty { path: folder.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(PretrainError::io(folder, error)),
    }
}

/// The tokens of a batch by side, and what is known of them.
struct Batch {
    tokens: TokenBatch,
    /// Rows of `tokens`, each once.
    queries: Vec<u32>,
    documents: Vec<u32>,
    /// Query, document and relevance, each query and document once.
    relations: Vec<(u32, u32, i32)>,
}

impl Batch {
    fn new(batch: BatchTokens, hard_negatives: usize) -> Self {
        let pairs = batch.queries.len();
        let mut relations = Vec::new();
        for (pair, (&query, known)) in batch.queries.iter().zip(&batch.known_positives).enumerate() {
            relations.push((query, batch.passages[pair], ANSWER));
            relations.extend(known.iter().map(|&document| (query, document as u32, ANSWER)));
            let negatives = &batch.passages[pairs + pair * hard_negatives..][..hard_negatives];
            relations.extend(negatives.iter().map(|&document| (query, document, NEGATIVE)));
        }
        // An answer goes before what is said not to be one.
        relations.sort_unstable_by_key(|&(query, document, relevance)| (query, document, -relevance));
        relations.dedup_by_key(|(query, document, _)| (*query, *document));
        Self { queries: distinct(batch.queries), documents: distinct(batch.passages), tokens: batch.texts, relations }
    }
}

fn distinct(mut rows: Vec<u32>) -> Vec<u32> {
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn write_batch(folder: &Path, batch: &Batch, vocab_size: usize) -> Result<()> {
    let bits = if vocab_size <= 1 << 16 { 16 } else { 32 };
    for (name, kind, rows) in [("queries", "QUERY", &batch.queries), ("documents", "DOCUMENT", &batch.documents)] {
        let schema = format!(
            "message texts {{ REQUIRED INT64 BATCH_{kind}_ID (INTEGER(64,false)); REQUIRED GROUP {kind}_TOKEN_ID_LIST (LIST) \
             {{ REPEATED GROUP list {{ REQUIRED INT32 element (INTEGER({bits},false)); }} }} }}"
        );
        write_table(&folder.join(name).with_extension("parquet"), &schema, |columns| {
            write_column::<Int64Type>(columns, &ids(rows.iter().copied()), None)?;
            let (tokens, levels) = lists(&batch.tokens, rows);
            write_column::<Int32Type>(columns, &tokens, Some(&levels))
        })?;
    }
    let schema = "message relations { REQUIRED INT64 BATCH_QUERY_ID (INTEGER(64,false)); \
                  REQUIRED INT64 BATCH_DOCUMENT_ID (INTEGER(64,false)); REQUIRED INT32 RELEVANCE (INTEGER(8,true)); }";
    write_table(&folder.join("relations.parquet"), schema, |columns| {
        write_column::<Int64Type>(columns, &ids(batch.relations.iter().map(|relation| relation.0)), None)?;
        write_column::<Int64Type>(columns, &ids(batch.relations.iter().map(|relation| relation.1)), None)?;
        write_column::<Int32Type>(columns, &batch.relations.iter().map(|relation| relation.2).collect::<Vec<_>>(), None)
    })
}

fn ids(rows: impl Iterator<Item = u32>) -> Vec<i64> {
    rows.map(i64::from).collect()
}

/// Definition and repetition levels of the values of a list: the first value of each begins it, and one that is empty has a level alone.
struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

fn lists(tokens: &TokenBatch, rows: &[u32]) -> (Vec<i32>, Levels) {
    let (mut values, mut levels) = (Vec::new(), Levels { definition: Vec::new(), repetition: Vec::new() });
    for &row in rows {
        let of_row = tokens.tokens(row as usize);
        values.extend(of_row.iter().map(|&token| token.cast_signed()));
        levels.definition.extend(of_row.iter().map(|_| 1));
        levels.repetition.extend((0..of_row.len()).map(|place| i16::from(place > 0)));
        if of_row.is_empty() {
            levels.definition.push(0);
            levels.repetition.push(0);
        }
    }
    (values, levels)
}

type Columns<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Vec<u8>>;

fn write_table(path: &Path, schema: &str, fill: impl FnOnce(&mut Columns<'_, '_>) -> Written<()>) -> Result<()> {
    let mut bytes = Vec::new();
    let write = || -> Written<()> {
        let schema = Arc::new(parse_message_type(schema)?);
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
        let mut file = SerializedFileWriter::new(&mut bytes, schema, properties)?;
        let mut columns = file.next_row_group()?;
        fill(&mut columns)?;
        columns.close()?;
        file.close().map(drop)
    };
    write().map_err(|error| PretrainError::io(path, std::io::Error::other(error)))?;
    write_whole(path, |out| out.write_all(&bytes))
}

fn write_column<T: DataType>(columns: &mut Columns<'_, '_>, values: &[T::T], levels: Option<&Levels>) -> Written<()> {
    if let Some(mut column) = columns.next_column()? {
        let (definition, repetition) =
            (levels.map(|levels| &levels.definition[..]), levels.map(|levels| &levels.repetition[..]));
        column.typed::<T>().write_batch(values, definition, repetition)?;
        column.close()?;
    }
    Ok(())
}
