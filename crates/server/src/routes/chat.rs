//! `POST /v1/chat/completions` and its rehearsal, `POST /v1/route`.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use pointsman_engine::{ReplyBody, ReplyStream, Routed};
use serde::{Deserialize, Serialize};

use super::{App, failed, json, json_bytes};
use crate::{body, errors::HttpError, headers};

pub(super) async fn chat(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let response = answer(&app, &headers, body).await;
    app.engine.metrics().request("chat", response.status().as_u16());
    response
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Response {
    let id = app.engine.request_id();
    let body = match read(app, headers, body).await {
        Ok(body) => body,
        Err(error) => return failed(&id, error),
    };
    let reply = match app.engine.chat(&id, &body, session(headers)).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::info!(request = %id, kind = error.kind(), %error, "no answer");
            return failed(&id, error);
        }
    };
    tracing::debug!(request = %id, model = %reply.meta.spec.id, reason = reply.meta.decision.why(), "answered");
    let mut response = match reply.body {
        ReplyBody::Json(body) => json_bytes(body),
        ReplyBody::Stream(events) => stream_response(events),
    };
    headers::explain(response.headers_mut(), &reply.meta);
    response
}

pub(super) async fn route(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let id = app.engine.request_id();
    let asked: Asked = match serde_urlencoded::from_str(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(error) => return failed(&id, HttpError::bad_request("invalid_query", error.to_string())),
    };
    let body = match read(&app, &headers, body).await {
        Ok(body) => body,
        Err(error) => return failed(&id, error),
    };
    let response = match app.engine.decide(&id, &body, session(&headers), asked.why_not.as_deref()).await {
        Ok(routed) => json(&Record::of(&routed)),
        Err(error) => failed(&id, error),
    };
    app.engine.metrics().request("route", response.status().as_u16());
    response
}

/// `?why_not=MODEL`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    why_not: Option<String>,
}

/// The decision record: who would answer, and why.
#[derive(Serialize)]
struct Record<'a> {
    object: &'static str,
    model: &'a str,
    backend: &'a str,
    #[serde(flatten)]
    routed: &'a Routed,
}

impl<'a> Record<'a> {
    fn of(routed: &'a Routed) -> Self {
        let first = routed.decision.candidates.first().map(|c| &c.spec);
        Self {
            object: "route",
            model: first.map_or("", |spec| spec.id.as_str()),
            backend: first.map_or("", |spec| spec.backend.as_str()),
            routed,
        }
    }
}

async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, body::BodyError> {
    body::read(headers, body, app.settings.body_limit_bytes, app.settings.read_timeout).await
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(headers::SESSION_ID).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty())
}

fn stream_response(events: Box<ReplyStream>) -> Response {
    let events = stream::unfold(events, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // proxies of the nginx family would hold the events back
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}
