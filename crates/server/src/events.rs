//! The body of a streamed answer: events as they come, and a sign of life while none does.

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use pointsman_engine::{ChatReply, EngineError, ReplyBody, ReplyMeta, ReplyStream};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::ReusableBoxFuture;

use crate::errors::HttpError;

/// A request whose answer has not begun.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<ChatReply, EngineError>> + Send>>;

/// What is said, as comments of the stream, when an answer that was waited for begins.
pub(crate) type Opening = Box<dyn FnOnce(ReplyMeta) -> Bytes + Send>;

/// How events are shown to the client.
pub(crate) trait Shape: Send + 'static {
    /// Whole events of OpenAI's shape in that of the client; may be empty.
    fn show(&mut self, events: Bytes) -> Bytes;
    /// A sign of life.
    fn keep_alive(&self) -> &'static [u8];
}

/// OpenAI's own.
pub(crate) struct AsIs;

impl Shape for AsIs {
    fn show(&mut self, events: Bytes) -> Bytes {
        events
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }
}

type Next = (Option<Bytes>, Option<Box<ReplyStream>>);

/// What comes next.
enum Piece {
    /// Events of the answer, in OpenAI's shape.
    Events(Bytes),
    /// Comments of our own, which are the same for all.
    Comments(Bytes),
}

/// The body.
pub(crate) struct Events {
    state: State,
    shape: Box<dyn Shape>,
    /// Ticks twice in the time after which the client is to hear from us: to move a timer for every event is dear.
    tick: Pin<Box<Sleep>>,
    half: Duration,
    /// Ticks since the client has heard something.
    quiet: u32,
    /// The place among the streams of a key.
    _place: Option<OwnedSemaphorePermit>,
}

enum State {
    /// Nobody has answered yet.
    Pending(Pending, Option<Opening>),
    Open(ReusableBoxFuture<'static, Next>),
    Over,
}

async fn next(mut stream: Box<ReplyStream>) -> Next {
    // a panic must not look like the end of the answer
    match AssertUnwindSafe(stream.next()).catch_unwind().await {
        Ok(Some(bytes)) => (Some(bytes), Some(stream)),
        Ok(None) => (None, None),
        Err(_) => {
            stream.panicked();
            (Some(HttpError::panicked().event()), None)
        }
    }
}

impl Events {
    fn new(
        state: State,
        shape: Box<dyn Shape>,
        keep_alive: Duration,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let half = keep_alive / 2;
        Self { state, shape, tick: Box::pin(sleep(half)), half, quiet: 0, _place: place }
    }

    /// An answer whose first content is here.
    pub(crate) fn open(
        stream: Box<ReplyStream>,
        shape: Box<dyn Shape>,
        keep_alive: Duration,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self::new(State::Open(ReusableBoxFuture::new(next(stream))), shape, keep_alive, place)
    }

    /// An answer that is waited for: the client hears from us meanwhile.
    pub(crate) fn pending(
        pending: Pending,
        opening: Opening,
        shape: Box<dyn Shape>,
        keep_alive: Duration,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let mut events = Self::new(State::Pending(pending, Some(opening)), shape, keep_alive, place);
        // the first sign is due at once
        events.tick = Box::pin(sleep(Duration::ZERO));
        events.quiet = 1;
        events
    }

    /// The next events as they came.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match &mut self.state {
            State::Over => Poll::Ready(None),
            State::Pending(pending, opening) => {
                let Poll::Ready(answer) = pending.poll_unpin(cx) else { return Poll::Pending };
                let failure = match answer {
                    Ok(ChatReply { body: ReplyBody::Stream(stream), meta }) => {
                        let comments = opening.take().map(|opening| opening(meta)).unwrap_or_default();
                        self.state = State::Open(ReusableBoxFuture::new(next(stream)));
                        return Poll::Ready(Some(Piece::Comments(comments)));
                    }
                    Ok(_) => HttpError::panicked(),
                    Err(error) => HttpError::from(error),
                };
                self.state = State::Over;
                Poll::Ready(Some(Piece::Events(failure.event())))
            }
            State::Open(coming) => {
                let Poll::Ready((bytes, stream)) = coming.poll(cx) else { return Poll::Pending };
                match stream {
                    Some(stream) => coming.set(next(stream)),
                    None => self.state = State::Over,
                }
                Poll::Ready(bytes.map(Piece::Events))
            }
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.poll(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(piece)) => {
                    let shown = match piece {
                        Piece::Events(events) => self.shape.show(events),
                        Piece::Comments(comments) => comments,
                    };
                    if !shown.is_empty() {
                        self.quiet = 0;
                        return Poll::Ready(Some(Ok(shown)));
                    }
                }
                Poll::Pending => {
                    if self.tick.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let next = Instant::now() + self.half;
                    self.tick.as_mut().reset(next);
                    self.quiet += 1;
                    if self.quiet >= 2 {
                        self.quiet = 0;
                        return Poll::Ready(Some(Ok(Bytes::from_static(self.shape.keep_alive()))));
                    }
                }
            }
        }
    }
}
