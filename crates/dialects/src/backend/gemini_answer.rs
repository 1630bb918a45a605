//! Answers of Gemini's `generateContent`, whole and streamed.

use serde_json::{Value, json};

use super::chunks::{Counts, Head, tool_call};
use crate::json::{count, data, error, list, set, text};

fn finish(reason: &str, calls: bool) -> &'static str {
    match reason {
        "MAX_TOKENS" => "length",
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
            "content_filter"
        }
        _ if calls => "tool_calls",
        _ => "stop",
    }
}

/// Gemini counts thoughts beside the answer.
fn counts(answer: &Value) -> Counts {
    let usage = answer.get("usageMetadata").unwrap_or(&Value::Null);
    let reasoning = count(usage, "thoughtsTokenCount");
    Counts {
        prompt: count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount"),
        completion: count(usage, "candidatesTokenCount") + reasoning,
        cached: count(usage, "cachedContentTokenCount"),
        written_to_cache: 0,
        reasoning,
    }
}

/// What a part says.
enum Said {
    Text(String),
    Thought(String),
    Call(Value),
    Nothing,
}

fn said(part: &Value, number: usize) -> Said {
    if let Some(call) = set(part, "functionCall") {
        let id = text(call, "id").map_or_else(|| format!("call_{number}"), str::to_owned);
        let args = call.get("args").cloned().unwrap_or_else(|| json!({})).to_string();
        let mut own = tool_call(&id, text(call, "name").unwrap_or_default(), &args);
        if let (Some(signature), Some(fields)) = (text(part, "thoughtSignature"), own.as_object_mut()) {
            let extra = json!({ "google": { "thought_signature": signature } });
            fields.insert("extra_content".to_owned(), extra);
        }
        return Said::Call(own);
    }
    match text(part, "text") {
        Some(thought) if part.get("thought") == Some(&json!(true)) => Said::Thought(thought.to_owned()),
        Some(said) => Said::Text(said.to_owned()),
        None => Said::Nothing,
    }
}

pub(crate) fn answer(answer: &Value, model: &str, created: u64) -> Result<Value, String> {
    let head = Head::new(text(answer, "responseId"), model, created);
    let counts = counts(answer);
    let candidates = list(answer, "candidates");
    if candidates.is_empty() {
        if set(answer, "promptFeedback").is_some_and(|f| set(f, "blockReason").is_some()) {
            let message = json!({ "role": "assistant", "content": "", "refusal": null });
            return Ok(head.completion(&message, "content_filter", &counts));
        }
        return Err("the answer has no candidates".to_owned());
    }
    let mut choices = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let (mut words, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
        for part in list(candidate.get("content").unwrap_or(&Value::Null), "parts") {
            match said(part, calls.len()) {
                Said::Text(text) => words.push_str(&text),
                Said::Thought(thought) => thoughts.push_str(&thought),
                Said::Call(call) => calls.push(call),
                Said::Nothing => {}
            }
        }
        let finish = finish(text(candidate, "finishReason").unwrap_or("STOP"), !calls.is_empty());
        let content = if words.is_empty() && !calls.is_empty() { Value::Null } else { words.into() };
        let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
        if let Some(fields) = message.as_object_mut() {
            if !thoughts.is_empty() {
                fields.insert("reasoning_content".to_owned(), thoughts.into());
            }
            if !calls.is_empty() {
                fields.insert("tool_calls".to_owned(), calls.into());
            }
        }
        choices
            .push(json!({ "index": index, "message": message, "logprobs": null, "finish_reason": finish }));
    }
    let mut completion = head.completion(&Value::Null, "stop", &counts);
    if let Some(fields) = completion.as_object_mut() {
        fields.insert("choices".to_owned(), choices.into());
    }
    Ok(completion)
}

/// A stream of answers, each a piece of the whole.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    counts: Counts,
    calls: usize,
    reason: Option<String>,
    over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, counts: Counts::default(), calls: 0, reason: None, over: false }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if let Some(inner) = set(event, "error") {
            self.over = true;
            let kind = text(inner, "status").unwrap_or("server_error");
            out.extend(data(&error(text(inner, "message").unwrap_or_default(), kind, Some("backend_error"))));
            return;
        }
        if let Some(id) = text(event, "responseId") {
            id.clone_into(&mut self.head.id);
        }
        if set(event, "usageMetadata").is_some() {
            self.counts = counts(event);
        }
        if set(event, "promptFeedback").is_some_and(|f| set(f, "blockReason").is_some()) {
            self.reason = Some("SAFETY".to_owned());
        }
        let candidate = list(event, "candidates").first().unwrap_or(&Value::Null);
        for part in list(candidate.get("content").unwrap_or(&Value::Null), "parts") {
            match said(part, self.calls) {
                Said::Text(text) if !text.is_empty() => self.head.delta(json!({ "content": text }), out),
                Said::Thought(thought) if !thought.is_empty() => {
                    self.head.delta(json!({ "reasoning_content": thought }), out);
                }
                Said::Call(mut call) => {
                    if let Some(fields) = call.as_object_mut() {
                        fields.insert("index".to_owned(), self.calls.into());
                    }
                    self.calls += 1;
                    self.head.delta(json!({ "tool_calls": [call] }), out);
                }
                _ => {}
            }
        }
        if let Some(reason) = text(candidate, "finishReason") {
            self.reason = Some(reason.to_owned());
        }
    }

    /// The end of the body is the end of the answer where a reason was given.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let (Some(reason), false) = (self.reason.take(), self.over) {
            self.over = true;
            self.head.end(finish(&reason, self.calls > 0), &self.counts, out);
        }
    }
}
