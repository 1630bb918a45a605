//! Matrix products over weights in eight bits.
//!
//! `y = s_x s_w (q_x Q_w^T) + b`: weights keep their eight bits and a scale an output; a row of `x` is rounded to
//! sixteen bits with a scale of its own, so that the product is as exact as its weights. Sums are whole numbers:
//! 512 products of 7 and 15 bits stay below 2^31, and a longer row is summed in pieces of that length.

use crate::{dispatch::dispatch, math::mul_add};

/// Outputs of a panel: two AVX registers of 32-bit sums.
const PANEL: usize = 16;
/// Weights that one step multiplies: a pair of inputs for each output of a panel.
const STEP: usize = 2 * PANEL;
/// Rows that are computed together: six times two sums, two loads and a broadcast fill 15 registers.
const ROWS: usize = 6;
/// Inputs that are summed before the sums become floats; as many as cannot overflow.
const BLOCK: usize = 512;
/// The largest rounded value of `x`.
const LEVELS: f32 = 32_767.0;

/// The matrix `W` of `y = x W^T + b` in eight bits a weight, laid out in the order in which a product reads it.
#[derive(Debug, Clone, Default)]
pub struct PackedInt8 {
    inputs: usize,
    /// For each panel of 16 outputs: for each pair of inputs, the pairs of the 16 outputs. In sixteen bits, as
    /// the multiplication wants them; zeros fill the last pair and the last panel.
    panels: Vec<i16>,
    /// One an output.
    scales: Vec<f32>,
}

/// A few rows of `x` in sixteen bits: memory that one product leaves for the next.
#[derive(Debug, Clone, Default)]
pub struct Rounded {
    values: Vec<i16>,
    scales: Vec<f32>,
}

impl PackedInt8 {
    /// Packs `weight`, row-major `[outputs, inputs]`, where a weight is `(q - 128) * scales[output]` and `q` is
    /// at least 1. There are as many outputs as scales; missing values count as zero.
    pub fn new(weight: &[u8], scales: &[f32], inputs: usize) -> Self {
        let width = inputs.div_ceil(2) * STEP;
        let mut panels = vec![0; scales.len().div_ceil(PANEL) * width];
        for (n, row) in weight.chunks(inputs.max(1)).take(scales.len()).enumerate() {
            let start = (n / PANEL) * width + n % PANEL * 2;
            for (k, q) in row.iter().enumerate() {
                panels[start + k / 2 * STEP + k % 2] = (i16::from(*q) - 128).max(-127);
            }
        }
        Self { inputs, panels, scales: scales.to_vec() }
    }

    /// How many values a row of the result has.
    pub const fn outputs(&self) -> usize {
        self.scales.len()
    }

    /// `out = x W^T + bias`: rows of `x` follow each other, rows of `out` too, and as many are computed as both
    /// hold. An empty bias counts as zero; one of another length is cut or filled up.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32], rounded: &mut Rounded) {
        if self.inputs == 0 || self.scales.is_empty() {
            return;
        }
        let rows = (x.len() / self.inputs).min(out.len() / self.scales.len());
        round(&x[..rows * self.inputs], self.inputs, rounded);
        product(self, rounded, bias, &mut out[..rows * self.scales.len()]);
    }
}

dispatch! {
    fn round(x: &[f32], inputs: usize, rounded: &mut Rounded) = round_body
}

#[inline(always)]
fn round_body<const FMA: bool>(x: &[f32], inputs: usize, rounded: &mut Rounded) {
    let Rounded { values, scales } = rounded;
    let width = inputs.next_multiple_of(2);
    values.clear();
    values.resize(x.len() / inputs * width, 0);
    scales.clear();
    for (x, q) in x.chunks_exact(inputs).zip(values.chunks_exact_mut(width)) {
        let largest = x.iter().fold(0.0_f32, |m, v| m.max(v.abs())).min(f32::MAX);
        let factor = LEVELS / largest.max(f32::MIN_POSITIVE * LEVELS);
        scales.push(1.0 / factor);
        for (q, v) in q.iter_mut().zip(x) {
            *q = nearest(v * factor);
        }
    }
}

/// The nearest whole number, which must be one of sixteen bits; some number of what is none.
#[inline(always)]
fn nearest(x: f32) -> i16 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves a whole number in the low bits
    (((x.clamp(-LEVELS, LEVELS) + ROUND).to_bits() & 0xFFFF) as u16).cast_signed()
}

dispatch! {
    fn product(w: &PackedInt8, x: &Rounded, bias: &[f32], out: &mut [f32]) = product_body
}

#[inline(always)]
fn product_body<const FMA: bool>(w: &PackedInt8, x: &Rounded, bias: &[f32], out: &mut [f32]) {
    let (pairs, outputs) = (w.inputs.div_ceil(2), w.scales.len());
    let mut start = 0;
    while start < pairs {
        let end = (start + BLOCK / 2).min(pairs);
        for (p, panel) in w.panels.chunks_exact(pairs * STEP).enumerate() {
            let (panel, _) = panel[start * STEP..end * STEP].as_chunks::<STEP>();
            let columns = (outputs - p * PANEL).min(PANEL);
            let mut begin = [0.0; PANEL];
            let given = bias.get(p * PANEL..).unwrap_or(&[]);
            begin.iter_mut().zip(given).for_each(|(b, v)| *b = *v);
            let mut scales = [0.0; PANEL];
            scales[..columns].copy_from_slice(&w.scales[p * PANEL..][..columns]);
            let tile = Tile { x, pairs, start, end, panel, columns, scales: &scales, begin: &begin };
            let mut row = 0;
            while row < x.scales.len() {
                let place = &mut out[row * outputs + p * PANEL..];
                let n = (x.scales.len() - row).min(ROWS);
                match n {
                    6 => tile.run::<FMA, 6>(row, place, outputs),
                    5 => tile.run::<FMA, 5>(row, place, outputs),
                    4 => tile.run::<FMA, 4>(row, place, outputs),
                    3 => tile.run::<FMA, 3>(row, place, outputs),
                    2 => tile.run::<FMA, 2>(row, place, outputs),
                    _ => tile.run::<FMA, 1>(row, place, outputs),
                }
                row += n;
            }
        }
        start = end;
    }
}

/// One panel, from one pair of inputs to another.
struct Tile<'a> {
    x: &'a Rounded,
    pairs: usize,
    start: usize,
    end: usize,
    panel: &'a [[i16; STEP]],
    columns: usize,
    scales: &'a [f32; PANEL],
    begin: &'a [f32; PANEL],
}

impl Tile<'_> {
    /// Adds the product of `N` rows from `row` on to `out`.
    #[inline(always)]
    fn run<const FMA: bool, const N: usize>(&self, row: usize, out: &mut [f32], stride: usize) {
        let rows: [&[[i16; 2]]; N] = std::array::from_fn(|r| {
            let at = (row + r) * self.pairs;
            &self.x.values.as_chunks().0[at + self.start..at + self.end][..self.panel.len()]
        });
        let mut sums = [*self.begin; N];
        if self.start > 0 {
            for (r, sum) in sums.iter_mut().enumerate() {
                sum[..self.columns].copy_from_slice(&out[r * stride..][..self.columns]);
            }
        }
        let factors = std::array::from_fn(|r| self.x.scales[row + r]);
        accumulate::<FMA, N>(rows, self.panel, (&factors, self.scales), &mut sums);
        for (r, sum) in sums.iter().enumerate() {
            out[r * stride..][..self.columns].copy_from_slice(&sum[..self.columns]);
        }
    }
}

/// `sums[r][c] += scales.0[r] * scales.1[c] * (rows[r][k] . panel[k][c])` over all pairs `k`.
#[inline(always)]
fn accumulate<const FMA: bool, const N: usize>(
    rows: [&[[i16; 2]]; N],
    panel: &[[i16; STEP]],
    scales: (&[f32; N], &[f32; PANEL]),
    sums: &mut [[f32; PANEL]; N],
) {
    #[cfg(target_arch = "x86_64")]
    if FMA {
        // SAFETY: on this architecture `FMA` is true only in the copies that are compiled for AVX2, and those
        // run only where the processor has it (`dispatch.rs`).
        #[allow(unsafe_code)]
        return unsafe { wide::accumulate(rows, panel, scales, sums) };
    }
    for (r, row) in rows.iter().enumerate() {
        let mut whole = [0; PANEL];
        for ([a, b], weights) in row.iter().zip(panel) {
            for (s, w) in whole.iter_mut().zip(weights.as_chunks::<2>().0) {
                *s += i32::from(*a) * i32::from(w[0]) + i32::from(*b) * i32::from(w[1]);
            }
        }
        for (c, sum) in sums[r].iter_mut().enumerate() {
            *sum = mul_add::<FMA>(whole[c] as f32, scales.0[r] * scales.1[c], *sum);
        }
    }
}

/// The same in AVX2: `vpmaddwd` multiplies sixteen pairs at once, twice as many as a float product does.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm256_broadcast_ss, _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_storeu_ps,
    };

    use super::{PANEL, STEP};

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn accumulate<const N: usize>(
        rows: [&[[i16; 2]]; N],
        panel: &[[i16; STEP]],
        scales: (&[f32; N], &[f32; PANEL]),
        sums: &mut [[f32; PANEL]; N],
    ) {
        // each row holds a pair for every step of the panel: the pointers below stay inside
        let rows = rows.map(|row| row[..panel.len()].as_ptr());
        let mut acc = [[_mm256_setzero_si256(); 2]; N];
        for (k, weights) in panel.iter().enumerate() {
            // SAFETY: `loadu` takes any alignment, and each of the two touches 16 of the 32 values of a step; a
            // pair of values is read as one number of as many bits, `k` below the length that every row was cut
            // to.
            #[allow(unsafe_code)]
            unsafe {
                let low = _mm256_loadu_si256(weights.as_ptr().cast());
                let high = _mm256_loadu_si256(weights.as_ptr().add(PANEL).cast());
                for r in 0..N {
                    let x = _mm256_set1_epi32(rows[r].add(k).cast::<i32>().read_unaligned());
                    acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(x, low));
                    acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(x, high));
                }
            }
        }
        for r in 0..N {
            let row = _mm256_broadcast_ss(&scales.0[r]);
            for half in 0..2 {
                let (sum, scale) = (&mut sums[r][8 * half..], &scales.1[8 * half..]);
                // SAFETY: as above, 8 of the 16 values each.
                #[allow(unsafe_code)]
                unsafe {
                    let factor = _mm256_mul_ps(row, _mm256_loadu_ps(scale.as_ptr()));
                    let so_far = _mm256_loadu_ps(sum.as_ptr());
                    let sum_of = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][half]), factor, so_far);
                    _mm256_storeu_ps(sum.as_mut_ptr(), sum_of);
                }
            }
        }
    }
}
