//! One attempt at one backend.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pointsman_dialects::backend::BackendDialect;
use pointsman_protocol::Answer;
use pointsman_types::{BackendId, Outcome, Priority};
use reqwest::{Client, Request, Response, Url};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use crate::{
    AnswerStream, AttemptError, Crowded, Gate, Pass, Timeouts, UpstreamError, UpstreamSettings,
    answer_stream::StreamRules,
    dialect::{self, Dialect, WireDialect},
    limits,
    reading::{read, read_refusal},
    refusal,
    secrets::Secrets,
};

/// How late a timer is, at the least.
const LATENESS: Duration = Duration::from_millis(1);
/// What providers call their own id of a request.
const REQUEST_IDS: [&str; 2] = ["x-request-id", "request-id"];

/// What is asked of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
}

/// One request to one backend.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What is asked.
    pub operation: Operation,
    /// The name that is put into an answer without one.
    pub model: &'a str,
    /// What the backend calls the model.
    pub upstream_model: &'a str,
    /// OpenAI's shape, the model named as the backend names it.
    pub body: Bytes,
    /// Events are asked for.
    pub stream: bool,
    /// Headers of the client that go on to any backend.
    pub headers: &'a HeaderMap,
    /// The client's own key, for backends that take it: a value of `Authorization`.
    pub authorization: Option<&'a HeaderValue>,
}

/// A checked answer.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub body: ReplyBody,
    /// The answer used up the last of a limit: how long not to ask again.
    pub limited: Option<Duration>,
    /// The backend's own id of the request.
    pub request_id: Option<HeaderValue>,
    /// What could not be carried over into the backend's dialect.
    pub dropped: Vec<String>,
}

/// What was answered.
#[derive(Debug)]
pub enum ReplyBody {
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
    /// Without a slash at its end.
    base: String,
    /// Where chat completions are, read once: most requests go there.
    chat: Url,
    dialect: Dialect,
    headers: HeaderMap,
    secrets: Secrets,
    own_keys: bool,
    timeouts: Timeouts,
    gate: Gate,
    max_answer_bytes: usize,
    stream_rules: StreamRules,
}

/// An answer whose headers are here.
struct Opened {
    response: Response,
    spoken: Option<BackendDialect>,
    dropped: Vec<String>,
    limited: Option<Duration>,
}

impl Transport {
    /// A transport to these backends. Connects to none of them yet. What is under way to a backend that was there
    /// `before` goes on to count.
    pub fn new(settings: Vec<UpstreamSettings>, before: Option<&Self>) -> Result<Self, UpstreamError> {
        let mut backends = HashMap::with_capacity(settings.len());
        for settings in settings {
            let known = before.and_then(|before| before.backends.get(&settings.endpoint.id));
            let gate =
                Gate::after(known.map(|known| &known.gate), settings.max_concurrency, settings.max_waiting);
            backends.insert(settings.endpoint.id.clone(), Backend::new(&settings, gate)?);
        }
        Ok(Self { backends: Arc::new(backends) })
    }

    /// A place among the requests in flight to a backend, if one is free.
    pub fn try_place(&self, backend: &BackendId) -> Option<Pass> {
        self.backends.get(backend)?.gate.try_enter()
    }

    /// A place among the requests in flight to a backend, waited for in line.
    pub async fn place(
        &self,
        backend: &BackendId,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Pass, Crowded> {
        match self.backends.get(backend) {
            Some(backend) => backend.gate.enter(priority, deadline).await,
            None => Err(Crowded::Full),
        }
    }

    /// For each backend its name, how many requests are in flight, and how many wait for a place.
    pub fn loads(&self) -> impl Iterator<Item = (&BackendId, (usize, usize))> {
        self.backends.iter().map(|(id, backend)| (id, backend.gate.load()))
    }

    /// Sends a request to `backend` and waits for its first content byte, or for the whole answer if it is not
    /// streamed. The place is given back with the end of the answer.
    pub async fn send(
        &self,
        backend: &BackendId,
        place: Pass,
        call: Call<'_>,
    ) -> Result<Reply, AttemptError> {
        let Some(backend) = self.backends.get(backend) else {
            return Err(AttemptError::new(Outcome::Connect, format!("backend {backend} is gone")));
        };
        let mut secrets = backend.secrets.clone();
        if let Some(own) = call.authorization.filter(|_| backend.own_keys).and_then(|own| own.to_str().ok()) {
            secrets.add(own.strip_prefix("Bearer ").unwrap_or(own).trim());
        }
        let answered = backend.answer(call, Instant::now(), place, &secrets).await;
        answered.map_err(|error| secrets.hide(error))
    }
}

impl Backend {
    fn new(settings: &UpstreamSettings, gate: Gate) -> Result<Self, UpstreamError> {
        let backend = settings.endpoint.id.clone();
        let bad_url = |why: String| UpstreamError::BaseUrl {
            backend: backend.clone(),
            url: settings.endpoint.base_url.to_string(),
            why,
        };
        let base = settings.endpoint.base_url.trim_end_matches('/');
        let url = Url::parse(base).map_err(|e| bad_url(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_url("not http or https".to_owned()));
        }
        let chat = Url::parse(&format!("{base}{}", dialect::CHAT_PATH));
        let chat = chat.map_err(|e| bad_url(e.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut secrets = Secrets::default();
        if let Some(key) = &settings.api_key {
            secrets.add(key.expose_secret());
            let (name, before) = dialect::key_header(settings.dialect);
            let value = HeaderValue::from_str(&format!("{before}{}", key.expose_secret()));
            let mut value = value.map_err(|_| UpstreamError::Key { backend: backend.clone() })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if settings.dialect == WireDialect::Anthropic {
            headers.insert(dialect::ANTHROPIC_VERSION.0, dialect::ANTHROPIC_VERSION.1);
        }
        Ok(Self {
            client: client(&url, settings.timeouts.connect, settings.endpoint.local)
                .map_err(|e| UpstreamError::Client { backend, why: e.to_string() })?,
            base: base.to_owned(),
            chat,
            dialect: Dialect::new(settings.dialect),
            headers,
            secrets,
            own_keys: settings.own_keys,
            timeouts: settings.timeouts,
            gate,
            max_answer_bytes: settings.max_answer_bytes,
            stream_rules: StreamRules {
                max_event_bytes: settings.max_event_bytes,
                idle: settings.timeouts.idle,
                total: settings.timeouts.total,
                lenient: settings.lenient_streams,
            },
        })
    }

    /// The request as this backend takes it, and what could not be carried over.
    fn request(
        &self,
        call: &Call<'_>,
        dialect: Option<BackendDialect>,
    ) -> Result<(Request, Vec<String>), AttemptError> {
        let outgoing = dialect::outgoing(call, dialect)?;
        let url = if outgoing.path == dialect::CHAT_PATH {
            self.chat.clone()
        } else {
            let base = dialect::base_of(&self.base, dialect);
            let url = Url::parse(&format!("{base}{}", outgoing.path));
            url.map_err(|e| AttemptError::new(Outcome::Untranslatable, e.to_string()))?
        };
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        for (name, value) in call.headers {
            headers.insert(name, value.clone());
        }
        if let Some(own) = call.authorization.filter(|_| self.own_keys) {
            headers.remove(dialect::key_header(self.dialect.configured()).0);
            let (name, value) = dialect::own_key(self.dialect.configured(), own);
            headers.insert(name, value);
        }
        *request.body_mut() = Some(outgoing.body.into());
        Ok((request, outgoing.dropped))
    }

    /// The first byte, and of a stream the first content, is due by one deadline; the end of a whole answer by another.
    async fn answer(
        &self,
        call: Call<'_>,
        started: Instant,
        place: Pass,
        secrets: &Secrets,
    ) -> Result<Reply, AttemptError> {
        let Timeouts { first_byte, total, .. } = self.timeouts;
        let due = first_byte.min(total);
        let late = |due| move |_| AttemptError::late("no answer", due);
        let opened = timeout_at(started + on_time(due), self.open(&call)).await.map_err(late(due))??;
        let due = if call.stream { due } else { total };
        let Opened { response, spoken, dropped, limited } = opened;
        let id = |name: &&str| response.headers().get(*name).cloned();
        let request_id = REQUEST_IDS.iter().find_map(id);
        let body = self.body(response, &call, spoken, started, place);
        let mut body = timeout_at(started + on_time(due), body).await.map_err(late(due))??;
        if let ReplyBody::Stream(stream) = &mut body {
            stream.hide(secrets.clone());
        }
        Ok(Reply { body, limited, request_id, dropped })
    }

    /// Asks, up to the headers of an answer that is none of a refusal.
    async fn open(&self, call: &Call<'_>) -> Result<Opened, AttemptError> {
        let mut spoken = self.dialect.spoken(call.operation);
        let (mut response, mut dropped) = self.ask(call, spoken).await?;
        if let Some(other) = self.dialect.other(response.status(), spoken, call.operation) {
            let status = response.status();
            let body = read_refusal(response).await;
            if !dialect::is_missing_route(body.as_deref().unwrap_or_default()) {
                return Err(refusal::error(status, body));
            }
            spoken = Some(other);
            (response, dropped) = self.ask(call, spoken).await?;
            if response.status() == StatusCode::OK {
                self.dialect.learn();
            }
        }
        let status = response.status();
        let limited = limits::wait(response.headers(), status != StatusCode::OK, SystemTime::now());
        if status != StatusCode::OK {
            let body = read_refusal(response).await;
            let body = match spoken {
                Some(dialect) => body.map(|body| dialect.error(status.as_u16(), &body).into()),
                None => body,
            };
            return Err(AttemptError { retry_after: limited, ..refusal::error(status, body) });
        }
        Ok(Opened { response, spoken, dropped, limited })
    }

    async fn ask(
        &self,
        call: &Call<'_>,
        dialect: Option<BackendDialect>,
    ) -> Result<(Response, Vec<String>), AttemptError> {
        let (request, dropped) = self.request(call, dialect)?;
        let response = self.client.execute(request).await.map_err(AttemptError::transport)?;
        Ok((response, dropped))
    }

    async fn body(
        &self,
        response: Response,
        call: &Call<'_>,
        dialect: Option<BackendDialect>,
        started: Instant,
        place: Pass,
    ) -> Result<ReplyBody, AttemptError> {
        if call.stream {
            let total = started + self.timeouts.total;
            let own = dialect.map(|dialect| {
                let (now, most) = (dialect::unix_time(), self.stream_rules.max_event_bytes);
                (dialect, dialect.stream(&call.body, call.model, now, most))
            });
            let stream = AnswerStream::open(response, call.model, self.stream_rules, own, total, place);
            return Ok(ReplyBody::Stream(Box::new(stream.await?)));
        }
        let mut body = read(response, self.max_answer_bytes, self.timeouts.idle).await?;
        if let Some(dialect) = dialect {
            let answer = match call.operation {
                Operation::Chat => dialect.answer(&body, call.model, dialect::unix_time()),
                Operation::Embeddings => dialect.embeddings_answer(&call.body, &body, call.model),
            };
            body = answer.map_err(AttemptError::malformed)?.into();
        }
        let answer = match call.operation {
            Operation::Chat => Answer::read(body, call.model),
            Operation::Embeddings => Answer::read_embeddings_for(&call.body, body, call.model),
        };
        Ok(ReplyBody::Json(answer.map_err(refusal::in_answer)?))
    }
}

/// `local`: own infrastructure.
fn client(url: &Url, connect: Duration, local: bool) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(1024)
        .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
    // a proxy from the environment is for the world outside
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if loopback || local { builder.no_proxy() } else { builder }.build()
}

/// A deadline of which the next candidate hears when it is due: timers count in whole milliseconds and fire one to two of
/// them late, so one is taken off, or a twentieth of what is shorter.
fn on_time(due: Duration) -> Duration {
    due.saturating_sub(LATENESS.min(due / 20))
}
