//! Talking to backends: transport, streaming, the outcome of each attempt.
//!
//! Owns one HTTP client and one concurrency limit per backend. It makes exactly one attempt per call; who is
//! asked next is the engine's business. Invariants: nothing is handed on before the first content byte, so a
//! failure before it can go to another backend; what is handed on are whole events; dropping an answer
//! cancels the backend call; redirects are not followed, so a key never leaves its backend.

mod answer_stream;
mod client;
mod error;
mod settings;

pub use answer_stream::AnswerStream;
pub use client::{Reply, Transport};
pub use error::{AttemptError, UpstreamError};
pub use settings::{Timeouts, UpstreamSettings};
