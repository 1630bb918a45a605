//! From predictions to choices: `argmax(score - lambda * cost)`, and which lambda.

use crate::{
    Row,
    evaluate::{Earned, earned},
};

/// What is predicted of every model for one prompt: score and cost in US dollars.
pub type Predicted = Vec<(f64, f64)>;

/// The model that was chosen for each prompt.
pub type Choice = Vec<usize>;

/// How the price of a dollar is picked, on predictions for rows that did not train them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The cheapest that scores at least as much as the best single model, and this much more.
    SameScore {
        /// Of score, 0..=1.
        margin: f64,
    },
    /// The best score that costs no more than the best single model.
    SameCost,
}

/// The prices of a dollar that are tried: none, and 120 steps of a geometric scale, in units of the score per mean
/// cost of the best single model.
pub fn curve_points() -> Vec<f64> {
    let step = |i: i32| 1e-4 * (3.0_f64 / 1e-4).powf(f64::from(i) / 119.0);
    std::iter::once(0.0).chain((0..120).map(step)).collect()
}

/// The choice for each prompt where a dollar is worth `lambda / unit`. Only models that were tried on a row can be
/// chosen, since nothing is known of others.
pub fn choices(rows: &[&Row], predicted: &[Predicted], lambda: f64, unit: f64) -> Choice {
    let choose = |(row, predicted): (&&Row, &Predicted)| {
        let tried = |m: &usize| row.scores[*m].is_some() && row.costs[*m].is_some();
        let utility = |m: usize| predicted[m].0 - lambda * predicted[m].1 / unit;
        let best = (0..predicted.len()).filter(tried).max_by(|a, b| utility(*a).total_cmp(&utility(*b)));
        best.unwrap_or(0)
    };
    rows.iter().zip(predicted).map(choose).collect()
}

/// The lambda of a rule, judged on these rows and predictions; `None` where no lambda meets it: then the best single
/// model is the better policy.
pub fn pick(rows: &[&Row], predicted: &[Predicted], single: usize, rule: Rule) -> Option<f64> {
    let reference = earned(rows, &vec![single; rows.len()]);
    let tried: Vec<(f64, Earned)> = curve_points()
        .into_iter()
        .map(|lambda| (lambda, earned(rows, &choices(rows, predicted, lambda, reference.cost))))
        .collect();
    let found = match rule {
        Rule::SameScore { margin } => tried
            .iter()
            .filter(|(_, e)| e.score >= reference.score + margin && e.cost <= reference.cost)
            .min_by(|a, b| a.1.cost.total_cmp(&b.1.cost)),
        Rule::SameCost => tried
            .iter()
            .filter(|(_, e)| e.cost <= reference.cost && e.score >= reference.score)
            .max_by(|a, b| a.1.score.total_cmp(&b.1.score)),
    };
    found.map(|(lambda, _)| *lambda)
}
