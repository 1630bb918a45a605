//! Matrix products over weights that were packed once.

use crate::{dispatch::dispatch, math::mul_add};

/// Columns of a panel: two AVX registers.
const PANEL: usize = 16;
/// Rows that are computed together: six times two accumulators, two loads and a broadcast fill 15 registers.
const ROWS: usize = 6;
/// Inputs that are summed before the next panel: a panel of this many fits the first-level cache.
const BLOCK: usize = 384;

/// The matrix `W` of `y = x W^T + b`, laid out in the order in which a product reads it.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    inputs: usize,
    outputs: usize,
    /// For each panel of 16 outputs: for each input, the 16 weights; zeros fill the last panel.
    panels: Vec<f32>,
}

impl Packed {
    /// Packs `weight`, row-major `[outputs, inputs]`, as checkpoints store it. Missing values count as zero.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut packed = Self::default();
        packed.repack(weight, outputs, inputs, inputs);
        packed
    }

    /// Packs again, in the memory of the old: rows of `inputs` values, `stride` apart.
    pub fn repack(&mut self, weight: &[f32], outputs: usize, inputs: usize, stride: usize) {
        self.reset(outputs, inputs);
        for (n, row) in weight.chunks(stride.max(1)).take(outputs).enumerate() {
            let start = (n / PANEL) * PANEL * inputs + n % PANEL;
            let cells = self.panels[start..].iter_mut().step_by(PANEL);
            for (cell, value) in cells.zip(row.iter().take(inputs)) {
                *cell = *value;
            }
        }
    }

    /// Packs the transpose: `weight` holds `inputs` rows of `outputs` values, `stride` apart.
    pub fn repack_transposed(&mut self, weight: &[f32], outputs: usize, inputs: usize, stride: usize) {
        self.reset(outputs, inputs);
        for (k, row) in weight.chunks(stride.max(1)).take(inputs).enumerate() {
            for (p, values) in row[..outputs.min(row.len())].chunks(PANEL).enumerate() {
                let start = p * PANEL * inputs + k * PANEL;
                self.panels[start..start + values.len()].copy_from_slice(values);
            }
        }
    }

    fn reset(&mut self, outputs: usize, inputs: usize) {
        (self.outputs, self.inputs) = (outputs, inputs);
        self.panels.clear();
        self.panels.resize(outputs.div_ceil(PANEL) * PANEL * inputs, 0.0);
    }

    /// How many values a row of the result has.
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// How many values a row of `x` must have.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// `out = x W^T + bias`: rows of `x` begin `x_stride` apart, rows of `out` `out_stride` apart, and as many
    /// are computed as both hold. An empty bias counts as zero; one of another length is cut or filled up.
    pub fn multiply(&self, x: &[f32], x_stride: usize, bias: &[f32], out: &mut [f32], out_stride: usize) {
        product(self, x, x_stride, bias, out, out_stride);
    }
}

dispatch! {
    fn product(w: &Packed, x: &[f32], x_stride: usize, bias: &[f32], out: &mut [f32], out_stride: usize)
        = product_body
}

#[inline(always)]
fn product_body<const FMA: bool>(
    w: &Packed,
    x: &[f32],
    x_stride: usize,
    bias: &[f32],
    out: &mut [f32],
    out_stride: usize,
) {
    let fits = |len: usize, stride: usize, width: usize| {
        if len < width || width == 0 { 0 } else { (len - width) / stride.max(1) + 1 }
    };
    let rows = fits(x.len(), x_stride, w.inputs).min(fits(out.len(), out_stride, w.outputs));
    let mut start = 0;
    while start < w.inputs {
        let end = (start + BLOCK).min(w.inputs);
        for (p, panel) in w.panels.chunks_exact(PANEL * w.inputs).enumerate() {
            let panel = &panel[start * PANEL..end * PANEL];
            let columns = (w.outputs - p * PANEL).min(PANEL);
            let mut begin = [0.0; PANEL];
            let given = bias.get(p * PANEL..).unwrap_or(&[]);
            begin.iter_mut().zip(given).for_each(|(b, v)| *b = *v);
            let mut row = 0;
            while row < rows {
                let tile = Tile { x, x_stride, row, start, end, first: start == 0, begin: &begin };
                let place = &mut out[row * out_stride + p * PANEL..];
                let n = (rows - row).min(ROWS);
                match n {
                    6 => tile.run::<FMA, 6>(panel, place, out_stride, columns),
                    5 => tile.run::<FMA, 5>(panel, place, out_stride, columns),
                    4 => tile.run::<FMA, 4>(panel, place, out_stride, columns),
                    3 => tile.run::<FMA, 3>(panel, place, out_stride, columns),
                    2 => tile.run::<FMA, 2>(panel, place, out_stride, columns),
                    _ => tile.run::<FMA, 1>(panel, place, out_stride, columns),
                }
                row += n;
            }
        }
        start = end;
    }
}

/// A few rows times one panel.
struct Tile<'a> {
    x: &'a [f32],
    x_stride: usize,
    row: usize,
    start: usize,
    end: usize,
    first: bool,
    begin: &'a [f32; PANEL],
}

impl Tile<'_> {
    #[inline(always)]
    fn run<const FMA: bool, const N: usize>(
        &self,
        panel: &[f32],
        out: &mut [f32],
        out_stride: usize,
        columns: usize,
    ) {
        let (panel, _) = panel.as_chunks::<PANEL>();
        let rows: [&[f32]; N] = std::array::from_fn(|r| {
            let at = (self.row + r) * self.x_stride;
            &self.x[at + self.start..at + self.end][..panel.len()]
        });
        let mut sums = [*self.begin; N];
        if !self.first {
            for (r, sum) in sums.iter_mut().enumerate() {
                sum[..columns].copy_from_slice(&out[r * out_stride..][..columns]);
            }
        }
        accumulate::<FMA, N>(rows, panel, &mut sums);
        for (r, sum) in sums.iter().enumerate() {
            out[r * out_stride..][..columns].copy_from_slice(&sum[..columns]);
        }
    }
}

/// `sums[r] += rows[r][k] * panel[k]` over all `k`: where an encoder spends its time.
#[inline(always)]
fn accumulate<const FMA: bool, const N: usize>(
    rows: [&[f32]; N],
    panel: &[[f32; PANEL]],
    sums: &mut [[f32; PANEL]; N],
) {
    #[cfg(target_arch = "x86_64")]
    if FMA {
        // SAFETY: on this architecture `FMA` is true only in the copies that are compiled for AVX2 and FMA, and
        // those run only where the processor has both (`dispatch.rs`).
        #[allow(unsafe_code)]
        return unsafe { wide::accumulate(rows, panel, sums) };
    }
    for (k, weights) in panel.iter().enumerate() {
        for (row, sum) in rows.iter().zip(sums.iter_mut()) {
            for (s, w) in sum.iter_mut().zip(weights) {
                *s = mul_add::<FMA>(row[k], *w, *s);
            }
        }
    }
}

/// The same in AVX2: compilers do not keep the sums of the plain loop in registers, which costs a factor of 20.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{_mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_storeu_ps};

    use super::PANEL;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn accumulate<const N: usize>(
        rows: [&[f32]; N],
        panel: &[[f32; PANEL]],
        sums: &mut [[f32; PANEL]; N],
    ) {
        // each row holds a value for every row of the panel: the pointers below stay inside
        let rows = rows.map(|row| row[..panel.len()].as_ptr());
        // SAFETY: `loadu` and `storeu` take any alignment; each touches 8 of the 16 values of an array.
        #[allow(unsafe_code)]
        let mut acc = std::array::from_fn::<_, N, _>(|r| unsafe {
            [_mm256_loadu_ps(sums[r].as_ptr()), _mm256_loadu_ps(sums[r].as_ptr().add(8))]
        });
        for (k, weights) in panel.iter().enumerate() {
            // SAFETY: as above; `k` is below the length that every row was cut to.
            #[allow(unsafe_code)]
            unsafe {
                let (low, high) =
                    (_mm256_loadu_ps(weights.as_ptr()), _mm256_loadu_ps(weights.as_ptr().add(8)));
                for r in 0..N {
                    let x = _mm256_broadcast_ss(&*rows[r].add(k));
                    acc[r][0] = _mm256_fmadd_ps(x, low, acc[r][0]);
                    acc[r][1] = _mm256_fmadd_ps(x, high, acc[r][1]);
                }
            }
        }
        for (sum, acc) in sums.iter_mut().zip(acc) {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                _mm256_storeu_ps(sum.as_mut_ptr(), acc[0]);
                _mm256_storeu_ps(sum.as_mut_ptr().add(8), acc[1]);
            }
        }
    }
}
