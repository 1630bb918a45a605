//! Items of a response that are being written.

use serde_json::{Value, json};

use super::super::responses::{message, output_text, refusal};

/// An item that is under way.
#[derive(Debug)]
pub(super) enum Item {
    /// What is thought, and the blocks that are to come back signed.
    Reasoning { id: String, thought: String, blocks: Vec<Value> },
    /// What is said.
    Message { id: String, parts: Vec<Part> },
    /// The call of a tool, by its place among the calls.
    Call { id: String, at: usize },
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Part {
    /// Why there is no answer, instead of one.
    pub(super) refusal: bool,
    pub(super) text: String,
}

impl Part {
    pub(super) fn shown(&self) -> Value {
        if self.refusal { refusal(&self.text) } else { output_text(&self.text) }
    }

    /// The event for one more piece, without its place.
    pub(super) fn delta(&self, piece: &str) -> Value {
        if self.refusal {
            json!({ "type": "response.refusal.delta", "delta": piece })
        } else {
            json!({ "type": "response.output_text.delta", "delta": piece, "logprobs": [] })
        }
    }

    /// The event for its end, without its place.
    pub(super) fn done(&self) -> Value {
        if self.refusal {
            json!({ "type": "response.refusal.done", "refusal": self.text })
        } else {
            json!({ "type": "response.output_text.done", "text": self.text, "logprobs": [] })
        }
    }
}

/// A message of these parts.
pub(super) fn whole(id: &str, parts: &[Part], status: &str) -> Value {
    let content: Vec<Value> = parts.iter().map(Part::shown).collect();
    message(id, &content, status)
}
