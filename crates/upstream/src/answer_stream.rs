//! A streamed answer on its way from a backend to a client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pointsman_protocol::{SseEvents, SseSummary};
use reqwest::Response;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use crate::{AttemptError, client::next};

/// How long a connection may stay open after `[DONE]` before it is given up for reuse.
const GRACE_AFTER_DONE: Duration = Duration::from_millis(50);

/// Whole events, from the first content on. Dropping it closes the connection to the backend.
#[derive(Debug)]
pub struct AnswerStream {
    response: Response,
    events: SseEvents,
    /// What came before and with the first content.
    head: Option<Bytes>,
    idle: Duration,
    deadline: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl AnswerStream {
    /// Reads up to the first content, or to the end of an answer without any.
    pub(crate) async fn open(
        response: Response,
        model: &str,
        max_event_bytes: usize,
        idle: Duration,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, AttemptError> {
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if let Some(other) = content_type.filter(|t| !t.starts_with("text/event-stream")) {
            return Err(AttemptError::protocol(format!("asked for a stream of events, got {other:?}")));
        }
        let events = SseEvents::new(model, max_event_bytes);
        let mut stream = Self { response, events, head: None, idle, deadline, ended: false, _permit: permit };
        let mut head = BytesMut::new();
        while !stream.summary().content && !stream.summary().finished {
            match stream.read().await? {
                Some(bytes) if head.is_empty() => head = BytesMut::from(bytes),
                Some(bytes) => head.extend_from_slice(&bytes),
                None if stream.summary().events == 0 => {
                    return Err(AttemptError::protocol("the stream is empty"));
                }
                None => break,
            }
            if head.len() > max_event_bytes {
                return Err(AttemptError::protocol("no content in the first events"));
            }
        }
        stream.head = Some(head.freeze());
        Ok(stream)
    }

    /// What was read so far.
    pub const fn summary(&self) -> &SseSummary {
        self.events.summary()
    }

    /// The next whole events; `None` after a complete answer. An error is the last item.
    pub async fn next(&mut self) -> Option<Result<Bytes, AttemptError>> {
        if let Some(head) = self.head.take().filter(|head| !head.is_empty()) {
            return Some(Ok(head));
        }
        let item = self.read().await.transpose();
        self.ended |= matches!(item, Some(Err(_)));
        item
    }

    /// The next bytes that hold at least one whole event.
    async fn read(&mut self) -> Result<Option<Bytes>, AttemptError> {
        if self.ended {
            return Ok(None);
        }
        if self.summary().done {
            // all is said; an answer read to its end leaves a connection that can be used again
            self.ended = true;
            let _ = timeout(GRACE_AFTER_DONE, self.response.chunk()).await;
            return Ok(None);
        }
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let chunk = next(&mut self.response, self.idle.min(left)).await?;
            let Some(chunk) = chunk else { return self.end() };
            let events = self.events.push(chunk).map_err(|e| AttemptError::protocol(e.to_string()))?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
    }

    /// The body is over: was the answer?
    fn end(&mut self) -> Result<Option<Bytes>, AttemptError> {
        self.ended = true;
        let rest = self.events.finish().map_err(|e| AttemptError::protocol(e.to_string()))?;
        let SseSummary { finished, done, events, .. } = *self.summary();
        if events > 0 && !finished && !done {
            return Err(AttemptError::protocol("the stream broke off before the answer was finished"));
        }
        if events > 0 && !done {
            // some backends leave it out; clients wait for it
            return Ok(Some([&rest[..], b"data: [DONE]\n\n"].concat().into()));
        }
        Ok((!rest.is_empty()).then_some(rest))
    }
}
