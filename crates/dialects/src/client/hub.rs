//! The hub's answers, as all dialects read them.

use serde_json::{Value, json};

use crate::json::{Object, count, set};

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
    let fields = from.as_object().into_iter().flatten();
    let left = fields.filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null());
    dropped.extend(left.map(|(key, _)| key.clone()));
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
            "input_tokens": self.input.saturating_sub(self.cached + self.written),
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
            "total_tokens": self.input + self.output,
        })
    }
}
