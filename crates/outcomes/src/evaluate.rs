//! What choices would have earned.

use serde::Serialize;

use crate::{Row, choose::Choice};

/// Means over rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Earned {
    /// Of the score, 0..=1.
    pub score: f64,
    /// Of the cost of one prompt, in US dollars.
    pub cost: f64,
}

/// What these choices would have earned.
pub fn earned(rows: &[&Row], chosen: &[usize]) -> Earned {
    let n = rows.len().max(1) as f64;
    let (mut score, mut cost) = (0.0, 0.0);
    for (row, model) in rows.iter().zip(chosen) {
        score += row.scores[*model].map_or(0.0, f64::from);
        cost += row.costs[*model].unwrap_or(0.0);
    }
    Earned { score: score / n, cost: cost / n }
}

/// The model with the best mean score, the cheaper one on a tie.
pub fn best_single(rows: &[&Row]) -> usize {
    let models = rows.first().map_or(0, |row| row.scores.len());
    let mean = |m: usize| {
        let scores: Vec<f64> = rows.iter().filter_map(|row| row.scores[m].map(f64::from)).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    };
    (0..models).max_by(|a, b| mean(*a).total_cmp(&mean(*b))).unwrap_or(0)
}

/// The best model of each row, the cheapest of several: what nobody can beat.
pub fn oracle(rows: &[&Row]) -> Choice {
    let best = |row: &&Row| {
        let key = |m: &usize| (row.scores[*m].unwrap_or(-1.0), -row.costs[*m].unwrap_or(f64::MAX));
        let order = |a: &usize, b: &usize| {
            let (a, b) = (key(a), key(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        (0..row.scores.len()).max_by(order).unwrap_or(0)
    };
    rows.iter().map(best).collect()
}

/// `RouterArena`'s score of an accuracy (0..=1) and a cost per thousand prompts in US dollars, 0..=100:
/// `S = 1.1 A C / (0.1 A + C)` with `C` the place of the cost between 200 and 0.0044 dollars on a logarithmic scale.
pub fn arena_score(accuracy: f64, usd_per_thousand: f64) -> f64 {
    let c = usd_per_thousand.clamp(0.0044, 200.0);
    let place = (200.0_f64.log2() - c.log2()) / (200.0_f64.log2() - 0.0044_f64.log2());
    100.0 * 1.1 * accuracy * place / (0.1 * accuracy + place).max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Blend, Estimator, Rule,
        choose::{Predicted, choices, curve_points, pick},
    };

    /// Half the prompts are about cats, half about dogs; one model knows cats, one dogs, a dear one both.
    fn rows() -> Vec<Row> {
        let row = |i: usize| {
            let cat = i.is_multiple_of(2);
            let noise = (i * 37 % 11) as f32 / 50.0;
            let embedding = if cat { vec![1.0, noise, 0.1] } else { vec![noise, 1.0, 0.1] };
            let score = |right: bool| Some(f32::from(u8::from(right)));
            let sometimes = !i.is_multiple_of(10);
            Row {
                text: format!("tell me of {} number {i}", if cat { "cats" } else { "dogs" }),
                embedding,
                scores: vec![score(cat), score(!cat), score(sometimes)],
                costs: vec![Some(0.001), Some(0.001), Some(0.01)],
            }
        };
        (0..400).map(row).collect()
    }

    #[test]
    fn figures_by_hand() {
        let rows = rows();
        let rows: Vec<&Row> = rows.iter().collect();
        assert_eq!(best_single(&rows), 2);
        let dear = earned(&rows, &vec![2; 400]);
        assert!((dear.score - 0.9).abs() < 1e-6 && (dear.cost - 0.01).abs() < 1e-9);
        let best = earned(&rows, &oracle(&rows));
        assert!((best.score - 1.0).abs() < 1e-9 && (best.cost - 0.001).abs() < 1e-9, "{best:?}");
        // halfway on the scale: log2 of 200 x 0.0044 = 0.88, its square root
        assert!((arena_score(1.0, 0.88_f64.sqrt()) - 110.0 * 0.5 / 0.6).abs() < 1e-6);
    }

    #[test]
    fn a_router_learns_who_knows_what() {
        let rows = rows();
        let (train, test): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|r| !r.text.ends_with('7'));
        let estimator = Estimator::fit(train.clone());
        for blend in Blend::ALL {
            let predict = |rows: &[&Row]| -> Vec<Predicted> {
                let one = |row: &&Row| estimator.predict(&row.text, &row.embedding);
                let mix = |fitted: Vec<(crate::Fitted, f64)>| {
                    fitted.into_iter().map(|(fitted, cost)| (fitted.score(blend), cost)).collect()
                };
                rows.iter().map(one).map(mix).collect()
            };
            let lambda = pick(&train, &predict(&train), 2, Rule::SameScore { margin: 0.0 }).unwrap();
            let chosen = choices(&test, &predict(&test), lambda, 0.01);
            let got = earned(&test, &chosen);
            assert!(got.score > 0.95 && got.cost < 0.005, "{blend:?} {got:?}");
        }
        assert!(
            pick(&train, &vec![vec![(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]; train.len()], 2, Rule::SameCost)
                .is_none(),
            "no better than one"
        );
        assert!(curve_points().windows(2).all(|w| w[0] < w[1]));
    }
}
