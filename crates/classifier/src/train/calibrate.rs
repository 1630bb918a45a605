//! Temperature and abstain threshold, from predictions on sources that the model has not seen.

use crate::{evaluate::Prediction, heads::softmax_in_place};

/// Logits and the right label.
pub(crate) type Labelled = (Vec<f32>, usize);

/// The temperature with the least negative log-likelihood (Guo et al. 2017), by golden-section search on its
/// logarithm; 1 where there is nothing to fit it on.
pub(crate) fn temperature(labelled: &[Labelled]) -> f32 {
    if labelled.is_empty() {
        return 1.0;
    }
    let loss = |log_t: f32| -> f64 {
        labelled
            .iter()
            .map(|(logits, truth)| -f64::from(probabilities(logits, log_t.exp())[*truth].max(1e-9).ln()))
            .sum()
    };
    let golden = (5.0_f32.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = ((0.2_f32).ln(), (10.0_f32).ln());
    for _ in 0..40 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if loss(a) < loss(b) {
            high = b;
        } else {
            low = a;
        }
    }
    f32::midpoint(low, high).exp()
}

/// The threshold below which the least sure `share` of the predictions fall, rounded down to a hundredth.
pub(crate) fn threshold(predictions: &[Prediction], share: f64) -> f32 {
    let mut confidences: Vec<f32> =
        predictions.iter().map(|p| p.probabilities.iter().copied().fold(0.0, f32::max)).collect();
    confidences.sort_by(f32::total_cmp);
    let at = (confidences.len() as f64 * share) as usize;
    confidences.get(at).map_or(0.0, |t| (t * 100.0).floor() / 100.0)
}

pub(crate) fn predictions(labelled: &[Labelled], temperature: f32) -> Vec<Prediction> {
    let one = |(logits, truth): &Labelled| Prediction {
        probabilities: probabilities(logits, temperature),
        truth: *truth,
    };
    labelled.iter().map(one).collect()
}

fn probabilities(logits: &[f32], temperature: f32) -> Vec<f32> {
    let mut p = logits.to_vec();
    softmax_in_place(&mut p, temperature);
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overconfident_logits_are_cooled() {
        // right in 3 of 4 cases, and always sure: the best temperature makes the confidence 3/4
        let labelled: Vec<Labelled> = (0..400).map(|i| (vec![8.0, 0.0], usize::from(i % 4 == 0))).collect();
        let t = temperature(&labelled);
        let p = probabilities(&[8.0, 0.0], t)[0];
        assert!((p - 0.75).abs() < 0.01, "{p} at {t}");
    }
}
