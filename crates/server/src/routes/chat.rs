//! The routes that answer: one for each dialect of clients, embeddings, and the rehearsal `POST /v1/route`.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::Response,
};
use http::HeaderMap;
use pointsman_dialects::client::{ClientDialect, count_tokens};
use pointsman_engine::{ReplyBody, Routed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{App, failed, json, json_bytes};
use crate::{asker, errors::HttpError, exchange, headers};

/// `POST /v1/chat/completions`.
pub(super) async fn chat(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, "chat", None, &headers, body).await
}

/// `POST /v1/messages`, as Anthropic's clients speak.
pub(super) async fn messages(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, "messages", Some(ClientDialect::Messages), &headers, body).await
}

/// `POST /v1/responses`, without state.
pub(super) async fn responses(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, "responses", Some(ClientDialect::Responses), &headers, body).await
}

/// `POST /v1/completions`, as one user turn.
pub(super) async fn completions(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, "completions", Some(ClientDialect::Completions), &headers, body).await
}

async fn answer(
    app: &App,
    route: &'static str,
    dialect: Option<ClientDialect>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let mut counted = Counted { app, route, status: CLIENT_GONE };
    let response = exchange::chat(app, dialect, headers, body).await;
    counted.status = response.status().as_u16();
    response
}

/// What nginx calls a client that did not wait for the answer.
const CLIENT_GONE: u16 = 499;

/// A request that is counted once, also where its client goes away before the answer.
struct Counted<'a> {
    app: &'a App,
    route: &'static str,
    status: u16,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.app.engine().metrics().request(self.route, self.status);
    }
}

/// `POST /v1/messages/count_tokens`: an estimate, the same that routing works with.
pub(super) async fn count(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let id = app.engine().request_id();
    let counted = async {
        app.keys().check(&headers)?;
        let (body, _room) = app.read(&headers, body).await?;
        Ok::<_, HttpError>(count_tokens(&body)?)
    };
    let mut response = match counted.await {
        Ok(tokens) => json(&json!({ "input_tokens": tokens })),
        Err(error) => error.in_dialect(ClientDialect::Messages, &id),
    };
    headers::request_id(response.headers_mut(), &id);
    app.engine().metrics().request("count_tokens", response.status().as_u16());
    response
}

/// `POST /v1/embeddings`.
pub(super) async fn embeddings(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let engine = app.engine();
    let id = engine.request_id();
    let answered = async {
        let holder = app.keys().check(&headers)?;
        let (body, _room) = app.read(&headers, body).await?;
        let caller = asker::caller(&headers, holder.as_ref(), |value| app.is_ours(value));
        let reply = engine.embeddings(&id, &body, &caller).await?;
        let ReplyBody::Json(body) = reply.body else { return Err(HttpError::panicked()) };
        let mut response = json_bytes(body);
        headers::explain(response.headers_mut(), &reply.meta);
        Ok(response)
    };
    let response = answered.await.unwrap_or_else(|error: HttpError| failed(&id, error));
    engine.metrics().request("embeddings", response.status().as_u16());
    response
}

/// `POST /v1/route`.
pub(super) async fn route(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let engine = app.engine();
    let id = engine.request_id();
    let decided = async {
        let holder = app.keys().check(&headers)?;
        let asked: Asked = serde_urlencoded::from_str(query.as_deref().unwrap_or_default())
            .map_err(|error| HttpError::bad_request("invalid_query", error.to_string()))?;
        let (body, _room) = app.read(&headers, body).await?;
        let caller = asker::caller(&headers, holder.as_ref(), |value| app.is_ours(value));
        let routed = engine.decide(&id, &body, &caller, asked.why_not.as_deref()).await?;
        Ok(json(&Record::of(&routed)))
    };
    let response = decided.await.unwrap_or_else(|error: HttpError| failed(&id, error));
    engine.metrics().request("route", response.status().as_u16());
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
