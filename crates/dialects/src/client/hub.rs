//! The hub's answers, as all dialects read them.

use serde_json::{Value, json};

use crate::json::{Object, count, set, text};

/// The gateway's own fields and those that mean the same on both sides go over as they are.
pub(crate) fn carry(from: &Value, to: &mut Object, fields: &[&str]) {
    for field in fields {
        if let Some(value) = set(from, field) {
            to.insert((*field).to_owned(), value.clone());
        }
    }
}

/// The fields that nobody knows, which are therefore left out.
pub(crate) fn unknown(from: &Value, known: &[&str], dropped: &mut Vec<String>) {
    dropped.extend(left(from, known).cloned());
}

/// The same of an object that stands at `path`.
pub(crate) fn unknown_at(path: &str, from: &Value, known: &[&str], dropped: &mut Vec<String>) {
    dropped.extend(left(from, known).map(|field| format!("{path}.{field}")));
}

fn left<'a>(from: &'a Value, known: &[&str]) -> impl Iterator<Item = &'a String> {
    let fields = from.as_object().into_iter().flatten();
    fields.filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null()).map(|(key, _)| key)
}

/// A text that says something.
pub(crate) fn said<'a>(message: &'a Value, field: &str) -> Option<&'a str> {
    text(message, field).filter(|said| !said.is_empty())
}

/// What was thought, of a message or a delta. vLLM, OpenRouter and Ollama call it `reasoning`; who sends both names
/// sends the same twice.
pub(crate) fn thought(message: &Value) -> Option<&str> {
    said(message, "reasoning_content").or_else(|| said(message, "reasoning"))
}

/// The id of a call; where the backend gave none, one of ours, because the result has to name it.
pub(crate) fn call_id(given: &str, request: &str, number: usize) -> String {
    if given.is_empty() { format!("call_{request}_{number}") } else { given.to_owned() }
}

/// What an `error` of the hub says.
pub(crate) fn error_message(error: &Value) -> &str {
    text(error, "message").or_else(|| error.as_str()).unwrap_or("the stream failed")
}

/// Token counts of the hub.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cached: u64,
    pub(crate) written: u64,
    pub(crate) reasoning: u64,
}

impl Used {
    pub(crate) fn of(answer: &Value) -> Self {
        let usage = answer.get("usage").unwrap_or(&Value::Null);
        let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
        let thought = usage.get("completion_tokens_details").unwrap_or(&Value::Null);
        Self {
            input: count(usage, "prompt_tokens"),
            output: count(usage, "completion_tokens"),
            cached: count(details, "cached_tokens"),
            written: count(details, "cache_creation_tokens"),
            reasoning: count(thought, "reasoning_tokens"),
        }
    }

    /// As Anthropic counts: what touched the cache stands beside the input.
    pub(crate) fn beside_the_cache(&self) -> Value {
        json!({
            "input_tokens": self.input.saturating_sub(self.cached.saturating_add(self.written)),
            "output_tokens": self.output,
            "cache_read_input_tokens": self.cached,
            "cache_creation_input_tokens": self.written,
        })
    }

    /// As the Responses API counts.
    pub(crate) fn in_details(&self) -> Value {
        json!({
            "input_tokens": self.input,
            "input_tokens_details": { "cached_tokens": self.cached },
            "output_tokens": self.output,
            "output_tokens_details": { "reasoning_tokens": self.reasoning },
            "total_tokens": self.input.saturating_add(self.output),
        })
    }
}
