//! Everything that can keep a request from its answer. The server maps each to a status, in one place.

use std::time::Duration;

use bytes::Bytes;
use pointsman_actors::{ActorError, CallError};
use pointsman_classifier::ClassifierError;
use pointsman_protocol::RequestError;
use pointsman_types::{BackendId, ModelId, NoRoute, Outcome};
use pointsman_upstream::UpstreamError;
use serde::Serialize;
use thiserror::Error;

/// One attempt that failed, for the error body and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedAttempt {
    /// The model that was asked.
    pub model: ModelId,
    /// Where.
    pub backend: BackendId,
    /// How it counts.
    pub outcome: Outcome,
    /// What happened.
    pub message: String,
}

/// Why a request has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The body is no chat request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No candidate can take it.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// An actor on the way is overloaded, down or late.
    #[error("{actor}: {error}")]
    Actor {
        /// Which one.
        actor: &'static str,
        /// What it said.
        error: CallError,
    },
    /// Recorded outcomes cannot be read.
    #[error("recorded outcomes: {0}")]
    Outcomes(String),
    /// Every candidate failed.
    #[error("every backend failed")]
    AllFailed {
        /// What happened at each, in order; never empty.
        attempts: Vec<FailedAttempt>,
        /// The longest `Retry-After` where every failure was a rate limit.
        retry_after: Option<Duration>,
    },
    /// Every backend that could be asked is at its limit of requests in flight, or the gateway is.
    #[error("overloaded: no place became free in time")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Every provider that could be asked has said that it is over its rate limit.
    #[error("rate limited: no backend may be asked before its limit resets")]
    Limited {
        /// When the first of them resets.
        retry_after: Duration,
    },
    /// Every backend that could be asked has failed too often, and is being tried already.
    #[error("every backend that could answer has failed too often; one is being tried")]
    Resting {
        /// When the first of them may be asked again.
        retry_after: Duration,
    },
    /// The backend says that the request itself is at fault.
    #[error("{backend} refused the request: {message}")]
    Refused {
        /// The backend.
        backend: BackendId,
        /// How it counts.
        outcome: Outcome,
        /// Its status, 4xx.
        status: u16,
        /// Its own error body.
        body: Option<Bytes>,
        /// What it says.
        message: String,
        /// All attempts, in order, that of the refusal included.
        attempts: Vec<FailedAttempt>,
    },
    /// The request's own deadline passed.
    #[error("no answer within {after:?}")]
    Deadline {
        /// The deadline.
        after: Duration,
        /// What happened until then, in order.
        attempts: Vec<FailedAttempt>,
    },
    /// A bug of ours that was caught.
    #[error("a panic in the gateway")]
    Panicked,
    /// An actor did not start.
    #[error(transparent)]
    Start(#[from] ActorError),
    /// The classifier could not be loaded.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// The transport could not be built.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// There is no classifier to ask.
    #[error("the classifier is not available: {why}")]
    Unclassified {
        /// Why.
        why: String,
    },
}

impl EngineError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Request(_) => "bad_request",
            Self::Outcomes(_) => "outcomes",
            Self::NoRoute(NoRoute::UnknownModel { .. }) => "unknown_model",
            Self::NoRoute(NoRoute::AmbiguousModel { .. }) => "ambiguous_model",
            Self::NoRoute(_) => "no_route",
            Self::Actor { .. } => "overloaded",
            Self::AllFailed { .. } => "all_failed",
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::Limited { .. } => "limited",
            Self::Resting { .. } => "resting",
            Self::Deadline { .. } => "deadline",
            Self::Start(_) | Self::Classifier(_) | Self::Upstream(_) => "start",
            Self::Unclassified { .. } => "unclassified",
            Self::Panicked => "panic",
        }
    }
}
