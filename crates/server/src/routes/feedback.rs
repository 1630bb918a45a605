//! `POST /v1/feedback`: a word on an answer, for learning.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use pointsman_engine::FeedbackError;
use pointsman_protocol::{ErrorBody, ErrorType};
use pointsman_types::RequestId;
use serde::Deserialize;
use serde_json::json;

use super::{App, failed, json};
use crate::errors::HttpError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// As in the header `x-pointsman-request-id` of the answer.
    request_id: String,
    /// 0 useless .. 1 good.
    score: f32,
}

pub(super) async fn feedback(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let response = match take(&app, &headers, body).await {
        Ok(request) => {
            json(&json!({ "object": "feedback", "request_id": request.request_id, "score": request.score }))
        }
        Err(error) => failed(&app.engine().request_id(), error),
    };
    app.engine().metrics().request("feedback", response.status().as_u16());
    response
}

async fn take(app: &App, headers: &HeaderMap, body: Body) -> Result<Request, HttpError> {
    let (body, _room) = app.read(headers, body).await?;
    let request: Request = serde_json::from_slice(&body).map_err(|error| {
        let message = format!("expected {{\"request_id\": string, \"score\": 0..1}}: {error}");
        HttpError::bad_request("invalid_feedback", message)
    })?;
    if !(0.0..=1.0).contains(&request.score) {
        return Err(HttpError::bad_request("invalid_feedback", "score must be between 0 and 1"));
    }
    let told = app.engine().feedback(RequestId::new(request.request_id.clone()), request.score).await?;
    match told {
        Ok(()) => Ok(request),
        Err(FeedbackError::Off) => {
            let message = "learning is off: set `enabled = true` in [learning]";
            let body = ErrorBody::new(ErrorType::InvalidRequestError, "learning_off", message);
            Err(HttpError::new(StatusCode::FORBIDDEN, &body))
        }
        Err(FeedbackError::Unknown) => {
            let message = "no recent answer has this request_id: it is in the header x-pointsman-request-id";
            Err(HttpError::not_found(message))
        }
    }
}
