//! Whole answers, how answers end, and errors.

use serde_json::{Value, json};

use super::super::{
    Echo,
    hub::{Used, call_id, error_message, said, thought},
};
use crate::json::{arguments, list, set, text};

/// What is known of the end of an answer.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    finish: Option<String>,
    /// The sequence at which it stopped.
    sequence: Option<String>,
    /// A tool is called.
    pub(crate) calls: bool,
    /// The model says that it will not answer.
    pub(crate) refused: bool,
}

impl Ending {
    /// Takes note of what a choice says. The sequence stands beside the reason, as vLLM has it.
    pub(crate) fn note(&mut self, choice: &Value, echo: &Echo) {
        let Some(finish) = text(choice, "finish_reason") else { return };
        self.finish = Some(finish.to_owned());
        let asked = |sequence: &&str| match echo.fields.get("stop_sequences") {
            Some(Value::String(one)) => one == sequence,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(sequence)),
            _ => true,
        };
        self.sequence = said(choice, "stop_reason").filter(asked).map(str::to_owned);
    }

    /// Why it stopped, in Anthropic's words, and at which sequence. Some backends call tools and say that they just
    /// stopped: a client that reads so would never run them.
    pub(crate) fn stop(&self) -> (&'static str, Value) {
        let reason = match self.finish.as_deref() {
            Some("content_filter" | "refusal") => "refusal",
            _ if self.refused => "refusal",
            Some("length") => "max_tokens",
            Some("tool_calls" | "function_call") => "tool_use",
            _ if self.calls => "tool_use",
            _ => match &self.sequence {
                Some(sequence) => return ("stop_sequence", sequence.as_str().into()),
                None => "end_turn",
            },
        };
        (reason, Value::Null)
    }
}

pub(crate) fn answer(chat: &Value, echo: &Echo, request: &str) -> Value {
    let choice = list(chat, "choices").first().unwrap_or(&Value::Null);
    let message = choice.get("message").unwrap_or(&Value::Null);
    let mut content: Vec<Value> = list(message, "thinking_blocks").iter().map(with_signature).collect();
    if !content.iter().any(|block| said(block, "thinking").is_some())
        && let Some(thought) = thought(message)
    {
        content.insert(0, json!({ "type": "thinking", "thinking": thought, "signature": "" }));
    }
    let refusal = said(message, "refusal");
    for said in [said(message, "content"), refusal].into_iter().flatten() {
        content.push(json!({ "type": "text", "text": said }));
    }
    let calls = list(message, "tool_calls");
    for (n, call) in calls.iter().enumerate() {
        let function = call.get("function").unwrap_or(&Value::Null);
        let input = input(function.get("arguments").unwrap_or(&Value::Null));
        let id = call_id(text(call, "id").unwrap_or_default(), request, n);
        let name = text(function, "name").unwrap_or_default();
        content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    }
    let mut ending = Ending { calls: !calls.is_empty(), refused: refusal.is_some(), ..Ending::default() };
    ending.note(choice, echo);
    let (reason, sequence) = ending.stop();
    json!({
        "id": format!("msg_{request}"), "type": "message", "role": "assistant",
        "model": text(chat, "model").unwrap_or_default(), "content": content,
        "stop_reason": reason, "stop_sequence": sequence,
        "usage": Used::of(chat).beside_the_cache(),
    })
}

/// Clients read a signature of every thought.
fn with_signature(block: &Value) -> Value {
    let mut block = block.clone();
    if text(&block, "type") == Some("thinking")
        && set(&block, "signature").is_none()
        && let Some(fields) = block.as_object_mut()
    {
        fields.insert("signature".to_owned(), "".into());
    }
    block
}

/// What is no object is shown as it came.
fn input(given: &Value) -> Value {
    match given {
        Value::Object(_) => given.clone(),
        Value::String(given) => arguments(given).unwrap_or_else(|| json!({ "_raw_arguments": given })),
        _ => json!({}),
    }
}

/// The `type` of an error under a status.
fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The `type` of an error in a stream, which has no status.
pub(crate) fn error_type_of(error: &Value) -> &str {
    let known = ["rate_limit_error", "overloaded_error", "invalid_request_error", "authentication_error"];
    text(error, "type").filter(|kind| known.contains(kind)).unwrap_or("api_error")
}

pub(crate) fn error(status: u16, hub: &[u8], id: &str) -> Value {
    let hub: Value = serde_json::from_slice(hub).unwrap_or_default();
    let inner = hub.get("error").unwrap_or(&hub);
    let message = if inner.is_null() { "the request failed" } else { error_message(inner) };
    json!({
        "type": "error", "error": { "type": error_type(status), "message": message }, "request_id": id,
    })
}
