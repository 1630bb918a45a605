//! Linear least squares with a penalty on the weights (Hoerl and Kennard 1970), by the normal equations.

use pointsman_kernels::dot;

/// A linear model with many outputs.
#[derive(Debug, Clone)]
pub(crate) struct Ridge {
    mean: Vec<f32>,
    /// A row an output.
    weights: Vec<Vec<f32>>,
    bias: Vec<f64>,
}

impl Ridge {
    /// Fits `targets` (one value a row for each output) on `rows`; `alpha` is the penalty.
    pub(crate) fn fit(rows: &[&[f32]], targets: &[Vec<f64>], alpha: f64) -> Self {
        let (n, width) = (rows.len().max(1) as f64, rows.first().map_or(0, |row| row.len()));
        let mean: Vec<f32> =
            (0..width).map(|i| (rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / n) as f32).collect();
        // columns, so that each product of the normal equations is one dot product
        let columns: Vec<Vec<f32>> =
            (0..width).map(|i| rows.iter().map(|row| row[i] - mean[i]).collect()).collect();
        let mut gram = vec![0.0_f64; width * width];
        for i in 0..width {
            for j in 0..=i {
                let value = f64::from(dot(&columns[i], &columns[j]));
                gram[i * width + j] = value;
                gram[j * width + i] = value;
            }
            gram[i * width + i] += alpha;
        }
        cholesky(&mut gram, width);
        let mut bias = Vec::new();
        let solve = |target: &Vec<f64>| {
            let level = target.iter().sum::<f64>() / n;
            bias.push(level);
            let centred: Vec<f32> = target.iter().map(|y| (y - level) as f32).collect();
            let mut right: Vec<f64> = columns.iter().map(|c| f64::from(dot(c, &centred))).collect();
            substitute(&gram, width, &mut right);
            right.into_iter().map(|w| w as f32).collect()
        };
        let weights = targets.iter().map(solve).collect();
        Self { mean, weights, bias }
    }

    /// The prediction of one output.
    pub(crate) fn predict(&self, output: usize, row: &[f32]) -> f64 {
        let weights = &self.weights[output];
        self.bias[output] + f64::from(dot(weights, row)) - f64::from(dot(weights, &self.mean))
    }
}

/// The lower factor of a symmetric positive matrix, in its place.
fn cholesky(a: &mut [f64], n: usize) {
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let value = a[i * n + j] - sum;
            a[i * n + j] = if i == j { value.max(1e-12).sqrt() } else { value / a[j * n + j] };
        }
    }
}

/// Solves `L L' x = b` in the place of `b`.
fn substitute(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| l[i * n + k] * b[k]).sum();
        b[i] = (b[i] - sum) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| l[k * n + i] * b[k]).sum();
        b[i] = (b[i] - sum) / l[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_and_the_penalty_flattens_it() {
        let rows: Vec<Vec<f32>> = (0..40).map(|i| vec![(i % 7) as f32, (i % 5) as f32]).collect();
        let views: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let target: Vec<f64> = rows.iter().map(|r| 2.0 * f64::from(r[0]) - f64::from(r[1]) + 3.0).collect();
        let fitted = Ridge::fit(&views, std::slice::from_ref(&target), 1e-6);
        assert!((fitted.predict(0, &[10.0, 1.0]) - 22.0).abs() < 1e-2, "{}", fitted.predict(0, &[10.0, 1.0]));
        let flat = Ridge::fit(&views, std::slice::from_ref(&target), 1e9);
        let mean = target.iter().sum::<f64>() / 40.0;
        assert!((flat.predict(0, &[10.0, 1.0]) - mean).abs() < 1e-2);
    }
}
