//! candle-transformers' `BertModel`, f32, on the CPU.

use std::path::Path;

use anyhow::{Error, Result};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, DTYPE};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokenizers::{Tokenizer, TruncationParams};

use crate::Peer;

/// Tokens of a batch, padding among them: by trial, twice or half as many take as long.
const BUDGET: usize = 256;

/// A thread takes a batch at a time: within one, candle divides products and softmax among threads, and nothing else.
pub(crate) struct Candle {
    model: BertModel,
    tokenizer: Tokenizer,
    pool: ThreadPool,
    dim: usize,
}

/// Texts of about as many tokens, and where they stood.
struct Batch<'a> {
    at: &'a [usize],
    ids: Vec<&'a [u32]>,
}

impl Candle {
    pub(crate) fn read(folder: &Path, threads: usize) -> Result<Self> {
        let config: Config = serde_json::from_slice(&crate::bytes(&folder.join("config.json"))?)?;
        let weights = crate::bytes(&folder.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DTYPE, &Device::Cpu)?;
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).map_err(Error::from_boxed)?;
        tokenizer.with_padding(None);
        Ok(Self {
            model: BertModel::load(weights, &config)?,
            tokenizer,
            pool: ThreadPoolBuilder::new().num_threads(threads).build()?,
            dim: config.hidden_size,
        })
    }

    fn vectors(&self, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let rows = batch.ids.len();
        let longest = batch.ids.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let (mut ids, mut mask) = (vec![0_u32; rows * longest], vec![0_u32; rows * longest]);
        for (row, text) in batch.ids.iter().enumerate() {
            ids[row * longest..][..text.len()].copy_from_slice(text);
            mask[row * longest..][..text.len()].fill(1);
        }
        let ids = Tensor::from_vec(ids, (rows, longest), &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, (rows, longest), &Device::Cpu)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        // The sum of a text's tokens, as a product: the mean's divisor is lost in the norm.
        let sums = mask.to_dtype(DType::F32)?.unsqueeze(1)?.matmul(&hidden)?.squeeze(1)?;
        let norms = sums.sqr()?.sum_keepdim(1)?.sqrt()?;
        Ok(sums.broadcast_div(&norms)?.to_vec2()?)
    }
}

impl Peer for Candle {
    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&mut self, texts: &[String], max_tokens: usize) -> Result<Vec<Vec<f32>>> {
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        self.tokenizer.with_truncation(Some(cut)).map_err(Error::from_boxed)?;
        let this = &*self;
        this.pool.install(|| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let encodings = this.tokenizer.encode_batch_fast(texts, true).map_err(Error::from_boxed)?;
            let ids: Vec<&[u32]> = encodings.iter().map(|encoding| encoding.get_ids()).collect();
            let mut order: Vec<usize> = (0..ids.len()).collect();
            order.sort_by_key(|&text| std::cmp::Reverse(ids[text].len()));
            let batches = batches(&order, &ids);
            let of_batches: Result<Vec<_>> =
                batches.par_iter().with_max_len(1).map(|batch| this.vectors(batch)).collect();
            let mut vectors = vec![Vec::new(); ids.len()];
            for (batch, of_batch) in batches.iter().zip(of_batches?) {
                batch.at.iter().zip(of_batch).for_each(|(&text, vector)| vectors[text] = vector);
            }
            Ok(vectors)
        })
    }
}

/// Of texts in order of falling lengths.
fn batches<'a>(mut order: &'a [usize], ids: &[&'a [u32]]) -> Vec<Batch<'a>> {
    let mut batches = Vec::new();
    while let Some(&longest) = order.first() {
        let (at, rest) = order.split_at((BUDGET / ids[longest].len()).clamp(1, order.len()));
        batches.push(Batch { at, ids: at.iter().map(|&text| ids[text]).collect() });
        order = rest;
    }
    batches
}
