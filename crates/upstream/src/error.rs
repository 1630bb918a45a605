//! How an attempt fails.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use pointsman_types::{BackendId, Outcome};
use thiserror::Error;

/// Characters of a message: it is told to clients and logged, and may quote a backend.
const LONGEST_MESSAGE: usize = 500;

/// Why the transport cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The base URL is no URL.
    #[error("backend {backend}: base_url {url:?}: {why}")]
    BaseUrl {
        /// The backend.
        backend: BackendId,
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key cannot stand in a header.
    #[error("backend {backend}: the api key contains characters that no header may hold")]
    Key {
        /// The backend.
        backend: BackendId,
    },
    /// The HTTP client could not be built.
    #[error("backend {backend}: {why}")]
    Client {
        /// The backend.
        backend: BackendId,
        /// What is wrong.
        why: String,
    },
}

impl UpstreamError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BaseUrl { .. } => "base_url",
            Self::Key { .. } => "key",
            Self::Client { .. } => "client",
        }
    }
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct AttemptError {
    /// How it counts.
    pub outcome: Outcome,
    /// What happened, in words fit for a client: no key, no URL.
    pub message: String,
    /// The status, where an answer came.
    pub status: Option<u16>,
    /// How long not to ask again, where the refusal says so.
    pub retry_after: Option<Duration>,
    /// The backend's own error body, where the client is to see it as it is.
    pub body: Option<Bytes>,
}

impl AttemptError {
    pub(crate) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
            message.truncate(end);
        }
        Self { outcome, message, status: None, retry_after: None, body: None }
    }

    pub(crate) fn with_body(self, body: Option<Bytes>) -> Self {
        Self { body, ..self }
    }

    /// No connection, or one that broke before there was an answer.
    pub(crate) fn transport(error: reqwest::Error) -> Self {
        // the URL may hold what a client should not see
        let error = error.without_url();
        let told = chain(&error);
        let says = |words: &[&str]| words.iter().any(|word| told.contains(word));
        let outcome = if error.is_timeout() && !error.is_connect() {
            Outcome::Timeout
        } else if says(&[
            "certificate",
            "InvalidContentType",
            "corrupt message",
            "handshake",
            "peer is incompatible",
            "received fatal alert",
        ]) {
            Outcome::Tls
        } else if says(&["invalid HTTP", "parse error"]) || error.is_decode() || error.is_redirect() {
            Outcome::Malformed
        } else {
            Outcome::Connect
        };
        Self::new(outcome, told)
    }

    /// An answer that broke off.
    pub(crate) fn broken(error: reqwest::Error) -> Self {
        let outcome = if error.is_timeout() { Outcome::Timeout } else { Outcome::Truncated };
        Self::new(outcome, chain(&error.without_url()))
    }

    pub(crate) fn truncated(message: impl Into<String>) -> Self {
        Self::new(Outcome::Truncated, message)
    }

    pub(crate) fn late(what: &str, after: Duration) -> Self {
        Self::new(Outcome::Timeout, format!("{what} within {after:?}"))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Outcome::Malformed, message)
    }
}

/// An error and what it stems from, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
