//! Talking to backends: transport, streaming, outcomes of each attempt.

mod settings;

pub use settings::{Timeouts, UpstreamSettings};
