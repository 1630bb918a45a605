//! What one attempt at one backend taught.

use std::time::Duration;

use serde::Serialize;

use crate::{BackendId, ModelId, Tokens};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A complete answer.
    Ok,
    /// No connection, or it broke.
    Connect,
    /// No answer in time.
    Timeout,
    /// 429.
    RateLimited,
    /// 5xx.
    ServerError,
    /// 4xx that the client caused: says nothing of the backend.
    ClientError,
    /// An answer that is not what was asked for: garbage, half a stream, a redirect.
    Protocol,
    /// The client went away: says nothing of the backend's end.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Connect,
        Self::Timeout,
        Self::RateLimited,
        Self::ServerError,
        Self::ClientError,
        Self::Protocol,
        Self::Cancelled,
    ];

    /// The name as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::ClientError => "client_error",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the backend is to blame.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::RateLimited | Self::ServerError | Self::Protocol)
    }
}

/// One attempt, from the moment the request was handed to the transport.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Whom it was sent to.
    pub backend: BackendId,
    /// Which model was asked.
    pub model: ModelId,
    /// How it ended.
    pub outcome: Outcome,
    /// The answer was streamed: only then is `ttft` the time to the first token.
    pub streamed: bool,
    /// Time to the first content byte, if one came.
    pub ttft: Option<Duration>,
    /// Time to the end.
    pub total: Duration,
    /// Input tokens, as the backend counted them.
    pub input_tokens: Option<Tokens>,
    /// Output tokens, as the backend counted them.
    pub output_tokens: Option<Tokens>,
}

impl Observation {
    /// Time per output token after the first, where the answer was streamed to its end and the backend
    /// said how many tokens it has: (total - ttft) / (n - 1).
    pub fn time_per_output_token(&self) -> Option<Duration> {
        let n = self.output_tokens?.0;
        if !self.streamed || self.outcome != Outcome::Ok || n < 2 {
            return None;
        }
        let writing = self.total.checked_sub(self.ttft?)?;
        Some(writing.div_f64((n - 1) as f64))
    }
}
