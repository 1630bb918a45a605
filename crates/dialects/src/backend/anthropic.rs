//! Requests to Anthropic's Messages API (docs.anthropic.com, "Messages").

use serde_json::{Value, json};

use super::{Outgoing, Untranslatable};
use crate::json::{Object, arguments, bytes, data_url, list, set, text};

/// The API wants a limit; where the client states none, most models write no more than this.
const MAX_TOKENS: u64 = 8192;

/// What goes over under another name, or as it is.
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
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "user",
    "n",
    "reasoning_effort",
    "thinking",
    "models",
    "route",
    "metadata",
    "store",
    "top_k",
];

pub(crate) fn request(chat: &Value, model: &str, stream: bool) -> Result<Outgoing, Untranslatable> {
    let mut dropped = Vec::new();
    if set(chat, "n").is_some_and(|n| *n != json!(1)) {
        return Err(Untranslatable::unsupported("n", "this backend gives one choice: n must be 1"));
    }
    let mut body = Object::new();
    body.insert("model".to_owned(), model.into());
    let (system, turns) = conversation(chat, &mut dropped)?;
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    body.insert("messages".to_owned(), turns.into());
    let asked = chat.get("max_completion_tokens").and_then(Value::as_u64);
    let asked = asked.or_else(|| chat.get("max_tokens").and_then(Value::as_u64)).unwrap_or(MAX_TOKENS);
    let thinking = thinking(chat);
    let budget = thinking.as_ref().and_then(|t| t.get("budget_tokens")).and_then(Value::as_u64).unwrap_or(0);
    let limit = if asked > budget { asked } else { budget + asked };
    body.insert("max_tokens".to_owned(), limit.into());
    sampling(chat, thinking.is_some(), &mut body, &mut dropped);
    if let Some(thinking) = thinking {
        body.insert("thinking".to_owned(), thinking);
    }
    match set(chat, "stop") {
        Some(Value::String(stop)) => drop(body.insert("stop_sequences".to_owned(), json!([stop]))),
        Some(stop) => drop(body.insert("stop_sequences".to_owned(), stop.clone())),
        None => {}
    }
    if let Some(user) = text(chat, "user") {
        body.insert("metadata".to_owned(), json!({ "user_id": user }));
    }
    tools(chat, &mut body, &mut dropped);
    format(chat, &mut body, &mut dropped);
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    let unknown = chat
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
    dropped.extend(unknown.map(|(key, _)| key.clone()));
    Ok(Outgoing { path: "/messages".to_owned(), body: bytes(&body.into()), dropped })
}

/// The client's own `thinking`, else a budget that fits the effort.
fn thinking(chat: &Value) -> Option<Value> {
    if let Some(thinking) = set(chat, "thinking") {
        return (text(thinking, "type") != Some("disabled")).then(|| thinking.clone());
    }
    let budget = match text(chat, "reasoning_effort")? {
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" | "xhigh" => 24_576,
        _ => return None,
    };
    Some(json!({ "type": "enabled", "budget_tokens": budget }))
}

fn sampling(chat: &Value, thinks: bool, body: &mut Object, dropped: &mut Vec<String>) {
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = set(chat, name) else { continue };
        if thinks {
            dropped.push(format!("{name} (the model thinks)"));
        } else if name == "temperature" && value.as_f64().is_some_and(|t| t > 1.0) {
            dropped.push("temperature capped at 1".to_owned());
            body.insert(name.to_owned(), json!(1));
        } else {
            body.insert(name.to_owned(), value.clone());
        }
    }
}

fn tools(chat: &Value, body: &mut Object, dropped: &mut Vec<String>) {
    let mut tools = Vec::new();
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
        let schema = set(function, "parameters").cloned();
        own.insert(
            "input_schema".to_owned(),
            schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        );
        if let Some(strict) = set(function, "strict") {
            own.insert("strict".to_owned(), strict.clone());
        }
        keep_cache(tool, &mut own);
        tools.push(Value::from(own));
    }
    if tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), tools.into());
    let mut choice = match set(chat, "tool_choice") {
        Some(Value::String(word)) => match word.as_str() {
            "none" => json!({ "type": "none" }),
            "required" => json!({ "type": "any" }),
            _ => json!({ "type": "auto" }),
        },
        Some(named) => match named.get("function").and_then(|f| text(f, "name")) {
            Some(name) => json!({ "type": "tool", "name": name }),
            None => json!({ "type": "auto" }),
        },
        None => json!({ "type": "auto" }),
    };
    let alone = chat.get("parallel_tool_calls") == Some(&json!(false));
    if let Some(fields) =
        choice.as_object_mut().filter(|fields| alone && fields.get("type") != Some(&json!("none")))
    {
        fields.insert("disable_parallel_tool_use".to_owned(), true.into());
    }
    if alone || set(chat, "tool_choice").is_some() {
        body.insert("tool_choice".to_owned(), choice);
    }
}

fn format(chat: &Value, body: &mut Object, dropped: &mut Vec<String>) {
    let Some(format) = set(chat, "response_format") else { return };
    match (text(format, "type"), format.get("json_schema").and_then(|s| s.get("schema"))) {
        (Some("json_schema"), Some(schema)) => {
            let format = json!({ "type": "json_schema", "schema": schema });
            body.insert("output_config".to_owned(), json!({ "format": format }));
        }
        (Some("text"), _) => {}
        (kind, _) => dropped.push(format!("response_format {}", kind.unwrap_or("of no type"))),
    }
}

/// The system blocks, and the turns: neighbours of one role are one turn.
fn conversation(chat: &Value, dropped: &mut Vec<String>) -> Result<(Vec<Value>, Vec<Value>), Untranslatable> {
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (at, message) in list(chat, "messages").iter().enumerate() {
        let (role, blocks) = match text(message, "role").unwrap_or("user") {
            "system" | "developer" => {
                system.extend(content(message, at, dropped)?);
                continue;
            }
            "assistant" => ("assistant", assistant(message, at, dropped)?),
            "tool" | "function" => ("user", vec![tool_result(message, at, dropped)?]),
            _ => ("user", content(message, at, dropped)?),
        };
        match turns.last_mut().filter(|(last, _)| *last == role) {
            Some((_, last)) => last.extend(blocks),
            None => turns.push((role, blocks)),
        }
    }
    let turns = turns.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    Ok((system, turns.map(|(role, blocks)| json!({ "role": role, "content": blocks })).collect()))
}

/// What was thought comes first: the API wants it where tools are called.
fn assistant(message: &Value, at: usize, dropped: &mut Vec<String>) -> Result<Vec<Value>, Untranslatable> {
    let mut blocks = list(message, "thinking_blocks").to_vec();
    if blocks.is_empty() && text(message, "reasoning_content").is_some_and(|t| !t.is_empty()) {
        // without its signature the API does not take it
        dropped.push(format!("messages[{at}].reasoning_content"));
    }
    blocks.extend(content(message, at, dropped)?);
    for (n, call) in list(message, "tool_calls").iter().enumerate() {
        let function = call.get("function").cloned().unwrap_or_default();
        let input = arguments(text(&function, "arguments").unwrap_or_default()).ok_or_else(|| {
            let param = format!("messages[{at}].tool_calls[{n}].function.arguments");
            Untranslatable::unsupported(param, "the arguments of a tool call must be a JSON object")
        })?;
        let (id, name) = (text(call, "id").unwrap_or_default(), text(&function, "name").unwrap_or_default());
        blocks.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    }
    Ok(blocks)
}

fn tool_result(message: &Value, at: usize, dropped: &mut Vec<String>) -> Result<Value, Untranslatable> {
    let mut result = Object::new();
    result.insert("type".to_owned(), "tool_result".into());
    result.insert("tool_use_id".to_owned(), message.get("tool_call_id").cloned().unwrap_or_default());
    result.insert("content".to_owned(), content(message, at, dropped)?.into());
    if message.get("is_error") == Some(&json!(true)) {
        result.insert("is_error".to_owned(), true.into());
    }
    keep_cache(message, &mut result);
    Ok(result.into())
}

fn content(message: &Value, at: usize, dropped: &mut Vec<String>) -> Result<Vec<Value>, Untranslatable> {
    let mut blocks = Vec::new();
    match message.get("content") {
        // the API refuses blocks without text
        Some(Value::String(text)) if !text.trim().is_empty() => {
            blocks.push(json!({ "type": "text", "text": text }));
        }
        Some(Value::Array(parts)) => {
            for (n, part) in parts.iter().enumerate() {
                let param = || format!("messages[{at}].content[{n}]");
                let Some(mut block) = block(part, param, dropped)? else { continue };
                keep_cache(part, &mut block);
                blocks.push(block.into());
            }
        }
        _ => {}
    }
    Ok(blocks)
}

fn block(
    part: &Value,
    param: impl Fn() -> String,
    dropped: &mut Vec<String>,
) -> Result<Option<Object>, Untranslatable> {
    let made = match text(part, "type").unwrap_or("text") {
        "text" | "input_text" | "output_text" => {
            let said = text(part, "text").unwrap_or_default();
            if said.trim().is_empty() {
                return Ok(None);
            }
            json!({ "type": "text", "text": said })
        }
        "refusal" => json!({ "type": "text", "text": text(part, "refusal").unwrap_or_default() }),
        "image_url" => {
            let image = part.get("image_url").cloned().unwrap_or_default();
            let url = image.as_str().or_else(|| text(&image, "url")).unwrap_or_default();
            if set(&image, "detail").is_some_and(|d| *d != json!("auto")) {
                dropped.push(format!("{}.image_url.detail", param()));
            }
            json!({ "type": "image", "source": source(url) })
        }
        "file" => {
            let file = part.get("file").cloned().unwrap_or_default();
            let Some(url) = text(&file, "file_data") else {
                return Err(Untranslatable::unsupported(
                    param(),
                    "files by id are not known to this backend",
                ));
            };
            let mut document = json!({ "type": "document", "source": source(url) });
            if let (Some(title), Some(fields)) = (set(&file, "filename"), document.as_object_mut()) {
                fields.insert("title".to_owned(), title.clone());
            }
            document
        }
        other => {
            let message = format!("content of the type `{other}` is not supported by this backend");
            return Err(Untranslatable::unsupported(param(), message));
        }
    };
    Ok(made.as_object().cloned())
}

fn source(url: &str) -> Value {
    match data_url(url) {
        Some((kind, data)) => json!({ "type": "base64", "media_type": kind, "data": data }),
        None => json!({ "type": "url", "url": url }),
    }
}

fn keep_cache(from: &Value, to: &mut Object) {
    if let Some(cache) = set(from, "cache_control") {
        to.insert("cache_control".to_owned(), cache.clone());
    }
}
