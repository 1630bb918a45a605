//! Anthropic's Messages API as clients speak it (docs.anthropic.com, "Messages").

use pointsman_protocol::IMAGE_TOKENS;
use pointsman_types::Tokens;
use serde_json::{Value, json};

use super::{
    ClientError, Echo, Incoming,
    hub::{Used, carry, unknown},
    object,
};
use crate::json::{Object, arguments, bytes, list, set, text};

const KNOWN: [&str; 18] = [
    "model",
    "models",
    "route",
    "messages",
    "system",
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "mcp_servers",
    "top_k",
];

pub(crate) fn request(body: &Value) -> Result<Incoming, ClientError> {
    let mut dropped = Vec::new();
    let mut chat = Object::new();
    carry(body, &mut chat, &["model", "models", "route", "temperature", "top_p"]);
    if set(body, "mcp_servers").is_some_and(|servers| servers.as_array().is_none_or(|list| !list.is_empty()))
    {
        return Err(ClientError::unsupported(
            "mcp_servers",
            "servers of tools are not called by this gateway",
        ));
    }
    let limit = set(body, "max_tokens").and_then(Value::as_u64).filter(|limit| *limit > 0);
    let limit = limit
        .ok_or_else(|| ClientError::shape("max_tokens", "max_tokens must be a whole number, 1 or more"))?;
    chat.insert("max_tokens".to_owned(), limit.into());
    if set(body, "top_k").is_some() {
        dropped.push("top_k".to_owned());
    }
    if let Some(user) = body.get("metadata").and_then(|metadata| text(metadata, "user_id")) {
        chat.insert("user".to_owned(), user.into());
    }
    if let Some(stop) =
        set(body, "stop_sequences").filter(|stop| stop.as_array().is_none_or(|s| !s.is_empty()))
    {
        chat.insert("stop".to_owned(), stop.clone());
    }
    chat.insert("messages".to_owned(), conversation(body, &mut dropped)?.into());
    tools(body, &mut chat, &mut dropped)?;
    if let Some(thinking) = set(body, "thinking") {
        think(thinking, &mut chat);
    }
    let config = set(body, "output_config");
    let format = config.and_then(|config| set(config, "format")).or_else(|| set(body, "output_format"));
    if let Some(schema) = format.and_then(|format| set(format, "schema")) {
        let schema = json!({ "name": "answer", "schema": schema, "strict": true });
        chat.insert("response_format".to_owned(), json!({ "type": "json_schema", "json_schema": schema }));
    }
    if let Some(effort) = config.and_then(|config| text(config, "effort")) {
        chat.entry("reasoning_effort").or_insert_with(|| effort.into());
    }
    let stream = body.get("stream") == Some(&json!(true));
    if stream {
        chat.insert("stream".to_owned(), true.into());
        chat.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    unknown(body, &KNOWN, &mut dropped);
    Ok(Incoming { chat: bytes(&chat.into()), stream, dropped, echo: Echo::default() })
}

fn think(thinking: &Value, chat: &mut Object) {
    if text(thinking, "type") == Some("disabled") {
        return;
    }
    let effort = match thinking.get("budget_tokens").and_then(Value::as_u64) {
        Some(0..=4096) => "low",
        Some(0..=16_384) | None => "medium",
        Some(_) => "high",
    };
    chat.insert("reasoning_effort".to_owned(), effort.into());
    chat.insert("thinking".to_owned(), thinking.clone());
}

fn tools(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) -> Result<(), ClientError> {
    let mut tools = Vec::new();
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if let Some(kind) = text(tool, "type").filter(|kind| *kind != "custom") {
            let message =
                format!("the tool `{kind}` runs at its provider, which this gateway does not offer");
            return Err(ClientError::unsupported(format!("tools[{at}].type"), message));
        }
        let mut function = Object::new();
        carry(tool, &mut function, &["name", "description", "strict"]);
        if let Some(schema) = set(tool, "input_schema") {
            function.insert("parameters".to_owned(), schema.clone());
        }
        let mut own = json!({ "type": "function", "function": function });
        if let (Some(cache), Some(fields)) = (set(tool, "cache_control"), own.as_object_mut()) {
            fields.insert("cache_control".to_owned(), cache.clone());
        }
        unknown(tool, &["type", "name", "description", "strict", "input_schema", "cache_control"], dropped);
        tools.push(own);
    }
    if tools.is_empty() {
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    let Some(choice) = set(body, "tool_choice") else { return Ok(()) };
    let word = match text(choice, "type") {
        Some("any") => json!("required"),
        Some("none") => json!("none"),
        Some("tool") => {
            let name = text(choice, "name").unwrap_or_default();
            json!({ "type": "function", "function": { "name": name } })
        }
        _ => json!("auto"),
    };
    chat.insert("tool_choice".to_owned(), word);
    if choice.get("disable_parallel_tool_use") == Some(&json!(true)) {
        chat.insert("parallel_tool_calls".to_owned(), false.into());
    }
    Ok(())
}

fn conversation(body: &Value, dropped: &mut Vec<String>) -> Result<Vec<Value>, ClientError> {
    let mut out = Vec::new();
    match set(body, "system") {
        Some(Value::String(said)) if !said.is_empty() => {
            out.push(json!({ "role": "system", "content": said }));
        }
        Some(blocks @ Value::Array(_)) => {
            let parts = parts(blocks, "system", dropped)?;
            if !parts.is_empty() {
                out.push(json!({ "role": "system", "content": joined(parts) }));
            }
        }
        _ => {}
    }
    let messages = body.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty());
    let messages = messages
        .ok_or_else(|| ClientError::shape("messages", "messages must be an array of at least one message"))?;
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages[{at}]");
        match text(message, "role") {
            Some("user") => user(message, &path, &mut out, dropped)?,
            Some("assistant") => out.push(assistant(message, &path, dropped)?),
            Some("system") => out.push(json!({
                "role": "system",
                "content": joined(content_parts(message, &path, dropped)?),
            })),
            _ => {
                let message = format!("{path}.role must be `user` or `assistant`");
                return Err(ClientError::shape(format!("{path}.role"), message));
            }
        }
    }
    Ok(out)
}

/// The results of tools in a turn are messages of their own in the hub, and come before what the user says.
fn user(
    message: &Value,
    path: &str,
    out: &mut Vec<Value>,
    dropped: &mut Vec<String>,
) -> Result<(), ClientError> {
    let Some(Value::Array(blocks)) = message.get("content") else {
        out.push(json!({ "role": "user", "content": joined(content_parts(message, path, dropped)?) }));
        return Ok(());
    };
    let (results, said): (Vec<Value>, Vec<Value>) =
        blocks.iter().cloned().partition(|block| text(block, "type") == Some("tool_result"));
    for result in &results {
        let content = match set(result, "content") {
            Some(blocks @ Value::Array(_)) => joined(parts(blocks, path, dropped)?),
            Some(other) => other.clone(),
            None => "".into(),
        };
        let mut own = json!({
            "role": "tool", "tool_call_id": text(result, "tool_use_id").unwrap_or_default(), "content": content,
        });
        if let Some(fields) = own.as_object_mut() {
            carry(result, fields, &["cache_control"]);
            if result.get("is_error") == Some(&json!(true)) {
                fields.insert("is_error".to_owned(), true.into());
            }
        }
        out.push(own);
    }
    if !said.is_empty() || results.is_empty() {
        out.push(json!({ "role": "user", "content": joined(parts(&said.into(), path, dropped)?) }));
    }
    Ok(())
}

fn assistant(message: &Value, path: &str, dropped: &mut Vec<String>) -> Result<Value, ClientError> {
    let Some(Value::Array(blocks)) = message.get("content") else {
        return Ok(json!({ "role": "assistant", "content": joined(content_parts(message, path, dropped)?) }));
    };
    let (mut said, mut calls, mut thinking) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        match text(block, "type") {
            Some("tool_use") => {
                let input = block.get("input").cloned().unwrap_or_else(|| json!({})).to_string();
                let function = json!({ "name": text(block, "name").unwrap_or_default(), "arguments": input });
                let id = text(block, "id").unwrap_or_default();
                calls.push(json!({ "id": id, "type": "function", "function": function }));
            }
            Some("thinking" | "redacted_thinking") => thinking.push(block.clone()),
            _ => said.push(block.clone()),
        }
    }
    let parts = parts(&said.into(), path, dropped)?;
    let content = if parts.is_empty() && !calls.is_empty() { Value::Null } else { joined(parts) };
    let mut own = json!({ "role": "assistant", "content": content });
    if let Some(fields) = own.as_object_mut() {
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
        if !thinking.is_empty() {
            let thoughts: Vec<&str> = thinking.iter().filter_map(|block| text(block, "thinking")).collect();
            fields.insert("reasoning_content".to_owned(), thoughts.join("\n").into());
            fields.insert("thinking_blocks".to_owned(), thinking.into());
        }
    }
    Ok(own)
}

fn content_parts(message: &Value, path: &str, dropped: &mut Vec<String>) -> Result<Vec<Value>, ClientError> {
    match message.get("content") {
        Some(Value::String(said)) => Ok(vec![json!({ "type": "text", "text": said })]),
        Some(blocks @ Value::Array(_)) => parts(blocks, path, dropped),
        _ => {
            let param = format!("{path}.content");
            Err(ClientError::shape(param.clone(), format!("{param} must be a string or an array of blocks")))
        }
    }
}

/// Blocks as the hub's parts.
fn parts(blocks: &Value, path: &str, dropped: &mut Vec<String>) -> Result<Vec<Value>, ClientError> {
    let mut out = Vec::new();
    for (n, block) in blocks.as_array().into_iter().flatten().enumerate() {
        let param = format!("{path}.content[{n}]");
        let mut part = match text(block, "type") {
            Some("text") => json!({ "type": "text", "text": text(block, "text").unwrap_or_default() }),
            Some("image") => {
                let url = source(block)
                    .ok_or_else(|| ClientError::unsupported(&*param, "an image by base64 or by URL"))?;
                json!({ "type": "image_url", "image_url": { "url": url } })
            }
            Some("document") => document(block, &param)?,
            kind => {
                let message = format!("a block of the type `{}` is not supported", kind.unwrap_or("(none)"));
                return Err(ClientError::unsupported(param, message));
            }
        };
        if let Some(fields) = part.as_object_mut() {
            carry(block, fields, &["cache_control"]);
        }
        if set(block, "citations").is_some() {
            dropped.push(format!("{param}.citations"));
        }
        out.push(part);
    }
    Ok(out)
}

fn document(block: &Value, param: &str) -> Result<Value, ClientError> {
    let own = block.get("source").unwrap_or(&Value::Null);
    match text(own, "type") {
        Some("text") => Ok(json!({ "type": "text", "text": text(own, "data").unwrap_or_default() })),
        Some("base64") => {
            let url = source(block).unwrap_or_default();
            let name = text(block, "title").unwrap_or("document.pdf");
            Ok(json!({ "type": "file", "file": { "filename": name, "file_data": url } }))
        }
        _ => Err(ClientError::unsupported(param, "documents are taken as text or base64")),
    }
}

fn source(block: &Value) -> Option<String> {
    let own = block.get("source")?;
    match text(own, "type")? {
        "base64" => Some(format!("data:{};base64,{}", text(own, "media_type")?, text(own, "data")?)),
        "url" => text(own, "url").map(str::to_owned),
        _ => None,
    }
}

/// One plain text is a string in the hub: every backend reads that.
fn joined(parts: Vec<Value>) -> Value {
    match parts.as_slice() {
        [] => "".into(),
        [only]
            if only.as_object().is_some_and(|part| part.len() == 2) && text(only, "type") == Some("text") =>
        {
            text(only, "text").unwrap_or_default().into()
        }
        _ => parts.into(),
    }
}

/// Why it stopped, in Anthropic's words.
pub(crate) fn stop_reason(finish: Option<&str>) -> &'static str {
    match finish {
        Some("length") => "max_tokens",
        Some("tool_calls" | "function_call") => "tool_use",
        Some("content_filter") => "refusal",
        _ => "end_turn",
    }
}

pub(crate) fn answer(chat: &Value, id: &str) -> Value {
    let choice = list(chat, "choices").first().unwrap_or(&Value::Null);
    let message = choice.get("message").unwrap_or(&Value::Null);
    let mut content = list(message, "thinking_blocks").to_vec();
    if content.is_empty()
        && let Some(thought) = text(message, "reasoning_content").filter(|t| !t.is_empty())
    {
        content.push(json!({ "type": "thinking", "thinking": thought, "signature": "" }));
    }
    let said = text(message, "content").or_else(|| text(message, "refusal")).unwrap_or_default();
    if !said.is_empty() {
        content.push(json!({ "type": "text", "text": said }));
    }
    for call in list(message, "tool_calls") {
        let function = call.get("function").unwrap_or(&Value::Null);
        let given = text(function, "arguments").unwrap_or_default();
        // what is no object is shown as it came
        let input = arguments(given).unwrap_or_else(|| json!({ "_raw_arguments": given }));
        let (id, name) = (text(call, "id").unwrap_or_default(), text(function, "name").unwrap_or_default());
        content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    }
    json!({
        "id": format!("msg_{id}"), "type": "message", "role": "assistant",
        "model": text(chat, "model").unwrap_or_default(), "content": content,
        "stop_reason": stop_reason(text(choice, "finish_reason")), "stop_sequence": null,
        "usage": Used::of(chat).beside_the_cache(),
    })
}

/// The `type` of an error under a status.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

pub(crate) fn error(status: u16, hub: &[u8], id: &str) -> Value {
    let hub: Value = serde_json::from_slice(hub).unwrap_or_default();
    let inner = hub.get("error").unwrap_or(&hub);
    let message = text(inner, "message").or_else(|| inner.as_str()).unwrap_or("the request failed");
    json!({
        "type": "error", "error": { "type": error_type(status), "message": message }, "request_id": id,
    })
}

/// An estimate of the input tokens of a request.
pub fn count_tokens(body: &[u8]) -> Result<u64, ClientError> {
    let mut body = object(body)?;
    if let Some(fields) = body.as_object_mut() {
        fields.entry("max_tokens").or_insert_with(|| 1.into());
    }
    let incoming = request(&body)?;
    let chat: Value = serde_json::from_slice(&incoming.chat).unwrap_or_default();
    let texts = |message: &Value| match message.get("content") {
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| match text(part, "text") {
                Some(said) => Tokens::estimate(said).0,
                None => IMAGE_TOKENS,
            })
            .sum(),
        Some(Value::String(said)) => Tokens::estimate(said).0,
        _ => 0,
    };
    let calls = |message: &Value| {
        set(message, "tool_calls").map_or(0, |calls| Tokens::estimate(&calls.to_string()).0)
    };
    let said: u64 = list(&chat, "messages").iter().map(|m| texts(m) + calls(m) + 4).sum();
    let tools = set(&chat, "tools").map_or(0, |tools| Tokens::estimate(&tools.to_string()).0);
    Ok(said + tools)
}
