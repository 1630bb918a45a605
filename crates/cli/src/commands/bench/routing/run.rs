//! Fits on some rows, picks on others, reports on yet others.

use pointsman_outcomes::{
    Blend, Estimator, Fitted, Predicted, Row, Rule, arena_score, best_single, choices, curve_points, earned,
    oracle, pick,
};

use super::{Line, Part, Point, data::Set};

/// Everything predicted of one row.
type Guess = Vec<(Fitted, f64)>;

/// The score by which `ours, same score` must be better on the rows that pick it: a little, against luck.
const MARGIN: f64 = 0.003;

/// Both parts of a set: its training rows, each fold predicted by the others, and its test rows, predicted by all of
/// them. What is picked (the blend, the price of a dollar) is picked on predictions for other rows than those reported.
pub(super) fn measure(set: &Set, folds: u64) -> Vec<Part> {
    let of = |trains: bool| (0..set.rows.len()).filter(move |n| set.trains[*n] == trains);
    let train: Vec<usize> = of(true).collect();
    let rows: Vec<&Row> = train.iter().map(|n| &set.rows[*n]).collect();
    let single = best_single(&rows);
    let fold: Vec<u64> = train.iter().map(|n| set.question[*n] % folds).collect();
    let mut guesses: Vec<Guess> = vec![Vec::new(); rows.len()];
    for out in 0..folds {
        let fitted =
            Estimator::fit(rows.iter().zip(&fold).filter(|(_, f)| **f != out).map(|(row, _)| *row).collect());
        for (n, guess) in guesses.iter_mut().enumerate().filter(|(n, _)| fold[*n] == out) {
            *guess = fitted.predict(&rows[n].text, &rows[n].embedding);
        }
    }
    let train = Held { rows, guesses, fold };
    let tested: Vec<&Row> = of(false).map(|n| &set.rows[n]).collect();
    let mut parts = vec![cross_validated(set, &train.judged(single), single, folds)];
    if !tested.is_empty() {
        let fitted = Estimator::fit(train.rows.clone());
        let guesses = tested.iter().map(|row| fitted.predict(&row.text, &row.embedding)).collect();
        let tested = Held { fold: vec![0; tested.len()], rows: tested, guesses }.judged(single);
        parts.push(on_test(set, &train.judged(single), &tested, single));
    }
    parts
}

/// Rows and what those who did not see them predict.
#[derive(Clone)]
struct Held<'a> {
    rows: Vec<&'a Row>,
    guesses: Vec<Guess>,
    fold: Vec<u64>,
}

impl Held<'_> {
    /// Without the rows on which the best single model was not tried: there is nothing to compare with.
    fn judged(&self, single: usize) -> Self {
        let keep =
            |n: &usize| self.rows[*n].scores[single].is_some() && self.rows[*n].costs[single].is_some();
        let kept: Vec<usize> = (0..self.rows.len()).filter(keep).collect();
        self.only(&kept)
    }

    fn only(&self, kept: &[usize]) -> Self {
        Self {
            rows: kept.iter().map(|n| self.rows[*n]).collect(),
            guesses: kept.iter().map(|n| self.guesses[*n].clone()).collect(),
            fold: kept.iter().map(|n| self.fold[*n]).collect(),
        }
    }

    fn predicted(&self, blend: Blend) -> Vec<Predicted> {
        let of = |guess: &Guess| guess.iter().map(|(fitted, cost)| (fitted.score(blend), *cost)).collect();
        self.guesses.iter().map(of).collect()
    }

    /// The blend and the price of a dollar that a rule picks on these rows.
    fn pick(&self, blends: &[Blend], single: usize, rule: Rule) -> Option<(Blend, f64)> {
        let reference = earned(&self.rows, &vec![single; self.rows.len()]).cost;
        let value = |(blend, lambda): &(Blend, f64)| {
            let got = earned(&self.rows, &choices(&self.rows, &self.predicted(*blend), *lambda, reference));
            match rule {
                Rule::SameScore { .. } => -got.cost,
                Rule::SameCost => got.score,
            }
        };
        let found = blends.iter().filter_map(|blend| {
            pick(&self.rows, &self.predicted(*blend), single, rule).map(|lambda| (*blend, lambda))
        });
        found.max_by(|a, b| value(a).total_cmp(&value(b)))
    }
}

/// The policies that predict, and how each picks its trade-off.
fn learned() -> Vec<(&'static str, Vec<Blend>, Rule)> {
    let same = Rule::SameScore { margin: MARGIN };
    vec![
        ("kNN, same score", vec![Blend::Neighbours], same),
        ("linear, same score", vec![Blend::Linear], same),
        ("ours, same score", Blend::ALL.to_vec(), same),
        ("ours, same score, no margin", Blend::ALL.to_vec(), Rule::SameScore { margin: 0.0 }),
        ("ours, same cost", Blend::ALL.to_vec(), Rule::SameCost),
    ]
}

fn cross_validated(set: &Set, train: &Held<'_>, single: usize, folds: u64) -> Part {
    let mut part = part(set, "cross-validated", train, train, single);
    for (name, blends, rule) in learned() {
        // each fold is routed by what the other folds pick
        let mut chosen = vec![single; train.rows.len()];
        let mut sure = vec![f64::NAN; train.rows.len()];
        let mut met = false;
        for out in 0..folds {
            let (own, others): (Vec<usize>, Vec<usize>) =
                (0..train.rows.len()).partition(|n| train.fold[*n] == out);
            let (own_rows, others) = (train.only(&own), train.only(&others));
            let Some((blend, lambda)) = others.pick(&blends, single, rule) else { continue };
            met = true;
            let reference = earned(&others.rows, &vec![single; others.rows.len()]).cost;
            let predicted = own_rows.predicted(blend);
            for ((at, model), guess) in
                own.iter().zip(choices(&own_rows.rows, &predicted, lambda, reference)).zip(&predicted)
            {
                chosen[*at] = model;
                sure[*at] = guess[model].0;
            }
        }
        part.lines.push(if met { line(name, train, &chosen, single, Some(&sure)) } else { nothing(name) });
    }
    part
}

fn on_test(set: &Set, train: &Held<'_>, test: &Held<'_>, single: usize) -> Part {
    let mut part = part(set, "test", train, test, single);
    let reference = earned(&train.rows, &vec![single; train.rows.len()]).cost;
    for (name, blends, rule) in learned() {
        let Some((blend, lambda)) = train.pick(&blends, single, rule) else {
            part.lines.push(nothing(name));
            continue;
        };
        let predicted = test.predicted(blend);
        let chosen = choices(&test.rows, &predicted, lambda, reference);
        let sure: Vec<f64> = chosen.iter().zip(&predicted).map(|(m, p)| p[*m].0).collect();
        part.lines.push(line(name, test, &chosen, single, Some(&sure)));
    }
    part
}

/// The part with its baselines and its curve.
fn part(set: &Set, name: &'static str, train: &Held<'_>, shown: &Held<'_>, single: usize) -> Part {
    let models = set.models.len();
    let mean_cost = |m: usize| {
        let costs: Vec<f64> = train.rows.iter().filter_map(|row| row.costs[m]).collect();
        costs.iter().sum::<f64>() / costs.len().max(1) as f64
    };
    let cheapest = (0..models).min_by(|a, b| mean_cost(*a).total_cmp(&mean_cost(*b))).unwrap_or(0);
    let n = shown.rows.len();
    let constant = |m: usize| -> Vec<usize> {
        let tried = |row: &&Row| if row.scores[m].is_some() && row.costs[m].is_some() { m } else { single };
        shown.rows.iter().map(tried).collect()
    };
    let lines = vec![
        random(shown, single, models),
        line("cheapest", shown, &constant(cheapest), single, None),
        line("best single", shown, &vec![single; n], single, None),
        line("oracle", shown, &oracle(&shown.rows), single, None),
    ];
    let reference = earned(&train.rows, &vec![single; train.rows.len()]).cost;
    let predicted = shown.predicted(Blend::Mean);
    let curve = curve_points().into_iter().map(|lambda| {
        let got = earned(&shown.rows, &choices(&shown.rows, &predicted, lambda, reference));
        Point { lambda, score: got.score, usd_per_thousand: got.cost * 1e3 }
    });
    Part {
        set: set.name.clone(),
        rows_are: name,
        rows: n,
        models,
        best_single: set.models[single].clone(),
        lines,
        curve: curve.collect(),
    }
}

/// What choosing by dice earns on average: exact, not drawn.
fn random(shown: &Held<'_>, single: usize, models: usize) -> Line {
    let mut sum = line("random", shown, &vec![single; shown.rows.len()], single, None);
    let (mut score, mut cost) = (0.0, 0.0);
    for row in &shown.rows {
        let tried: Vec<usize> =
            (0..models).filter(|m| row.scores[*m].is_some() && row.costs[*m].is_some()).collect();
        let share = 1.0 / tried.len().max(1) as f64;
        score += tried.iter().filter_map(|m| row.scores[*m]).map(|s| f64::from(s) * share).sum::<f64>();
        cost += tried.iter().filter_map(|m| row.costs[*m]).map(|c| c * share).sum::<f64>();
    }
    let n = shown.rows.len().max(1) as f64;
    let whole = earned(&shown.rows, &vec![single; shown.rows.len()]);
    (sum.score, sum.usd_per_thousand) = (score / n, cost / n * 1e3);
    sum.arena = arena_score(sum.score, sum.usd_per_thousand);
    sum.share_of_oracle = sum.score / earned(&shown.rows, &oracle(&shown.rows)).score;
    (sum.gain, sum.saving) = (sum.score - whole.score, 1.0 - cost / n / whole.cost);
    sum
}

fn nothing(policy: &str) -> Line {
    Line {
        policy: policy.to_owned(),
        score: f64::NAN,
        usd_per_thousand: f64::NAN,
        arena: f64::NAN,
        share_of_oracle: f64::NAN,
        gain: f64::NAN,
        gain_error: f64::NAN,
        saving: f64::NAN,
        calibration: None,
        note: Some("no trade-off meets it: the best single model stays".to_owned()),
    }
}

fn line(policy: &str, shown: &Held<'_>, chosen: &[usize], single: usize, sure: Option<&[f64]>) -> Line {
    let got = earned(&shown.rows, chosen);
    let whole = earned(&shown.rows, &vec![single; chosen.len()]);
    let score = |row: &Row, m: usize| f64::from(row.scores[m].unwrap_or(0.0));
    let gains: Vec<f64> =
        shown.rows.iter().zip(chosen).map(|(row, m)| score(row, *m) - score(row, single)).collect();
    let n = gains.len().max(1) as f64;
    let gain = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|g| (g - gain).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let pairs = sure.map(|sure| {
        let real = shown.rows.iter().zip(chosen).map(|(row, m)| score(row, *m));
        sure.iter().copied().zip(real).filter(|(p, _)| p.is_finite()).collect::<Vec<_>>()
    });
    Line {
        policy: policy.to_owned(),
        score: got.score,
        usd_per_thousand: got.cost * 1e3,
        arena: arena_score(got.score, got.cost * 1e3),
        share_of_oracle: got.score / earned(&shown.rows, &oracle(&shown.rows)).score,
        gain,
        gain_error: (variance / n).sqrt(),
        saving: 1.0 - got.cost / whole.cost,
        calibration: pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| calibration(&pairs)),
        note: None,
    }
}

/// Mean gap between predicted and real scores over ten bins of the prediction, weighted by their rows.
fn calibration(pairs: &[(f64, f64)]) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    for (predicted, real) in pairs {
        let bin = &mut bins[((predicted * 10.0) as usize).min(9)];
        bin.0 += predicted;
        bin.1 += real;
    }
    bins.iter().map(|(predicted, real)| (predicted - real).abs()).sum::<f64>() / pairs.len() as f64
}
