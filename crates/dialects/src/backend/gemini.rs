//! Requests to Gemini's `generateContent` (ai.google.dev, "Generating content").

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Outgoing, Untranslatable};
use crate::json::{Object, arguments, bytes, data_url, list, plain_text, set, text};

const KNOWN: [&str; 24] = [
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
    "models",
    "route",
    "metadata",
    "store",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "user",
];

/// Their names on both sides.
const SAMPLING: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];

pub(crate) fn request(chat: &Value, model: &str, stream: bool) -> Result<Outgoing, Untranslatable> {
    let mut dropped = Vec::new();
    let mut body = Object::new();
    let (system, contents) = conversation(chat, &mut dropped)?;
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    body.insert("contents".to_owned(), contents.into());
    tools(chat, &mut body, &mut dropped);
    let config = config(chat, &mut dropped);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    let unknown = chat.as_object().into_iter().flatten();
    let unknown = unknown.filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
    dropped.extend(unknown.map(|(key, _)| key.clone()));
    if set(chat, "user").is_some() {
        dropped.push("user".to_owned());
    }
    let name = escaped(model.strip_prefix("models/").unwrap_or(model));
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok(Outgoing { path: format!("/models/{name}:{verb}"), body: bytes(&body.into()), dropped })
}

/// What a path may hold, the rest in percents.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn config(chat: &Value, dropped: &mut Vec<String>) -> Object {
    let mut config = Object::new();
    for (theirs, ours) in SAMPLING {
        if let Some(value) = set(chat, theirs) {
            config.insert(ours.to_owned(), value.clone());
        }
    }
    if let Some(limit) = set(chat, "max_completion_tokens").or_else(|| set(chat, "max_tokens")) {
        config.insert("maxOutputTokens".to_owned(), limit.clone());
    }
    if let Some(n) = set(chat, "n").filter(|n| **n != json!(1)) {
        config.insert("candidateCount".to_owned(), n.clone());
    }
    match set(chat, "stop") {
        Some(Value::String(stop)) => drop(config.insert("stopSequences".to_owned(), json!([stop]))),
        Some(stop) => drop(config.insert("stopSequences".to_owned(), stop.clone())),
        None => {}
    }
    if let Some(format) = set(chat, "response_format") {
        match text(format, "type") {
            Some("json_schema") => {
                config.insert("responseMimeType".to_owned(), "application/json".into());
                if let Some(schema) = format.get("json_schema").and_then(|s| s.get("schema")) {
                    config.insert("responseJsonSchema".to_owned(), schema.clone());
                }
            }
            Some("json_object") => {
                drop(config.insert("responseMimeType".to_owned(), "application/json".into()));
            }
            Some("text") => {}
            kind => dropped.push(format!("response_format {}", kind.unwrap_or("of no type"))),
        }
    }
    let own = set(chat, "thinking").and_then(|t| t.get("budget_tokens")).and_then(Value::as_u64);
    let budget = own.or(match text(chat, "reasoning_effort") {
        Some("none") => Some(0),
        Some("minimal" | "low") => Some(1024),
        Some("medium") => Some(8192),
        Some("high" | "xhigh") => Some(24_576),
        _ => None,
    });
    if let Some(budget) = budget {
        let thinking = json!({ "thinkingBudget": budget, "includeThoughts": budget > 0 });
        config.insert("thinkingConfig".to_owned(), thinking);
    }
    config
}

fn tools(chat: &Value, body: &mut Object, dropped: &mut Vec<String>) {
    let mut functions = Vec::new();
    for (at, tool) in list(chat, "tools").iter().enumerate() {
        let Some(function) = tool.get("function") else {
            dropped.push(format!("tools[{at}] ({})", text(tool, "type").unwrap_or("no function")));
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

fn conversation(chat: &Value, dropped: &mut Vec<String>) -> Result<(Vec<Value>, Vec<Value>), Untranslatable> {
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    // an answer of a tool goes by the name of its function
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (at, message) in list(chat, "messages").iter().enumerate() {
        let (role, parts) = match text(message, "role").unwrap_or("user") {
            "system" | "developer" => {
                system.extend(parts(message, at)?);
                continue;
            }
            "assistant" => {
                for call in list(message, "tool_calls") {
                    let name = call.get("function").and_then(|f| text(f, "name")).unwrap_or_default();
                    names.insert(text(call, "id").unwrap_or_default(), name);
                }
                if set(message, "thinking_blocks").is_some() {
                    dropped.push(format!("messages[{at}].thinking_blocks"));
                }
                ("model", model_parts(message, at)?)
            }
            "tool" | "function" => {
                let id = text(message, "tool_call_id").unwrap_or_default();
                let name = names.get(id).copied().or_else(|| text(message, "name"));
                let name = name.ok_or_else(|| {
                    let why =
                        "no tool call of this id comes before it, and this backend needs the function's name";
                    Untranslatable::unsupported(format!("messages[{at}].tool_call_id"), why)
                })?;
                ("user", vec![function_response(id, name, message)])
            }
            _ => ("user", parts(message, at)?),
        };
        match turns.last_mut().filter(|(last, _)| *last == role) {
            Some((_, last)) => last.extend(parts),
            None => turns.push((role, parts)),
        }
    }
    let turns = turns.into_iter().filter(|(_, parts)| !parts.is_empty());
    Ok((system, turns.map(|(role, parts)| json!({ "role": role, "parts": parts })).collect()))
}

fn function_response(id: &str, name: &str, message: &Value) -> Value {
    let said = plain_text(message.get("content").unwrap_or(&Value::Null));
    // the API wants an object
    let response = serde_json::from_str(&said).ok().filter(Value::is_object);
    let key = if message.get("is_error") == Some(&json!(true)) { "error" } else { "result" };
    let response = response.unwrap_or_else(|| json!({ key: said }));
    json!({ "functionResponse": { "id": id, "name": name, "response": response } })
}

fn model_parts(message: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    let mut parts = parts(message, at)?;
    for (n, call) in list(message, "tool_calls").iter().enumerate() {
        let function = call.get("function").cloned().unwrap_or_default();
        let args = arguments(text(&function, "arguments").unwrap_or_default()).ok_or_else(|| {
            let param = format!("messages[{at}].tool_calls[{n}].function.arguments");
            Untranslatable::unsupported(param, "the arguments of a tool call must be a JSON object")
        })?;
        let name = text(&function, "name").unwrap_or_default();
        let mut part = json!({ "functionCall": { "name": name, "args": args } });
        let signature = call
            .get("extra_content")
            .and_then(|e| e.get("google"))
            .and_then(|g| text(g, "thought_signature"));
        if let (Some(signature), Some(fields)) = (signature, part.as_object_mut()) {
            fields.insert("thoughtSignature".to_owned(), signature.into());
        }
        parts.push(part);
    }
    Ok(parts)
}

fn parts(message: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    match message.get("content") {
        Some(Value::String(said)) if !said.is_empty() => Ok(vec![json!({ "text": said })]),
        Some(Value::Array(parts)) => parts
            .iter()
            .enumerate()
            .map(|(n, part)| one(part, || format!("messages[{at}].content[{n}]")))
            .collect(),
        _ => Ok(Vec::new()),
    }
}

fn one(part: &Value, param: impl Fn() -> String) -> Result<Value, Untranslatable> {
    let kind = text(part, "type").unwrap_or("text");
    Ok(match kind {
        "text" | "input_text" | "output_text" => json!({ "text": text(part, "text").unwrap_or_default() }),
        "refusal" => json!({ "text": text(part, "refusal").unwrap_or_default() }),
        "image_url" => {
            let image = part.get("image_url").cloned().unwrap_or_default();
            media(image.as_str().or_else(|| text(&image, "url")).unwrap_or_default())
        }
        "file" if part.get("file").is_some_and(|file| text(file, "file_data").is_some()) => {
            media(part.get("file").and_then(|file| text(file, "file_data")).unwrap_or_default())
        }
        "input_audio" => {
            let audio = part.get("input_audio").cloned().unwrap_or_default();
            let kind = format!("audio/{}", text(&audio, "format").unwrap_or("wav"));
            json!({ "inlineData": { "mimeType": kind, "data": text(&audio, "data").unwrap_or_default() } })
        }
        other => {
            let message = format!("content of the type `{other}` is not supported by this backend");
            return Err(Untranslatable::unsupported(param(), message));
        }
    })
}

fn media(url: &str) -> Value {
    match data_url(url) {
        Some((kind, data)) => json!({ "inlineData": { "mimeType": kind, "data": data } }),
        None => json!({ "fileData": { "fileUri": url } }),
    }
}
