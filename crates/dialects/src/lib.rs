//! The dialects of providers and of clients, each to and from OpenAI's chat completions.
//!
//! OpenAI's chat completion is the hub: a request of any client dialect becomes one, and one becomes a request of
//! any backend dialect; answers and streams go the same way back. Pure: bytes in, bytes out, no I/O and no clock.
//! Invariants: what cannot be translated is an error or a reported drop, never silent; no input makes it panic;
//! a stream that breaks off before its own end never becomes one that looks finished.

pub mod backend;
pub mod client;
mod extensions;
mod json;
mod lines;
mod told;

pub use extensions::{Takes, has_extensions, without_extensions};
