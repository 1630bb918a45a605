//! A streamed answer on its way from a backend to a client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header;
use pointsman_dialects::backend::{BackendDialect, BackendStream};
use pointsman_protocol::{Answer, SseError, SseEvents, SseSummary};
use pointsman_types::Outcome;
use reqwest::Response;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

use crate::{
    AttemptError, Pass, dialect,
    reading::{next, read},
    refusal,
    secrets::Secrets,
};

/// The most pieces of a body that are put into one write.
const MAX_BATCH: usize = 16;
/// How long a connection may stay open after `[DONE]` before it is given up for reuse.
const GRACE_AFTER_DONE: Duration = Duration::from_millis(50);

/// What a stream has to keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamRules {
    /// The longest event.
    pub(crate) max_event_bytes: usize,
    /// The longest silence.
    pub(crate) idle: Duration,
    /// The longest that the whole answer may take.
    pub(crate) total: Duration,
    /// Either of a finish reason and `[DONE]` is an end.
    pub(crate) lenient: bool,
}

/// Whole events, from the first content on. Dropping it closes the connection to the backend.
#[derive(Debug)]
pub struct AnswerStream {
    /// `None` where the answer came whole.
    response: Option<Response>,
    /// Turns what the backend says into OpenAI's events.
    own: Option<BackendStream>,
    events: SseEvents,
    /// What came before and with the first content.
    head: Option<Bytes>,
    idle: Duration,
    total: Duration,
    deadline: Instant,
    /// A failure that came behind events which the client has to see first.
    failed: Option<AttemptError>,
    /// A stream without `[DONE]`, or without a finish reason, is whole all the same.
    lenient: bool,
    ended: bool,
    secrets: Secrets,
    _place: Pass,
}

impl AnswerStream {
    /// Reads up to the first content, or to the end of an answer without any.
    pub(crate) async fn open(
        response: Response,
        model: &str,
        rules: StreamRules,
        own: Option<(BackendDialect, BackendStream)>,
        deadline: Instant,
        place: Pass,
    ) -> Result<Self, AttemptError> {
        let StreamRules { max_event_bytes, idle, total, lenient } = rules;
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let expected = match &own {
            Some((BackendDialect::Ollama, _)) => "application/",
            _ => "text/event-stream",
        };
        let content_type = content_type.map(str::to_ascii_lowercase);
        let other = content_type.filter(|t| !t.starts_with(expected));
        let is_whole = other.as_ref().is_some_and(|t| t.starts_with("application/json"));
        if let Some(other) = other.filter(|_| !is_whole) {
            return Err(AttemptError::malformed(format!("asked for a stream of events, got {other:?}")));
        }
        let spoken = own.as_ref().map(|(dialect, _)| *dialect);
        let mut stream = Self {
            response: None,
            own: own.map(|(_, stream)| stream),
            events: SseEvents::new(model, max_event_bytes).lenient(lenient),
            head: None,
            idle,
            total,
            deadline,
            failed: None,
            lenient,
            ended: false,
            secrets: Secrets::default(),
            _place: place,
        };
        if is_whole {
            let left = deadline.saturating_duration_since(Instant::now());
            let body = read(response, max_event_bytes, idle.min(left)).await?;
            stream.of_whole(body, model, spoken)?;
            return Ok(stream);
        }
        stream.response = Some(response);
        let mut head = BytesMut::new();
        while !stream.summary().content && !stream.summary().finished {
            match stream.read().await? {
                Some(bytes) if head.is_empty() => head = BytesMut::from(bytes),
                Some(bytes) => head.extend_from_slice(&bytes),
                None if stream.summary().events == 0 && stream.failed.is_none() => {
                    return Err(AttemptError::truncated("the stream is empty"));
                }
                None => break,
            }
            if let Some(error) = stream.failed.take_if(|_| !stream.events.summary().content) {
                return Err(error);
            }
            if head.len() > max_event_bytes {
                return Err(AttemptError::malformed("no content in the first events"));
            }
        }
        stream.head = Some(head.freeze());
        Ok(stream)
    }

    /// An answer that came whole, although a stream was asked for.
    fn of_whole(
        &mut self,
        mut body: Bytes,
        model: &str,
        spoken: Option<BackendDialect>,
    ) -> Result<(), AttemptError> {
        if let Some(dialect) = spoken {
            let answer = dialect.answer(&body, model, dialect::unix_time());
            body = answer.map_err(AttemptError::malformed)?.into();
        }
        let answer = Answer::read(body, model).map_err(refusal::in_answer)?;
        self.head = Some(self.events.push(answer.as_events()).map_err(in_stream)?);
        if let Some(failure) = self.events.take_failure() {
            return Err(in_stream(failure));
        }
        self.ended = true;
        Ok(())
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
        match self.read().await {
            Ok(Some(events)) => Some(Ok(self.with_what_is_here(events).await)),
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                Some(Err(self.secrets.hide(error)))
            }
        }
    }

    /// What no error may say.
    pub(crate) fn hide(&mut self, secrets: Secrets) {
        self.secrets = secrets;
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
            let Some(response) = &mut self.response else { break };
            let more = match response.chunk().now_or_never() {
                Some(Ok(Some(chunk))) => self.push(chunk),
                Some(Err(error)) => Err(AttemptError::broken(error)),
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
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let done = self.events.summary().done;
        loop {
            let Some(response) = self.response.as_mut().filter(|_| !self.ended) else { return Ok(None) };
            if done {
                // all is said; an answer read to its end leaves a connection that can be used again
                self.ended = true;
                let _ = timeout(GRACE_AFTER_DONE, response.chunk()).await;
                return Ok(None);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let late = || AttemptError::late("the answer was not over", self.total);
            // a backend that never pauses is late all the same
            if left.is_zero() {
                return Err(late());
            }
            let chunk = match next(response, self.idle.min(left)).await {
                Err(error) if error.outcome == Outcome::Timeout && self.deadline <= Instant::now() => {
                    return Err(late());
                }
                read => read?,
            };
            let Some(chunk) = chunk else {
                let rest = match self.own.take() {
                    Some(mut own) => own.finish().map_err(AttemptError::malformed)?,
                    None => Vec::new(),
                };
                let rest = if rest.is_empty() { Bytes::new() } else { self.push(rest.into())? };
                if rest.is_empty() {
                    return self.end();
                }
                return Ok(Some(rest));
            };
            let events = self.push(chunk)?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
    }

    /// The events that are whole now; what is wrong behind them is kept for the next call.
    fn push(&mut self, chunk: Bytes) -> Result<Bytes, AttemptError> {
        let chunk = match &mut self.own {
            Some(own) => own.push(&chunk).map_err(AttemptError::malformed)?.into(),
            None => chunk,
        };
        if chunk.is_empty() {
            return Ok(chunk);
        }
        let events = self.events.push(chunk).map_err(in_stream)?;
        self.failed = self.events.take_failure().map(in_stream);
        Ok(events)
    }

    /// The body is over: was the answer?
    fn end(&mut self) -> Result<Option<Bytes>, AttemptError> {
        self.ended = true;
        let rest = self.events.finish().map_err(in_stream)?;
        if let Some(failure) = self.events.take_failure() {
            self.failed = Some(in_stream(failure));
            return Ok(Some(rest));
        }
        let SseSummary { finished, done, events, .. } = *self.summary();
        if events > 0 && !done && !(finished && self.lenient) {
            let what = if finished { "before its last event" } else { "before the answer was finished" };
            let error = AttemptError::truncated(format!("the stream broke off {what}"));
            if rest.is_empty() {
                return Err(error);
            }
            self.failed = Some(error);
            return Ok(Some(rest));
        }
        if events > 0 && !done {
            // clients wait for it
            return Ok(Some([&rest[..], b"data: [DONE]\n\n"].concat().into()));
        }
        Ok((!rest.is_empty()).then_some(rest))
    }
}

fn in_stream(error: SseError) -> AttemptError {
    match error {
        SseError::Unfinished => AttemptError::truncated(error.to_string()),
        SseError::Error(told) => refusal::reported(told),
        error => AttemptError::malformed(error.to_string()),
    }
}
