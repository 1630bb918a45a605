//! The HTTP face: routes, limits, error mapping, headers, metrics, graceful shutdown.
//!
//! Owns everything that is HTTP and nothing that is routing. Invariants: every answer has an OpenAI shape, also
//! for bytes that are no request; exactly one place maps errors to statuses (`errors.rs`); no connection can
//! hold resources for longer than its deadlines (`connection.rs`); a shutdown finishes open streams within its grace.

mod asker;
mod body;
mod connection;
mod errors;
mod events;
mod exchange;
mod headers;
mod keys;
mod routes;
mod serve;
mod settings;

pub use keys::KeySettings;
pub use routes::ReloadSender;
pub use serve::{Server, ServerError, ServerHandle};
pub use settings::ServerSettings;
