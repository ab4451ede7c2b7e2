use std::path::Path;

use burn::module::Param;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::architecture::Architecture;
use super::layer::{Dense, Layer, Norm};
use super::masked::Head;
use super::model::Bert;
use super::names::Names;
use super::projection::{Activation, Projection};
use super::{BertConfig, Pooling};
use crate::weights::{WeightFile, WeightWriter, Weights, param};
use crate::{EmbedError, Precision};

const FILE: &str = "model.safetensors";

/// Where tensors come from: a folder's file, read as its configuration says.
struct Source<'a, B: Backend> {
    weights: Weights<'a>,
    names: &'static Names,
    device: &'a B::Device,
}

impl<B: Backend> Bert<B> {
    /// The model of a folder with `config.json` and `model.safetensors`, which may be in several pieces with an index, mean-pooled; of its layers the
    /// first `layers`, or all.
    ///
    /// Tensor names may have the prefix that files with a head have, such as `bert.`; values may be f32, f16 or bf16.
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
        let names = config.model_type.names();
        let weights = file.tensors(&[(names.prefix, names.words)])?;
        Source::<B> { weights, names, device }.model(config)
    }

    /// The same with one more dense layer behind pooling: that of a folder of sentence-transformers' `Dense` module.
    pub(crate) fn with_projection(
        mut self,
        folder: &Path,
        (activation, biased): (Activation, bool),
        shape: [usize; 2],
        device: &B::Device,
    ) -> Result<Self, EmbedError> {
        let file = WeightFile::read(folder, FILE)?;
        let source = Source::<B> { weights: file.tensors(&[])?, names: self.config.model_type.names(), device };
        let dense = source.dense(&["linear"], "", biased, shape)?;
        self.projections.push(Projection { dense, activation });
        Ok(self)
    }

    /// The head of a folder's masked language model, if it has one.
    pub(super) fn head_of(&self, folder: &Path, device: &B::Device) -> Result<Option<Head<B>>, EmbedError> {
        let names = self.config.model_type.names();
        let Some([dense, norm, bias]) = names.head else { return Ok(None) };
        let file = WeightFile::read(folder, FILE)?;
        let source = Source::<B> { weights: file.tensors(&[])?, names, device };
        if !source.weights.has(bias) && !source.weights.has(&format!("{dense}.weight")) {
            return Ok(None);
        }
        let BertConfig { hidden_size, vocab_size, .. } = self.config;
        Ok(Some(Head {
            dense: source.dense(&[dense], "", true, [hidden_size, hidden_size])?,
            norm: source.norm(norm, hidden_size, true)?,
            bias: source.vector(bias, vocab_size)?,
        }))
    }

    /// The model's tensors under Hugging Face's names.
    pub(crate) fn weight_writer(&self) -> WeightWriter {
        let names = self.config.model_type.names();
        let mut writer = WeightWriter::default();
        writer.add(names.words, self.words.val());
        let tables =
            [(names.positions, &self.positions), (names.types, &self.types), (names.distances, &self.distances)];
        for (name, table) in tables {
            if let Some(table) = table {
                writer.add(name, table.val());
            }
        }
        add_norm(&mut writer, names.norm, &self.norm);
        if let Some(norm) = &self.last_norm {
            add_norm(&mut writer, names.last_norm, norm);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            add_layer(&mut writer, names, index, layer);
        }
        writer
    }
}

impl<B: Backend> Projection<B> {
    /// The tensors of sentence-transformers' module.
    pub(crate) fn weight_writer(&self) -> WeightWriter {
        let mut writer = WeightWriter::default();
        add_dense(&mut writer, &["linear".into()], &self.dense);
        writer
    }
}

impl<B: Backend> Source<'_, B> {
    fn model(&self, config: BertConfig) -> Result<Bert<B>, EmbedError> {
        let (hidden, names, kind) = (config.hidden_size, self.names, Architecture::of(&config)?);
        let table = |there: bool, name: &str, shape: [usize; 2]| there.then(|| self.table(name, shape)).transpose();
        let layers = (0..config.num_hidden_layers).map(|index| self.layer(index, &config, &kind));
        let shift = kind.biases.norm;
        Ok(Bert {
            words: self.table(names.words, [config.vocab_size, hidden])?,
            positions: table(
                kind.learned_positions.is_some(),
                names.positions,
                [config.max_position_embeddings, hidden],
            )?,
            types: table(config.type_vocab_size > 0, names.types, [config.type_vocab_size, hidden])?,
            norm: self.norm(names.norm, hidden, shift)?,
            distances: table(kind.buckets > 0, names.distances, [kind.buckets, config.num_attention_heads])?,
            layers: layers.collect::<Result<_, _>>()?,
            last_norm: kind.pre_norm.then(|| self.norm(names.last_norm, hidden, shift)).transpose()?,
            projections: Vec::new(),
            config,
            kind,
            truncate_dim: None,
            pooling: Pooling::Mean,
            include_prompt: true,
            precision: Precision::F32,
        })
    }

    fn layer(&self, index: usize, config: &BertConfig, kind: &Architecture) -> Result<Layer<B>, EmbedError> {
        let (hidden, wide, names, biases) = (config.hidden_size, config.intermediate_size, self.names, kind.biases);
        let layer = format!("{}{index}.", names.layer);
        let norm = |name: &str| self.norm(&format!("{layer}{name}"), hidden, biases.norm);
        let dense = |parts: &[&str], biased: bool, shape: [usize; 2]| self.dense(parts, &layer, biased, shape);
        Ok(Layer {
            qkv: dense(names.qkv, biases.attention, [hidden, 3 * hidden])?,
            attention_output: dense(&[names.attention_output], biases.attention, [hidden, hidden])?,
            attention_norm: kind.norms_attention(index).then(|| norm(names.attention_norm)).transpose()?,
            intermediate: dense(names.intermediate, biases.intermediate, [hidden, kind.feed_forward.parts() * wide])?,
            output: dense(&[names.output], biases.output, [wide, hidden])?,
            output_norm: norm(names.output_norm)?,
        })
    }

    fn table(&self, name: &str, shape: [usize; 2]) -> Result<Param<Tensor<B, 2>>, EmbedError> {
        Ok(param(self.weights.values(name, &shape)?, shape, self.device))
    }

    fn vector(&self, name: &str, size: usize) -> Result<Param<Tensor<B, 1>>, EmbedError> {
        Ok(param(self.weights.values(name, &[size])?, [size], self.device))
    }

    /// One `[output, input]` layer, or several that share the output side by side, as one `[input, output]`.
    fn dense(
        &self,
        parts: &[&str],
        before: &str,
        biased: bool,
        [input, output]: [usize; 2],
    ) -> Result<Dense<B>, EmbedError> {
        let (wide, part_output) = (output, output / parts.len());
        let read = |name: &&str| self.weights.values(&format!("{before}{name}.weight"), &[part_output, input]);
        // All are of these sizes before anything is made of them.
        let all = parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut weight = vec![0.0; input * wide];
        let mut bias = Vec::new();
        for (part, (name, rows)) in parts.iter().zip(all).enumerate() {
            for (o, row) in rows.chunks_exact(input).enumerate() {
                for (i, &value) in row.iter().enumerate() {
                    weight[i * wide + part * part_output + o] = value;
                }
            }
            if biased {
                bias.extend(self.weights.values(&format!("{before}{name}.bias"), &[part_output])?);
            }
        }
        Ok(Dense {
            weight: param(weight, [input, wide], self.device),
            bias: biased.then(|| param(bias, [wide], self.device)),
        })
    }

    /// Old checkpoints call scale and shift `gamma` and `beta`.
    fn norm(&self, name: &str, size: usize, biased: bool) -> Result<Norm<B>, EmbedError> {
        let old = self.weights.has(&format!("{name}.gamma"));
        let [scale, shift] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        Ok(Norm {
            weight: self.vector(&format!("{name}.{scale}"), size)?,
            bias: biased.then(|| self.vector(&format!("{name}.{shift}"), size)).transpose()?,
        })
    }
}

fn add_layer<B: Backend>(writer: &mut WeightWriter, names: &Names, index: usize, layer: &Layer<B>) {
    let name = |part: &&str| format!("{}{index}.{part}", names.layer);
    let several = |parts: &[&str]| parts.iter().map(name).collect::<Vec<_>>();
    add_dense(writer, &several(names.qkv), &layer.qkv);
    add_dense(writer, &[name(&names.attention_output)], &layer.attention_output);
    add_dense(writer, &several(names.intermediate), &layer.intermediate);
    add_dense(writer, &[name(&names.output)], &layer.output);
    if let Some(norm) = &layer.attention_norm {
        add_norm(writer, &name(&names.attention_norm), norm);
    }
    add_norm(writer, &name(&names.output_norm), &layer.output_norm);
}

/// A layer's parts, which lie side by side, under a name each.
fn add_dense<B: Backend>(writer: &mut WeightWriter, names: &[String], dense: &Dense<B>) {
    let [input, output] = dense.weight.dims();
    let part = output / names.len();
    for (index, name) in names.iter().enumerate() {
        let columns = index * part..(index + 1) * part;
        writer.add(format!("{name}.weight"), dense.weight.val().slice([0..input, columns.clone()]).transpose());
        if let Some(bias) = &dense.bias {
            writer.add(format!("{name}.bias"), bias.val().slice([columns]));
        }
    }
}

fn add_norm<B: Backend>(writer: &mut WeightWriter, name: &str, norm: &Norm<B>) {
    writer.add(format!("{name}.weight"), norm.weight.val());
    if let Some(bias) = &norm.bias {
        writer.add(format!("{name}.bias"), bias.val());
    }
}
