//! The routes. One file for each group, beside this one.

mod admin;
mod chat;
mod classify;
mod feedback;
mod models;
mod status;

use std::{
    ops::Deref,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use pointsman_engine::Engine;
use pointsman_protocol::{ErrorBody, ErrorType};
use pointsman_types::RequestId;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    ServerSettings,
    body::{self, Buffered, Room},
    errors::HttpError,
    headers,
    keys::{AdminKey, Keys},
};

/// What every route can reach. Cheap to clone: every layer of the router does, for every request.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    /// What a reload puts something else in the place of.
    pub(crate) live: Arc<Live>,
    /// Unix time of the start, for models whose age nobody knows.
    pub(crate) started: u64,
    /// What opens the admin routes; without it they are closed.
    pub(crate) admin_key: Option<AdminKey>,
    /// The bodies that are held.
    pub(crate) buffered: Buffered,
    /// Who reads the configuration again.
    pub(crate) reload: Option<ReloadSender>,
    /// Cancelled when a shutdown was asked for.
    pub(crate) stopping: CancellationToken,
}

/// Words of a header that are compared with our keys; what has more is no key of a backend either.
const MOST_WORDS: usize = 8;

/// Where a reload is asked for; it is answered with what was wrong, if anything was.
pub type ReloadSender = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

/// What a reload replaces. A request uses what was there when it came.
pub(crate) struct Live {
    pub(crate) engine: ArcSwap<Engine>,
    pub(crate) settings: ArcSwap<ServerSettings>,
    pub(crate) keys: ArcSwap<Keys>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.live.engine.load_full()
    }

    pub(crate) fn settings(&self) -> ServerSettings {
        **self.live.settings.load()
    }

    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.live.keys.load_full()
    }

    /// The whole body of a request, and the room that it takes as long as it is held.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Room), HttpError> {
        body::read(&self.buffered, &self.settings(), headers, body).await
    }

    /// Whether a header value holds one of our own keys, which no backend may see.
    pub(crate) fn is_ours(&self, value: &[u8]) -> bool {
        let keys = self.keys();
        if !keys.are_there() && self.admin_key.is_none() {
            return false;
        }
        let words = value.split(|byte| byte.is_ascii_whitespace() || *byte == b',');
        let words: Vec<&[u8]> = words.take(MOST_WORDS + 1).collect();
        if words.len() > MOST_WORDS {
            return true;
        }
        // every word is compared with every key, so that the time does not tell which of them it is
        words.into_iter().chain([value]).fold(false, |ours, word| {
            let admin = self.admin_key.as_ref().is_some_and(|key| key.is(word));
            keys.knows(word) | admin | ours
        })
    }

    /// Whether who asks may see what is not for everybody: everybody, where no key is asked for.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let admin = self.admin_key.as_ref().is_some_and(|key| key.opens(headers));
        self.keys().check(headers).is_ok() || admin
    }

    /// Seconds since 1970.
    pub(crate) fn unix_time(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(self.started, |d| d.as_secs())
    }
}

/// Names and values may be this long together. The connection has a limit of its own, which a head that comes at
/// once with its end may pass.
pub(crate) fn short_head(app: &App, head: &HeaderMap, uri: &Uri) -> Result<(), HttpError> {
    let bytes: usize = head.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let most = app.live.settings.load().max_header_bytes;
    if bytes + uri.path().len() <= most {
        return Ok(());
    }
    let message = format!("the header fields may have {most} bytes");
    let body = ErrorBody::new(ErrorType::InvalidRequestError, "header_too_large", message);
    Err(HttpError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &body))
}

/// Lets only those through who have a key, where keys are asked for.
async fn known(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.keys().check(request.headers()) {
        Ok(_) => next.run(request).await,
        Err(error) => failed(&app.engine().request_id(), error),
    }
}

pub(crate) fn router(app: App) -> Router {
    let for_holders = Router::new()
        .route("/v1/classify", post(classify::classify))
        .route("/v1/feedback", post(feedback::feedback))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::show))
        .route_layer(middleware::from_fn_with_state(app.clone(), known));
    Router::new()
        .merge(for_holders)
        // these know by themselves who asks, and answer each client in its dialect
        .route("/v1/chat/completions", post(chat::chat))
        .route("/v1/messages", post(chat::messages))
        .route("/v1/messages/count_tokens", post(chat::count))
        .route("/v1/responses", post(chat::responses))
        .route("/v1/completions", post(chat::completions))
        .route("/v1/embeddings", post(chat::embeddings))
        .route("/v1/route", post(chat::route))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route("/admin/v1/embedder", put(admin::swap).get(admin::embedders))
        .route("/admin/v1/actors", get(admin::actors))
        .route("/admin/v1/actors/{name}/restart", post(admin::restart_actor))
        .route("/admin/v1/reload", post(admin::reload))
        .route("/admin/v1/catalog/sync", post(admin::sync))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

async fn unknown_route(method: Method, uri: Uri) -> HttpError {
    let path: String = uri.path().chars().take(100).collect();
    HttpError::not_found(format!("there is no {method} {path}"))
}

async fn wrong_method(method: Method, uri: Uri) -> HttpError {
    let message = format!("{} does not take {method}", uri.path());
    let body = ErrorBody::new(ErrorType::InvalidRequestError, "method_not_allowed", message);
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, &body)
}

/// A part of the path, or why it is none: what cannot be decoded is no text.
fn named(path: Result<Path<String>, PathRejection>) -> Result<String, HttpError> {
    path.map(|Path(name)| name).map_err(|why| HttpError::bad_request("invalid_path", why.body_text()))
}

/// 200 with a JSON body.
pub(crate) fn json(value: &impl Serialize) -> Response {
    json_bytes(serde_json::to_vec(value).unwrap_or_default().into())
}

pub(crate) fn json_bytes(body: Bytes) -> Response {
    ([(http::header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An error under the id of its request.
fn failed(id: &RequestId, error: impl Into<HttpError>) -> Response {
    let mut response = error.into().into_response();
    headers::request_id(response.headers_mut(), id);
    response
}
