//! Errors of providers in OpenAI's shape. Their codes say whose affair they are: what concerns the key, the account or
//! the place of this one backend must not look like a fault of the request, whatever status it came with.

use serde_json::Value;

use super::said;
use crate::json::{self, bytes, list, text};

/// What is said of a prompt that is too long, in lower case.
const TOO_LONG: [&str; 5] =
    ["prompt is too long", "input token count", "context length", "context window", "context size"];

/// What Google says of a key under a status of 400.
const BAD_KEY: [&str; 3] = ["api key not valid", "api key expired", "api key not found"];

/// What Google says of where the gateway stands.
const WRONG_PLACE: [&str; 2] = ["user location is not supported", "not available in your country"];

pub(crate) fn error(status: u16, body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = value.get("error").or_else(|| value.get(0)?.get("error")).unwrap_or(&value);
    let message = said(error);
    let code = code(status, error, &message.to_lowercase());
    let kind = match (code, status) {
        (Some("invalid_api_key" | "unsupported_location"), _) => "authentication_error",
        (Some("insufficient_quota"), _) => "insufficient_quota",
        (_, 400 | 404 | 413 | 422) => "invalid_request_error",
        (_, 401 | 403) => "authentication_error",
        (_, 429) => "rate_limit_error",
        _ => "server_error",
    };
    bytes(&json::error(&message, kind, code))
}

/// What it is by its code, where that follows from exact words: "blocked" alone is also said of keys and referers.
fn code(status: u16, error: &Value, message: &str) -> Option<&'static str> {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    let reason = |wanted: &str| list(error, "details").iter().any(|d| text(d, "reason") == Some(wanted));
    if matches!(status, 400 | 413 | 422) && says(&TOO_LONG) {
        return Some("context_length_exceeded");
    }
    if status != 400 {
        return None;
    }
    if reason("API_KEY_INVALID") || says(&BAD_KEY) {
        Some("invalid_api_key")
    } else if says(&WRONG_PLACE) {
        Some("unsupported_location")
    } else if says(&["credit balance is too low"]) {
        Some("insufficient_quota")
    } else if says(&["output blocked by content filtering policy"]) {
        Some("content_filter")
    } else {
        None
    }
}
