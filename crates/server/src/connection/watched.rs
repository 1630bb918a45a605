//! Answers over HTTP/2, where a client can leave one stream unread and go on with others: the connection never stands
//! still, so each stream is watched by itself.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    body::{Frame, SizeHint},
    rt::Executor,
};
use tokio::sync::watch;

use super::{Open, unchanged};

/// The most that is handed to an HTTP/2 stream at once. It buffers what it was handed, whatever the client reads; and
/// that a client reads shows in that the next piece is asked for.
const PIECE: usize = 16 << 10;

tokio::task_local! {
    /// Whether the stream of this task was handed a piece and has not asked for the next.
    static HANDED: watch::Sender<bool>;
}

/// Runs the streams of HTTP/2 connections, and drops (which resets) those whose client does not read for so long.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) stall: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (handed, seen) = watch::channel(false);
        let stalled = unchanged(seen, self.stall, |handed| Some(*handed));
        tokio::spawn(async move {
            tokio::select! {
                _ = HANDED.scope(handed, stream) => {}
                () = stalled => tracing::debug!("a stream that its client does not read was dropped"),
            }
        });
    }
}

/// The body of an answer. Its request is open until it is dropped.
pub(super) struct Watched {
    body: Body,
    /// Only over HTTP/2: what was not handed over yet of the piece that came last, and who hears of it.
    handed: Option<(Bytes, watch::Sender<bool>)>,
    _open: Option<Open>,
}

impl Watched {
    pub(super) fn new(body: Body, open: Option<Open>) -> Self {
        let handed = HANDED.try_with(|handed| (Bytes::new(), handed.clone())).ok();
        Self { body, handed, _open: open }
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let me = self.get_mut();
        let Some((rest, handed)) = &mut me.handed else { return Pin::new(&mut me.body).poll_frame(cx) };
        if rest.is_empty() {
            match Pin::new(&mut me.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => *rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => {
                    // it is the backend that is waited for
                    handed.send_replace(false);
                    return other;
                }
            }
        }
        handed.send_replace(true);
        let piece = rest.split_to(rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.handed.as_ref().is_none_or(|(rest, _)| rest.is_empty()) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.handed.as_ref().map_or(0, |(rest, _)| rest.len() as u64);
        let (hint, mut whole) = (self.body.size_hint(), SizeHint::new());
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}
