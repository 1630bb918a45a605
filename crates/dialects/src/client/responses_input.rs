//! Requests of OpenAI's Responses API (platform.openai.com, "Responses"), those that keep no state.

use serde_json::{Value, json};

use super::{
    ClientError, Echo, Incoming,
    hub::{carry, unknown},
};
use crate::json::{Object, bytes, list, plain_text, set, text};

const KNOWN: [&str; 22] = [
    "model",
    "models",
    "route",
    "metadata",
    "input",
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "stream",
    "user",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
    "top_logprobs",
    "stream_options",
];
/// What would need a memory of ours, or somebody to work in the background.
const STATEFUL: [&str; 3] = ["previous_response_id", "conversation", "prompt"];
/// What the answer says again.
const ECHOED: [&str; 11] = [
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "metadata",
    "user",
];

pub(crate) fn request(body: &Value) -> Result<Incoming, ClientError> {
    for field in STATEFUL {
        if set(body, field).is_some() {
            let message = format!(
                "{field} needs a memory of earlier responses, which this gateway does not keep: send the whole conversation as input"
            );
            return Err(ClientError::unsupported(field, message));
        }
    }
    if body.get("background") == Some(&json!(true)) {
        return Err(ClientError::unsupported("background", "nothing is answered in the background"));
    }
    let mut dropped = Vec::new();
    let mut chat = Object::new();
    carry(
        body,
        &mut chat,
        &["model", "models", "route", "metadata", "temperature", "top_p", "parallel_tool_calls", "user"],
    );
    if let Some(limit) = set(body, "max_output_tokens") {
        chat.insert("max_completion_tokens".to_owned(), limit.clone());
    }
    let mut messages = Vec::new();
    if let Some(instructions) = text(body, "instructions") {
        messages.push(json!({ "role": "system", "content": instructions }));
    }
    input(body, &mut messages, &mut dropped)?;
    chat.insert("messages".to_owned(), messages.into());
    tools(body, &mut chat, &mut dropped)?;
    format(body, &mut chat);
    if let Some(reasoning) = set(body, "reasoning") {
        if let Some(effort) = set(reasoning, "effort") {
            chat.insert("reasoning_effort".to_owned(), effort.clone());
        }
        for field in ["summary", "generate_summary"] {
            if set(reasoning, field).is_some() {
                dropped.push(format!("reasoning.{field}"));
            }
        }
    }
    let stream = body.get("stream") == Some(&json!(true));
    if stream {
        chat.insert("stream".to_owned(), true.into());
        chat.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    if set(body, "top_logprobs").is_some_and(|n| *n != json!(0)) {
        dropped.push("top_logprobs".to_owned());
    }
    unknown(body, &KNOWN, &mut dropped);
    let mut echo = Object::new();
    carry(body, &mut echo, &ECHOED);
    Ok(Incoming { chat: bytes(&chat.into()), stream, dropped, echo: Echo { fields: echo } })
}

fn input(body: &Value, messages: &mut Vec<Value>, dropped: &mut Vec<String>) -> Result<(), ClientError> {
    match set(body, "input") {
        Some(Value::String(said)) => messages.push(json!({ "role": "user", "content": said })),
        Some(Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                one(item, &format!("input[{at}]"), messages, dropped)?;
            }
        }
        _ => return Err(ClientError::shape("input", "input must be a string or an array of items")),
    }
    Ok(())
}

fn one(
    item: &Value,
    path: &str,
    messages: &mut Vec<Value>,
    dropped: &mut Vec<String>,
) -> Result<(), ClientError> {
    match text(item, "type").unwrap_or("message") {
        "message" => {
            let role = match text(item, "role") {
                Some(role @ ("user" | "assistant" | "system")) => role,
                Some("developer") => "system",
                _ => {
                    return Err(ClientError::shape(
                        format!("{path}.role"),
                        format!("{path}.role is not a role"),
                    ));
                }
            };
            let content = match item.get("content") {
                Some(Value::Array(parts)) => parts_of(parts, path)?,
                Some(said @ Value::String(_)) => said.clone(),
                _ => {
                    let param = format!("{path}.content");
                    return Err(ClientError::shape(&*param, format!("{param} must be a string or an array")));
                }
            };
            match thoughts(messages).filter(|_| role == "assistant") {
                Some(waiting) => drop(waiting.insert("content".to_owned(), content)),
                None => messages.push(json!({ "role": role, "content": content })),
            }
        }
        "function_call" => call(item, messages),
        "function_call_output" => {
            let output = match item.get("output") {
                Some(Value::Array(parts)) => parts_of(parts, path)?,
                Some(said @ Value::String(_)) => said.clone(),
                other => other.map(ToString::to_string).unwrap_or_default().into(),
            };
            let id = text(item, "call_id").unwrap_or_default();
            messages.push(json!({ "role": "tool", "tool_call_id": id, "content": output }));
        }
        "reasoning" => {
            let summary = plain_text(item.get("summary").unwrap_or(&Value::Null));
            let own = plain_text(item.get("content").unwrap_or(&Value::Null));
            let thought = if own.is_empty() { summary } else { own };
            if set(item, "encrypted_content").is_some() {
                dropped.push(format!("{path}.encrypted_content"));
            }
            if !thought.is_empty() {
                messages.push(json!({ "role": "assistant", "content": null, "reasoning_content": thought }));
            }
        }
        other => {
            let message = format!("items of the type `{other}` are not supported");
            return Err(ClientError::unsupported(format!("{path}.type"), message));
        }
    }
    Ok(())
}

/// The message of the assistant that holds nothing but thoughts so far.
fn thoughts(messages: &mut [Value]) -> Option<&mut Object> {
    let last = messages.last_mut()?.as_object_mut()?;
    let only = last.get("content").is_some_and(Value::is_null) && !last.contains_key("tool_calls");
    (only && last.contains_key("reasoning_content")).then_some(last)
}

/// Calls that follow each other are made by one message.
fn call(item: &Value, messages: &mut Vec<Value>) {
    let function = json!({
        "name": text(item, "name").unwrap_or_default(), "arguments": text(item, "arguments").unwrap_or("{}"),
    });
    let call =
        json!({ "id": text(item, "call_id").unwrap_or_default(), "type": "function", "function": function });
    let last = messages.last_mut().filter(|message| text(message, "role") == Some("assistant"));
    if let Some(last) = last.and_then(Value::as_object_mut) {
        match last.get_mut("tool_calls").and_then(Value::as_array_mut) {
            Some(calls) => calls.push(call),
            None => drop(last.insert("tool_calls".to_owned(), json!([call]))),
        }
        return;
    }
    messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
}

fn parts_of(parts: &[Value], path: &str) -> Result<Value, ClientError> {
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let param = format!("{path}.content[{n}]");
        out.push(match text(part, "type").unwrap_or("input_text") {
            "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
                json!({ "type": "text", "text": text(part, "text").unwrap_or_default() })
            }
            "refusal" => json!({ "type": "text", "text": text(part, "refusal").unwrap_or_default() }),
            "input_image" => {
                let Some(url) = text(part, "image_url") else {
                    return Err(ClientError::unsupported(param, "images by file id are not known here"));
                };
                let mut image = json!({ "url": url });
                if let (Some(detail), Some(fields)) = (set(part, "detail"), image.as_object_mut()) {
                    fields.insert("detail".to_owned(), detail.clone());
                }
                json!({ "type": "image_url", "image_url": image })
            }
            "input_file" => {
                let Some(data) = text(part, "file_data") else {
                    return Err(ClientError::unsupported(param, "files are taken as data only"));
                };
                let name = text(part, "filename").unwrap_or("file");
                json!({ "type": "file", "file": { "filename": name, "file_data": data } })
            }
            other => {
                let message = format!("content of the type `{other}` is not supported");
                return Err(ClientError::unsupported(param, message));
            }
        });
    }
    Ok(match out.as_slice() {
        [only] if text(only, "type") == Some("text") => text(only, "text").unwrap_or_default().into(),
        _ => out.into(),
    })
}

fn tools(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) -> Result<(), ClientError> {
    let mut tools = Vec::new();
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let kind = text(tool, "type").unwrap_or("function");
        if kind != "function" {
            let message =
                format!("the tool `{kind}` runs at its provider, which this gateway does not offer");
            return Err(ClientError::unsupported(format!("tools[{at}].type"), message));
        }
        let mut function = Object::new();
        carry(tool, &mut function, &["name", "description", "parameters", "strict"]);
        unknown(tool, &["type", "name", "description", "parameters", "strict"], dropped);
        tools.push(json!({ "type": "function", "function": function }));
    }
    if tools.is_empty() {
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    match set(body, "tool_choice") {
        Some(word @ Value::String(_)) => drop(chat.insert("tool_choice".to_owned(), word.clone())),
        Some(named) if text(named, "type") == Some("function") => {
            let name = text(named, "name").unwrap_or_default();
            let choice = json!({ "type": "function", "function": { "name": name } });
            chat.insert("tool_choice".to_owned(), choice);
        }
        Some(_) => {
            return Err(ClientError::unsupported("tool_choice", "a word, or one function by its name"));
        }
        None => {}
    }
    Ok(())
}

fn format(body: &Value, chat: &mut Object) {
    let Some(own) = set(body, "text") else { return };
    if let Some(verbosity) = set(own, "verbosity") {
        chat.insert("verbosity".to_owned(), verbosity.clone());
    }
    let Some(format) = set(own, "format") else { return };
    match text(format, "type") {
        Some("json_schema") => {
            let mut schema = Object::new();
            carry(format, &mut schema, &["name", "schema", "strict", "description"]);
            let format = json!({ "type": "json_schema", "json_schema": schema });
            chat.insert("response_format".to_owned(), format);
        }
        Some("json_object") => {
            chat.insert("response_format".to_owned(), json!({ "type": "json_object" }));
        }
        _ => {}
    }
}
