//! The static embedder and its heads, forward only.
//!
//! `x = [pool of the whole, of the start, of the end]`, each the mean of its token rows plus the mean of its
//! pair rows; `h = relu(W1 x + b1)`; `logits = W h + b` for each head. Written
//! out over plain slices: for one prompt, tensor operations are mostly overhead. `reference.rs` is the same in candle, and a test holds the two together.

use crate::tokens::{POOLS, Rows};

/// One dense layer, row-major `[outputs, inputs]`.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// The embedding table in eight bits: value = (q - 128) * scale of the row.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) quantised: Vec<u8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) dims: usize,
}

/// All weights.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) table: Table,
    pub(crate) hidden: Dense,
    pub(crate) task: Dense,
    pub(crate) industry: Dense,
}

impl Dense {
    /// `out = W input + b`.
    pub(crate) fn forward(&self, input: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let rows = self.weight.chunks_exact(input.len());
        out.extend(rows.zip(&self.bias).map(|(row, bias)| bias + dot(row, input)));
    }
}

/// Eight partial sums, so that the compiler may use vector instructions: a single one fixes the order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}

impl Table {
    /// Eight bits for each value of `rows`, row-major with `dims` columns.
    pub(crate) fn quantise(rows: &[f32], dims: usize) -> Self {
        let (mut quantised, mut scales) =
            (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len() / dims));
        for row in rows.chunks_exact(dims) {
            let largest = row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
            scales.push(scale);
            quantised.extend(row.iter().map(|v| ((v / scale).round() + 128.0) as u8));
        }
        Self { quantised, scales, dims }
    }

    /// Adds the mean of `rows` to `x`.
    fn add_mean(&self, rows: &[u32], x: &mut [f32]) {
        if rows.is_empty() {
            return;
        }
        let share = 1.0 / rows.len() as f32;
        for &row in rows {
            let row = row as usize;
            let factor = self.scales[row] * share;
            let values = &self.quantised[row * self.dims..(row + 1) * self.dims];
            for (x, q) in x.iter_mut().zip(values) {
                *x += (f32::from(*q) - 128.0) * factor;
            }
        }
    }
}

/// Scratch space, so that a forward pass allocates nothing but its answer.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    x: Vec<f32>,
    h: Vec<f32>,
}

/// Logits of one text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Logits {
    pub(crate) task: Vec<f32>,
    pub(crate) industry: Vec<f32>,
}

impl Model {
    pub(crate) fn forward(&self, rows: &Rows, scratch: &mut Scratch) -> Logits {
        scratch.x.clear();
        scratch.x.resize(self.table.dims * POOLS, 0.0);
        for (pool, x) in rows.pools().iter().zip(scratch.x.chunks_exact_mut(self.table.dims)) {
            for rows in pool {
                self.table.add_mean(rows, x);
            }
        }
        self.hidden.forward(&scratch.x, &mut scratch.h);
        for h in &mut scratch.h {
            *h = h.max(0.0);
        }
        let mut logits = Logits::default();
        self.task.forward(&scratch.h, &mut logits.task);
        self.industry.forward(&scratch.h, &mut logits.industry);
        logits
    }
}

/// Logits become probabilities, in place, at a temperature.
pub(crate) fn softmax_in_place(values: &mut [f32], temperature: f32) {
    let largest = values.iter().fold(f32::MIN, |m, v| m.max(*v));
    for v in values.iter_mut() {
        *v = ((*v - largest) / temperature).exp();
    }
    let sum: f32 = values.iter().sum();
    for v in values {
        *v /= sum;
    }
}

/// Probabilities of exactly `N` logits at a temperature.
pub(crate) fn softmax<const N: usize>(logits: &[f32], temperature: f32) -> [f32; N] {
    let mut p = std::array::from_fn(|i| logits.get(i).copied().unwrap_or(f32::MIN));
    softmax_in_place(&mut p, temperature);
    p
}
