//! Ollama's own `/api/chat` (the project's `docs/api.md`), requests.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Untranslatable,
    hub::in_order,
    media::{Medium, medium},
    report::Dropped,
};
use crate::json::{Object, arguments, list, plain_text, set, text};

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
    "tool_choice",
    "output_config",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "keep_alive",
];

/// What it takes of messages beside their content.
const OF_MESSAGES: [&str; 1] = ["reasoning_content"];

pub(crate) fn request(
    chat: &Value,
    model: &str,
    stream: bool,
    dropped: &mut Dropped,
) -> Result<(String, Object), Untranslatable> {
    if set(chat, "n").is_some_and(|n| *n != json!(1)) {
        return Err(Untranslatable::unsupported("n", "this backend gives one choice: n must be 1"));
    }
    let mut body = Object::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(chat)?.into());
    body.insert("stream".to_owned(), stream.into());
    tools(chat, &mut body, dropped);
    if let Some(format) = set(chat, "response_format") {
        match (text(format, "type"), format.get("json_schema").and_then(|s| s.get("schema"))) {
            (Some("json_schema"), Some(schema)) => drop(body.insert("format".to_owned(), schema.clone())),
            (Some("json_object"), _) => drop(body.insert("format".to_owned(), "json".into())),
            (Some("text"), _) => {}
            (kind, _) => dropped.add(format!("response_format {}", kind.unwrap_or("of no type"))),
        }
    }
    if let Some(think) = think(chat, dropped) {
        body.insert("think".to_owned(), think);
    }
    if let Some(keep) = set(chat, "keep_alive") {
        body.insert("keep_alive".to_owned(), keep.clone());
    }
    let options = options(chat);
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    dropped.unknown(chat, &KNOWN);
    dropped.beside_the_content(chat, &OF_MESSAGES);
    Ok(("/api/chat".to_owned(), body))
}

/// Which tool is called is the model's choice here; that none is called can be had by showing none.
fn tools(chat: &Value, body: &mut Object, dropped: &mut Dropped) {
    let (functions, others): (Vec<Value>, Vec<Value>) =
        list(chat, "tools").iter().cloned().partition(|tool| tool.get("function").is_some());
    for tool in &others {
        dropped.add(format!("tools[*] ({})", text(tool, "type").unwrap_or("no function")));
    }
    let choice = set(chat, "tool_choice");
    if functions.is_empty() || choice.is_some_and(|choice| choice == "none") {
        return;
    }
    if choice.is_some_and(|choice| choice != "auto") {
        dropped.add("tool_choice");
    }
    body.insert("tools".to_owned(), functions.into());
}

/// Whether the model thinks, and how hard; a budget has no words here.
fn think(chat: &Value, dropped: &mut Dropped) -> Option<Value> {
    let own = set(chat, "thinking");
    let kind = own.and_then(|own| text(own, "type"));
    if kind == Some("disabled") {
        return Some(false.into());
    }
    if own.is_some_and(|own| set(own, "budget_tokens").is_some()) {
        dropped.add("thinking.budget_tokens (its effort stays)");
    }
    let own_effort = set(chat, "output_config").and_then(|config| text(config, "effort"));
    Some(match text(chat, "reasoning_effort").or(own_effort) {
        Some("none") => false.into(),
        Some("minimal" | "low") => "low".into(),
        Some("medium") => "medium".into(),
        Some("high" | "xhigh" | "max") => "high".into(),
        Some(other) => {
            dropped.add(format!("reasoning_effort {other}"));
            true.into()
        }
        None if kind == Some("enabled") => true.into(),
        None => return None,
    })
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
    let messages = list(chat, "messages");
    for (at, message) in in_order(messages).into_iter().filter_map(|at| Some((at, messages.get(at)?))) {
        let role = match text(message, "role").unwrap_or("user") {
            "developer" => "system",
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
        let param = format!("messages[{at}].content[{n}]");
        match text(part, "type").unwrap_or("text") {
            "text" | "input_text" | "output_text" | "refusal" => {}
            "image_url" => {
                let image = part.get("image_url").unwrap_or(&Value::Null);
                let url = image.as_str().or_else(|| text(image, "url")).unwrap_or_default();
                let Medium::Here { data, .. } = medium(url, &param)? else {
                    let message = "this backend fetches no images: send them as data URLs";
                    return Err(Untranslatable::unsupported(param, message));
                };
                images.push(data.into());
            }
            other => {
                let message = format!("content of the type `{other}` is not supported by this backend");
                return Err(Untranslatable::unsupported(param, message));
            }
        }
    }
    Ok(images)
}
