//! What the transport is told of each backend at the start.

use std::time::Duration;

use pointsman_types::Endpoint;
use secrecy::SecretString;

use crate::WireDialect;

/// One backend, as the transport sees it.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it is spoken to in.
    pub dialect: WireDialect,
    /// Sent in the header that the dialect has for it.
    pub api_key: Option<SecretString>,
    /// The deadlines of one attempt.
    pub timeouts: Timeouts,
    /// The most requests in flight to this backend; more go elsewhere, or wait.
    pub max_concurrency: usize,
    /// The most requests that wait for a place; more are refused.
    pub max_waiting: usize,
    /// Take a stream for whole that has a finish reason or `[DONE]`, but not both.
    pub lenient_streams: bool,
    /// A client's own `Authorization` goes to this backend in the place of ours.
    pub own_keys: bool,
    /// The longest non-streamed answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// The longest single server-sent event that is read, in bytes.
    pub max_event_bytes: usize,
}

/// Deadlines of one attempt at a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS connect.
    pub connect: Duration,
    /// From the request to the first content byte.
    pub first_byte: Duration,
    /// Between two bytes.
    pub idle: Duration,
    /// The whole attempt.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_mins(2),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}
