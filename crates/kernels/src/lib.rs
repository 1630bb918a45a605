//! The loops in which an encoder spends its time, on one core, for one text: matrix products over weights that
//! were packed once, layer norm, softmax and GELU in place.
//!
//! All loops are safe code; each is compiled twice, plainly and for AVX2 with FMA, and the choice is made once a
//! process. The only `unsafe` is the call into the second copy, in `dispatch.rs`. Tests hold every loop against
//! a plain reference in f64.

mod dispatch;
mod math;
mod matrix;
mod rows;

pub use dispatch::vectorised;
pub use matrix::Packed;
pub use rows::{dot, gelu, layer_norm_add, softmax_rows};
