//! Every loop against a plain one in f64.

#![expect(clippy::float_cmp, reason = "what is not computed must stay exactly as it was")]

use pointsman_kernels::{Packed, PackedInt8, Rounded, dot, gelu, layer_norm_add, softmax_rows};
use proptest::prelude::*;

/// Numbers in -1..1 from a seed.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(n).collect()
}

fn close(a: f32, b: f64, tolerance: f64) -> bool {
    (f64::from(a) - b).abs() <= tolerance * (1.0 + b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products(rows in 1_usize..20, inputs in 1_usize..900, outputs in 1_usize..70, extra in 0_usize..5, seed: u64) {
        let (xs, os) = (inputs + extra, outputs + 2 * extra);
        let (x, w, bias) = (numbers(rows * xs, seed), numbers(outputs * inputs, seed ^ 1), numbers(outputs, seed ^ 2));
        let packed = Packed::new(&w, outputs, inputs);
        let turned: Vec<f32> = (0..inputs).flat_map(|k| (0..outputs).map(move |n| (n, k))).map(|(n, k)| w[n * inputs + k]).collect();
        let mut transposed = Packed::default();
        transposed.repack_transposed(&turned, outputs, inputs, outputs);
        for packed in [&packed, &transposed] {
            let mut out = vec![7.0; rows * os];
            packed.multiply(&x, xs, &bias, &mut out, os);
            for m in 0..rows {
                for n in 0..outputs {
                    let sum: f64 = (0..inputs).map(|k| f64::from(x[m * xs + k]) * f64::from(w[n * inputs + k])).sum();
                    prop_assert!(close(out[m * os + n], sum + f64::from(bias[n]), 2e-5));
                }
                // what is between the rows is not touched
                prop_assert!(out[m * os + outputs..(m + 1) * os].iter().all(|v| *v == 7.0));
            }
        }
    }

    #[test]
    fn products_in_eight_bits(rows in 1_usize..20, inputs in 1_usize..1300, outputs in 1_usize..70, size in -20_i32..20, seed: u64) {
        let size = 2.0_f32.powi(size);
        let x: Vec<f32> = numbers(rows * inputs, seed).iter().map(|v| v * size).collect();
        let (scales, bias) = (numbers(outputs, seed ^ 1), numbers(outputs, seed ^ 2));
        let weight: Vec<u8> = numbers(outputs * inputs, seed ^ 3).iter().map(|v| 1 + (v.to_bits() % 255).to_le_bytes()[0]).collect();
        let mut out = vec![7.0; rows * outputs + 1];
        PackedInt8::new(&weight, &scales, inputs).multiply(&x, &bias, &mut out, &mut Rounded::default());
        prop_assert_eq!(out[rows * outputs], 7.0);
        for m in 0..rows {
            let x = &x[m * inputs..(m + 1) * inputs];
            let largest = x.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            for n in 0..outputs {
                let (mut sum, mut slack) = (f64::from(bias[n]), 0.0);
                for k in 0..inputs {
                    let w = (f64::from(weight[n * inputs + k]) - 128.0) * f64::from(scales[n]);
                    sum += f64::from(x[k]) * w;
                    slack += w.abs();
                }
                // each value of x is off by half a step at most; the rest is the rounding of floats
                let slack = slack * (0.5 * f64::from(largest) / 32_767.0 * 1.01) + 1e-5 * (1.0 + sum.abs());
                prop_assert!((f64::from(out[m * outputs + n]) - sum).abs() <= slack, "{} {sum} {slack}", out[m * outputs + n]);
            }
        }
    }

    #[test]
    fn dots(n in 0_usize..200, seed: u64) {
        let (a, b) = (numbers(n, seed), numbers(n, seed ^ 3));
        let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        prop_assert!(close(dot(&a, &b), sum, 1e-5));
    }

    #[test]
    fn softmaxes(width in 1_usize..140, seed: u64, scale in 0.01_f32..30.0) {
        let x = numbers(3 * width, seed);
        let mut out = x.clone();
        softmax_rows(&mut out, width, scale);
        for (row, x) in out.chunks(width).zip(x.chunks(width)) {
            let powers: Vec<f64> = x.iter().map(|v| f64::from(v * scale).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for (got, power) in row.iter().zip(&powers) {
                prop_assert!(close(*got, power / sum, 2e-6));
            }
        }
    }

    #[test]
    fn norms(width in 1_usize..400, seed: u64) {
        let (x, r) = (numbers(2 * width, seed), numbers(2 * width, seed ^ 5));
        let (gamma, beta) = (numbers(width, seed ^ 6), numbers(width, seed ^ 7));
        let mut out = x.clone();
        layer_norm_add(&mut out, &r, &gamma, &beta, 1e-5);
        for m in 0..2 {
            let row: Vec<f64> = (0..width).map(|i| f64::from(x[m * width + i]) + f64::from(r[m * width + i])).collect();
            let mean = row.iter().sum::<f64>() / width as f64;
            let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            for i in 0..width {
                let expected = (row[i] - mean) / (var + 1e-5).sqrt() * f64::from(gamma[i]) + f64::from(beta[i]);
                prop_assert!(close(out[m * width + i], expected, 1e-4), "{} {expected}", out[m * width + i]);
            }
        }
    }
}

/// `erf` by its Maclaurin series, good where |x| < 4.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn gelu_over_its_range() {
    for i in -500..=500 {
        let x = i as f32 / 100.0;
        let mut out = [x];
        gelu(&mut out);
        let expected = 0.5 * f64::from(x) * (1.0 + erf(f64::from(x) / 2.0_f64.sqrt()));
        assert!(close(out[0], expected, 1e-6), "gelu({x}) = {} not {expected}", out[0]);
    }
    let mut far = [-1e4, 1e4, f32::MIN, f32::MAX];
    gelu(&mut far);
    assert_eq!(far, [-0.0, 1e4, -0.0, f32::MAX]);
}

#[test]
fn nothing_panics_on_odd_shapes() {
    let packed = Packed::new(&[1.0, 2.0], 1, 2);
    let mut out = [9.0];
    packed.multiply(&[1.0], 2, &[], &mut out, 1);
    assert_eq!(out, [9.0], "a row that is too short is not computed");
    packed.multiply(&[], 0, &[], &mut [], 0);
    let int8 = PackedInt8::new(&[129, 1], &[1.0], 2);
    int8.multiply(&[f32::NAN, f32::INFINITY], &[], &mut out, &mut Rounded::default());
    int8.multiply(&[1.0], &[], &mut [], &mut Rounded::default());
    PackedInt8::new(&[], &[], 0).multiply(&[1.0], &[], &mut out, &mut Rounded::default());
    softmax_rows(&mut [], 0, 1.0);
    layer_norm_add(&mut [], &[], &[], &[], 1e-5);
}
