//! A request body, read whole under a limit and a deadline.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

/// How much of a body that is too long is read, and thrown away, so that the client gets to read the answer
/// instead of a reset; and for how long.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the body stood still for {idle:?}")]
    Slow { idle: Duration },
    #[error("the body ended early")]
    Broken,
}

/// Reads a body of at most `limit` bytes whose every piece comes within `idle`. One piece is not copied.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    idle: Duration,
) -> Result<Bytes, BodyError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let too_long = Err(BodyError::TooLong { limit });
    if announced.is_some_and(|n| n > limit) {
        // a client that asks first has sent nothing that would have to be thrown away
        if !headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return too_long;
    }
    let mut body = body;
    let Some(first) = piece(&mut body, idle).await? else { return Ok(Bytes::new()) };
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(first.len()).min(limit));
    let mut next = Some(first);
    while let Some(bytes) = next {
        if whole.len() + bytes.len() > limit {
            drop(whole);
            drain(body).await;
            return too_long;
        }
        whole.extend_from_slice(&bytes);
        next = piece(&mut body, idle).await?;
    }
    Ok(whole.freeze())
}

async fn piece(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = timeout(idle, body.frame()).await.map_err(|_| BodyError::Slow { idle })?;
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
