//! A BERT-family encoder, forward only, one text at a time: the fused path for the CPU.
//!
//! Weights are packed once; bias, residual, norm and activation run in place. The layout is that of BERT
//! (Devlin et al. 2018); RoBERTa and XLM-R differ in where positions begin. `reference.rs` is the same model by
//! candle, and a test holds the two together.

use pointsman_kernels::{Packed, PackedInt8, Rounded, gelu, layer_norm_add, softmax_rows};
use serde::{Deserialize, Serialize};

use crate::{
    modern::{ModernConfig, ModernEncoder},
    table::Table,
};

/// The parts of a hub `config.json` that decide the shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// `bert`, `roberta`, `xlm-roberta` or `modernbert`.
    pub model_type: String,
    /// Width of the embedding.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width between the two dense layers of a block.
    pub intermediate_size: usize,
    /// Rows of the position table.
    pub max_position_embeddings: usize,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Added to the variance.
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f32,
    /// The id of the padding token; RoBERTa's positions begin after it.
    #[serde(default)]
    pub pad_token_id: usize,
    /// The activation: only the exact GELU is known.
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    /// What only `ModernBERT` has.
    #[serde(flatten)]
    pub modern: Option<ModernConfig>,
}

const fn default_eps() -> f32 {
    1e-12
}

fn default_activation() -> String {
    "gelu".to_owned()
}

impl EncoderConfig {
    /// The first position: RoBERTa's come after the row of the padding.
    pub(crate) fn first_position(&self) -> usize {
        if matches!(self.model_type.as_str(), "bert" | "modernbert") { 0 } else { self.pad_token_id + 1 }
    }

    fn activation(&self) -> &str {
        let modern = self.modern.as_ref().and_then(|modern| modern.hidden_activation.as_deref());
        modern.unwrap_or(&self.hidden_act)
    }

    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let Self { hidden_size, num_attention_heads: heads, .. } = *self;
        if !matches!(self.model_type.as_str(), "bert" | "roberta" | "xlm-roberta" | "modernbert") {
            Some(format!("model_type `{}`; known: bert, roberta, xlm-roberta, modernbert", self.model_type))
        } else if self.model_type == "modernbert" && self.modern.is_none() {
            Some(
                "a modernbert without its attention windows (`global_attn_every_n_layers` and three more)"
                    .to_owned(),
            )
        } else if self.activation() != "gelu" {
            Some(format!("hidden_act `{}`; known: gelu", self.activation()))
        } else if hidden_size == 0 || heads == 0 || !hidden_size.is_multiple_of(heads) {
            Some(format!("hidden_size {hidden_size} is not a multiple of {heads} attention heads"))
        } else if self.num_hidden_layers == 0 || self.intermediate_size == 0 || self.vocab_size == 0 {
            Some("num_hidden_layers, intermediate_size and vocab_size must be positive".to_owned())
        } else {
            None
        }
    }
}

/// How the vectors of the tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The vector of the first.
    Cls,
}

/// The weights of a dense layer, as they are stored.
#[derive(Debug)]
pub(crate) enum Weight {
    /// In floats.
    Float(Packed),
    /// In eight bits.
    Int8(PackedInt8),
}

/// A packed dense layer.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Weight,
    pub(crate) bias: Vec<f32>,
}

impl Linear {
    pub(crate) fn apply(&self, x: &[f32], out: &mut [f32], rounded: &mut Rounded) {
        match &self.weight {
            Weight::Float(weight) => weight.multiply(x, weight.inputs(), &self.bias, out, weight.outputs()),
            Weight::Int8(weight) => weight.multiply(x, &self.bias, out, rounded),
        }
    }
}

/// Scale and shift of a layer norm.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// One block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Query, key and value side by side.
    pub(crate) qkv: Linear,
    pub(crate) attention: Linear,
    pub(crate) attention_norm: Norm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) norm: Norm,
}

/// All weights.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) config: EncoderConfig,
    pub(crate) tokens: Table,
    /// Positions, the type of the first sentence already added.
    pub(crate) positions: Vec<f32>,
    pub(crate) norm: Norm,
    pub(crate) blocks: Vec<Block>,
}

/// A transformer of either build.
#[derive(Debug)]
pub(crate) enum Transformer {
    /// BERT, RoBERTa, XLM-R.
    Bert(Encoder),
    /// `ModernBERT`.
    Modern(ModernEncoder),
}

impl Transformer {
    /// The embedding of the tokens `ids`, which must be known, fit the positions and not be empty.
    pub(crate) fn forward(&self, ids: &[u32], pooling: Pooling, buffers: &mut Buffers) -> Vec<f32> {
        match self {
            Self::Bert(encoder) => encoder.forward(ids, pooling, buffers),
            Self::Modern(encoder) => encoder.forward(ids, pooling, buffers),
        }
    }
}

/// Memory that one forward pass leaves for the next.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) x: Vec<f32>,
    pub(crate) normed: Vec<f32>,
    pub(crate) qkv: Vec<f32>,
    pub(crate) context: Vec<f32>,
    pub(crate) scores: Vec<f32>,
    pub(crate) wide: Vec<f32>,
    pub(crate) gated: Vec<f32>,
    pub(crate) out: Vec<f32>,
    pub(crate) packed: Packed,
    pub(crate) rounded: Rounded,
}

pub(crate) fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Encoder {
    /// The embedding of the tokens `ids`, which must be known, fit the positions and not be empty.
    pub(crate) fn forward(&self, ids: &[u32], pooling: Pooling, buffers: &mut Buffers) -> Vec<f32> {
        let (n, width) = (ids.len(), self.config.hidden_size);
        let first = self.config.first_position() * width;
        let x = room(&mut buffers.x, n * width);
        x.copy_from_slice(&self.positions[first..first + n * width]);
        for (id, row) in ids.iter().zip(x.chunks_exact_mut(width)) {
            self.tokens.add(*id as usize, 1.0, row);
        }
        let epsilon = self.config.layer_norm_eps;
        layer_norm_add(x, &[], &self.norm.gamma, &self.norm.beta, epsilon);
        for block in &self.blocks {
            block.forward(n, &self.config, buffers);
        }
        pool(&buffers.x[..n * width], width, pooling)
    }
}

/// One vector of those of the tokens.
pub(crate) fn pool(x: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    match pooling {
        Pooling::Cls => x[..width].to_vec(),
        Pooling::Mean => {
            let mut mean = vec![0.0; width];
            for row in x.chunks_exact(width) {
                mean.iter_mut().zip(row).for_each(|(m, v)| *m += v);
            }
            let share = width as f32 / x.len() as f32;
            for m in &mut mean {
                *m *= share;
            }
            mean
        }
    }
}

impl Block {
    fn forward(&self, n: usize, config: &EncoderConfig, buffers: &mut Buffers) {
        let Buffers { x, qkv, context, scores, wide, out, packed, rounded, .. } = buffers;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let head = width / config.num_attention_heads;
        let (x, qkv, context) = (&mut x[..n * width], room(qkv, 3 * n * width), room(context, n * width));
        let (scores, out) = (room(scores, n * n), room(out, n * width));
        self.qkv.apply(x, qkv, rounded);
        let scale = 1.0 / (head as f32).sqrt();
        for at in (0..width).step_by(head) {
            packed.repack(&qkv[width + at..], n, head, 3 * width);
            packed.multiply(&qkv[at..], 3 * width, &[], scores, n);
            softmax_rows(scores, n, scale);
            packed.repack_transposed(&qkv[2 * width + at..], head, n, 3 * width);
            packed.multiply(scores, n, &[], &mut context[at..], width);
        }
        self.attention.apply(context, out, rounded);
        let norm = &self.attention_norm;
        layer_norm_add(x, out, &norm.gamma, &norm.beta, config.layer_norm_eps);
        let wide = room(wide, n * inner);
        self.up.apply(x, wide, rounded);
        gelu(wide);
        self.down.apply(wide, out, rounded);
        layer_norm_add(x, out, &self.norm.gamma, &self.norm.beta, config.layer_norm_eps);
    }
}
