//! Bodies of answers, read under a limit and a deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::timeout;

use crate::AttemptError;

/// The longest refusal that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How long it is waited for.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// What a refusal says, as far as it comes at once: the next candidate does not wait for its end.
pub(crate) async fn read_refusal(mut response: Response) -> Option<Bytes> {
    let mut body = BytesMut::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= MAX_ERROR_BYTES {
                break;
            }
        }
    };
    let _ = timeout(REFUSAL_PATIENCE, read).await;
    body.truncate(MAX_ERROR_BYTES);
    Some(body.freeze())
}

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn read(
    mut response: Response,
    limit: usize,
    idle: Duration,
) -> Result<Bytes, AttemptError> {
    let too_long = || AttemptError::malformed(format!("the answer is longer than {limit} bytes"));
    if response.content_length().is_some_and(|n| n > limit as u64) {
        return Err(too_long());
    }
    let first = next(&mut response, idle).await?.unwrap_or_default();
    let Some(second) = next(&mut response, idle).await? else { return Ok(first) };
    let mut body = BytesMut::from(&first[..]);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        body.extend_from_slice(&bytes);
        if body.len() > limit {
            return Err(too_long());
        }
        chunk = next(&mut response, idle).await?;
    }
    Ok(body.freeze())
}

/// The next bytes of a body, `None` at its end.
pub(crate) async fn next(response: &mut Response, idle: Duration) -> Result<Option<Bytes>, AttemptError> {
    match timeout(idle, response.chunk()).await {
        Ok(chunk) => chunk.map_err(AttemptError::broken),
        Err(_) => Err(AttemptError::late("the answer stopped: no byte", idle)),
    }
}
