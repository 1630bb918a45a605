//! A request body, read whole under a limit, two deadlines and a budget that all requests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use pointsman_protocol::{ErrorBody, ErrorType};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::{ServerSettings, errors::HttpError};

/// How much of a body that is too long is read, and thrown away, so that the client gets to read the answer
/// instead of a reset; and for how long.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// What is reserved at once for a body that announces more: a promise costs its sender nothing.
const FIRST_BYTES: usize = 256 << 10;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the body {how} {time:?}")]
    Slow { how: &'static str, time: Duration },
    #[error("the body ended early")]
    Broken,
}

/// The bytes of bodies that are held now, over all requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffered(Arc<AtomicUsize>);

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    all: Buffered,
    taken: usize,
}

impl Room {
    fn none(all: &Buffered) -> Self {
        Self { all: all.clone(), taken: 0 }
    }

    /// Room for `bytes` more, where `most` over all requests allow it.
    fn grow(&mut self, bytes: usize, most: usize) -> Result<(), HttpError> {
        let before = self.all.0.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > most {
            self.all.0.fetch_sub(bytes, Ordering::Relaxed);
            let message = "the gateway holds as many bytes of request bodies as it may";
            let body = ErrorBody::new(ErrorType::ServerError, "overloaded", message);
            return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, &body).retry_after_a_second());
        }
        self.taken += bytes;
        Ok(())
    }

    /// These bytes, which give the room back when the last of them is let go.
    pub(crate) fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        struct Held<B>(B, #[expect(dead_code, reason = "held for its drop")] Room);
        impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        Bytes::from_owner(Held(bytes, self))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Reads a body within the limits of `settings`; also the room that it takes. One piece is not copied.
pub(crate) async fn read(
    all: &Buffered,
    settings: &ServerSettings,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Bytes, Room), HttpError> {
    let limit = settings.body_limit_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|n| n > limit) {
        // a client that asks first has sent nothing that would have to be thrown away
        if !headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return Err(BodyError::TooLong { limit }.into());
    }
    let pace = Pace::new(settings);
    let mut room = Room::none(all);
    let Some(first) = pace.piece(&mut body).await? else { return Ok((Bytes::new(), room)) };
    if announced == Some(first.len()) {
        room.grow(first.len(), settings.max_buffered_bytes)?;
        return Ok((first, room));
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(first.len()).min(FIRST_BYTES));
    let mut next = Some(first);
    while let Some(bytes) = next {
        if whole.len() + bytes.len() > limit {
            drop((whole, room));
            drain(body).await;
            return Err(BodyError::TooLong { limit }.into());
        }
        if let Err(full) = room.grow(bytes.len(), settings.max_buffered_bytes) {
            drop((whole, room));
            drain(body).await;
            return Err(full);
        }
        whole.extend_from_slice(&bytes);
        next = pace.piece(&mut body).await?;
    }
    Ok((whole.freeze(), room))
}

/// How fast a body has to come.
struct Pace {
    idle: Duration,
    whole: Duration,
    /// When it has to be whole.
    end: Instant,
}

impl Pace {
    fn new(settings: &ServerSettings) -> Self {
        let whole = settings.body_timeout;
        Self { idle: settings.read_timeout, whole, end: Instant::now() + whole }
    }

    async fn piece(&self, body: &mut Body) -> Result<Option<Bytes>, BodyError> {
        loop {
            let idle = Instant::now() + self.idle;
            let slow = if self.end < idle {
                BodyError::Slow { how: "was not whole after", time: self.whole }
            } else {
                BodyError::Slow { how: "stood still for", time: self.idle }
            };
            let frame = timeout_at(idle.min(self.end), body.frame()).await.map_err(|_| slow)?;
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(BodyError::Broken),
                // anything but data is a trailer: of no interest
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

async fn drain(mut body: Body) {
    let deadline = Instant::now() + DRAIN_TIME;
    let mut read = 0;
    while read < DRAIN_BYTES {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => read += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    fn settings() -> ServerSettings {
        ServerSettings {
            body_limit_bytes: 1000,
            body_timeout: Duration::from_secs(5),
            max_buffered_bytes: 1500,
            ..crate::settings::tests::settings()
        }
    }

    /// `pieces` of 100 bytes, each after `pause`.
    fn trickle(pieces: usize, pause: Duration) -> Body {
        Body::from_stream(stream::unfold(0, move |sent| async move {
            sleep(pause).await;
            (sent < pieces).then(|| (Ok::<_, Infallible>(Bytes::from(vec![b'x'; 100])), sent + 1))
        }))
    }

    async fn status(all: &Buffered, body: Body) -> Result<(Bytes, Room), StatusCode> {
        use axum::response::IntoResponse;
        let read = read(all, &settings(), &HeaderMap::new(), body).await;
        read.map_err(|error| error.into_response().status())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_has_an_end_although_it_never_stands_still() {
        let all = Buffered::default();
        let second = Duration::from_secs(1);
        assert_eq!(status(&all, trickle(4, second / 2)).await.unwrap().0.len(), 400);
        let started = Instant::now();
        let slow = status(&all, trickle(8, second)).await;
        assert_eq!(slow.unwrap_err(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(started.elapsed(), settings().body_timeout);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_what_may_be_held_and_give_it_back() {
        let all = Buffered::default();
        let (first, room) = status(&all, trickle(9, Duration::ZERO)).await.unwrap();
        let held = room.hold(first);
        let part = held.slice(10..20);
        drop(held);
        let refused = status(&all, trickle(9, Duration::ZERO)).await;
        assert_eq!(refused.unwrap_err(), StatusCode::SERVICE_UNAVAILABLE);
        drop(part);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
        assert!(status(&all, trickle(9, Duration::ZERO)).await.is_ok());
        assert_eq!(
            status(&all, trickle(11, Duration::ZERO)).await.unwrap_err(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}
