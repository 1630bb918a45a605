//! The one place where errors become statuses and bodies.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pointsman_dialects::client::{ClientDialect, ClientError};
use pointsman_engine::{EngineError, FailedAttempt};
use pointsman_protocol::{ErrorBody, ErrorType};
use pointsman_types::{NoRoute, Outcome, Removal, Removed, RequestId};
use serde_json::Value;

use crate::body::BodyError;

/// An error, ready for the wire.
#[derive(Debug)]
pub(crate) struct HttpError {
    status: StatusCode,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    attempts: Option<usize>,
}

impl HttpError {
    pub(crate) fn new(status: StatusCode, body: &ErrorBody) -> Self {
        Self { status, body: body.to_json(), retry_after: None, attempts: None }
    }

    /// A bug of ours that was caught.
    pub(crate) fn panicked() -> Self {
        let message = "the gateway failed at this request; its log says more";
        let body = ErrorBody::new(ErrorType::ServerError, "internal_error", message);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, &body)
    }

    /// An answer that the client's dialect has no words for.
    pub(crate) fn untranslated(why: &str) -> Self {
        let message = format!("the answer of the backend cannot be translated: {why}");
        Self::new(StatusCode::BAD_GATEWAY, &ErrorBody::new(ErrorType::ServerError, "untranslatable", message))
    }

    pub(crate) fn retry_after_a_second(self) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..self }
    }

    /// The error as the last event of a stream.
    pub(crate) fn event(&self) -> Bytes {
        [b"data: ".as_slice(), &self.body, b"\n\n"].concat().into()
    }

    /// The error as a client of another dialect expects it.
    pub(crate) fn in_dialect(self, dialect: ClientDialect, id: &RequestId) -> Response {
        let body = dialect.error(self.status.as_u16(), &self.body, id.as_str());
        Self { body, ..self }.into_response()
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &ErrorBody::new(ErrorType::InvalidRequestError, code, message))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            &ErrorBody::new(ErrorType::InvalidRequestError, "not_found", message),
        )
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from((wait.as_secs_f64().ceil() as u64).max(1)));
        }
        if let Some(attempts) = self.attempts {
            headers.insert("x-pointsman-attempts", HeaderValue::from(attempts));
        }
        response
    }
}

impl From<BodyError> for HttpError {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            BodyError::Slow { .. } => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            BodyError::Broken => (StatusCode::BAD_REQUEST, "incomplete_body"),
        };
        Self::new(status, &ErrorBody::new(ErrorType::InvalidRequestError, code, error.to_string()))
    }
}

impl From<ClientError> for HttpError {
    fn from(error: ClientError) -> Self {
        let body = ErrorBody::new(ErrorType::InvalidRequestError, error.code(), error.to_string());
        let body = match error.param() {
            Some(param) => body.param(param),
            None => body,
        };
        Self::new(StatusCode::BAD_REQUEST, &body)
    }
}

impl From<EngineError> for HttpError {
    fn from(error: EngineError) -> Self {
        let server_error = |status, code, message: String| {
            Self::new(status, &ErrorBody::new(ErrorType::ServerError, code, message))
        };
        match error {
            EngineError::Request(error) => Self::new(StatusCode::BAD_REQUEST, &error.body()),
            EngineError::NoRoute(no_route) => Self::from(no_route),
            EngineError::Actor { .. } => {
                let busy = server_error(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string());
                Self { retry_after: Some(Duration::from_secs(1)), ..busy }
            }
            EngineError::AllFailed { attempts, retry_after } => Self::all_failed(&attempts, retry_after),
            EngineError::Refused { outcome, status, message, body, attempts, .. } => {
                Self::refused(outcome, status, message, body.as_deref()).listing(&attempts)
            }
            EngineError::Busy { retry_after } => {
                let busy = server_error(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string());
                Self { retry_after: Some(retry_after), ..busy }
            }
            EngineError::Resting { retry_after } => {
                let resting =
                    server_error(StatusCode::SERVICE_UNAVAILABLE, "backends_resting", error.to_string());
                Self { retry_after: Some(retry_after), ..resting }
            }
            EngineError::Limited { retry_after } => {
                let body = ErrorBody::new(ErrorType::RateLimitError, "rate_limited", error.to_string());
                let limited = Self::new(StatusCode::TOO_MANY_REQUESTS, &body);
                Self { retry_after: Some(retry_after), ..limited }
            }
            EngineError::Deadline { ref attempts, .. } => {
                let before =
                    if attempts.is_empty() { String::new() } else { format!(": {}", told(attempts)) };
                let message = format!("{error}{before}");
                server_error(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", message).listing(attempts)
            }
            EngineError::Panicked => Self::panicked(),
            EngineError::Unclassified { .. } => {
                let busy = server_error(StatusCode::SERVICE_UNAVAILABLE, "unclassified", error.to_string());
                Self { retry_after: Some(Duration::from_secs(1)), ..busy }
            }
            other => server_error(StatusCode::INTERNAL_SERVER_ERROR, other.kind(), other.to_string()),
        }
    }
}

impl From<NoRoute> for HttpError {
    fn from(no_route: NoRoute) -> Self {
        match no_route {
            NoRoute::UnknownModel { name, nearest } => {
                let mut message = format!("the model `{name}` does not exist");
                if nearest.is_empty() {
                    message.push_str("; GET /v1/models lists those that do");
                } else {
                    let names: Vec<_> = nearest.iter().map(|n| format!("`{n}`")).collect();
                    let _ = write!(message, "; did you mean {}?", names.join(", "));
                }
                let body = ErrorBody::new(ErrorType::InvalidRequestError, "model_not_found", message);
                Self::new(StatusCode::NOT_FOUND, &body.param("model"))
            }
            NoRoute::AmbiguousModel { name, candidates } => {
                let names: Vec<_> = candidates.iter().map(|n| format!("`{n}`")).collect();
                let message =
                    format!("the name `{name}` leaves open which model is meant: {}", names.join(", "));
                let body = ErrorBody::new(ErrorType::InvalidRequestError, "ambiguous_model", message);
                Self::new(StatusCode::BAD_REQUEST, &body.param("model"))
            }
            NoRoute::UnknownIndustry { .. } => {
                let body =
                    ErrorBody::new(ErrorType::InvalidRequestError, "unknown_industry", no_route.to_string());
                Self::new(StatusCode::BAD_REQUEST, &body.param("model"))
            }
            NoRoute::Nothing { removed, .. } => Self::nothing(&removed),
            _ => {
                let message = "the catalog has no models: no backend is configured or none has answered yet";
                let body = ErrorBody::new(ErrorType::ServerError, "no_models", message);
                Self::new(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
    }
}

impl HttpError {
    /// Every candidate breaks a constraint. A prompt that fits nowhere is the client's to shorten (400, with
    /// the code that OpenAI uses); anything else is a pool that lacks something (503).
    fn nothing(removed: &[Removed]) -> Self {
        let listed: Vec<_> = removed.iter().take(8).map(|r| format!("{} ({})", r.spec.id, r.why)).collect();
        let more = removed.len().saturating_sub(listed.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let remedy = remedy(removed).map(|text| format!("; {text}")).unwrap_or_default();
        let message = format!("no model can take this request: {}{more}{remedy}", listed.join(", "));
        let only_context = removed
            .iter()
            .filter(|r| !matches!(r.why, Removal::Kind))
            .all(|r| matches!(r.why, Removal::Context { .. }));
        if only_context {
            let body = ErrorBody::new(ErrorType::InvalidRequestError, "context_length_exceeded", message);
            return Self::new(StatusCode::BAD_REQUEST, &body.param("messages"));
        }
        let body = ErrorBody::new(ErrorType::ServerError, "nothing_eligible", message);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &body)
    }

    fn all_failed(attempts: &[FailedAttempt], retry_after: Option<Duration>) -> Self {
        let message = format!("every backend failed: {}", told(attempts));
        let all = |outcome| attempts.iter().all(|a| a.outcome == outcome);
        let (status, r#type, code) = if retry_after.is_some() {
            (StatusCode::TOO_MANY_REQUESTS, ErrorType::RateLimitError, "rate_limited")
        } else if all(Outcome::Timeout) {
            (StatusCode::GATEWAY_TIMEOUT, ErrorType::ServerError, "deadline_exceeded")
        } else {
            (StatusCode::BAD_GATEWAY, ErrorType::ServerError, "backends_failed")
        };
        let error = Self::new(status, &ErrorBody::new(r#type, code, message));
        Self { retry_after, ..error }.listing(attempts)
    }

    /// A request that is itself at fault, in the backend's own words, which say best what is wrong with it. That a
    /// prompt is too long is said with one status and one code, whoever says it.
    fn refused(outcome: Outcome, status: u16, message: String, body: Option<&[u8]>) -> Self {
        let too_long = outcome == Outcome::ContextOverflow;
        let status = if too_long { StatusCode::BAD_REQUEST } else { client_status(status) };
        let code = if too_long { "context_length_exceeded" } else { "refused_by_backend" };
        match body.and_then(|body| whole_error(body, too_long.then_some(code))) {
            Some(body) => Self { status, body, retry_after: None, attempts: None },
            None => Self::new(status, &ErrorBody::new(ErrorType::InvalidRequestError, code, message)),
        }
    }

    /// With what happened at each backend as `error.attempts`.
    fn listing(self, attempts: &[FailedAttempt]) -> Self {
        let body = serde_json::from_slice(&self.body).ok().and_then(|mut body: Value| {
            let error = body.get_mut("error")?.as_object_mut()?;
            error.insert("attempts".to_owned(), serde_json::to_value(attempts).ok()?);
            serde_json::to_vec(&body).ok()
        });
        Self { body: body.unwrap_or(self.body), attempts: Some(attempts.len()), ..self }
    }
}

/// What happened at each backend.
fn told(attempts: &[FailedAttempt]) -> String {
    let each = attempts.iter().map(|a| format!("{} on {}: {}", a.model, a.backend, a.message));
    each.collect::<Vec<_>>().join("; ")
}

/// What would let at least one model take the request: for the constraint that the most of them break, those that are
/// not even asked about left aside.
fn remedy(removed: &[Removed]) -> Option<String> {
    let mut counts = BTreeMap::new();
    for r in removed.iter().filter(|r| !matches!(r.why, Removal::Kind)) {
        *counts.entry(r.why.constraint()).or_insert(0) += 1;
    }
    let named = |constraint: &str| matches!(constraint, "not_in_only" | "ignored" | "not_in_pool");
    let most = counts.into_iter().max_by_key(|(constraint, n)| (!named(constraint), *n))?.0;
    let broken = || removed.iter().map(|r| &r.why).filter(|why| why.constraint() == most);
    Some(match most {
        "locality" => {
            "a model on a backend with `local = true` would, or a request that may leave own infrastructure"
                .to_owned()
        }
        "capability" => "a model that is known to have the ability would, or a request without it".to_owned(),
        "context" => {
            let widest = broken()
                .filter_map(|why| if let Removal::Context { has, .. } = why { Some(has.0) } else { None });
            format!("a prompt of at most {} tokens would fit", widest.max()?)
        }
        "price_ceiling" | "input_cost" => {
            let costs = broken().filter_map(|why| match why {
                Removal::PriceCeiling { predicted, .. } | Removal::InputCost { predicted, .. } => {
                    Some(predicted.0)
                }
                _ => None,
            });
            format!("a ceiling of ${:.6} would do", costs.min()? as f64 / 1e6)
        }
        "price_unknown" => "a price in the configuration would do, or no price ceiling".to_owned(),
        "latency_ceiling" => {
            let times = broken().filter_map(|why| {
                if let Removal::LatencyCeiling { predicted_ms, .. } = why {
                    Some(*predicted_ms)
                } else {
                    None
                }
            });
            format!("route.max_latency_ms of {} would do", times.min()?)
        }
        "not_in_only" => {
            "route.only names none of them: name ids or backends that /v1/models lists".to_owned()
        }
        "ignored" => "route.ignore names all of them".to_owned(),
        "not_in_pool" => "the pool of the rule that matched names none of them".to_owned(),
        _ => return None,
    })
}

fn client_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A backend's error body with the fields that every error of ours has, and with this code; `None` where it is none.
fn whole_error(body: &[u8], code: Option<&str>) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get_mut("error")?.as_object_mut()?;
    error.get("message")?.as_str()?;
    if !error.get("type").is_some_and(Value::is_string) {
        error.insert("type".to_owned(), "invalid_request_error".into());
    }
    for field in ["param", "code"] {
        error.entry(field).or_insert(Value::Null);
    }
    if let Some(code) = code {
        error.insert("code".to_owned(), code.into());
    }
    serde_json::to_vec(&body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_every_field() {
        let whole = r#"{"error":{"code":null,"message":"a","param":null,"type":"invalid_request_error"}}"#;
        for (body, expected) in [
            (r#"{"error":{"message":"a"}}"#, Some(whole)),
            (
                r#"{"error":{"message":"a","type":"x","param":"p","code":3,"more":1}}"#,
                Some(r#"{"error":{"code":3,"message":"a","more":1,"param":"p","type":"x"}}"#),
            ),
            (r#"{"error":{"type":"x"}}"#, None),
            (r#"{"error":"a"}"#, None),
            ("<html>", None),
        ] {
            let made = whole_error(body.as_bytes(), None)
                .map(|made| serde_json::from_slice::<Value>(&made).unwrap());
            assert_eq!(made, expected.map(|e| serde_json::from_str(e).unwrap()), "{body}");
        }
    }
}
