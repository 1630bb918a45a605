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
    /// No connection, or it broke before an answer.
    Connect,
    /// No TLS: a certificate that is not trusted, a server that speaks none.
    Tls,
    /// No answer in time.
    Timeout,
    /// 429, or known to be over its limit.
    RateLimited,
    /// 5xx.
    ServerError,
    /// 401, 403, 404, 405: this backend does not take our key, or does not know the model.
    Rejected,
    /// 4xx that the client caused: says nothing of the backend.
    ClientError,
    /// The prompt is too long for this model: says nothing of the backend.
    ContextOverflow,
    /// A filter of the provider refused the prompt: says nothing of the backend's health.
    ContentFilter,
    /// This backend has no words for something in the request, or no room for it: says nothing of its health.
    Untranslatable,
    /// An answer that is not what was asked for: garbage, a redirect, an error under a success status.
    Malformed,
    /// An answer that broke off.
    Truncated,
    /// Another attempt at the same request was faster: says nothing of the backend.
    Superseded,
    /// The client went away: says nothing of the backend's end.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::RateLimited,
        Self::ServerError,
        Self::Rejected,
        Self::ClientError,
        Self::ContextOverflow,
        Self::ContentFilter,
        Self::Untranslatable,
        Self::Malformed,
        Self::Truncated,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// The name as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Rejected => "rejected",
            Self::ClientError => "client_error",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFilter => "content_filter",
            Self::Untranslatable => "untranslatable",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the backend is to blame.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Tls
                | Self::Timeout
                | Self::RateLimited
                | Self::ServerError
                | Self::Rejected
                | Self::Malformed
                | Self::Truncated
        )
    }

    /// Whether the same backend may well do better a moment later, and has most likely not worked on the answer.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::ServerError)
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
    /// The backend counted nothing: both are our own estimates.
    pub estimated: bool,
}

impl Observation {
    /// Time per output token after the first, where the answer was streamed to its end and the backend
    /// itself said how many tokens it has: (total - ttft) / (n - 1).
    pub fn time_per_output_token(&self) -> Option<Duration> {
        let n = self.output_tokens?.0;
        if !self.streamed || self.estimated || self.outcome != Outcome::Ok || n < 2 {
            return None;
        }
        let writing = self.total.checked_sub(self.ttft?)?;
        Some(writing.div_f64((n - 1) as f64))
    }
}
