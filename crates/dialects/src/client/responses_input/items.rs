//! The items of a conversation as messages of the hub.

use serde_json::{Value, json};

use super::super::{ClientError, hub::said, sealed};
use crate::json::{Object, list, plain_text, set, text};

pub(super) fn input(
    body: &Value,
    messages: &mut Vec<Value>,
    dropped: &mut Vec<String>,
) -> Result<(), ClientError> {
    match set(body, "input") {
        Some(Value::String(said)) => messages.push(json!({ "role": "user", "content": said })),
        Some(Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                one(item, &format!("input[{at}]"), messages, dropped)?;
            }
        }
        _ => return Err(ClientError::shape("input", "input must be a string or an array of items")),
    }
    // thoughts that nothing followed: a message needs a content, or calls
    for message in messages.iter_mut().filter_map(Value::as_object_mut) {
        if message.get("content").is_some_and(Value::is_null) && !message.contains_key("tool_calls") {
            message.insert("content".to_owned(), "".into());
        }
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
        "message" => message(item, path, messages)?,
        "function_call" => call(item, messages),
        "function_call_output" => {
            let output = match item.get("output") {
                Some(Value::Array(parts)) => parts_of(parts, &format!("{path}.output"))?,
                Some(said @ Value::String(_)) => said.clone(),
                other => other.map(ToString::to_string).unwrap_or_default().into(),
            };
            let id = text(item, "call_id").unwrap_or_default();
            messages.push(json!({ "role": "tool", "tool_call_id": id, "content": output }));
        }
        "reasoning" => reasoning(item, messages, dropped),
        "item_reference" => {
            let message = "no items are kept here, so none can be referred to: send `store: false`, and the items themselves";
            return Err(ClientError::unsupported(format!("{path}.type"), message));
        }
        other => {
            let message = format!("items of the type `{other}` are not supported");
            return Err(ClientError::unsupported(format!("{path}.type"), message));
        }
    }
    Ok(())
}

fn message(item: &Value, path: &str, messages: &mut Vec<Value>) -> Result<(), ClientError> {
    let role = match text(item, "role") {
        Some(role @ ("user" | "assistant" | "system")) => role,
        Some("developer") => "system",
        _ => {
            return Err(ClientError::shape(format!("{path}.role"), format!("{path}.role is not a role")));
        }
    };
    let param = format!("{path}.content");
    let content = match item.get("content") {
        Some(Value::Array(parts)) => parts_of(parts, &param)?,
        Some(said @ Value::String(_)) => said.clone(),
        _ => {
            return Err(ClientError::shape(&*param, format!("{param} must be a string or an array")));
        }
    };
    match thoughts(messages).filter(|_| role == "assistant") {
        Some(waiting) => drop(waiting.insert("content".to_owned(), content)),
        None => messages.push(json!({ "role": role, "content": content })),
    }
    Ok(())
}

/// What was thought: its text, and the blocks that we sealed for the client to send back. Neighbours are of one turn.
fn reasoning(item: &Value, messages: &mut Vec<Value>, dropped: &mut Vec<String>) {
    let summary = plain_text(item.get("summary").unwrap_or(&Value::Null));
    let own = plain_text(item.get("content").unwrap_or(&Value::Null));
    let mut thought = if own.is_empty() { summary } else { own };
    let mut blocks = Vec::new();
    if let Some(encrypted) = set(item, "encrypted_content") {
        match encrypted.as_str().and_then(sealed::open) {
            Some(own) => blocks = own,
            None => dropped.push("input[*].encrypted_content (not of this gateway)".to_owned()),
        }
    }
    if thought.is_empty() && blocks.is_empty() {
        return;
    }
    if thoughts(messages).is_none() {
        messages.push(json!({ "role": "assistant", "content": null }));
    }
    let Some(last) = messages.last_mut() else { return };
    if let Some(before) = said(last, "reasoning_content") {
        thought.insert_str(0, if thought.is_empty() { "" } else { "\n" });
        thought.insert_str(0, before);
    }
    blocks.splice(..0, list(last, "thinking_blocks").iter().cloned());
    let Some(last) = last.as_object_mut() else { return };
    if !thought.is_empty() {
        last.insert("reasoning_content".to_owned(), thought.into());
    }
    if !blocks.is_empty() {
        last.insert("thinking_blocks".to_owned(), blocks.into());
    }
}

/// The message of the assistant that holds nothing but thoughts so far.
fn thoughts(messages: &mut [Value]) -> Option<&mut Object> {
    let last = messages.last_mut()?.as_object_mut()?;
    let only = last.get("content").is_some_and(Value::is_null) && !last.contains_key("tool_calls");
    only.then_some(last)
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

/// The parts of the list at `path`.
fn parts_of(parts: &[Value], path: &str) -> Result<Value, ClientError> {
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let param = format!("{path}[{n}]");
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
