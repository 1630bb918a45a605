//! A `ModernBERT` encoder (Warner et al. 2024), forward only, one text at a time.
//!
//! It differs from BERT in four ways: positions are rotations of queries and keys (Su et al. 2021), norms stand before
//! each half of a block, the dense half is gated, and most layers see a window around each token only.

use pointsman_kernels::{gelu, layer_norm_add, softmax_rows};
use serde::{Deserialize, Serialize};

use crate::{
    encoder::{Buffers, EncoderConfig, Linear, Norm, Pooling, pool, room},
    table::Table,
};

/// The parts of a hub `config.json` that only `ModernBERT` has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModernConfig {
    /// Every so manieth layer sees the whole text, from the first on.
    pub global_attn_every_n_layers: usize,
    /// Base of the rotations in the layers that see the whole text.
    pub global_rope_theta: f32,
    /// Tokens that the other layers see around each, both sides together.
    pub local_attention: usize,
    /// Base of the rotations in those.
    pub local_rope_theta: f32,
    /// What is added to the variance, where it is not under the name that BERT has for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_eps: Option<f32>,
    /// The activation, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_activation: Option<String>,
}

impl ModernConfig {
    fn is_global(&self, layer: usize) -> bool {
        layer.is_multiple_of(self.global_attn_every_n_layers.max(1))
    }
}

/// One block.
#[derive(Debug)]
pub(crate) struct ModernBlock {
    /// The first block has none: the embeddings come normed.
    pub(crate) attention_norm: Option<Norm>,
    /// Query, key and value side by side.
    pub(crate) qkv: Linear,
    pub(crate) attention: Linear,
    pub(crate) norm: Norm,
    /// What goes through the activation and what gates it, side by side.
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// All weights.
#[derive(Debug)]
pub(crate) struct ModernEncoder {
    pub(crate) config: EncoderConfig,
    pub(crate) modern: ModernConfig,
    pub(crate) tokens: Table,
    pub(crate) norm: Norm,
    pub(crate) blocks: Vec<ModernBlock>,
    pub(crate) last_norm: Norm,
}

impl ModernEncoder {
    /// The embedding of the tokens `ids`, which must be known and not be empty.
    pub(crate) fn forward(&self, ids: &[u32], pooling: Pooling, buffers: &mut Buffers) -> Vec<f32> {
        let (n, width) = (ids.len(), self.config.hidden_size);
        let x = room(&mut buffers.x, n * width);
        x.fill(0.0);
        for (id, row) in ids.iter().zip(x.chunks_exact_mut(width)) {
            self.tokens.add(*id as usize, 1.0, row);
        }
        self.norm.apply(x, &self.config);
        let head = width / self.config.num_attention_heads;
        let turns = |theta| Turns::new(n, head, theta);
        let (global, local) = (turns(self.modern.global_rope_theta), turns(self.modern.local_rope_theta));
        let window = self.modern.local_attention / 2;
        for (layer, block) in self.blocks.iter().enumerate() {
            if self.modern.is_global(layer) {
                block.forward(n, &self.config, (&global, n), buffers);
            } else {
                block.forward(n, &self.config, (&local, window), buffers);
            }
        }
        let x = &mut buffers.x[..n * width];
        self.last_norm.apply(x, &self.config);
        pool(x, width, pooling)
    }
}

impl Norm {
    fn apply(&self, x: &mut [f32], config: &EncoderConfig) {
        layer_norm_add(x, &[], &self.gamma, &self.beta, config.layer_norm_eps);
    }
}

impl ModernBlock {
    /// `window` is how far to each side a token sees.
    fn forward(
        &self,
        n: usize,
        config: &EncoderConfig,
        (turns, window): (&Turns, usize),
        buffers: &mut Buffers,
    ) {
        let Buffers { x, normed, qkv, context, scores, wide, gated, out, packed, rounded } = buffers;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let head = width / config.num_attention_heads;
        let (x, normed, out) = (&mut x[..n * width], room(normed, n * width), room(out, n * width));
        let (qkv, context, scores) =
            (room(qkv, 3 * n * width), room(context, n * width), room(scores, n * n));
        normed.copy_from_slice(x);
        if let Some(norm) = &self.attention_norm {
            norm.apply(normed, config);
        }
        self.qkv.apply(normed, qkv, rounded);
        for (position, row) in qkv.chunks_exact_mut(3 * width).enumerate() {
            row[..2 * width].chunks_exact_mut(head).for_each(|part| turns.apply(position, part));
        }
        let scale = 1.0 / (head as f32).sqrt();
        for at in (0..width).step_by(head) {
            packed.repack(&qkv[width + at..], n, head, 3 * width);
            packed.multiply(&qkv[at..], 3 * width, &[], scores, n);
            if window < n {
                blind(scores, n, window);
            }
            softmax_rows(scores, n, scale);
            packed.repack_transposed(&qkv[2 * width + at..], head, n, 3 * width);
            packed.multiply(scores, n, &[], &mut context[at..], width);
        }
        self.attention.apply(context, out, rounded);
        add(x, out);

        normed.copy_from_slice(x);
        self.norm.apply(normed, config);
        let wide = room(wide, n * 2 * inner);
        self.up.apply(normed, wide, rounded);
        let gated = room(gated, n * inner);
        for (row, gated) in wide.chunks_exact_mut(2 * inner).zip(gated.chunks_exact_mut(inner)) {
            let (values, gate) = row.split_at_mut(inner);
            gelu(values);
            gated.iter_mut().zip(values).zip(gate).for_each(|((out, v), g)| *out = *v * *g);
        }
        self.down.apply(gated, out, rounded);
        add(x, out);
    }
}

fn add(x: &mut [f32], more: &[f32]) {
    x.iter_mut().zip(more).for_each(|(x, m)| *x += m);
}

/// Hides what is farther than `window` from each token.
fn blind(scores: &mut [f32], n: usize, window: usize) {
    for (i, row) in scores.chunks_exact_mut(n).enumerate() {
        row[..i.saturating_sub(window)].fill(f32::MIN);
        row[(i + window + 1).min(n)..].fill(f32::MIN);
    }
}

/// Cosines and sines of the rotations, a row a position.
struct Turns {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn new(positions: usize, head: usize, theta: f32) -> Self {
        let half = head / 2;
        let angle = |i: usize| {
            let (position, pair) = ((i / half) as f32, (i % half) as f32);
            position / theta.powf(2.0 * pair / head as f32)
        };
        let angles: Vec<f32> = (0..positions * half).map(angle).collect();
        Self {
            half,
            cos: angles.iter().map(|a| a.cos()).collect(),
            sin: angles.iter().map(|a| a.sin()).collect(),
        }
    }

    /// Turns each pair of values, one of the first half with one of the second.
    fn apply(&self, position: usize, part: &mut [f32]) {
        let row = position * self.half..(position + 1) * self.half;
        let (first, second) = part.split_at_mut(self.half);
        let turns = self.cos[row.clone()].iter().zip(&self.sin[row]);
        for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(turns) {
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_configuration_is_read() {
        let hub = r#"{"model_type":"modernbert","hidden_size":768,"num_hidden_layers":22,"num_attention_heads":12,
            "intermediate_size":1152,"max_position_embeddings":8192,"vocab_size":50368,"layer_norm_eps":1e-05,
            "norm_eps":1e-05,"hidden_activation":"gelu","global_attn_every_n_layers":3,"local_attention":128,
            "global_rope_theta":160000.0,"local_rope_theta":10000.0,"pad_token_id":50283,"norm_bias":false}"#;
        let config: EncoderConfig = serde_json::from_str(hub).unwrap();
        assert_eq!((config.problem(), config.first_position()), (None, 0));
        let modern = config.modern.as_ref().unwrap();
        assert!(modern.is_global(0) && !modern.is_global(1) && modern.is_global(3));
        let relu: EncoderConfig = serde_json::from_str(
            &hub.replace(r#""hidden_activation":"gelu""#, r#""hidden_activation":"relu""#),
        )
        .unwrap();
        assert!(relu.problem().unwrap().contains("relu"));
        let bare: EncoderConfig =
            serde_json::from_str(&hub.replace("global_attn_every_n_layers", "other")).unwrap();
        assert!(bare.problem().unwrap().contains("global_attn_every_n_layers"));
    }
}
