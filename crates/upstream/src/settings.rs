//! What the transport is told of each backend at the start.

use std::time::Duration;

use pointsman_types::Endpoint;
use secrecy::SecretString;

/// One backend, as the transport sees it.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<SecretString>,
    /// The deadlines of one attempt.
    pub timeouts: Timeouts,
    /// The most requests in flight to this backend; more are refused at once.
    pub max_concurrency: usize,
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
