//! A user's own classes, learned from a few examples: one more head each, on the embedding that is there anyway.
//!
//! Each is a logistic regression over the embedding at unit length: the examples against those of the other
//! classes and a background of everyday prompts. It takes milliseconds at the start; nothing else is trained.

use std::sync::Arc;

use pointsman_kernels::dot;

use crate::{
    embedder::{Embedder, Scratch},
    reading,
};

/// What other people ask: one prompt a line, of every task and industry, from `models/exemplars`.
const BACKGROUND: &str = include_str!("../../../models/background.txt");
/// Passes over the examples; by then the loss hardly moves.
const PASSES: usize = 400;
const STEP: f32 = 4.0;
/// Weight of the squared coefficients against the mean loss: few examples must not be learned by heart.
const RIDGE: f32 = 2e-3;

/// A class as the configuration states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassExamples {
    /// Its name.
    pub name: Arc<str>,
    /// Prompts that belong to it.
    pub examples: Vec<String>,
}

/// The learned heads.
#[derive(Debug, Default)]
pub(crate) struct Classes(Vec<Head>);

#[derive(Debug)]
struct Head {
    name: Arc<str>,
    weight: Vec<f32>,
    bias: f32,
}

impl Classes {
    pub(crate) fn learn(stated: &[ClassExamples], embedder: &Embedder) -> Self {
        if stated.is_empty() {
            return Self::default();
        }
        let mut scratch = Scratch::default();
        let mut unit =
            |text: &str| embedder.features(&reading::read(text), &mut scratch).map(|x| unit_length(&x));
        let background: Vec<Vec<f32>> = BACKGROUND.lines().filter_map(&mut unit).collect();
        let own: Vec<Vec<Vec<f32>>> = stated
            .iter()
            .map(|class| class.examples.iter().filter_map(|text| unit(text)).collect())
            .collect();
        let fit = |(i, class): (usize, &ClassExamples)| {
            let others: Vec<&Vec<f32>> =
                own.iter().enumerate().filter(|(j, _)| *j != i).flat_map(|(_, rows)| rows).collect();
            // the few examples of the other classes weigh as much as all of the background: they are what it is
            // most easily taken for
            let halves = if others.is_empty() { (1.0, 0.0) } else { (0.5, 0.5) };
            let shared = |rows: usize, half: f32| 0.5 * half / rows.max(1) as f32;
            let (far, near) = (shared(background.len(), halves.0), shared(others.len(), halves.1));
            let negatives = background.iter().map(|row| (row.as_slice(), far));
            let negatives: Vec<(&[f32], f32)> =
                negatives.chain(others.iter().map(|row| (row.as_slice(), near))).collect();
            let (weight, bias) = regress(&own[i], &negatives);
            Head { name: Arc::clone(&class.name), weight, bias }
        };
        Self(stated.iter().enumerate().map(fit).collect())
    }

    /// The probability of each class, in the order of the configuration.
    pub(crate) fn of(&self, features: &[f32]) -> Vec<(Arc<str>, f32)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let x = unit_length(features);
        let p = |head: &Head| sigmoid(dot(&head.weight, &x) + head.bias);
        self.0.iter().map(|head| (Arc::clone(&head.name), p(head))).collect()
    }
}

fn unit_length(x: &[f32]) -> Vec<f32> {
    let scale = 1.0 / dot(x, x).sqrt().max(1e-12);
    x.iter().map(|v| v * scale).collect()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Logistic regression by gradient descent from zero. The positives weigh one half together; the negatives, each with
/// its share, the other.
fn regress(positives: &[Vec<f32>], negatives: &[(&[f32], f32)]) -> (Vec<f32>, f32) {
    let width = negatives.first().map_or(0, |(row, _)| row.len());
    let (mut weight, mut bias) = (vec![0.0; width], 0.0);
    let positive = 0.5 / positives.len().max(1) as f32;
    let rows: Vec<(&[f32], f32, f32)> = positives
        .iter()
        .map(|row| (row.as_slice(), 1.0, positive))
        .chain(negatives.iter().map(|(row, share)| (*row, 0.0, *share)))
        .collect();
    for _ in 0..PASSES {
        let mut gradient: Vec<f32> = weight.iter().map(|w| RIDGE * w).collect();
        let mut of_bias = 0.0;
        for (x, label, share) in &rows {
            let error = share * (sigmoid(dot(&weight, x) + bias) - label);
            of_bias += error;
            gradient.iter_mut().zip(*x).for_each(|(g, x)| *g += error * x);
        }
        weight.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= STEP * g);
        bias -= STEP * of_bias;
    }
    (weight, bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArtifactSource, Classifier};

    #[test]
    fn a_few_examples_are_enough_for_their_like() {
        let class = |name: &str, examples: &[&str]| ClassExamples {
            name: name.into(),
            examples: examples.iter().map(|e| (*e).to_owned()).collect(),
        };
        let classes = [
            class(
                "kubernetes",
                &[
                    "my pod is stuck in CrashLoopBackOff",
                    "how do I drain a kubernetes node before maintenance",
                    "write a helm chart for a redis deployment",
                    "kubectl says the deployment exceeded its progress deadline",
                    "which ingress controller should our cluster use",
                ],
            ),
            class(
                "wine",
                &[
                    "which wine goes with roast lamb",
                    "recommend a dry white wine under 20 euros",
                    "how long can I keep an opened bottle of red wine",
                    "explain the difference between a Rioja and a Bordeaux",
                    "plan a wine tasting for eight guests",
                ],
            ),
        ];
        let mut classifier = Classifier::load(&ArtifactSource::BuiltIn).unwrap();
        classifier.learn(&classes);
        for (text, expected) in [
            ("kubernetes pods keep restarting after I deploy, why?", Some("kubernetes")),
            ("should I serve a red wine or a white wine with salmon?", Some("wine")),
            ("Write a poem about the sea in autumn.", None),
            ("What is 17 * 23?", None),
            ("", None),
        ] {
            let got = classifier.classify(text).classes;
            let sure: Vec<&str> = got.iter().filter(|(_, p)| *p >= 0.5).map(|(name, _)| &**name).collect();
            assert_eq!(sure, expected.into_iter().collect::<Vec<_>>(), "{text}: {got:?}");
        }
    }
}
