//! Test support: a scripted upstream provider and a model hub, both with faults, and request bodies.
//!
//! Raw TCP and a few lines of HTTP/1.1, because most of what it has to do no proper server would do. Used by
//! tests only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::format_push_string,
    reason = "a test that meets an error has failed"
)]

mod http;
mod hub;
mod upstream;

pub use http::{Recorded, header};
pub use hub::{Hub, HubFile};
pub use upstream::{Behaviour, Choice, Upstream};

/// A chat request body.
pub fn chat(model: &str, text: &str, stream: bool) -> String {
    serde_json::json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": text }] })
        .to_string()
}

/// A chat completion that says `text`.
pub fn completion(model: &str, text: &str) -> String {
    serde_json::json!({
        "id": "chatcmpl-test", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
    })
    .to_string()
}

/// One content event of a stream.
pub fn event(model: &str, text: &str) -> String {
    let chunk = serde_json::json!({
        "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }],
    });
    format!("data: {chunk}\n\n")
}

/// The event that ends a choice, and `[DONE]`.
pub fn last_events(model: &str) -> [String; 2] {
    let chunk = serde_json::json!({
        "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
    });
    [format!("data: {chunk}\n\n"), "data: [DONE]\n\n".to_owned()]
}
