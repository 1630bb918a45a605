//! Streams as clients of Anthropic's Messages API read them: blocks, one after the other.

use serde_json::{Value, json};

use super::{event, hub::Used, messages::stop_reason};
use crate::json::{list, set, text};

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    /// The call of a tool, by the hub's number.
    Call(u64),
}

/// A call whose turn has not come: blocks do not interleave, the calls of the hub may.
#[derive(Debug)]
struct Waiting {
    number: u64,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug)]
pub(crate) struct Stream {
    id: String,
    begun: bool,
    open: Option<Block>,
    /// Blocks so far.
    blocks: usize,
    waiting: Vec<Waiting>,
    finish: Option<String>,
    used: Used,
}

impl Stream {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: format!("msg_{id}"),
            begun: false,
            open: None,
            blocks: 0,
            waiting: Vec::new(),
            finish: None,
            used: Used::default(),
        }
    }

    pub(crate) fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        if set(chunk, "usage").is_some() {
            self.used = Used::of(chunk);
        }
        if !self.begun {
            self.begun = true;
            let message = json!({
                "id": self.id, "type": "message", "role": "assistant", "content": [],
                "model": text(chunk, "model").unwrap_or_default(), "stop_reason": null, "stop_sequence": null,
                "usage": { "input_tokens": 0, "output_tokens": 0 },
            });
            event(&json!({ "type": "message_start", "message": message }), out);
        }
        let choice = list(chunk, "choices").first().unwrap_or(&Value::Null);
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        if let Some(thought) = text(delta, "reasoning_content").filter(|t| !t.is_empty()) {
            self.open(Block::Thinking, &json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
            self.delta(&json!({ "type": "thinking_delta", "thinking": thought }), out);
        }
        for block in list(delta, "thinking_blocks") {
            self.thought(block, out);
        }
        if let Some(said) =
            text(delta, "content").or_else(|| text(delta, "refusal")).filter(|t| !t.is_empty())
        {
            self.open(Block::Text, &json!({ "type": "text", "text": "" }), out);
            self.delta(&json!({ "type": "text_delta", "text": said }), out);
        }
        for call in list(delta, "tool_calls") {
            self.call(call, out);
        }
        if let Some(finish) = text(choice, "finish_reason") {
            self.finish = Some(finish.to_owned());
        }
    }

    /// A whole block of thoughts: its signature belongs to the thoughts that came before it.
    fn thought(&mut self, block: &Value, out: &mut Vec<u8>) {
        if text(block, "type") == Some("redacted_thinking") {
            self.close(out);
            event(
                &json!({ "type": "content_block_start", "index": self.blocks, "content_block": block }),
                out,
            );
            event(&json!({ "type": "content_block_stop", "index": self.blocks }), out);
            self.blocks += 1;
            return;
        }
        if self.open != Some(Block::Thinking) {
            self.open(Block::Thinking, &json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
            let thought = text(block, "thinking").unwrap_or_default();
            self.delta(&json!({ "type": "thinking_delta", "thinking": thought }), out);
        }
        let signature = text(block, "signature").unwrap_or_default();
        self.delta(&json!({ "type": "signature_delta", "signature": signature }), out);
        self.close(out);
    }

    fn call(&mut self, call: &Value, out: &mut Vec<u8>) {
        let number = call.get("index").and_then(Value::as_u64).unwrap_or(0);
        let function = call.get("function").unwrap_or(&Value::Null);
        let piece = text(function, "arguments").unwrap_or_default();
        if self.open == Some(Block::Call(number)) {
            if !piece.is_empty() {
                self.delta(&json!({ "type": "input_json_delta", "partial_json": piece }), out);
            }
            return;
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.number == number) {
            waiting.arguments.push_str(piece);
            return;
        }
        let (id, name) = (text(call, "id").unwrap_or_default(), text(function, "name").unwrap_or_default());
        let new = Waiting { number, id: id.to_owned(), name: name.to_owned(), arguments: piece.to_owned() };
        if matches!(self.open, Some(Block::Call(_))) {
            self.waiting.push(new);
        } else {
            self.open_call(&new, out);
        }
    }

    fn open_call(&mut self, call: &Waiting, out: &mut Vec<u8>) {
        let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        self.open(Block::Call(call.number), &block, out);
        if !call.arguments.is_empty() {
            self.delta(&json!({ "type": "input_json_delta", "partial_json": call.arguments }), out);
        }
    }

    fn open(&mut self, block: Block, start: &Value, out: &mut Vec<u8>) {
        if self.open == Some(block) {
            return;
        }
        self.close(out);
        self.open = Some(block);
        event(&json!({ "type": "content_block_start", "index": self.blocks, "content_block": start }), out);
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        event(&json!({ "type": "content_block_delta", "index": self.blocks, "delta": delta }), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            event(&json!({ "type": "content_block_stop", "index": self.blocks }), out);
            self.blocks += 1;
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        for call in std::mem::take(&mut self.waiting) {
            self.open_call(&call, out);
            self.close(out);
        }
        let reason = stop_reason(self.finish.as_deref());
        let delta = json!({ "stop_reason": reason, "stop_sequence": null });
        let usage = self.used.beside_the_cache();
        event(&json!({ "type": "message_delta", "delta": delta, "usage": usage }), out);
        event(&json!({ "type": "message_stop" }), out);
    }
}

/// The end of a stream that failed.
pub(crate) fn fail(error: &Value, out: &mut Vec<u8>) {
    let message = text(error, "message").unwrap_or("the stream failed");
    let known = ["rate_limit_error", "overloaded_error", "invalid_request_error", "authentication_error"];
    let kind = text(error, "type").filter(|kind| known.contains(kind)).unwrap_or("api_error");
    event(&json!({ "type": "error", "error": { "type": kind, "message": message } }), out);
}
