//! The learned classifier: embedder, heads, calibration, batching actor, training.
//!
//! Owns everything that runs the model; candle and tokenizers are used nowhere else. Invariants: an artifact is
//! used only if every file has the hash of its manifest and every tensor the shape of its configuration; any
//! text, of any length, is answered in bounded time; the model runs on one thread of its own, never on a
//! runtime worker; overload and lateness are values.

mod actor;
mod artifact;
#[cfg(any(test, feature = "cuda"))]
mod batched;
mod cascade;
mod classes;
mod classifier;
mod compute;
mod embedder;
mod encoder;
mod error;
pub mod evaluate;
mod heads;
pub mod hub;
mod ids;
mod modern;
mod paste;
mod reading;
#[cfg(test)]
mod reference;
mod settings;
mod table;
mod tensors;
mod tokens;
pub mod train;
mod wordpiece;

pub use actor::ClassifierHandle;
pub use artifact::{Abstain, ArtifactConfig, EmbedderConfig, Temperatures};
pub use cascade::Cascade;
pub use classes::ClassExamples;
pub use classifier::{Classifier, EmbedderInfo};
pub use encoder::{EncoderConfig, Pooling};
pub use error::ClassifierError;
pub use modern::ModernConfig;
pub use settings::{ArtifactSource, ClassifierSettings, Device, Mode};
