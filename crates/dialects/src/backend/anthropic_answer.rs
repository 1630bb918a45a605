//! Answers of Anthropic's Messages API, whole and streamed.

use serde_json::{Value, json};

use super::chunks::{Counts, Head, tool_call};
use crate::json::{count, data, error, list, text};

/// Why it stopped, in OpenAI's words.
fn finish(reason: Option<&str>) -> &'static str {
    match reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("tool_use") => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop",
    }
}

/// Anthropic counts what is read from the cache and written to it beside the input.
fn counts(usage: &Value) -> Counts {
    let (cached, written) =
        (count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens"));
    Counts {
        prompt: count(usage, "input_tokens") + cached + written,
        completion: count(usage, "output_tokens"),
        cached,
        written_to_cache: written,
        reasoning: 0,
    }
}

pub(crate) fn answer(answer: &Value, model: &str, created: u64) -> Result<Value, String> {
    if text(answer, "type") != Some("message") {
        return Err("the answer is not a message".to_owned());
    }
    let (mut said, mut thought, mut thinking, mut calls) =
        (String::new(), String::new(), Vec::new(), Vec::new());
    for block in list(answer, "content") {
        match text(block, "type") {
            Some("text") => said.push_str(text(block, "text").unwrap_or_default()),
            Some("thinking") => {
                thought.push_str(text(block, "thinking").unwrap_or_default());
                thinking.push(block.clone());
            }
            Some("redacted_thinking") => thinking.push(block.clone()),
            Some("tool_use") => {
                let input = block.get("input").cloned().unwrap_or_else(|| json!({})).to_string();
                let name = text(block, "name").unwrap_or_default();
                calls.push(tool_call(text(block, "id").unwrap_or_default(), name, &input));
            }
            _ => {}
        }
    }
    let content = if said.is_empty() && !calls.is_empty() { Value::Null } else { said.into() };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if let Some(fields) = message.as_object_mut() {
        if !thinking.is_empty() {
            fields.insert("reasoning_content".to_owned(), thought.into());
            fields.insert("thinking_blocks".to_owned(), thinking.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
    }
    let head = Head::new(text(answer, "id"), model, created);
    let counts = counts(answer.get("usage").unwrap_or(&Value::Null));
    Ok(head.completion(&message, finish(text(answer, "stop_reason")), &counts))
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    usage: Value,
    /// Calls of tools so far.
    calls: usize,
    /// The block of thoughts that is open.
    thinking: Option<Value>,
    reason: Option<String>,
    over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, usage: json!({}), calls: 0, thinking: None, reason: None, over: false }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match text(event, "type") {
            Some("message_start") => {
                let message = event.get("message").unwrap_or(&Value::Null);
                if let Some(id) = text(message, "id") {
                    id.clone_into(&mut self.head.id);
                }
                self.count(message.get("usage"));
            }
            Some("content_block_start") => {
                self.block_starts(event.get("content_block").unwrap_or(&Value::Null), out);
            }
            Some("content_block_delta") => self.delta(event.get("delta").unwrap_or(&Value::Null), out),
            Some("content_block_stop") => {
                if let Some(block) = self.thinking.take() {
                    self.head.delta(json!({ "thinking_blocks": [block] }), out);
                }
            }
            Some("message_delta") => {
                self.count(event.get("usage"));
                let reason = event.get("delta").and_then(|delta| text(delta, "stop_reason"));
                self.reason = reason.map(str::to_owned).or_else(|| self.reason.take());
            }
            // without a reason the end is none
            Some("message_stop") if self.reason.is_some() => {
                self.over = true;
                self.head.end(finish(self.reason.as_deref()), &counts(&self.usage), out);
            }
            Some("error") => {
                self.over = true;
                let inner = event.get("error").unwrap_or(&Value::Null);
                let kind = text(inner, "type").unwrap_or("server_error");
                out.extend(data(&error(
                    text(inner, "message").unwrap_or_default(),
                    kind,
                    Some("backend_error"),
                )));
            }
            _ => {}
        }
    }

    fn block_starts(&mut self, block: &Value, out: &mut Vec<u8>) {
        match text(block, "type") {
            Some("tool_use") => {
                let name = text(block, "name").unwrap_or_default();
                let mut call = tool_call(text(block, "id").unwrap_or_default(), name, "");
                if let Some(fields) = call.as_object_mut() {
                    fields.insert("index".to_owned(), self.calls.into());
                }
                self.calls += 1;
                self.head.delta(json!({ "tool_calls": [call] }), out);
            }
            Some("thinking" | "redacted_thinking") => self.thinking = Some(block.clone()),
            Some("text") => {
                if let Some(said) = text(block, "text").filter(|said| !said.is_empty()) {
                    self.head.delta(json!({ "content": said }), out);
                }
            }
            _ => {}
        }
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<u8>) {
        match text(delta, "type") {
            Some("text_delta") => {
                self.head.delta(json!({ "content": text(delta, "text").unwrap_or_default() }), out);
            }
            Some("input_json_delta") => {
                let piece = text(delta, "partial_json").unwrap_or_default();
                if !piece.is_empty() {
                    let index = self.calls.saturating_sub(1);
                    let call = json!({ "index": index, "function": { "arguments": piece } });
                    self.head.delta(json!({ "tool_calls": [call] }), out);
                }
            }
            Some("thinking_delta") => {
                let piece = text(delta, "thinking").unwrap_or_default();
                self.remember("thinking", piece);
                self.head.delta(json!({ "reasoning_content": piece }), out);
            }
            Some("signature_delta") => {
                self.remember("signature", text(delta, "signature").unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Adds a piece to the open block of thoughts.
    fn remember(&mut self, field: &str, piece: &str) {
        let Some(block) = self.thinking.as_mut().and_then(Value::as_object_mut) else { return };
        let so_far = block.get(field).and_then(Value::as_str).unwrap_or_default();
        let whole = format!("{so_far}{piece}");
        block.insert(field.to_owned(), whole.into());
    }

    /// Later counts replace earlier ones, field by field.
    fn count(&mut self, usage: Option<&Value>) {
        let (Some(new), Some(known)) = (usage.and_then(Value::as_object), self.usage.as_object_mut()) else {
            return;
        };
        for (key, value) in new.iter().filter(|(_, value)| !value.is_null()) {
            known.insert(key.clone(), value.clone());
        }
    }
}
