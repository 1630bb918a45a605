//! Fitting the static embedder and its heads, leave-one-source-out validation, calibration.

mod augment;
mod calibrate;
mod data;
mod fit;
mod random;
mod run;

pub use data::{Example, read_examples};
pub use run::{FoldReport, TrainReport, TrainSettings, train};
