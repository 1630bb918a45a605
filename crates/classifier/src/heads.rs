//! What stands on an embedding: an optional hidden layer and one dense layer for each label set.

use pointsman_kernels::dot;

/// One dense layer, row-major `[outputs, inputs]`.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Dense {
    /// `out = W input + b`.
    pub(crate) fn forward(&self, input: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let rows = self.weight.chunks_exact(input.len());
        out.extend(rows.zip(&self.bias).map(|(row, bias)| bias + dot(row, input)));
    }
}

/// The heads of one embedder.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    /// `h = relu(W x + b)`; without it the heads stand on the embedding itself.
    pub(crate) hidden: Option<Dense>,
    pub(crate) task: Dense,
    pub(crate) industry: Dense,
}

/// Logits of one text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Logits {
    pub(crate) task: Vec<f32>,
    pub(crate) industry: Vec<f32>,
}

impl Heads {
    /// `h` is scratch space.
    pub(crate) fn forward(&self, features: &[f32], h: &mut Vec<f32>) -> Logits {
        let input = match &self.hidden {
            None => features,
            Some(hidden) => {
                hidden.forward(features, h);
                for h in h.iter_mut() {
                    *h = h.max(0.0);
                }
                h.as_slice()
            }
        };
        let mut logits = Logits::default();
        self.task.forward(input, &mut logits.task);
        self.industry.forward(input, &mut logits.industry);
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
