//! Liveness, readiness, metrics.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::App;

/// The process runs.
pub(super) async fn healthz() -> Response {
    super::json(&json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// Requests will be answered: models are there, no actor was given up, and no shutdown is under way. Where keys are
/// asked for, who has none learns that much and not which backends there are.
pub(super) async fn readyz(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut readiness = app.engine().readiness();
    if app.stopping.is_cancelled() {
        readiness.ready = false;
        readiness.reasons.push("shutting down".to_owned());
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body =
        json!({ "ready": readiness.ready, "reasons": readiness.reasons, "models": readiness.models });
    if app.is_known(&headers) {
        body["backends"] = json!(app.engine().catalog().backends());
    }
    (status, super::json(&body)).into_response()
}

/// The counters, which name models and keys: not for everybody where `open_metrics` is off.
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    if !app.settings().open_metrics
        && !app.is_known(&headers)
        && let Err(error) = app.keys().check(&headers)
    {
        return error.into_response();
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], app.engine().metrics_text()).into_response()
}
