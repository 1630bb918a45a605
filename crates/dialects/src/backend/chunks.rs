//! Completions and chunks of OpenAI's shape, made piece by piece.

use serde_json::{Value, json};

use crate::json::data;

/// Token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    pub(crate) cached: u64,
    pub(crate) written_to_cache: u64,
    pub(crate) reasoning: u64,
}

impl Counts {
    pub(crate) fn usage(&self) -> Value {
        let mut prompt_details = json!({ "cached_tokens": self.cached });
        if self.written_to_cache > 0
            && let Some(details) = prompt_details.as_object_mut()
        {
            details.insert("cache_creation_tokens".to_owned(), self.written_to_cache.into());
        }
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": prompt_details,
            "completion_tokens_details": { "reasoning_tokens": self.reasoning },
        })
    }
}

/// Who answers, and when.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) created: u64,
    begun: bool,
    /// The usage comes in a chunk of its own, as clients have it who asked for it.
    pub(crate) usage_apart: bool,
}

impl Head {
    pub(crate) fn new(id: Option<&str>, model: &str, created: u64) -> Self {
        let id = id.map_or_else(|| format!("chatcmpl-{model}-{created}"), str::to_owned);
        Self { id, model: model.to_owned(), created, begun: false, usage_apart: true }
    }

    /// A whole completion.
    pub(crate) fn completion(&self, message: &Value, finish: &str, counts: &Counts) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
            "usage": counts.usage(),
        })
    }

    /// One more piece; the first says who speaks.
    pub(crate) fn delta(&mut self, mut delta: Value, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(fields) = delta.as_object_mut()
        {
            fields.insert("role".to_owned(), "assistant".into());
        }
        out.extend(data(&self.chunk(&json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None)));
    }

    /// The end: why, what it took, and `[DONE]`.
    pub(crate) fn end(&mut self, finish: &str, counts: &Counts, out: &mut Vec<u8>) {
        if !self.begun {
            self.delta(json!({ "content": "" }), out);
        }
        let last = json!([{ "index": 0, "delta": {}, "finish_reason": finish }]);
        if self.usage_apart {
            out.extend(data(&self.chunk(&last, None)));
            out.extend(data(&self.chunk(&json!([]), Some(counts.usage()))));
        } else {
            out.extend(data(&self.chunk(&last, Some(counts.usage()))));
        }
        out.extend(b"data: [DONE]\n\n");
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        });
        if let (Some(usage), Some(fields)) = (usage, chunk.as_object_mut()) {
            fields.insert("usage".to_owned(), usage);
        }
        chunk
    }
}

/// One call of a tool, as OpenAI has it.
pub(crate) fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}
