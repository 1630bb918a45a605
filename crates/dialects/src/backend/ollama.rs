//! Ollama's own `/api/chat` (the project's `docs/api.md`), requests and answers.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Outgoing, Untranslatable,
    chunks::{Counts, Head, tool_call},
};
use crate::json::{Object, arguments, bytes, count, data, data_url, error, list, plain_text, set, text};

const KNOWN: [&str; 23] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "response_format",
    "n",
    "reasoning_effort",
    "thinking",
    "models",
    "route",
    "metadata",
    "store",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "keep_alive",
];

pub(crate) fn request(chat: &Value, model: &str, stream: bool) -> Result<Outgoing, Untranslatable> {
    let mut dropped = Vec::new();
    if set(chat, "n").is_some_and(|n| *n != json!(1)) {
        return Err(Untranslatable::unsupported("n", "this backend gives one choice: n must be 1"));
    }
    let mut body = Object::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(chat)?.into());
    body.insert("stream".to_owned(), stream.into());
    if !list(chat, "tools").is_empty() {
        body.insert("tools".to_owned(), list(chat, "tools").into());
        if set(chat, "tool_choice").is_some_and(|choice| *choice != json!("auto")) {
            dropped.push("tool_choice".to_owned());
        }
    }
    if let Some(format) = set(chat, "response_format") {
        match (text(format, "type"), format.get("json_schema").and_then(|s| s.get("schema"))) {
            (Some("json_schema"), Some(schema)) => drop(body.insert("format".to_owned(), schema.clone())),
            (Some("json_object"), _) => drop(body.insert("format".to_owned(), "json".into())),
            (Some("text"), _) => {}
            (kind, _) => dropped.push(format!("response_format {}", kind.unwrap_or("of no type"))),
        }
    }
    match text(chat, "reasoning_effort") {
        Some("none") => drop(body.insert("think".to_owned(), false.into())),
        Some(effort @ ("low" | "medium" | "high")) => drop(body.insert("think".to_owned(), effort.into())),
        Some(_) => drop(body.insert("think".to_owned(), true.into())),
        None => {}
    }
    if let Some(keep) = set(chat, "keep_alive") {
        body.insert("keep_alive".to_owned(), keep.clone());
    }
    let options = options(chat);
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    let unknown = chat.as_object().into_iter().flatten();
    let unknown = unknown
        .filter(|(key, value)| !KNOWN.contains(&key.as_str()) && *key != "tool_choice" && !value.is_null());
    dropped.extend(unknown.map(|(key, _)| key.clone()));
    Ok(Outgoing { path: "/api/chat".to_owned(), body: bytes(&body.into()), dropped })
}

fn options(chat: &Value) -> Object {
    let mut options = Object::new();
    for name in ["temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty"] {
        if let Some(value) = set(chat, name) {
            options.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(limit) = set(chat, "max_completion_tokens").or_else(|| set(chat, "max_tokens")) {
        options.insert("num_predict".to_owned(), limit.clone());
    }
    match set(chat, "stop") {
        Some(Value::String(stop)) => drop(options.insert("stop".to_owned(), json!([stop]))),
        Some(stop) => drop(options.insert("stop".to_owned(), stop.clone())),
        None => {}
    }
    options
}

fn messages(chat: &Value) -> Result<Vec<Value>, Untranslatable> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut out = Vec::new();
    for (at, message) in list(chat, "messages").iter().enumerate() {
        let role = match text(message, "role").unwrap_or("user") {
            "developer" => "system",
            "function" => "tool",
            role => role,
        };
        let mut own = Object::new();
        own.insert("role".to_owned(), role.into());
        let content = message.get("content").unwrap_or(&Value::Null);
        own.insert("content".to_owned(), plain_text(content).into());
        let images = images(content, at)?;
        if !images.is_empty() {
            own.insert("images".to_owned(), images.into());
        }
        if let Some(thought) = set(message, "reasoning_content") {
            own.insert("thinking".to_owned(), thought.clone());
        }
        let mut calls = Vec::new();
        for (n, call) in list(message, "tool_calls").iter().enumerate() {
            let function = call.get("function").unwrap_or(&Value::Null);
            let name = text(function, "name").unwrap_or_default();
            names.insert(text(call, "id").unwrap_or_default(), name);
            let input = arguments(text(function, "arguments").unwrap_or_default()).ok_or_else(|| {
                let param = format!("messages[{at}].tool_calls[{n}].function.arguments");
                Untranslatable::unsupported(param, "the arguments of a tool call must be a JSON object")
            })?;
            calls.push(json!({ "function": { "name": name, "arguments": input } }));
        }
        if !calls.is_empty() {
            own.insert("tool_calls".to_owned(), calls.into());
        }
        if let Some(name) = text(message, "tool_call_id").and_then(|id| names.get(id)) {
            own.insert("tool_name".to_owned(), (*name).into());
        }
        out.push(own.into());
    }
    Ok(out)
}

fn images(content: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    let mut images = Vec::new();
    for (n, part) in content.as_array().into_iter().flatten().enumerate() {
        let unsupported = |message: String| {
            Err(Untranslatable::unsupported(format!("messages[{at}].content[{n}]"), message))
        };
        match text(part, "type").unwrap_or("text") {
            "text" | "input_text" | "output_text" | "refusal" => {}
            "image_url" => {
                let image = part.get("image_url").cloned().unwrap_or_default();
                let url = image.as_str().or_else(|| text(&image, "url")).unwrap_or_default();
                match data_url(url) {
                    Some((_, data)) => images.push(data.into()),
                    None => {
                        return unsupported(
                            "this backend fetches no images: send them as data URLs".to_owned(),
                        );
                    }
                }
            }
            other => {
                return unsupported(format!(
                    "content of the type `{other}` is not supported by this backend"
                ));
            }
        }
    }
    Ok(images)
}

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

fn calls(message: &Value, first: usize) -> Vec<Value> {
    let call = |(n, call): (usize, &Value)| {
        let function = call.get("function").unwrap_or(&Value::Null);
        let arguments = function.get("arguments").cloned().unwrap_or_else(|| json!({})).to_string();
        let id = text(call, "id").map_or_else(|| format!("call_{}", first + n), str::to_owned);
        let mut own = tool_call(&id, text(function, "name").unwrap_or_default(), &arguments);
        if let Some(fields) = own.as_object_mut() {
            fields.insert("index".to_owned(), (first + n).into());
        }
        own
    };
    list(message, "tool_calls").iter().enumerate().map(call).collect()
}

pub(crate) fn answer(answer: &Value, model: &str, created: u64) -> Result<Value, String> {
    let Some(message) = set(answer, "message") else { return Err("the answer has no message".to_owned()) };
    if answer.get("done") != Some(&json!(true)) {
        return Err("the answer is not done".to_owned());
    }
    let calls = calls(message, 0);
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
    Ok(Head::new(None, model, created).completion(&own, finish, &counts(answer)))
}

/// A stream of lines, each a piece of the message.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    calls: usize,
    over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, calls: 0, over: false }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
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
        let calls = calls(message, self.calls);
        if !calls.is_empty() {
            self.calls += calls.len();
            self.head.delta(json!({ "tool_calls": calls }), out);
        }
        if event.get("done") == Some(&json!(true)) {
            self.over = true;
            self.head.end(finish(event, self.calls > 0), &counts(event), out);
        }
    }
}
