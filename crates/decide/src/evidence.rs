//! What was learned of a model's quality: counts of good and bad outcomes per task, on top of the catalog's belief.
//!
//! The catalog's mean and deviation are read as a Beta distribution of the same moments; outcomes add to its counts
//! (the conjugate update of a Bernoulli likelihood, for example Gelman et al., "Bayesian Data Analysis", 2.4).

use pointsman_types::{Quality, Task};
use serde::{Deserialize, Serialize};

/// What recorded outcomes of prompts like this one say of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The expected score, 0..=1.
    pub score: f64,
    /// What the neighbours are worth, in rows.
    pub effective: f64,
}

/// Decayed counts of outcomes of one model, over [`Task::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Weight of good outcomes.
    pub good: [f32; Task::COUNT],
    /// Weight of bad ones.
    pub bad: [f32; Task::COUNT],
}

impl Evidence {
    /// Adds an outcome with this score, 0..1, that counts `weight`, spread over the tasks by `p`.
    pub fn add(&mut self, p: &[f32; Task::COUNT], score: f32, weight: f32) {
        let score = score.clamp(0.0, 1.0);
        for (i, p) in p.iter().enumerate() {
            self.good[i] += p * weight * score;
            self.bad[i] += p * weight * (1.0 - score);
        }
    }

    /// What is left of it when each count has lost a half `half_lives` times.
    #[must_use]
    pub fn decayed(&self, half_lives: f32) -> Self {
        let factor = 0.5_f32.powf(half_lives.max(0.0));
        Self { good: self.good.map(|n| n * factor), bad: self.bad.map(|n| n * factor) }
    }

    /// The sum of all weights.
    pub fn weight(&self) -> f32 {
        self.good.iter().chain(&self.bad).sum()
    }

    /// Mean and standard deviation of one task, the catalog's belief updated.
    pub fn posterior(&self, prior: &Quality, task: usize) -> (f64, f64) {
        let (mu, sigma) = (f64::from(prior.mu[task]), f64::from(prior.sigma[task]));
        let (good, bad) = (f64::from(self.good[task]), f64::from(self.bad[task]));
        if good + bad <= 0.0 {
            return (mu, sigma);
        }
        // away from 0 and 1, where no deviation but 0 is possible
        let mu = mu.clamp(0.01, 0.99);
        let counts = (mu * (1.0 - mu) / (sigma * sigma).max(1e-6) - 1.0).max(1.0);
        let (a, n) = (mu * counts + good, counts + good + bad);
        let mean = a / n;
        (mean, (mean * (1.0 - mean) / (n + 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_move_the_mean_and_narrow_the_deviation() {
        let prior = Quality { mu: [0.5; Task::COUNT], sigma: [0.1; Task::COUNT] };
        let mut evidence = Evidence::default();
        assert_eq!(evidence.posterior(&prior, 0), (0.5, f64::from(0.1_f32)));
        let mut p = [0.0; Task::COUNT];
        p[0] = 1.0;
        for _ in 0..24 {
            evidence.add(&p, 1.0, 1.0);
        }
        // a Beta of mean .5 and deviation .1 has 24 counts: 12 of 24 and 24 more good ones
        let (mean, sigma) = evidence.posterior(&prior, 0);
        assert!((mean - 0.75).abs() < 1e-3 && sigma < 0.07, "{mean} {sigma}");
        assert!((evidence.posterior(&prior, 1).0 - 0.5).abs() < 1e-9, "another task learns nothing");
        let (faded, _) = evidence.decayed(1.0).posterior(&prior, 0);
        assert!((faded - 24.0 / 36.0).abs() < 1e-3, "{faded}");
        assert!((evidence.decayed(3.0).weight() - 3.0).abs() < 1e-5);
    }
}
