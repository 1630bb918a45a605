//! Requests to Gemini's `generateContent` (ai.google.dev, "Generating content").

mod config;
mod content;

use serde_json::{Value, json};

use super::{Untranslatable, report::Dropped};
use crate::json::{Object, list, set, text};

const KNOWN: [&str; 22] = [
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
    "tool_choice",
    "response_format",
    "n",
    "reasoning_effort",
    "thinking",
    "output_config",
    "models",
    "route",
    "seed",
    "presence_penalty",
    "frequency_penalty",
];

/// What it takes of messages beside their content.
const OF_MESSAGES: [&str; 2] = ["is_error", "extra_content"];

pub(crate) fn request(
    chat: &Value,
    model: &str,
    stream: bool,
    dropped: &mut Dropped,
) -> Result<(String, Object), Untranslatable> {
    let mut body = Object::new();
    let (system, contents) = content::conversation(chat, model)?;
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    body.insert("contents".to_owned(), contents.into());
    tools(chat, &mut body, dropped);
    let config = config::config(chat, model, dropped);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    dropped.unknown(chat, &KNOWN);
    dropped.beside_the_content(chat, &OF_MESSAGES);
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok((path(model, verb), body))
}

/// A model is called by its name, with or without the collection that it is in.
pub(crate) fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// Where a model is asked to do something.
pub(crate) fn path(model: &str, verb: &str) -> String {
    format!("/models/{}:{verb}", escaped(bare(model)))
}

/// What a path may hold, the rest in percents.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn tools(chat: &Value, body: &mut Object, dropped: &mut Dropped) {
    let mut functions = Vec::new();
    for tool in list(chat, "tools") {
        let Some(function) = tool.get("function") else {
            dropped.add(format!("tools[*] ({})", text(tool, "type").unwrap_or("no function")));
            continue;
        };
        let mut own = Object::new();
        own.insert("name".to_owned(), function.get("name").cloned().unwrap_or_default());
        if let Some(description) = set(function, "description") {
            own.insert("description".to_owned(), description.clone());
        }
        if let Some(schema) = set(function, "parameters") {
            own.insert("parametersJsonSchema".to_owned(), schema.clone());
        }
        if function.get("strict") == Some(&json!(true)) {
            dropped.add("tools[*].function.strict");
        }
        functions.push(Value::from(own));
    }
    if functions.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), json!([{ "functionDeclarations": functions }]));
    let config = match set(chat, "tool_choice") {
        Some(Value::String(word)) => match word.as_str() {
            "none" => json!({ "mode": "NONE" }),
            "required" => json!({ "mode": "ANY" }),
            _ => json!({ "mode": "AUTO" }),
        },
        Some(named) => match named.get("function").and_then(|f| text(f, "name")) {
            Some(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
            None => json!({ "mode": "AUTO" }),
        },
        None => return,
    };
    body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": config }));
}
