//! Fitting the static embedder and its heads, leave-one-source-out validation, calibration.

pub(crate) mod augment;
mod base;
mod calibrate;
mod data;
mod fit;
mod layer;
pub(crate) mod random;
mod report;
mod run;
mod settings;
mod write;

pub use data::{Example, read_examples};
pub use report::{FoldReport, TrainReport};
pub use run::{Progress, train};
pub use settings::{TrainEmbedder, TrainSettings};
