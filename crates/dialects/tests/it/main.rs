//! Golden and property tests of every dialect. The shapes are those of the public API references.

#![allow(clippy::unwrap_used, clippy::format_collect, reason = "a test that meets an error has failed")]

mod anthropic_thinking;
mod backend;
mod backend_answers;
mod backend_requests;
mod client;
mod client_messages;
mod client_responses;
mod client_streams;
mod embeddings;
mod extensions;
mod properties;

use serde_json::Value;

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The data of all events, `[DONE]` as a string.
fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| Value::from(data))).collect()
}

/// The conversation that every backend gets: a system prompt, an image, two calls side by side, their results.
fn conversation() -> Value {
    serde_json::json!({
        "model": "up", "max_completion_tokens": 100, "temperature": 1.5, "stop": "END", "user": "u1", "logit_bias": {"1": 2},
        "tool_choice": {"type": "function", "function": {"name": "weather"}}, "parallel_tool_calls": false,
        "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Where is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": "{\"sun\":true}"},
            {"role": "user", "content": "And now?"},
        ],
    })
}
