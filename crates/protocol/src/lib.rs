//! The wire: OpenAI shapes read leniently, server-sent events, error bodies, usage.
//!
//! Owns how bytes are read and rewritten, nothing of what is done with them. A request body is scanned once
//! and kept raw: what Pointsman does not understand reaches the backend unchanged, in its place.
//! Invariants: parsing never panics, never recurses with the depth of its input, and never copies a body
//! it does not have to change.

mod adapt;
mod answer;
mod as_events;
mod depth;
mod embeddings;
mod error;
mod messages;
mod object;
mod request;
mod rewrite;
mod sse;

pub use adapt::{Adaptation, Parameter};
pub use answer::{Answer, AnswerError, Finish, Reported, Usage};
pub use embeddings::EmbeddingsRequest;
pub use error::{ErrorBody, ErrorType};
pub use messages::{Conversation, IMAGE_TOKENS};
pub use request::{ChatRequest, MAX_CHAIN, RequestError};
pub use sse::{SseError, SseEvents, SseSummary};
