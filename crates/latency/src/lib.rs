//! One latency actor per backend: HDR histograms in rotating windows, published as cells.
//!
//! Owns what was observed of each model on each backend in the last few minutes. Observations are cast (a full
//! mailbox drops and counts them: measuring never slows a request); readers load a cell. Invariants: only
//! complete answers enter the histograms, so that a fast failure is never a fast answer; what is older than
//! all windows is forgotten, also when nothing new comes. A crash of the actor starts the histograms anew.

mod actor;
mod registry;
mod settings;
mod windows;

pub use registry::LatencyRegistry;
pub use settings::LatencySettings;
