//! The score and the cost of every model for a new prompt, from those of prompts like it.

use std::ops::Deref;

use crate::{
    Row,
    neighbours::{Neighbour, blend, effective, nearest, unit},
    ridge::Ridge,
    surface::{SURFACE, surface},
    words::Words,
};

/// Neighbours that speak for a score, and what their word is shrunk by.
const SCORES: (usize, f64) = (200, 50.0);
/// The same for a cost.
const COSTS: (usize, f64) = (100, 3.0);
/// The penalty of the linear model.
const ALPHA: f64 = 30.0;
/// How much the surface counts beside an embedding of length one, and where it is cut.
const SURFACE_WEIGHT: f32 = 0.1;
const SURFACE_CUT: f32 = 4.0;
/// A model with a larger share of missing rows is fitted on its own rows.
const MISSING: f64 = 0.005;

/// Which estimates are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blend {
    /// Neighbours by embedding.
    Neighbours,
    /// A linear model for each model.
    Linear,
    /// Their mean.
    Mean,
    /// Two parts of that, one part neighbours by words.
    MeanAndWords,
}

impl Blend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Neighbours, Self::Linear, Self::Mean, Self::MeanAndWords];
}

/// The three estimates of one score.
#[derive(Debug, Clone, Copy)]
pub struct Fitted {
    neighbours: f64,
    linear: f64,
    words: f64,
    effective: f64,
}

impl Fitted {
    /// What the neighbours are worth, in rows (Kish's effective sample size).
    pub const fn effective(&self) -> f64 {
        self.effective
    }

    /// The estimate of a blend.
    pub fn score(&self, blend: Blend) -> f64 {
        let mean = f64::midpoint(self.neighbours, self.linear);
        match blend {
            Blend::Neighbours => self.neighbours,
            Blend::Linear => self.linear,
            Blend::Mean => mean,
            Blend::MeanAndWords => (2.0 * mean + self.words) / 3.0,
        }
    }
}

/// Fitted on rows.
#[derive(Debug)]
pub struct Estimator<R> {
    rows: Vec<R>,
    centre: Vec<f32>,
    scale: [(f32, f32); SURFACE],
    /// Of length one.
    units: Vec<Vec<f32>>,
    words: Words,
    ridges: Vec<Ridge>,
    /// Of each model: which ridge, and which of its outputs.
    linear: Vec<(usize, usize)>,
    /// Mean score and cost of each model.
    means: Vec<(f64, f64)>,
}

impl<R: Deref<Target = Row>> Estimator<R> {
    /// Fits rows of one list of models. `rows` must not be empty.
    pub fn fit(rows: Vec<R>) -> Self {
        let n = rows.len().max(1) as f32;
        let width = rows.first().map_or(0, |row| row.embedding.len());
        let centre = (0..width).map(|i| rows.iter().map(|row| row.embedding[i]).sum::<f32>() / n).collect();
        let surfaces: Vec<[f32; SURFACE]> = rows.iter().map(|row| surface(&row.text)).collect();
        let scale = std::array::from_fn(|i| {
            let mean = surfaces.iter().map(|s| s[i]).sum::<f32>() / n;
            let variance = surfaces.iter().map(|s| (s[i] - mean).powi(2)).sum::<f32>() / n;
            (mean, variance.sqrt().max(1e-6))
        });
        let mut estimator = Self {
            words: Words::fit(rows.iter().map(|row| row.text.as_str())),
            rows,
            centre,
            scale,
            units: Vec::new(),
            ridges: Vec::new(),
            linear: Vec::new(),
            means: Vec::new(),
        };
        let features: Vec<Vec<f32>> = estimator
            .rows
            .iter()
            .zip(&surfaces)
            .map(|(row, surface)| estimator.features(&row.embedding, surface))
            .collect();
        estimator.fit_means();
        estimator.fit_linear(&features);
        estimator.units = features.into_iter().map(unit).collect();
        estimator
    }

    fn models(&self) -> usize {
        self.rows.first().map_or(0, |row| row.scores.len())
    }

    fn features(&self, embedding: &[f32], surface: &[f32; SURFACE]) -> Vec<f32> {
        let centred = embedding.iter().zip(&self.centre).map(|(e, c)| e - c).collect();
        let mut features = unit(centred);
        let scaled = surface.iter().zip(&self.scale).map(|(value, (mean, deviation))| {
            ((value - mean) / deviation).clamp(-SURFACE_CUT, SURFACE_CUT) * SURFACE_WEIGHT
        });
        features.extend(scaled);
        features
    }

    fn fit_means(&mut self) {
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
            if n > 0.0 { sum / n } else { f64::NAN }
        };
        self.means = (0..self.models())
            .map(|m| {
                (
                    mean(&mut self.rows.iter().filter_map(|row| row.scores[m].map(f64::from))),
                    mean(&mut self.rows.iter().filter_map(|row| row.costs[m])),
                )
            })
            .collect();
    }

    fn fit_linear(&mut self, features: &[Vec<f32>]) {
        let all: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        let enough = self.rows.len() as f64 * (1.0 - MISSING);
        let scores = |m: usize| self.rows.iter().map(move |row| row.scores[m].map(f64::from));
        let (complete, sparse): (Vec<usize>, Vec<usize>) =
            (0..self.models()).partition(|m| scores(*m).flatten().count() as f64 >= enough);
        let filled = |m: usize| scores(m).map(|score| score.unwrap_or(self.means[m].0)).collect();
        let together: Vec<Vec<f64>> = complete.iter().map(|m| filled(*m)).collect();
        let mut ridges = vec![Ridge::fit(&all, &together, ALPHA)];
        let mut of_model = vec![(0, 0); self.models()];
        for (output, m) in complete.into_iter().enumerate() {
            of_model[m] = (0, output);
        }
        for m in sparse {
            let own = all.iter().zip(scores(m)).filter_map(|(row, score)| Some((*row, score?)));
            let (rows, target): (Vec<&[f32]>, Vec<f64>) = own.unzip();
            of_model[m] = (ridges.len(), 0);
            ridges.push(Ridge::fit(&rows, &[target], ALPHA));
        }
        (self.ridges, self.linear) = (ridges, of_model);
    }

    /// The score and the cost of every model for a prompt.
    pub fn predict(&self, text: &str, embedding: &[f32]) -> Vec<(Fitted, f64)> {
        let features = self.features(embedding, &surface(text));
        let k = SCORES.0.min((self.rows.len() / 10).max(1));
        let near = nearest(&self.units, &unit(features.clone()), k.max(COSTS.0));
        let mut for_scores = near.clone();
        crate::neighbours::keep(&mut for_scores, k);
        let mut for_costs = near;
        crate::neighbours::keep(&mut for_costs, COSTS.0);
        let by_words = self.words.nearest(text, k);
        (0..self.models())
            .map(|m| {
                let score = |near: &[Neighbour]| {
                    let value = |n: u32| self.rows[n as usize].scores[m].map(f64::from);
                    blend(near, value, self.means[m].0, SCORES.1)
                };
                let cost = blend(&for_costs, |n| self.rows[n as usize].costs[m], self.means[m].1, COSTS.1);
                let (ridge, output) = self.linear[m];
                let fitted = Fitted {
                    neighbours: score(&for_scores),
                    linear: self.ridges[ridge].predict(output, &features),
                    words: score(&by_words),
                    effective: effective(&for_scores, |n| self.rows[n as usize].scores[m].is_some()),
                };
                (fitted, cost)
            })
            .collect()
    }
}
