//! Answers of Ollama's own `/api/chat`, whole and streamed.

use serde_json::{Value, json};

use super::chunks::{Counts, End, Head, numbered, tool_call};
use crate::json::{count, data, error, list, set, text};

fn finish(answer: &Value, calls: bool) -> &'static str {
    match text(answer, "done_reason") {
        Some("length") => "length",
        _ if calls => "tool_calls",
        _ => "stop",
    }
}

fn counts(answer: &Value) -> Counts {
    Counts {
        prompt: count(answer, "prompt_eval_count"),
        completion: count(answer, "eval_count"),
        ..Counts::default()
    }
}

/// The calls of a message, numbered from `first` on. Older servers give them no ids.
fn calls(message: &Value, head: &Head, first: usize) -> Vec<Value> {
    let call = |(n, call): (usize, &Value)| {
        let function = call.get("function").unwrap_or(&Value::Null);
        let arguments = set(function, "arguments").map_or_else(|| "{}".to_owned(), Value::to_string);
        let id = text(call, "id").filter(|id| !id.is_empty());
        let id = id.map_or_else(|| head.call_id(first + n), str::to_owned);
        numbered(tool_call(&id, text(function, "name").unwrap_or_default(), &arguments), first + n)
    };
    list(message, "tool_calls").iter().enumerate().map(call).collect()
}

pub(crate) fn answer(answer: &Value, head: &Head) -> Result<Value, String> {
    let Some(message) = set(answer, "message") else { return Err("the answer has no message".to_owned()) };
    if answer.get("done") != Some(&json!(true)) {
        return Err("the answer is not done".to_owned());
    }
    let calls = calls(message, head, 0);
    let said = text(message, "content").unwrap_or_default();
    let content = if said.is_empty() && !calls.is_empty() { Value::Null } else { said.into() };
    let mut own = json!({ "role": "assistant", "content": content, "refusal": null });
    let finish = finish(answer, !calls.is_empty());
    if let Some(fields) = own.as_object_mut() {
        if let Some(thought) = text(message, "thinking").filter(|t| !t.is_empty()) {
            fields.insert("reasoning_content".to_owned(), thought.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
    }
    Ok(head.completion(vec![(own, End::of(finish))], &counts(answer)))
}

/// A stream of lines, each a piece of the message.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    calls: usize,
    pub(crate) over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, calls: 0, over: false }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        self.head.meet(event);
        if let Some(why) = set(event, "error") {
            self.over = true;
            let message = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
            out.extend(data(&error(&message, "server_error", Some("backend_error"))));
            return;
        }
        let message = event.get("message").unwrap_or(&Value::Null);
        if let Some(thought) = text(message, "thinking").filter(|t| !t.is_empty()) {
            self.head.delta(json!({ "reasoning_content": thought }), out);
        }
        if let Some(said) = text(message, "content").filter(|t| !t.is_empty()) {
            self.head.delta(json!({ "content": said }), out);
        }
        let calls = calls(message, &self.head, self.calls);
        if !calls.is_empty() {
            self.calls += calls.len();
            self.head.delta(json!({ "tool_calls": calls }), out);
        }
        if event.get("done") == Some(&json!(true)) {
            self.over = true;
            self.head.end(&[End::of(finish(event, self.calls > 0))], &counts(event), out);
        }
    }
}
