//! Answers of Anthropic's Messages API, whole and streamed.

use serde_json::{Value, json};

use super::chunks::{Counts, End, Head, numbered, tool_call};
use crate::json::{Object, count, data, error, list, set, text};

/// Why it stopped, in OpenAI's words, and at which sequence.
fn end(reason: Option<&str>, sequence: Option<&str>) -> End {
    let finish = match reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("tool_use") => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop",
    };
    let stop = sequence.filter(|_| reason == Some("stop_sequence")).map(str::to_owned);
    End { stop, ..End::of(finish) }
}

/// Anthropic counts what is read from the cache and written to it beside the input.
fn counts(usage: &Value) -> Counts {
    let (cached, written) =
        (count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens"));
    Counts {
        prompt: count(usage, "input_tokens").saturating_add(cached).saturating_add(written),
        completion: count(usage, "output_tokens"),
        cached,
        written_to_cache: written,
        reasoning: 0,
    }
}

pub(crate) fn answer(answer: &Value, mut head: Head) -> Result<Value, String> {
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
                let input = set(block, "input").map_or_else(|| "{}".to_owned(), Value::to_string);
                calls.push(call(block, &input, &head, calls.len()));
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
    head.name(text(answer, "id"));
    let counts = counts(answer.get("usage").unwrap_or(&Value::Null));
    let end = end(text(answer, "stop_reason"), text(answer, "stop_sequence"));
    Ok(head.completion(vec![(message, end)], &counts))
}

/// The call of a tool, with an id also where a server of this dialect forgets it.
fn call(block: &Value, arguments: &str, head: &Head, number: usize) -> Value {
    let id = text(block, "id").filter(|id| !id.is_empty());
    let id = id.map_or_else(|| head.call_id(number), str::to_owned);
    tool_call(&id, text(block, "name").unwrap_or_default(), arguments)
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    usage: Value,
    /// Calls of tools so far.
    calls: usize,
    /// What the open call of a tool began with, until arguments come.
    input: Option<Value>,
    /// The block of thoughts that is open.
    thinking: Option<Object>,
    reason: Option<String>,
    sequence: Option<String>,
    pub(crate) over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            usage: json!({}),
            calls: 0,
            input: None,
            thinking: None,
            reason: None,
            sequence: None,
            over: false,
        }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        self.head.meet(event);
        match text(event, "type") {
            Some("message_start") => {
                let message = event.get("message").unwrap_or(&Value::Null);
                self.head.name(text(message, "id"));
                self.count(message.get("usage"));
            }
            Some("content_block_start") => {
                self.block_ends(out);
                self.block_starts(event.get("content_block").unwrap_or(&Value::Null), out);
            }
            Some("content_block_delta") => self.delta(event.get("delta").unwrap_or(&Value::Null), out),
            Some("content_block_stop") => self.block_ends(out),
            Some("message_delta") => {
                self.count(event.get("usage"));
                let delta = event.get("delta").unwrap_or(&Value::Null);
                for (field, known) in
                    [("stop_reason", &mut self.reason), ("stop_sequence", &mut self.sequence)]
                {
                    *known = text(delta, field).map(str::to_owned).or_else(|| known.take());
                }
            }
            // without a reason the end is none
            Some("message_stop") if self.reason.is_some() => {
                self.block_ends(out);
                self.over = true;
                let end = end(self.reason.as_deref(), self.sequence.as_deref());
                self.head.end(&[end], &counts(&self.usage), out);
            }
            Some("error") => {
                self.over = true;
                let inner = event.get("error").unwrap_or(&Value::Null);
                let kind = text(inner, "type").unwrap_or("server_error");
                let message = text(inner, "message").unwrap_or_default();
                out.extend(data(&error(message, kind, Some("backend_error"))));
            }
            _ => {}
        }
    }

    fn block_starts(&mut self, block: &Value, out: &mut Vec<u8>) {
        match text(block, "type") {
            Some("tool_use") => {
                let call = numbered(call(block, "", &self.head, self.calls), self.calls);
                self.calls += 1;
                self.input = Some(set(block, "input").cloned().unwrap_or_else(|| json!({})));
                self.head.delta(json!({ "tool_calls": [call] }), out);
            }
            Some("thinking" | "redacted_thinking") => self.thinking = block.as_object().cloned(),
            Some("text") => {
                if let Some(said) = text(block, "text").filter(|said| !said.is_empty()) {
                    self.head.delta(json!({ "content": said }), out);
                }
            }
            _ => {}
        }
    }

    /// A call for which no arguments came has those that it began with, mostly none.
    fn block_ends(&mut self, out: &mut Vec<u8>) {
        if let Some(input) = self.input.take() {
            self.arguments(&input.to_string(), out);
        }
        if let Some(block) = self.thinking.take() {
            self.head.delta(json!({ "thinking_blocks": [block] }), out);
        }
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<u8>) {
        let index = self.calls.saturating_sub(1);
        let call = json!({ "index": index, "function": { "arguments": piece } });
        self.head.delta(json!({ "tool_calls": [call] }), out);
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<u8>) {
        match text(delta, "type") {
            Some("text_delta") => {
                self.head.delta(json!({ "content": text(delta, "text").unwrap_or_default() }), out);
            }
            Some("input_json_delta") => {
                let piece = text(delta, "partial_json").unwrap_or_default();
                if !piece.is_empty() {
                    self.input = None;
                    self.arguments(piece, out);
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
        let Some(block) = &mut self.thinking else { return };
        match block.get_mut(field) {
            Some(Value::String(so_far)) => so_far.push_str(piece),
            _ => drop(block.insert(field.to_owned(), piece.into())),
        }
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
