//! Answers of OpenAI's Responses API.

use serde_json::{Value, json};

use super::{
    Echo,
    hub::{Used, call_id, said, thought},
    sealed,
};
use crate::json::{list, text};

/// How a response ends: its status, and why it is not whole.
pub(crate) fn status(finish: Option<&str>) -> (&'static str, Value) {
    match finish {
        Some("length") => ("incomplete", json!({ "reason": "max_output_tokens" })),
        Some("content_filter") => ("incomplete", json!({ "reason": "content_filter" })),
        _ => ("completed", Value::Null),
    }
}

/// A reasoning item: its text, where there is one, and the signed blocks, where they are asked for.
pub(crate) fn reasoning(id: &str, thought: &str, blocks: &[Value]) -> Value {
    let summary = if thought.is_empty() { json!([]) } else { json!([summary_text(thought)]) };
    let mut item = json!({ "id": id, "type": "reasoning", "status": "completed", "summary": summary });
    if let Some(fields) = item.as_object_mut().filter(|_| !blocks.is_empty()) {
        fields.insert("encrypted_content".to_owned(), sealed::seal(blocks).into());
    }
    item
}

pub(crate) fn summary_text(thought: &str) -> Value {
    json!({ "type": "summary_text", "text": thought })
}

pub(crate) fn message(id: &str, content: &[Value], status: &str) -> Value {
    json!({ "id": id, "type": "message", "role": "assistant", "status": status, "content": content })
}

pub(crate) fn output_text(said: &str) -> Value {
    json!({ "type": "output_text", "text": said, "annotations": [], "logprobs": [] })
}

pub(crate) fn refusal(said: &str) -> Value {
    json!({ "type": "refusal", "refusal": said })
}

pub(crate) fn function_call(id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
    json!({
        "id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name,
        "arguments": arguments,
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
    let blocks = list(own, "thinking_blocks");
    let thoughts = || blocks.iter().filter_map(|block| said(block, "thinking")).collect::<String>();
    let thought = thought(own).map_or_else(thoughts, str::to_owned);
    let blocks = if echo.wants_sealed() { blocks } else { &[] };
    if !thought.is_empty() || !blocks.is_empty() {
        output.push(reasoning(&format!("rs_{id}"), &thought, blocks));
    }
    let calls = list(own, "tool_calls");
    let mut content: Vec<Value> = said(own, "content").map(output_text).into_iter().collect();
    content.extend(said(own, "refusal").map(refusal));
    if content.is_empty() && calls.is_empty() {
        content.push(output_text(""));
    }
    if !content.is_empty() {
        output.push(message(&format!("msg_{id}"), &content, status));
    }
    for (n, call) in calls.iter().enumerate() {
        let function = call.get("function").unwrap_or(&Value::Null);
        let arguments = match function.get("arguments") {
            Some(Value::String(given)) => given.clone(),
            Some(whole @ Value::Object(_)) => whole.to_string(),
            _ => "{}".to_owned(),
        };
        let call_id = call_id(text(call, "id").unwrap_or_default(), id, n);
        let name = text(function, "name").unwrap_or_default();
        output.push(function_call(&format!("fc_{id}_{n}"), &call_id, name, &arguments, "completed"));
    }
    let shell = Shell { echo, id, created, model: text(chat, "model").unwrap_or_default() };
    shell.response(status, &output, &Used::of(chat).in_details(), &incomplete)
}
