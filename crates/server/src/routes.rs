//! The routes. One file for each group, beside this one.

mod admin;
mod chat;
mod classify;
mod feedback;
mod models;
mod status;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use pointsman_engine::Engine;
use pointsman_protocol::{ErrorBody, ErrorType};
use pointsman_types::RequestId;
use secrecy::SecretString;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{ServerSettings, errors::HttpError, headers};

/// What every route can reach.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: ServerSettings,
    /// Unix time of the start, for models whose age nobody knows.
    pub(crate) started: u64,
    /// What opens the admin routes; without it they are closed.
    pub(crate) admin_key: Option<SecretString>,
    /// Cancelled when a shutdown was asked for.
    pub(crate) stopping: CancellationToken,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::chat))
        .route("/v1/route", post(chat::route))
        .route("/v1/classify", post(classify::classify))
        .route("/v1/feedback", post(feedback::feedback))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::show))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route("/admin/v1/embedder", put(admin::swap).get(admin::embedders))
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

/// 200 with a JSON body.
fn json(value: &impl Serialize) -> Response {
    json_bytes(serde_json::to_vec(value).unwrap_or_default().into())
}

fn json_bytes(body: Bytes) -> Response {
    ([(http::header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An error under the id of its request.
fn failed(id: &RequestId, error: impl Into<HttpError>) -> Response {
    let mut response = error.into().into_response();
    headers::request_id(response.headers_mut(), id);
    response
}
