//! What a simulated model says, and its OpenAI shape.

use pointsman_types::Tokens;
use serde_json::{Value, json};

use crate::models::Character;

/// A chat request as far as the simulation reads it.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    text: String,
    input: Tokens,
    max_tokens: usize,
    has_tools: bool,
}

impl Question {
    /// `None` where the body is no chat request; the model asked for otherwise.
    pub(crate) fn read(body: &[u8]) -> Option<(String, Self)> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let messages = body.get("messages")?.as_array()?;
        let last = messages.iter().rev().find(|m| m["role"] == "user").map(|m| text_of(&m["content"]));
        let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|key| body[*key].as_u64());
        let question = Self {
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
            text: last.unwrap_or_default(),
            input: messages.iter().fold(Tokens(0), |sum, m| sum + Tokens::estimate(&text_of(&m["content"]))),
            max_tokens: limit.map_or(4096, |n| n as usize).max(1),
            has_tools: body["tools"].as_array().is_some_and(|tools| !tools.is_empty()),
        };
        Some((body["model"].as_str().unwrap_or_default().to_owned(), question))
    }

    /// The pieces of the answer, one a token, and why it ends.
    pub(crate) fn answer(&self, character: &Character) -> (Vec<String>, &'static str) {
        let gist: Vec<&str> = self.text.split_whitespace().take(12).collect();
        let gist = gist.join(" ").chars().take(100).collect::<String>();
        let about =
            if gist.is_empty() { "an empty prompt".to_owned() } else { format!("\u{201c}{gist}\u{201d}") };
        let tools = if self.has_tools { " It would have called one of your functions here." } else { "" };
        let text = format!(
            "[simulated] This is {id}, {voice}, simulated by Pointsman's demo: no model has read your prompt. \
             You asked about {about}.{tools} A real backend would answer now; this one only shows that routing, \
             streaming and accounting work.",
            id = character.spec.id,
            voice = character.voice,
        );
        let mut pieces: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let reason = if pieces.len() > self.max_tokens { "length" } else { "stop" };
        pieces.truncate(self.max_tokens);
        (pieces, reason)
    }

    pub(crate) fn usage(&self, output: usize) -> Value {
        json!({ "prompt_tokens": self.input.0, "completion_tokens": output, "total_tokens": self.input.0 + output as u64 })
    }
}

/// The text of a content, a string or parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|p| p["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

pub(crate) fn completion(
    id: &str,
    created: u64,
    model: &str,
    text: &str,
    reason: &str,
    usage: &Value,
) -> Value {
    json!({
        "id": id, "object": "chat.completion", "created": created, "model": model,
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": reason }],
        "usage": usage,
    })
}

/// One event of a stream.
pub(crate) fn chunk(id: &str, created: u64, model: &str, delta: &Value, reason: Option<&str>) -> Value {
    json!({
        "id": id, "object": "chat.completion.chunk", "created": created, "model": model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
    })
}

pub(crate) fn usage_chunk(id: &str, created: u64, model: &str, usage: &Value) -> Value {
    json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": [], "usage": usage })
}

pub(crate) fn error(message: &str, code: &str) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
}
