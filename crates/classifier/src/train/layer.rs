//! A dense layer while it is fitted, by Adam (Kingma and Ba 2014).

use super::random::Random;
use crate::heads::Dense;

/// A dense layer, its gradient, and Adam's moments.
pub(crate) struct Layer {
    pub(crate) dense: Dense,
    gradient: Vec<f32>,
    moments: Vec<(f32, f32)>,
    steps: i32,
}

impl Layer {
    pub(crate) fn new(outputs: usize, inputs: usize, random: &mut Random) -> Self {
        let bound = (6.0 / (inputs + outputs) as f32).sqrt();
        let weight = (0..outputs * inputs).map(|_| (random.unit() * 2.0 - 1.0) * bound).collect();
        let size = outputs * inputs + outputs;
        Self {
            dense: Dense { weight, bias: vec![0.0; outputs] },
            gradient: vec![0.0; size],
            moments: vec![(0.0, 0.0); size],
            steps: 0,
        }
    }

    /// Adds the gradient for one sample, and what flows back to the input.
    pub(crate) fn backward(&mut self, input: &[f32], upstream: &[f32], back: &mut [f32]) {
        let n = input.len();
        for (o, &g) in upstream.iter().enumerate() {
            let row = o * n..(o + 1) * n;
            for (dw, x) in self.gradient[row.clone()].iter_mut().zip(input) {
                *dw += g * x;
            }
            for (db, w) in back.iter_mut().zip(&self.dense.weight[row]) {
                *db += g * w;
            }
        }
        let biases = self.dense.weight.len();
        for (db, g) in self.gradient[biases..].iter_mut().zip(upstream) {
            *db += g;
        }
    }

    pub(crate) fn step(&mut self, rate: f32, decay: f32, samples: usize) {
        self.steps += 1;
        let (c1, c2) = (1.0 - 0.9_f32.powi(self.steps), 1.0 - 0.999_f32.powi(self.steps));
        let weights = self.dense.weight.len();
        let parameters = self.dense.weight.iter_mut().chain(&mut self.dense.bias);
        for (i, ((p, g), (m, v))) in parameters.zip(&mut self.gradient).zip(&mut self.moments).enumerate() {
            let mean = std::mem::take(g) / samples as f32;
            *m = 0.9 * *m + 0.1 * mean;
            *v = 0.999 * *v + 0.001 * mean * mean;
            let shrink = if i < weights { decay * *p } else { 0.0 };
            *p -= rate * ((*m / c1) / ((*v / c2).sqrt() + 1e-8) + shrink);
        }
    }
}
