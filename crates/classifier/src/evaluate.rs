//! How good predictions are: accuracy, macro F1, calibration.

mod baseline;
mod perturb;

use serde::Serialize;

pub use baseline::{Baseline, TfIdf};
pub use perturb::Perturbation;

/// One prediction: the probabilities and the index of the right label.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Over the labels of one head.
    pub probabilities: Vec<f32>,
    /// The right label.
    pub truth: usize,
}

/// Figures of one head on one set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Rows.
    pub n: usize,
    /// Share of rows whose likeliest label is right.
    pub accuracy: f64,
    /// Mean over the labels that occur of F1 = 2 TP / (2 TP + FP + FN).
    pub macro_f1: f64,
    /// Expected calibration error over 15 bins of equal width (Guo et al. 2017, "On Calibration of Modern
    /// Neural Networks").
    pub ece: f64,
    /// Share of rows at or above the threshold.
    pub coverage: f64,
    /// Accuracy on those.
    pub covered_accuracy: f64,
    /// `confusion[truth][guess]`: rows.
    pub confusion: Vec<Vec<usize>>,
    /// For 15 bins of confidence: rows, mean confidence, share that is right.
    pub bins: Vec<(usize, f64, f64)>,
}

impl Report {
    /// Precision and recall of a label; NaN where it was never guessed, or does not occur.
    pub fn precision_recall(&self, label: usize) -> (f64, f64) {
        let hits = self.confusion[label][label] as f64;
        let guesses: usize = self.confusion.iter().map(|row| row[label]).sum();
        (hits / guesses as f64, hits / self.confusion[label].iter().sum::<usize>() as f64)
    }
}

const BINS: usize = 15;

/// The figures at an abstain threshold.
pub fn report(predictions: &[Prediction], threshold: f32) -> Report {
    let n = predictions.len();
    if n == 0 {
        return Report::default();
    }
    let labels = predictions.iter().map(|p| p.probabilities.len()).max().unwrap_or(0);
    let mut confusion = vec![vec![0_usize; labels]; labels];
    let mut bins = [(0_usize, 0.0_f64, 0_usize); BINS];
    let (mut right, mut covered, mut covered_right) = (0_usize, 0_usize, 0_usize);
    for p in predictions {
        let (guess, confidence) = top(&p.probabilities);
        let hit = usize::from(guess == p.truth);
        confusion[p.truth][guess] += 1;
        right += hit;
        if confidence >= threshold {
            covered += 1;
            covered_right += hit;
        }
        let bin = ((confidence * BINS as f32) as usize).min(BINS - 1);
        bins[bin].0 += 1;
        bins[bin].1 += f64::from(confidence);
        bins[bin].2 += hit;
    }
    let ece = bins.iter().map(|(_, sum, hits)| (sum - *hits as f64).abs()).sum::<f64>() / n as f64;
    let share = |(n, sum, hits): (usize, f64, usize)| {
        let rows = n.max(1) as f64;
        (n, sum / rows, hits as f64 / rows)
    };
    Report {
        bins: bins.into_iter().map(share).collect(),
        n,
        accuracy: right as f64 / n as f64,
        macro_f1: macro_f1(&confusion),
        confusion,
        ece,
        coverage: covered as f64 / n as f64,
        covered_accuracy: if covered == 0 { 0.0 } else { covered_right as f64 / covered as f64 },
    }
}

fn macro_f1(confusion: &[Vec<usize>]) -> f64 {
    let scores: Vec<f64> = (0..confusion.len())
        .filter(|label| confusion[*label].iter().sum::<usize>() > 0)
        .map(|label| {
            let hits = confusion[label][label] as f64;
            let truths = confusion[label].iter().sum::<usize>() as f64;
            let guesses = confusion.iter().map(|row| row[label]).sum::<usize>() as f64;
            2.0 * hits / (truths + guesses)
        })
        .collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

fn top(probabilities: &[f32]) -> (usize, f32) {
    probabilities
        .iter()
        .enumerate()
        .fold((0, f32::MIN), |best, (i, p)| if *p > best.1 { (i, *p) } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let p = |probabilities: [f32; 2], truth| Prediction { probabilities: probabilities.to_vec(), truth };
        let r = report(&[p([0.9, 0.1], 0), p([0.9, 0.1], 1), p([0.4, 0.6], 1), p([0.3, 0.7], 1)], 0.65);
        assert!((r.accuracy - 0.75).abs() < 1e-9);
        // label 0: TP 1 FP 1 FN 0 -> 2/3; label 1: TP 2 FP 0 FN 1 -> 4/5
        assert!((r.macro_f1 - f64::midpoint(2.0 / 3.0, 0.8)).abs() < 1e-9);
        // bins: 0.9 twice with one hit |1.8 - 1|, 0.6 |0.6 - 1|, 0.7 |0.7 - 1|
        assert!((r.ece - (0.8 + 0.4 + 0.3) / 4.0).abs() < 1e-6, "{}", r.ece);
        assert!((r.coverage - 0.75).abs() < 1e-9 && (r.covered_accuracy - 2.0 / 3.0).abs() < 1e-9);
    }
}
