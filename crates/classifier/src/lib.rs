//! The learned classifier: embedder on candle, heads, calibration, batching actor, training.

mod settings;

pub use settings::{ArtifactSource, ClassifierSettings};
