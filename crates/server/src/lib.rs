//! The HTTP face: routes, limits, error mapping, headers, metrics, graceful shutdown.
//!
//! Owns everything that is HTTP and nothing that is routing. Invariants: every answer has an OpenAI shape, also
//! for bytes that are no request; exactly one place maps errors to statuses (`errors.rs`); no connection can
//! hold resources for longer than its deadlines; a shutdown finishes open streams within its grace.

mod body;
mod errors;
mod headers;
mod routes;
mod serve;
mod settings;

pub use serve::{Server, ServerError};
pub use settings::ServerSettings;
