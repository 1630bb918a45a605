//! A streamed answer on its way from a backend to a client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header;
use pointsman_protocol::{SseEvents, SseSummary};
use reqwest::Response;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::yield_now,
    time::{Instant, timeout},
};

use crate::{AttemptError, client::next};

/// The most pieces of a body that are put into one write.
const MAX_BATCH: usize = 16;
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
    /// A failure that came behind events which the client has to see first.
    failed: Option<AttemptError>,
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
        let mut stream = Self {
            response,
            events,
            head: None,
            idle,
            deadline,
            failed: None,
            ended: false,
            _permit: permit,
        };
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
        let item = match self.failed.take() {
            Some(error) => Some(Err(error)),
            None => self.read().await.transpose(),
        };
        match item {
            Some(Ok(events)) => Some(Ok(self.with_what_is_here(events).await)),
            item => {
                self.ended |= matches!(item, Some(Err(_)));
                item
            }
        }
    }

    /// Adds the events that have arrived meanwhile, without waiting: a burst becomes one write to the client.
    async fn with_what_is_here(&mut self, events: Bytes) -> Bytes {
        let mut batch = Vec::new();
        for _ in 0..MAX_BATCH {
            if self.ended || self.failed.is_some() || self.summary().done {
                break;
            }
            // lets the connection's task hand over what it has read
            yield_now().await;
            let more = match self.response.chunk().now_or_never() {
                Some(Ok(Some(chunk))) => {
                    self.events.push(chunk).map_err(|e| AttemptError::protocol(e.to_string()))
                }
                Some(Err(error)) => Err(AttemptError::transport(error)),
                // the end of the body is seen again by the next read
                Some(Ok(None)) | None => break,
            };
            match more {
                Ok(more) if more.is_empty() => {}
                Ok(more) => {
                    if batch.is_empty() {
                        batch.extend_from_slice(&events);
                    }
                    batch.extend_from_slice(&more);
                }
                Err(error) => self.failed = Some(error),
            }
        }
        if batch.is_empty() { events } else { batch.into() }
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
