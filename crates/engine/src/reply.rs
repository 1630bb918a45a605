//! What the engine hands to the server: an answer and how it came about.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use pointsman_protocol::{ErrorBody, ErrorType};
use pointsman_types::{Decision, MicroUsd, ModelSpec, Outcome, RequestId};
use pointsman_upstream::{AnswerStream, Pass};

use crate::attempt::{Attempt, Ending};

/// How an answer came about: the `x-pointsman-*` headers.
#[derive(Debug, Clone)]
pub struct ReplyMeta {
    /// This request.
    pub request_id: RequestId,
    /// Who answered.
    pub spec: Arc<ModelSpec>,
    /// The plan.
    pub decision: Arc<Decision>,
    /// How many backends were asked.
    pub attempts: usize,
    /// What the answer cost, where price and token counts are known; a stream ends too late for its header.
    pub cost: Option<MicroUsd>,
    /// What was changed in the request for this model.
    pub changes: Vec<String>,
    /// A second attempt was started before the first had failed.
    pub hedged: bool,
    /// The backend's own id of the request.
    pub backend_request_id: Option<HeaderValue>,
    /// Time that Pointsman itself took before it asked the first backend, in microseconds.
    pub overhead_us: u64,
}

/// An answer.
#[derive(Debug)]
pub struct ChatReply {
    /// How it came about.
    pub meta: ReplyMeta,
    /// What the client gets.
    pub body: ReplyBody,
}

/// The bytes of an answer.
#[derive(Debug)]
pub enum ReplyBody {
    /// The whole answer.
    Json(Bytes),
    /// Server-sent events.
    Stream(Box<ReplyStream>),
}

/// A stream that records its attempt when it ends, however it ends.
#[derive(Debug)]
pub struct ReplyStream {
    inner: AnswerStream,
    attempt: Attempt,
    ended: bool,
    /// The place among all requests, given back with the end.
    admitted: Option<Pass>,
}

impl ReplyStream {
    pub(crate) fn new(inner: AnswerStream, attempt: Attempt) -> Self {
        Self { inner, attempt, ended: false, admitted: None }
    }

    pub(crate) fn hold(&mut self, admitted: Pass) {
        self.admitted = Some(admitted);
    }

    /// The next whole events. A backend that fails now cannot be replaced: the client gets an event with an
    /// error, and then the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        match self.inner.next().await {
            Some(Ok(events)) => Some(events),
            None => {
                self.end(Outcome::Ok);
                None
            }
            Some(Err(error)) => {
                self.end(error.outcome);
                let message = format!("the backend failed in the middle of the answer: {}", error.message);
                Some(ErrorBody::new(ErrorType::ServerError, "stream_failed", message).to_event().into())
            }
        }
    }

    /// A panic was caught in [`ReplyStream::next`].
    pub fn panicked(&self) {
        tracing::error!(model = %self.attempt.spec().id, "a panic in a stream");
        self.attempt.metrics().panicked();
    }

    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        let summary = self.inner.summary();
        let ending = Ending { usage: summary.usage, finish: summary.finish, text_bytes: summary.text_bytes };
        self.attempt.end(outcome, ending);
        self.admitted = None;
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        // a client may hang up as soon as it has seen `[DONE]`
        if !self.ended {
            self.end(if self.inner.summary().done { Outcome::Ok } else { Outcome::Cancelled });
        }
    }
}
