//! Talking to backends: transport, streaming, the outcome of each attempt.
//!
//! Owns one HTTP client and one concurrency limit per backend. It makes exactly one attempt per call; who is
//! asked next is the engine's business. Invariants: nothing is handed on before the first content byte, so a
//! failure before it can go to another backend; what is handed on are whole events; dropping an answer
//! cancels the backend call; redirects are not followed, so a key never leaves its backend.

mod answer_stream;
mod client;
mod dialect;
mod error;
mod gate;
mod limits;
mod reading;
mod refusal;
mod resilience;
mod secrets;
mod settings;

pub use answer_stream::AnswerStream;
pub use client::{Call, Operation, Reply, ReplyBody, Transport};
pub use dialect::WireDialect;
pub use error::{AttemptError, UpstreamError};
pub use gate::{Crowded, Gate, Pass};
pub use resilience::{BreakerSettings, HedgeSettings, LoadSettings, RetrySettings};
pub use settings::{Timeouts, UpstreamSettings};
