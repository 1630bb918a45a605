//! The loops in which an encoder spends its time, on one core, for one text: matrix products over weights that
//! were packed once, layer norm, softmax and GELU in place.
//!
//! Every loop is compiled twice, plainly and for AVX2 with FMA, and the choice is made once a process. `unsafe` is
//! the call into the second copy (`dispatch.rs`) and the innermost loops of the matrix products (`matrix.rs`, `int8.rs`); the
//! rest is safe code that compilers vectorise. Tests hold every loop against a plain reference in f64.

mod dispatch;
mod int8;
mod math;
mod matrix;
mod rows;

pub use dispatch::vectorised;
pub use int8::{PackedInt8, Rounded};
pub use matrix::Packed;
pub use rows::{dot, gelu, layer_norm_add, softmax_rows};
