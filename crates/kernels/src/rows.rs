//! Row-wise loops: norm, softmax, activation, dot product.

use crate::{
    dispatch::dispatch,
    math::{erf, exp, mul_add},
};

dispatch! {
    /// The dot product of two slices of one length; of the shorter length where they differ.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 = dot_body
}

#[inline(always)]
fn dot_body<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..n].as_chunks::<32>(), b[..n].as_chunks::<32>());
    // partial sums fix the order, so that vector instructions may be used
    let mut sums = [0.0; 32];
    for (a, b) in a.iter().zip(b) {
        for i in 0..32 {
            sums[i] = mul_add::<FMA>(a[i], b[i], sums[i]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

dispatch! {
    /// `x = x / 2 * (1 + erf(x / sqrt 2))` in place (Hendrycks and Gimpel 2016, the exact form).
    pub fn gelu(values: &mut [f32]) = gelu_body
}

#[inline(always)]
fn gelu_body<const FMA: bool>(values: &mut [f32]) {
    for x in values {
        *x *= 0.5 * (1.0 + erf::<FMA>(*x * std::f32::consts::FRAC_1_SQRT_2));
    }
}

dispatch! {
    /// Softmax of `scale * x` over each row of `width` values, in place.
    pub fn softmax_rows(values: &mut [f32], width: usize, scale: f32) = softmax_body
}

#[inline(always)]
fn softmax_body<const FMA: bool>(values: &mut [f32], width: usize, scale: f32) {
    for row in values.chunks_exact_mut(width.max(1)) {
        let largest = row.iter().fold(f32::MIN, |m, v| m.max(*v));
        for x in row.iter_mut() {
            *x = exp::<FMA>((*x - largest) * scale);
        }
        let share = 1.0 / row.iter().sum::<f32>();
        for x in row {
            *x *= share;
        }
    }
}

dispatch! {
    /// `values = norm(values + residual) * gamma + beta` over each row as wide as `gamma`, with the biased
    /// variance (Ba et al. 2016, "Layer Normalization"). An empty `residual` counts as zero.
    pub fn layer_norm_add(values: &mut [f32], residual: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32)
        = layer_norm_body
}

#[inline(always)]
fn layer_norm_body<const FMA: bool>(
    values: &mut [f32],
    residual: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) {
    let width = gamma.len().max(1);
    for (x, r) in values.iter_mut().zip(residual) {
        *x += r;
    }
    for row in values.chunks_exact_mut(width) {
        let mean = row.iter().sum::<f32>() / width as f32;
        for x in row.iter_mut() {
            *x -= mean;
        }
        let variance = dot_body::<FMA>(row, row) / width as f32;
        let factor = 1.0 / (variance + epsilon).sqrt();
        for ((x, g), b) in row.iter_mut().zip(gamma).zip(beta) {
            *x = mul_add::<FMA>(*x * factor, *g, *b);
        }
    }
}
