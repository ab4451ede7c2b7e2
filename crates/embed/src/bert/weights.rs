use std::path::Path;

use burn::module::Param;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::layer::{Dense, Layer, Norm};
use super::masked::Head;
use super::model::Bert;
use super::{BertConfig, Pooling};
use crate::weights::{WeightFile, WeightWriter, Weights, param};
use crate::{EmbedError, Precision};

const FILE: &str = "model.safetensors";
const WORDS: &str = "embeddings.word_embeddings.weight";
const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";
/// The head that fills in masked tokens, which is beside the encoder, not under its prefix.
const HEAD: &str = "cls.predictions.transform";
const HEAD_BIAS: &str = "cls.predictions.bias";
const PARTS: [&str; 3] = ["query", "key", "value"];

/// Where tensors come from: a folder's file, read as its configuration says.
struct Source<'a, B: Backend> {
    weights: Weights<'a>,
    device: &'a B::Device,
}

impl<B: Backend> Bert<B> {
    /// The model of a folder with `config.json` and `model.safetensors`, mean-pooled; of its layers the first `layers`, or all.
    ///
    /// Tensor names may have the prefix `bert.`; values may be f32, f16 or bf16.
    ///
    /// # Errors
    /// What [`BertConfig::from_folder`] finds; a file that is missing, truncated, or lacks a tensor, or has one of another shape;
    /// [`EmbedError::OutOfRange`] if the folder has fewer layers.
    pub fn from_folder(
        folder: impl AsRef<Path>,
        layers: Option<usize>,
        device: &B::Device,
    ) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let mut config = BertConfig::from_folder(folder)?;
        let wanted = layers.unwrap_or(config.num_hidden_layers);
        if wanted > config.num_hidden_layers {
            return Err(EmbedError::OutOfRange {
                path: Some(folder.into()),
                key: "layers".into(),
                value: wanted.to_string(),
                range: format!("it has {}", config.num_hidden_layers),
            });
        }
        config.num_hidden_layers = wanted;
        let file = WeightFile::read(folder, FILE)?;
        let source = Source::<B> { weights: file.tensors("bert.", WORDS)?, device };
        source.model(config)
    }

    /// The head of a folder's masked language model, if it has one.
    pub(super) fn head_of(&self, folder: &Path, device: &B::Device) -> Result<Option<Head<B>>, EmbedError> {
        let file = WeightFile::read(folder, FILE)?;
        let source = Source::<B> { weights: file.tensors("", WORDS)?, device };
        let dense = format!("{HEAD}.dense");
        if !source.weights.has(HEAD_BIAS) && !source.weights.has(&format!("{dense}.weight")) {
            return Ok(None);
        }
        let BertConfig { hidden_size, vocab_size, .. } = self.config;
        Ok(Some(Head {
            dense: source.dense(&[dense], [hidden_size, hidden_size])?,
            norm: source.norm(&format!("{HEAD}.LayerNorm"), hidden_size)?,
            bias: source.vector(HEAD_BIAS, vocab_size)?,
        }))
    }

    /// The model's tensors under Hugging Face's names.
    pub(crate) fn weight_writer(&self) -> WeightWriter {
        let mut writer = WeightWriter::default();
        writer.add(WORDS, self.words.val());
        writer.add(POSITIONS, self.positions.val());
        writer.add(TYPES, self.types.val());
        add_norm(&mut writer, "embeddings.LayerNorm", &self.norm);
        for (index, layer) in self.layers.iter().enumerate() {
            add_layer(&mut writer, &format!("encoder.layer.{index}"), layer, self.config.hidden_size);
        }
        writer
    }
}

impl<B: Backend> Source<'_, B> {
    fn model(&self, config: BertConfig) -> Result<Bert<B>, EmbedError> {
        let hidden = config.hidden_size;
        let layers = (0..config.num_hidden_layers).map(|index| self.layer(index, &config));
        Ok(Bert {
            words: self.table(WORDS, [config.vocab_size, hidden])?,
            positions: self.table(POSITIONS, [config.max_position_embeddings, hidden])?,
            types: self.table(TYPES, [config.type_vocab_size, hidden])?,
            norm: self.norm("embeddings.LayerNorm", hidden)?,
            layers: layers.collect::<Result<_, _>>()?,
            config,
            pooling: Pooling::Mean,
            include_prompt: true,
            precision: Precision::F32,
        })
    }

    fn layer(&self, index: usize, config: &BertConfig) -> Result<Layer<B>, EmbedError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Layer {
            qkv: self.dense(&PARTS.map(|part| name(&format!("attention.self.{part}"))), [hidden, hidden])?,
            attention_output: self.dense(&[name("attention.output.dense")], [hidden, hidden])?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"), hidden)?,
            intermediate: self.dense(&[name("intermediate.dense")], [hidden, wide])?,
            output: self.dense(&[name("output.dense")], [wide, hidden])?,
            output_norm: self.norm(&name("output.LayerNorm"), hidden)?,
        })
    }

    fn table(&self, name: &str, shape: [usize; 2]) -> Result<Param<Tensor<B, 2>>, EmbedError> {
        Ok(param(self.weights.values(name, &shape)?, shape, self.device))
    }

    fn vector(&self, name: &str, size: usize) -> Result<Param<Tensor<B, 1>>, EmbedError> {
        Ok(param(self.weights.values(name, &[size])?, [size], self.device))
    }

    /// Several `[output, input]` layers side by side as one `[input, parts · output]`.
    fn dense(&self, names: &[String], [input, output]: [usize; 2]) -> Result<Dense<B>, EmbedError> {
        let wide = names.len() * output;
        let mut weight = vec![0.0; input * wide];
        let mut bias = Vec::with_capacity(wide);
        for (part, name) in names.iter().enumerate() {
            let rows = self.weights.values(&format!("{name}.weight"), &[output, input])?;
            for (o, row) in rows.chunks_exact(input).enumerate() {
                for (i, &value) in row.iter().enumerate() {
                    weight[i * wide + part * output + o] = value;
                }
            }
            bias.extend(self.weights.values(&format!("{name}.bias"), &[output])?);
        }
        Ok(Dense { weight: param(weight, [input, wide], self.device), bias: param(bias, [wide], self.device) })
    }

    /// Old checkpoints call scale and shift `gamma` and `beta`.
    fn norm(&self, name: &str, size: usize) -> Result<Norm<B>, EmbedError> {
        let old = self.weights.has(&format!("{name}.gamma"));
        let [scale, shift] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        Ok(Norm {
            weight: self.vector(&format!("{name}.{scale}"), size)?,
            bias: self.vector(&format!("{name}.{shift}"), size)?,
        })
    }
}

fn add_layer<B: Backend>(writer: &mut WeightWriter, name: &str, layer: &Layer<B>, hidden: usize) {
    for (part, label) in PARTS.into_iter().enumerate() {
        let columns = part * hidden..(part + 1) * hidden;
        let weight = layer.qkv.weight.val().slice([0..hidden, columns.clone()]);
        let bias = layer.qkv.bias.val().slice([columns]);
        add_dense(writer, &format!("{name}.attention.self.{label}"), weight, bias);
    }
    let dense = [
        ("attention.output.dense", &layer.attention_output),
        ("intermediate.dense", &layer.intermediate),
        ("output.dense", &layer.output),
    ];
    for (label, dense) in dense {
        add_dense(writer, &format!("{name}.{label}"), dense.weight.val(), dense.bias.val());
    }
    add_norm(writer, &format!("{name}.attention.output.LayerNorm"), &layer.attention_norm);
    add_norm(writer, &format!("{name}.output.LayerNorm"), &layer.output_norm);
}

fn add_dense<B: Backend>(writer: &mut WeightWriter, name: &str, weight: Tensor<B, 2>, bias: Tensor<B, 1>) {
    writer.add(format!("{name}.weight"), weight.transpose());
    writer.add(format!("{name}.bias"), bias);
}

fn add_norm<B: Backend>(writer: &mut WeightWriter, name: &str, norm: &Norm<B>) {
    writer.add(format!("{name}.weight"), norm.weight.val());
    writer.add(format!("{name}.bias"), norm.bias.val());
}
