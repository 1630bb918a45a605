//! An embedding table in eight bits, and the static embedder on it.
//!
//! `x = [pool of the whole, of the start, of the end]`, each the mean of its token rows plus the mean of its pair
//! rows. Written out over plain slices: for one prompt, tensor operations are mostly overhead. `reference.rs` is
//! the same in candle, and a test holds the two together.

use std::borrow::Cow;

use crate::tokens::{POOLS, Rows};

/// Eight bits a value: value = (q - 128) * scale of the row.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Of a built-in artifact the bytes in the binary itself.
    pub(crate) quantised: Cow<'static, [u8]>,
    pub(crate) scales: Vec<f32>,
    pub(crate) dims: usize,
}

impl Table {
    /// Eight bits for each value of `rows`, row-major with `dims` columns.
    pub(crate) fn quantise(rows: &[f32], dims: usize) -> Self {
        let (mut quantised, mut scales) =
            (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len() / dims));
        for row in rows.chunks_exact(dims) {
            let largest = row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
            scales.push(scale);
            quantised.extend(row.iter().map(|v| ((v / scale).round() + 128.0) as u8));
        }
        Self { quantised: quantised.into(), scales, dims }
    }

    /// The values of all rows.
    pub(crate) fn floats(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.quantised.len()];
        for (row, x) in values.chunks_exact_mut(self.dims).enumerate() {
            self.add(row, 1.0, x);
        }
        values
    }

    /// Adds `factor` times one row to `x`.
    pub(crate) fn add(&self, row: usize, factor: f32, x: &mut [f32]) {
        let factor = self.scales[row] * factor;
        let values = &self.quantised[row * self.dims..(row + 1) * self.dims];
        for (x, q) in x.iter_mut().zip(values) {
            *x += (f32::from(*q) - 128.0) * factor;
        }
    }

    /// The pools of a text, one behind the other.
    pub(crate) fn pool(&self, rows: &Rows) -> Vec<f32> {
        let mut x = vec![0.0; self.dims * POOLS];
        for (pool, x) in rows.pools().iter().zip(x.chunks_exact_mut(self.dims)) {
            for rows in pool {
                let share = 1.0 / rows.len().max(1) as f32;
                for &row in *rows {
                    self.add(row as usize, share, x);
                }
            }
        }
        x
    }
}
