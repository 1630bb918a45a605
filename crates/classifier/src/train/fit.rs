//! Stochastic gradient descent on the heads and, for the static embedder, on its table.
//!
//! The table is updated row by row with Adagrad (Duchi et al. 2011, one accumulator a row): only the rows of a
//! text have a gradient, and an optimiser over the whole table would touch a thousand times more. The dense
//! layers use Adam (Kingma and Ba 2014) on small batches.

use pointsman_types::{Industry, Task};

use super::{layer::Layer, random::Random};
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
    /// Stop after so many passes without a better loss on a twentieth that is set aside; 0 never stops, and sets
    /// nothing aside.
    pub(crate) patience: usize,
    pub(crate) seed: u64,
}

/// Rows of which one is set aside to watch the loss, and the fewest for which that pays.
const WATCHED: usize = 20;
const FEWEST: usize = 400;

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
    say: &dyn Fn(usize, Option<f32>),
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
    let mut watched = Vec::new();
    if settings.patience > 0 && samples.len() >= FEWEST {
        fit.random.shuffle(&mut order);
        watched = order.split_off(samples.len() - samples.len() / WATCHED);
    }
    let mut best: Option<(f32, Fitted)> = None;
    let mut worse = 0;
    let steps = (settings.epochs * order.len().div_ceil(settings.batch)) as f32;
    let mut step = 0.0;
    for epoch in 1..=settings.epochs {
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
        if watched.is_empty() {
            say(epoch, None);
            continue;
        }
        let loss = watched.iter().map(|&i| fit.loss(&samples[i])).sum::<f32>() / watched.len() as f32;
        say(epoch, Some(loss));
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            worse = 0;
            best = Some((loss, fit.fitted()));
        } else {
            worse += 1;
            if worse == settings.patience {
                break;
            }
        }
    }
    best.map_or_else(|| fit.fitted(), |(_, fitted)| fitted)
}

impl Fit<'_> {
    fn fitted(&self) -> Fitted {
        Fitted {
            table: self.table.as_ref().map(|(table, _)| table.clone()),
            hidden: self.hidden.dense.clone(),
            task: self.task.dense.clone(),
            industry: self.industry.dense.clone(),
        }
    }

    /// The cross-entropy of both heads for the text itself, nothing left out.
    fn loss(&self, sample: &Sample) -> f32 {
        let mut pooled = Vec::new();
        let x: &[f32] = match (&sample.views[0], &self.table) {
            (View::Features(x), _) => x,
            (View::Rows(_), None) => return 0.0,
            (View::Rows(rows), Some((table, _))) => {
                pooled.resize(table.dims * POOLS, 0.0);
                for (pool, x) in rows.pools().iter().zip(pooled.chunks_exact_mut(table.dims)) {
                    for rows in pool {
                        table.add_mean(rows, x);
                    }
                }
                &pooled
            }
        };
        let (mut h, mut p, mut loss) = (Vec::new(), Vec::new(), 0.0);
        self.hidden.dense.forward(x, &mut h);
        for h in &mut h {
            *h = h.max(0.0);
        }
        for (layer, truth) in [(&self.task, sample.task), (&self.industry, sample.industry)] {
            if let Some(truth) = truth {
                layer.dense.forward(&h, &mut p);
                softmax_in_place(&mut p, 1.0);
                loss -= p[truth].max(1e-9).ln();
            }
        }
        loss
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of two features; with `noise` the label has nothing to do with them.
    fn samples(noise: bool) -> Vec<Sample> {
        let mut random = Random::new(5);
        let mut one = || {
            let (side, coin) = (random.unit() * 2.0 - 1.0, random.chance(0.5));
            let label = usize::from(if noise { coin } else { side > 0.0 });
            let features = vec![side, random.unit()];
            Sample { views: vec![View::Features(features)], task: Some(label), industry: None, weight: 1.0 }
        };
        (0..600).map(|_| one()).collect()
    }

    fn passes(noise: bool, patience: usize) -> (usize, Vec<Option<f32>>) {
        let settings = FitSettings {
            hidden: 32,
            epochs: 30,
            table_rate: 0.0,
            dense_rate: 2e-2,
            batch: 8,
            row_dropout: 0.0,
            hidden_dropout: 0.0,
            smoothing: 0.0,
            weight_decay: 0.0,
            patience,
            seed: 1,
        };
        let seen = std::cell::RefCell::new(Vec::new());
        let fitted = fit(&samples(noise), 2, None, &settings, &|_, loss| seen.borrow_mut().push(loss));
        let (_, heads) = fitted.quantised();
        let right = samples(false).into_iter().filter(|s| {
            let View::Features(x) = &s.views[0] else { return false };
            let logits = heads.forward(x, &mut Vec::new()).task;
            usize::from(logits[1] > logits[0]) == s.task.unwrap()
        });
        (right.count(), seen.into_inner())
    }

    #[test]
    fn a_fit_stops_where_it_learns_nothing_more_and_keeps_its_best_pass() {
        let (_, losses) = passes(true, 2);
        assert!(losses.len() < 30, "noise: {losses:?}");
        let least = losses.iter().flatten().copied().fold(f32::MAX, f32::min);
        assert!(losses[losses.len() - 3] == Some(least), "two passes after the best: {losses:?}");
        let (right, losses) = passes(false, 0);
        assert_eq!((losses.len(), losses.iter().flatten().count()), (30, 0), "without patience to the end");
        assert!(right > 590, "{right} of 600");
    }
}
