//! Stochastic gradient descent on the heads and, for the static embedder, on its table.
//!
//! The table is updated row by row with Adagrad (Duchi et al. 2011, one accumulator a row): only the rows of a
//! text have a gradient, and an optimiser over the whole table would touch a thousand times more. The dense
//! layers use Adam (Kingma and Ba 2014) on small batches.

use pointsman_types::{Industry, Task};

use super::random::Random;
use pointsman_kernels::dot;

use crate::{
    heads::{Dense, Heads, Logits, softmax_in_place},
    table::Table,
    tokens::{POOLS, Rows},
};

/// One text, as the fit sees it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The text itself and its variations; one of them is drawn each time.
    pub(crate) views: Vec<View>,
    pub(crate) task: Option<usize>,
    pub(crate) industry: Option<usize>,
    /// How much it counts.
    pub(crate) weight: f32,
}

/// What the fit has of a text.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// Rows of the table that is fitted.
    Rows(Rows),
    /// The features of an embedder that stays as it is.
    Features(Vec<f32>),
}

/// What is tuned.
#[derive(Debug, Clone)]
pub(crate) struct FitSettings {
    pub(crate) hidden: usize,
    pub(crate) epochs: usize,
    pub(crate) table_rate: f32,
    pub(crate) dense_rate: f32,
    pub(crate) batch: usize,
    pub(crate) row_dropout: f32,
    pub(crate) hidden_dropout: f32,
    pub(crate) smoothing: f32,
    pub(crate) weight_decay: f32,
    pub(crate) seed: u64,
}

/// The embedding table in full precision.
#[derive(Debug, Clone)]
pub(crate) struct FloatTable {
    pub(crate) values: Vec<f32>,
    pub(crate) dims: usize,
}

pub(crate) struct Fitted {
    table: Option<FloatTable>,
    hidden: Dense,
    task: Dense,
    industry: Dense,
}

impl Fitted {
    /// The weights as they are shipped.
    pub(crate) fn quantised(self) -> (Option<Table>, Heads) {
        let Self { table, hidden, task, industry } = self;
        let table = table.map(|table| Table::quantise(&table.values, table.dims));
        (table, Heads { hidden: Some(hidden), task, industry })
    }
}

/// A dense layer, its gradient, and Adam's moments.
struct Layer {
    dense: Dense,
    gradient: Vec<f32>,
    moments: Vec<(f32, f32)>,
    steps: i32,
}

impl Layer {
    fn new(outputs: usize, inputs: usize, random: &mut Random) -> Self {
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
    fn backward(&mut self, input: &[f32], upstream: &[f32], back: &mut [f32]) {
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

    fn step(&mut self, rate: f32, decay: f32, samples: usize) {
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

struct Fit<'a> {
    settings: &'a FitSettings,
    /// The table that is fitted, and Adagrad's sums for its rows.
    table: Option<(FloatTable, Vec<f32>)>,
    hidden: Layer,
    task: Layer,
    industry: Layer,
    random: Random,
}

/// Fits to `samples` of features `width` wide; with a table, it is fitted too, from where it starts.
pub(crate) fn fit(
    samples: &[Sample],
    width: usize,
    table: Option<FloatTable>,
    settings: &FitSettings,
) -> Fitted {
    let mut random = Random::new(settings.seed);
    let mut fit = Fit {
        settings,
        hidden: Layer::new(settings.hidden, width, &mut random),
        task: Layer::new(Task::COUNT, settings.hidden, &mut random),
        industry: Layer::new(Industry::COUNT, settings.hidden, &mut random),
        table: table.map(|table| {
            let rows = table.values.len() / table.dims;
            (table, vec![0.0; rows])
        }),
        random,
    };
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let steps = (settings.epochs * samples.len().div_ceil(settings.batch)) as f32;
    let mut step = 0.0;
    for _ in 0..settings.epochs {
        fit.random.shuffle(&mut order);
        for batch in order.chunks(settings.batch) {
            let left = 1.0 - step / steps;
            for &i in batch {
                fit.sample(&samples[i], settings.table_rate * left);
            }
            for layer in [&mut fit.hidden, &mut fit.task, &mut fit.industry] {
                layer.step(settings.dense_rate * left, settings.weight_decay, batch.len());
            }
            step += 1.0;
        }
    }
    Fitted {
        table: fit.table.map(|(table, _)| table),
        hidden: fit.hidden.dense,
        task: fit.task.dense,
        industry: fit.industry.dense,
    }
}

impl Fit<'_> {
    fn sample(&mut self, sample: &Sample, table_rate: f32) {
        let view = &sample.views[self.random.below(sample.views.len())];
        let rows = match view {
            View::Features(x) => {
                self.heads(x, sample);
                return;
            }
            View::Rows(rows) => rows.pools().map(|pool| pool.map(|rows| self.thin(rows))),
        };
        let Some((table, _)) = &self.table else { return };
        let dims = table.dims;
        let mut x = vec![0.0; dims * POOLS];
        for (pool, x) in rows.iter().zip(x.chunks_exact_mut(dims)) {
            for rows in pool {
                table.add_mean(rows, x);
            }
        }
        let back_x = self.heads(&x, sample);
        for (pool, back) in rows.iter().zip(back_x.chunks_exact(dims)) {
            for rows in pool {
                self.update_rows(rows, back, table_rate);
            }
        }
    }

    /// Adds the gradients of the heads for features `x`; gives what flows back to `x`.
    fn heads(&mut self, x: &[f32], sample: &Sample) -> Vec<f32> {
        let mut h = Vec::new();
        self.hidden.dense.forward(x, &mut h);
        let keep = 1.0 - self.settings.hidden_dropout;
        let mask: Vec<f32> =
            h.iter().map(|h| if *h > 0.0 && self.random.chance(keep) { 1.0 / keep } else { 0.0 }).collect();
        h.iter_mut().zip(&mask).for_each(|(h, m)| *h *= m);
        let mut back_h = vec![0.0; h.len()];
        let smoothing = self.settings.smoothing;
        for (layer, truth) in [(&mut self.task, sample.task), (&mut self.industry, sample.industry)] {
            let Some(truth) = truth else { continue };
            let gradient = loss_gradient(&layer.dense, &h, truth, smoothing, sample.weight);
            layer.backward(&h, &gradient, &mut back_h);
        }
        back_h.iter_mut().zip(&mask).for_each(|(g, m)| *g *= m);
        let mut back_x = vec![0.0; x.len()];
        self.hidden.backward(x, &back_h, &mut back_x);
        back_x
    }

    /// Leaves each row out by chance, but never all.
    fn thin(&mut self, rows: &[u32]) -> Vec<u32> {
        let dropout = self.settings.row_dropout;
        let kept: Vec<u32> = rows.iter().copied().filter(|_| !self.random.chance(dropout)).collect();
        if kept.is_empty() { rows.to_vec() } else { kept }
    }

    fn update_rows(&mut self, rows: &[u32], gradient: &[f32], rate: f32) {
        let Some((table, squares)) = self.table.as_mut().filter(|_| !rows.is_empty()) else { return };
        let share = 1.0 / rows.len() as f32;
        let square = dot(gradient, gradient) * share * share / gradient.len() as f32;
        for &row in rows {
            let row = row as usize;
            squares[row] += square;
            let step = rate * share / (squares[row].sqrt() + 1e-8);
            let values = &mut table.values[row * table.dims..(row + 1) * table.dims];
            for (v, g) in values.iter_mut().zip(gradient) {
                *v -= step * g;
            }
        }
    }
}

impl FloatTable {
    fn add_mean(&self, rows: &[u32], x: &mut [f32]) {
        if rows.is_empty() {
            return;
        }
        let share = 1.0 / rows.len() as f32;
        for &row in rows {
            let row = row as usize;
            for (x, v) in x.iter_mut().zip(&self.values[row * self.dims..(row + 1) * self.dims]) {
                *x += v * share;
            }
        }
    }
}

/// Softmax cross-entropy with label smoothing: p - target, weighted.
fn loss_gradient(layer: &Dense, h: &[f32], truth: usize, smoothing: f32, weight: f32) -> Vec<f32> {
    let mut p = Vec::new();
    layer.forward(h, &mut p);
    softmax_in_place(&mut p, 1.0);
    let n = p.len() as f32;
    for (i, p) in p.iter_mut().enumerate() {
        let target = smoothing / n + if i == truth { 1.0 - smoothing } else { 0.0 };
        *p = weight * (*p - target);
    }
    p
}

/// Logits of all samples' first views.
pub(crate) fn logits((table, heads): &(Option<Table>, Heads), samples: &[Sample]) -> Vec<Logits> {
    let mut scratch = Vec::new();
    let mut one = |sample: &Sample| match (&sample.views[0], table) {
        (View::Rows(rows), Some(table)) => heads.forward(&table.pool(rows), &mut scratch),
        (View::Rows(_), None) => Logits::default(),
        (View::Features(x), _) => heads.forward(x, &mut scratch),
    };
    samples.iter().map(&mut one).collect()
}
