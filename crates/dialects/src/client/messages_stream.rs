//! Streams as clients of Anthropic's Messages API read them: blocks, one after the other.

use serde_json::{Value, json};

use super::{
    Echo,
    calls::{Call, Calls},
    event,
    hub::{Used, call_id, error_message, said},
    messages::{Ending, error_type_of},
    thoughts::{Thought, Thoughts},
};
use crate::json::{list, set, text};

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    /// The call of a tool, by its place among the calls.
    Call(usize),
}

/// What is shown as a block other than a call.
#[derive(Debug)]
enum Words {
    Thought(Thought),
    Said(String),
}

#[derive(Debug)]
pub(crate) struct Stream {
    request: String,
    echo: Echo,
    begun: bool,
    open: Option<Block>,
    /// Blocks so far.
    blocks: usize,
    calls: Calls,
    thoughts: Thoughts,
    /// What came after a call began: blocks do not interleave, and the call may go on until the end.
    held: Vec<Words>,
    ending: Ending,
    used: Used,
}

impl Stream {
    pub(crate) fn new(request: &str, echo: Echo) -> Self {
        Self {
            request: request.to_owned(),
            echo,
            begun: false,
            open: None,
            blocks: 0,
            calls: Calls::default(),
            thoughts: Thoughts::default(),
            held: Vec::new(),
            ending: Ending::default(),
            used: Used::default(),
        }
    }

    pub(crate) fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        if set(chunk, "usage").is_some() {
            self.used = Used::of(chunk);
        }
        self.begin(text(chunk, "model").unwrap_or_default(), out);
        let choice = list(chunk, "choices").first().unwrap_or(&Value::Null);
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        for thought in self.thoughts.read(delta) {
            self.words(Words::Thought(thought), out);
        }
        let refusal = said(delta, "refusal");
        self.ending.refused |= refusal.is_some();
        for said in [said(delta, "content"), refusal].into_iter().flatten() {
            self.thoughts.over();
            self.words(Words::Said(said.to_owned()), out);
        }
        for call in list(delta, "tool_calls") {
            self.call(call, out);
        }
        self.ending.note(choice, &self.echo);
    }

    fn begin(&mut self, model: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let message = json!({
            "id": format!("msg_{}", self.request), "type": "message", "role": "assistant", "content": [],
            "model": model, "stop_reason": null, "stop_sequence": null,
            "usage": { "input_tokens": 0, "output_tokens": 0 },
        });
        event(&json!({ "type": "message_start", "message": message }), out);
    }

    fn words(&mut self, words: Words, out: &mut Vec<u8>) {
        if self.calls.list.is_empty() {
            self.show(&words, out);
            return;
        }
        match (self.held.last_mut(), words) {
            (Some(Words::Said(last)), Words::Said(more)) => last.push_str(&more),
            (_, words) => self.held.push(words),
        }
    }

    fn show(&mut self, words: &Words, out: &mut Vec<u8>) {
        match words {
            Words::Said(said) => {
                self.open(Block::Text, &json!({ "type": "text", "text": "" }), out);
                self.delta(&json!({ "type": "text_delta", "text": said }), out);
            }
            Words::Thought(Thought::Text(thought)) => {
                self.think(out);
                self.delta(&json!({ "type": "thinking_delta", "thinking": thought }), out);
            }
            Words::Thought(Thought::Signed(block)) => {
                self.think(out);
                let signature = text(block, "signature").unwrap_or_default();
                self.delta(&json!({ "type": "signature_delta", "signature": signature }), out);
                self.close(out);
            }
            Words::Thought(Thought::Redacted(block)) => {
                self.close(out);
                self.start(block, out);
                event(&json!({ "type": "content_block_stop", "index": self.blocks }), out);
                self.blocks += 1;
            }
        }
    }

    fn think(&mut self, out: &mut Vec<u8>) {
        self.open(Block::Thinking, &json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
    }

    fn call(&mut self, piece: &Value, out: &mut Vec<u8>) {
        let Some(at) = self.calls.take(piece) else { return };
        self.ending.calls = true;
        let waits = match self.open {
            Some(Block::Call(open)) => open != at,
            _ => !self.calls.list.get(at).is_some_and(Call::is_known),
        };
        if !waits {
            self.show_call(at, out);
        }
    }

    /// Opens a call where it is not open, and shows what is new of it.
    fn show_call(&mut self, at: usize, out: &mut Vec<u8>) {
        let Some(call) = self.calls.list.get_mut(at) else { return };
        let id = call_id(&call.id, &self.request, at);
        let start = json!({ "type": "tool_use", "id": id, "name": call.name, "input": {} });
        let piece = call.unseen();
        self.open(Block::Call(at), &start, out);
        if !piece.is_empty() {
            self.delta(&json!({ "type": "input_json_delta", "partial_json": piece }), out);
        }
    }

    fn open(&mut self, block: Block, start: &Value, out: &mut Vec<u8>) {
        if self.open == Some(block) {
            return;
        }
        self.close(out);
        self.open = Some(block);
        self.start(start, out);
    }

    fn start(&self, block: &Value, out: &mut Vec<u8>) {
        event(&json!({ "type": "content_block_start", "index": self.blocks, "content_block": block }), out);
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
        self.begin("", out);
        let shown = match self.open {
            Some(Block::Call(at)) => Some(at),
            _ => None,
        };
        for at in (0..self.calls.list.len()).filter(|at| Some(*at) != shown) {
            self.show_call(at, out);
        }
        for words in std::mem::take(&mut self.held) {
            self.show(&words, out);
        }
        self.close(out);
        let (reason, sequence) = self.ending.stop();
        let delta = json!({ "stop_reason": reason, "stop_sequence": sequence });
        let usage = self.used.beside_the_cache();
        event(&json!({ "type": "message_delta", "delta": delta, "usage": usage }), out);
        event(&json!({ "type": "message_stop" }), out);
    }
}

/// The end of a stream that failed.
pub(crate) fn fail(error: &Value, out: &mut Vec<u8>) {
    let (kind, message) = (error_type_of(error), error_message(error));
    event(&json!({ "type": "error", "error": { "type": kind, "message": message } }), out);
}
