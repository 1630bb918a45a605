//! One attempt at one backend.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pointsman_protocol::Answer;
use pointsman_types::{BackendId, Outcome};
use reqwest::{Client, Request, Response, Url};
use secrecy::ExposeSecret;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{AnswerStream, AttemptError, Timeouts, UpstreamError, UpstreamSettings};

/// The longest error body that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A checked answer.
#[derive(Debug)]
pub enum Reply {
    /// The whole answer.
    Json(Answer),
    /// A stream whose first content is here.
    Stream(Box<AnswerStream>),
}

/// The clients of all backends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transport {
    backends: Arc<HashMap<BackendId, Backend>>,
}

#[derive(Debug)]
struct Backend {
    client: Client,
    chat_url: Url,
    headers: HeaderMap,
    timeouts: Timeouts,
    limit: Arc<Semaphore>,
    max_answer_bytes: usize,
    max_event_bytes: usize,
}

impl Transport {
    /// A transport to these backends. Connects to none of them yet.
    pub fn new(settings: Vec<UpstreamSettings>) -> Result<Self, UpstreamError> {
        let mut backends = HashMap::with_capacity(settings.len());
        for settings in settings {
            backends.insert(settings.endpoint.id.clone(), Backend::new(&settings)?);
        }
        Ok(Self { backends: Arc::new(backends) })
    }

    /// Sends a chat request to `backend` and waits for its first content byte, or for the whole answer if
    /// it is not streamed. `model` is put into an answer that does not name its model.
    pub async fn chat(
        &self,
        backend: &BackendId,
        model: &str,
        body: Bytes,
        stream: bool,
    ) -> Result<Reply, AttemptError> {
        let Some(backend) = self.backends.get(backend) else {
            return Err(AttemptError::new(Outcome::Connect, format!("backend {backend} is gone")));
        };
        let Ok(permit) = backend.limit.clone().try_acquire_owned() else {
            return Err(AttemptError::new(Outcome::RateLimited, "the backend is at its concurrency limit"));
        };
        let started = Instant::now();
        let Timeouts { first_byte, total, .. } = backend.timeouts;
        let deadline = started + first_byte.min(total);
        let answered = timeout_at(deadline, backend.answer(model, body, stream, started, permit)).await;
        answered.unwrap_or_else(|_| Err(AttemptError::late("no answer", first_byte.min(total))))
    }
}

impl Backend {
    fn new(settings: &UpstreamSettings) -> Result<Self, UpstreamError> {
        let backend = settings.endpoint.id.clone();
        let bad_url = |why: String| UpstreamError::BaseUrl {
            backend: backend.clone(),
            url: settings.endpoint.base_url.to_string(),
            why,
        };
        let chat_url = format!("{}/chat/completions", settings.endpoint.base_url.trim_end_matches('/'));
        let chat_url = Url::parse(&chat_url).map_err(|e| bad_url(e.to_string()))?;
        if !matches!(chat_url.scheme(), "http" | "https") {
            return Err(bad_url("not http or https".to_owned()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &settings.api_key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()));
            let mut value = value.map_err(|_| UpstreamError::Key { backend: backend.clone() })?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Self {
            client: client(&chat_url, settings.timeouts.connect)
                .map_err(|e| UpstreamError::Client { backend, why: e.to_string() })?,
            chat_url,
            headers,
            timeouts: settings.timeouts,
            limit: Arc::new(Semaphore::new(settings.max_concurrency.min(Semaphore::MAX_PERMITS))),
            max_answer_bytes: settings.max_answer_bytes,
            max_event_bytes: settings.max_event_bytes,
        })
    }

    async fn answer(
        &self,
        model: &str,
        body: Bytes,
        stream: bool,
        started: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Result<Reply, AttemptError> {
        let mut request = Request::new(Method::POST, self.chat_url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = Some(body.into());
        let response = self.client.execute(request).await.map_err(AttemptError::transport)?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response, self.timeouts.idle).await);
        }
        if stream {
            let total = started + self.timeouts.total;
            let stream =
                AnswerStream::open(response, model, self.max_event_bytes, self.timeouts.idle, total, permit);
            return Ok(Reply::Stream(Box::new(stream.await?)));
        }
        let body = read(response, self.max_answer_bytes, self.timeouts.idle).await?;
        let answer = Answer::read(body, model).map_err(|e| AttemptError::protocol(e.to_string()))?;
        Ok(Reply::Json(answer))
    }
}

fn client(url: &Url, connect: Duration) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(1024)
        .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
    // a proxy from the environment is for the world outside, not for this machine
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if loopback { builder.no_proxy() } else { builder }.build()
}

/// The whole body, if it has at most `limit` bytes.
async fn read(mut response: Response, limit: usize, idle: Duration) -> Result<Bytes, AttemptError> {
    let too_long = || AttemptError::protocol(format!("the answer is longer than {limit} bytes"));
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
    match timeout_at(Instant::now() + idle, response.chunk()).await {
        Ok(chunk) => chunk.map_err(AttemptError::transport),
        Err(_) => Err(AttemptError::late("the answer stopped: no byte", idle)),
    }
}

/// What a status other than 200 means. The request is at fault only where another backend would say the
/// same: a key or a model that this backend does not know is this backend's affair.
async fn refusal(response: Response, idle: Duration) -> AttemptError {
    let status = response.status();
    let outcome = match status.as_u16() {
        408 | 504 => Outcome::Timeout,
        429 => Outcome::RateLimited,
        401 | 403 | 404 | 405 => Outcome::Protocol,
        400..500 => Outcome::ClientError,
        500.. => Outcome::ServerError,
        _ => Outcome::Protocol,
    };
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    let retry_after =
        header(header::RETRY_AFTER).and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
    let redirect = status.is_redirection();
    let body = read(response, MAX_ERROR_BYTES, idle).await.ok();
    let said = body.as_ref().and_then(|b| error_message(b));
    let message = match said {
        _ if redirect => format!("the backend redirects ({status}); redirects are not followed"),
        Some(said) => format!("the backend answered {status}: {said}"),
        None => format!("the backend answered {status}"),
    };
    AttemptError { outcome, message, status: Some(status.as_u16()), retry_after, body }
}

fn error_message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").unwrap_or(&value);
    let text = error.get("message").or(Some(error))?.as_str()?;
    Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
}
