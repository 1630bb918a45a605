//! Completions and chunks of OpenAI's shape, made piece by piece.

use serde_json::{Value, json};

use super::ids::Seed;
use crate::json::{Object, bytes, data};

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
            "total_tokens": self.prompt.saturating_add(self.completion),
            "prompt_tokens_details": prompt_details,
            "completion_tokens_details": { "reasoning_tokens": self.reasoning },
        })
    }
}

/// How a choice ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) index: u64,
    /// Why, in OpenAI's words.
    pub(crate) finish: &'static str,
    /// The stop sequence that was met, where the provider says which: a `stop_reason` beside the finish reason, as vLLM
    /// has it.
    pub(crate) stop: Option<String>,
}

impl End {
    /// Of the only choice.
    pub(crate) const fn of(finish: &'static str) -> Self {
        Self { index: 0, finish, stop: None }
    }

    /// The choice with what it says under `name`.
    fn choice(&self, name: &str, said: Value) -> Value {
        let mut choice = Object::new();
        choice.insert("index".to_owned(), self.index.into());
        choice.insert(name.to_owned(), said);
        if name == "message" {
            choice.insert("logprobs".to_owned(), Value::Null);
        }
        choice.insert("finish_reason".to_owned(), self.finish.into());
        if let Some(stop) = &self.stop {
            choice.insert("stop_reason".to_owned(), stop.as_str().into());
        }
        choice.into()
    }
}

/// Who answers, and when.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The provider's own id, once it is known.
    id: Option<String>,
    model: String,
    created: u64,
    seed: Seed,
    /// The first event has come.
    met: bool,
    /// The choices that have said something.
    begun: Vec<u64>,
    /// The usage comes in a chunk of its own, as clients have it who asked for it.
    pub(crate) usage_apart: bool,
}

impl Head {
    pub(crate) fn new(seed: Seed, model: &str, created: u64) -> Self {
        let model = model.to_owned();
        Self { id: None, model, created, seed, met: false, begun: Vec::new(), usage_apart: true }
    }

    /// Takes the provider's own id: the first, since clients know the stream by it from then on.
    pub(crate) fn name(&mut self, id: Option<&str>) {
        if self.id.is_none() && self.begun.is_empty() {
            self.id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        }
    }

    /// Takes note of an event: the first is part of the seed, since two requests may be alike.
    pub(crate) fn meet(&mut self, event: &Value) {
        if !std::mem::replace(&mut self.met, true) {
            self.seed = self.seed.with(&bytes(event));
        }
    }

    /// An id for the call of this number.
    pub(crate) fn call_id(&self, number: usize) -> String {
        self.seed.call(number)
    }

    /// A whole completion: messages, and how they ended.
    pub(crate) fn completion(&self, choices: Vec<(Value, End)>, counts: &Counts) -> Value {
        let choices: Vec<Value> =
            choices.into_iter().map(|(message, end)| end.choice("message", message)).collect();
        json!({
            "id": self.id(), "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": choices, "usage": counts.usage(),
        })
    }

    /// One more piece of the only choice.
    pub(crate) fn delta(&mut self, delta: Value, out: &mut Vec<u8>) {
        self.delta_of(0, delta, out);
    }

    /// One more piece of a choice; the first says who speaks.
    pub(crate) fn delta_of(&mut self, index: u64, mut delta: Value, out: &mut Vec<u8>) {
        if !self.begun.contains(&index) {
            self.begun.push(index);
            if let Some(fields) = delta.as_object_mut() {
                fields.insert("role".to_owned(), "assistant".into());
            }
        }
        let choice = json!([{ "index": index, "delta": delta, "finish_reason": null }]);
        out.extend(data(&self.chunk(&choice, None)));
    }

    /// The end: why, what it took, and `[DONE]`.
    pub(crate) fn end(&mut self, ends: &[End], counts: &Counts, out: &mut Vec<u8>) {
        for (n, end) in ends.iter().enumerate() {
            if !self.begun.contains(&end.index) {
                self.delta_of(end.index, json!({ "content": "" }), out);
            }
            let is_last = n + 1 == ends.len();
            let usage = (is_last && !self.usage_apart).then(|| counts.usage());
            out.extend(data(&self.chunk(&json!([end.choice("delta", json!({}))]), usage)));
        }
        if self.usage_apart {
            out.extend(data(&self.chunk(&json!([]), Some(counts.usage()))));
        }
        out.extend(b"data: [DONE]\n\n");
    }

    fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.seed.completion())
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>) -> Value {
        let mut chunk = json!({
            "id": self.id(), "object": "chat.completion.chunk", "created": self.created, "model": self.model,
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

/// The same in a stream, where it has a number.
pub(crate) fn numbered(mut call: Value, number: usize) -> Value {
    if let Some(fields) = call.as_object_mut() {
        fields.insert("index".to_owned(), number.into());
    }
    call
}
