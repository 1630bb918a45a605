//! The nearest rows of a prompt, by the cosine of vectors of length one.

use pointsman_kernels::dot;

/// A row and how near it is.
pub(crate) type Neighbour = (u32, f32);

/// Weights below this count for nothing and spoil no division.
const LEAST: f32 = 1e-6;

/// The `k` rows nearest to `query`, in no order.
pub(crate) fn nearest(rows: &[Vec<f32>], query: &[f32], k: usize) -> Vec<Neighbour> {
    let mut all: Vec<Neighbour> =
        rows.iter().enumerate().map(|(n, row)| (n as u32, dot(row, query).max(LEAST))).collect();
    keep(&mut all, k);
    all
}

/// Drops all but the `k` nearest; among equals the earlier rows stay.
pub(crate) fn keep(neighbours: &mut Vec<Neighbour>, k: usize) {
    if neighbours.len() > k {
        neighbours.select_nth_unstable_by(k, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        neighbours.truncate(k);
    }
}

/// The weighted mean of what neighbours say, drawn to `prior` by the number that they are worth:
/// `lambda = n / (n + kappa)` with `n = (sum w)^2 / sum w^2` (Kish 1965, "effective sample size").
pub(crate) fn blend(
    neighbours: &[Neighbour],
    value: impl Fn(u32) -> Option<f64>,
    prior: f64,
    kappa: f64,
) -> f64 {
    let (mut sum, mut weights, mut squares) = (0.0, 0.0, 0.0);
    for (n, weight) in neighbours {
        if let Some(value) = value(*n) {
            let weight = f64::from(*weight);
            sum += weight * value;
            weights += weight;
            squares += weight * weight;
        }
    }
    if weights <= 0.0 {
        return prior;
    }
    let effective = weights * weights / squares;
    let share = effective / (effective + kappa);
    share * sum / weights + (1.0 - share) * prior
}

/// How many rows the neighbours that count are worth.
pub(crate) fn effective(neighbours: &[Neighbour], counts: impl Fn(u32) -> bool) -> f64 {
    let weights = neighbours.iter().filter(|(n, _)| counts(*n)).map(|(_, w)| f64::from(*w));
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Scaled to length one; left as it is where it has none.
pub(crate) fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    if length > 1e-9 {
        for v in &mut vector {
            *v /= length;
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found_and_few_say_little() {
        let rows = vec![vec![1.0, 0.0], vec![0.0, 1.0], unit(vec![1.0, 0.1])];
        let mut found = nearest(&rows, &[1.0, 0.0], 2);
        found.sort_by_key(|(n, _)| *n);
        assert_eq!(found.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 2]);
        let two = [(0, 1.0), (2, 1.0)];
        assert!((blend(&two, |_| Some(1.0), 0.0, 2.0) - 0.5).abs() < 1e-9, "two of two and two");
        assert!((blend(&two, |_| None, 0.3, 2.0) - 0.3).abs() < 1e-9);
    }
}
