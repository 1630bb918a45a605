//! Which dialect a backend is spoken to in.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pointsman_dialects::backend::BackendDialect;
use pointsman_types::Outcome;

use crate::{AttemptError, Call, Operation};

/// Where chat completions are, in OpenAI's dialect.
pub(crate) const CHAT_PATH: &str = "/chat/completions";

/// The version of Anthropic's API that is spoken.
pub(crate) const ANTHROPIC_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// What a backend is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireDialect {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's own `/api/chat`.
    Ollama,
    /// OpenAI's routes of an Ollama server, and where it has none (before 0.1.24) its own.
    EitherOfOllama,
}

/// The dialect of one backend.
#[derive(Debug)]
pub(crate) struct Dialect {
    configured: WireDialect,
    /// The server was found to have its own routes only.
    own_routes: AtomicBool,
}

impl Dialect {
    pub(crate) const fn new(configured: WireDialect) -> Self {
        Self { configured, own_routes: AtomicBool::new(false) }
    }

    pub(crate) const fn configured(&self) -> WireDialect {
        self.configured
    }

    /// What is spoken, `None` for OpenAI's. Embeddings are asked for as OpenAI does wherever there is a choice.
    pub(crate) fn spoken(&self, operation: Operation) -> Option<BackendDialect> {
        match self.configured {
            WireDialect::OpenAi => None,
            WireDialect::Anthropic => Some(BackendDialect::Anthropic),
            WireDialect::Gemini => Some(BackendDialect::Gemini),
            WireDialect::Ollama | WireDialect::EitherOfOllama if operation == Operation::Embeddings => None,
            WireDialect::Ollama => Some(BackendDialect::Ollama),
            WireDialect::EitherOfOllama => {
                self.own_routes.load(Ordering::Relaxed).then_some(BackendDialect::Ollama)
            }
        }
    }

    /// What else to try after such an answer.
    pub(crate) fn other(
        &self,
        status: StatusCode,
        spoken: Option<BackendDialect>,
        operation: Operation,
    ) -> Option<BackendDialect> {
        let missing = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        let can = self.configured == WireDialect::EitherOfOllama && operation == Operation::Chat;
        (missing && can && spoken.is_none()).then_some(BackendDialect::Ollama)
    }

    pub(crate) fn learn(&self) {
        self.own_routes.store(true, Ordering::Relaxed);
    }
}

/// Whether a 404 speaks of the route; one that speaks of a model says so in JSON.
pub(crate) fn is_missing_route(body: &[u8]) -> bool {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    said.is_none_or(|said| said.get("error").is_none())
}

/// The header of the key, and what stands before it.
pub(crate) const fn key_header(dialect: WireDialect) -> (HeaderName, &'static str) {
    match dialect {
        WireDialect::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        WireDialect::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
        _ => (header::AUTHORIZATION, "Bearer "),
    }
}

/// Where a client's own key goes, given as a value of `Authorization`.
pub(crate) fn own_key(dialect: WireDialect, authorization: &HeaderValue) -> (HeaderName, HeaderValue) {
    let (name, _) = key_header(dialect);
    let token = authorization.as_bytes().strip_prefix(b"Bearer ").map(<[u8]>::trim_ascii);
    // Anthropic takes tokens of a subscription as bearers, and keys in a header of their own
    let moves = name != header::AUTHORIZATION && token.is_some_and(|token| !token.starts_with(b"sk-ant-oat"));
    let moved = token.filter(|_| moves).and_then(|token| HeaderValue::from_bytes(token).ok());
    match moved {
        Some(mut key) => {
            key.set_sensitive(true);
            (name, key)
        }
        None => (header::AUTHORIZATION, authorization.clone()),
    }
}

/// Where the routes of a dialect begin: Ollama's own stand beside the version of the others.
pub(crate) fn base_of(base: &str, dialect: Option<BackendDialect>) -> &str {
    match dialect {
        Some(BackendDialect::Ollama) => base.strip_suffix("/v1").unwrap_or(base),
        _ => base,
    }
}

/// A request as it goes out.
pub(crate) struct Request {
    pub(crate) path: Cow<'static, str>,
    pub(crate) body: Bytes,
    pub(crate) dropped: Vec<String>,
}

pub(crate) fn outgoing(call: &Call<'_>, dialect: Option<BackendDialect>) -> Result<Request, AttemptError> {
    let as_it_is =
        |path: &'static str| Request { path: path.into(), body: call.body.clone(), dropped: Vec::new() };
    match (dialect, call.operation) {
        (None, Operation::Chat) => Ok(as_it_is(CHAT_PATH)),
        (None, Operation::Embeddings) => Ok(as_it_is("/embeddings")),
        (Some(dialect), operation) => {
            let made = match operation {
                Operation::Chat => dialect.request(&call.body, call.upstream_model, call.stream),
                Operation::Embeddings => dialect.embeddings(&call.body, call.upstream_model),
            };
            let made = made.map_err(|error| refused(&error.to_string(), error.param()))?;
            Ok(Request { path: made.path.into(), body: made.body.into(), dropped: made.dropped })
        }
    }
}

/// The error that the client gets where no other backend can do it.
fn refused(message: &str, param: Option<&str>) -> AttemptError {
    let error = serde_json::json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": param, "code": "unsupported_by_backend",
    } });
    let error = Bytes::from(error.to_string());
    let own = AttemptError::new(Outcome::Untranslatable, message);
    AttemptError { status: Some(400), ..own }.with_body(Some(error))
}

/// Seconds since 1970.
pub(crate) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_key_goes_where_the_dialect_has_it() {
        for (dialect, given, name, value) in [
            (WireDialect::OpenAi, "Bearer k", "authorization", "Bearer k"),
            (WireDialect::Anthropic, "Bearer sk-ant-api-k", "x-api-key", "sk-ant-api-k"),
            (WireDialect::Anthropic, "Bearer sk-ant-oat-k", "authorization", "Bearer sk-ant-oat-k"),
            (WireDialect::Gemini, "Bearer k", "x-goog-api-key", "k"),
            (WireDialect::Gemini, "Basic k", "authorization", "Basic k"),
        ] {
            let own = own_key(dialect, &HeaderValue::from_static(given));
            assert_eq!((own.0.as_str(), own.1.as_bytes()), (name, value.as_bytes()), "{given}");
        }
    }
}
