//! Answers of OpenAI's Responses API.

use serde_json::{Value, json};

use super::{Echo, hub::Used};
use crate::json::{list, text};

/// How a response ends: its status, and why it is not whole.
pub(crate) fn status(finish: Option<&str>) -> (&'static str, Value) {
    match finish {
        Some("length") => ("incomplete", json!({ "reason": "max_output_tokens" })),
        Some("content_filter") => ("incomplete", json!({ "reason": "content_filter" })),
        _ => ("completed", Value::Null),
    }
}

pub(crate) fn reasoning(id: &str, thought: &str) -> Value {
    json!({
        "id": format!("rs_{id}"), "type": "reasoning", "status": "completed",
        "summary": [{ "type": "summary_text", "text": thought }],
    })
}

pub(crate) fn message(id: &str, said: &str, status: &str) -> Value {
    json!({
        "id": format!("msg_{id}"), "type": "message", "role": "assistant", "status": status,
        "content": [output_text(said)],
    })
}

pub(crate) fn output_text(said: &str) -> Value {
    json!({ "type": "output_text", "text": said, "annotations": [], "logprobs": [] })
}

pub(crate) fn function_call(
    id: &str,
    number: usize,
    call_id: &str,
    name: &str,
    arguments: &str,
    status: &str,
) -> Value {
    json!({
        "id": format!("fc_{id}_{number}"), "type": "function_call", "status": status, "call_id": call_id,
        "name": name, "arguments": arguments,
    })
}

/// What all states of a response have in common.
pub(crate) struct Shell<'a> {
    pub(crate) echo: &'a Echo,
    pub(crate) id: &'a str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
}

impl Shell<'_> {
    pub(crate) fn response(
        &self,
        status: &str,
        output: &[Value],
        usage: &Value,
        incomplete: &Value,
    ) -> Value {
        let own = |field: &str, otherwise: Value| self.echo.fields.get(field).cloned().unwrap_or(otherwise);
        json!({
            "id": format!("resp_{}", self.id), "object": "response", "created_at": self.created, "status": status,
            "background": false, "error": null, "incomplete_details": incomplete,
            "instructions": own("instructions", Value::Null),
            "max_output_tokens": own("max_output_tokens", Value::Null),
            "model": self.model, "output": output,
            "parallel_tool_calls": own("parallel_tool_calls", json!(true)),
            "previous_response_id": null,
            "reasoning": own("reasoning", json!({ "effort": null, "summary": null })),
            "store": false,
            "temperature": own("temperature", json!(1.0)),
            "text": own("text", json!({ "format": { "type": "text" } })),
            "tool_choice": own("tool_choice", json!("auto")),
            "tools": own("tools", json!([])),
            "top_p": own("top_p", json!(1.0)),
            "truncation": "disabled", "usage": usage,
            "user": own("user", Value::Null),
            "metadata": own("metadata", json!({})),
        })
    }
}

pub(crate) fn answer(chat: &Value, echo: &Echo, id: &str, created: u64) -> Value {
    let choice = list(chat, "choices").first().unwrap_or(&Value::Null);
    let own = choice.get("message").unwrap_or(&Value::Null);
    let (status, incomplete) = status(text(choice, "finish_reason"));
    let mut output = Vec::new();
    if let Some(thought) = text(own, "reasoning_content").filter(|t| !t.is_empty()) {
        output.push(reasoning(id, thought));
    }
    let calls = list(own, "tool_calls");
    let said = text(own, "content").or_else(|| text(own, "refusal")).unwrap_or_default();
    if !said.is_empty() || calls.is_empty() {
        output.push(message(id, said, status));
    }
    for (n, call) in calls.iter().enumerate() {
        let function = call.get("function").unwrap_or(&Value::Null);
        let (name, arguments) = (text(function, "name").unwrap_or_default(), text(function, "arguments"));
        let call_id = text(call, "id").unwrap_or_default();
        output.push(function_call(id, n, call_id, name, arguments.unwrap_or("{}"), "completed"));
    }
    let shell = Shell { echo, id, created, model: text(chat, "model").unwrap_or_default() };
    shell.response(status, &output, &Used::of(chat).in_details(), &incomplete)
}
