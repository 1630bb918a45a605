//! What was thought, in a streamed answer of the hub: as plain text, as signed blocks, or as both at once.

use serde_json::{Value, json};

use super::hub::{said, thought};
use crate::json::{list, text};

/// A piece of what a delta says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Thought {
    /// More of the text.
    Text(String),
    /// The text since the last one is a block with this signature; the whole block.
    Signed(Value),
    /// A block that only its provider can read.
    Redacted(Value),
}

/// Follows a stream, so that no thought is shown twice.
#[derive(Debug, Default)]
pub(crate) struct Thoughts {
    /// The text since the last block.
    shown: String,
}

impl Thoughts {
    /// What a delta adds. Blocks repeat the text that came before them, or are pieces themselves, or stand beside a copy of
    /// their own text in the same delta.
    pub(crate) fn read(&mut self, delta: &Value) -> Vec<Thought> {
        let blocks = list(delta, "thinking_blocks");
        let beside = thought(delta);
        let mut out = Vec::new();
        if let Some(piece) = beside.filter(|_| !blocks.iter().any(|b| said(b, "thinking").is_some())) {
            self.more(piece, &mut out);
        }
        for block in blocks {
            if text(block, "type") == Some("redacted_thinking") {
                self.shown.clear();
                out.push(Thought::Redacted(block.clone()));
                continue;
            }
            let whole = text(block, "thinking").unwrap_or_default();
            let new =
                if beside.is_some() { whole } else { whole.strip_prefix(&*self.shown).unwrap_or(whole) };
            self.more(new, &mut out);
            if let Some(signature) = said(block, "signature") {
                let thinking = std::mem::take(&mut self.shown);
                let block = json!({ "type": "thinking", "thinking": thinking, "signature": signature });
                out.push(Thought::Signed(block));
            }
        }
        out
    }

    /// Something else was said: what is thought from here on is another block.
    pub(crate) fn over(&mut self) {
        self.shown.clear();
    }

    fn more(&mut self, piece: &str, out: &mut Vec<Thought>) {
        if !piece.is_empty() {
            self.shown.push_str(piece);
            out.push(Thought::Text(piece.to_owned()));
        }
    }
}
