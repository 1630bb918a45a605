//! The turns of a conversation.

use serde_json::{Value, json};

use super::{
    super::{
        ClientError,
        hub::{carry, said, unknown_at},
    },
    blocks::{joined, parts},
};
use crate::json::{set, text};

pub(super) fn conversation(body: &Value, dropped: &mut Vec<String>) -> Result<Vec<Value>, ClientError> {
    let mut out = Vec::new();
    match set(body, "system") {
        Some(Value::String(said)) if !said.is_empty() => {
            out.push(json!({ "role": "system", "content": said }));
        }
        Some(Value::Array(blocks)) => {
            let parts = parts(blocks.iter().enumerate(), "system", dropped)?;
            if !parts.is_empty() {
                out.push(json!({ "role": "system", "content": joined(parts) }));
            }
        }
        Some(Value::String(_)) | None => {}
        Some(_) => return Err(ClientError::shape("system", "system must be a string or an array of blocks")),
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

fn content_parts(message: &Value, path: &str, dropped: &mut Vec<String>) -> Result<Vec<Value>, ClientError> {
    let param = format!("{path}.content");
    match message.get("content") {
        Some(Value::String(said)) => Ok(vec![json!({ "type": "text", "text": said })]),
        Some(Value::Array(blocks)) => parts(blocks.iter().enumerate(), &param, dropped),
        _ => {
            Err(ClientError::shape(param.clone(), format!("{param} must be a string or an array of blocks")))
        }
    }
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
    let is_result = |block: &Value| text(block, "type") == Some("tool_result");
    let (results, said): (Vec<_>, Vec<_>) =
        blocks.iter().enumerate().partition(|(_, block)| is_result(block));
    for (n, result) in &results {
        let path = format!("{path}.content[{n}]");
        let content = match set(result, "content") {
            Some(Value::Array(blocks)) => {
                joined(parts(blocks.iter().enumerate(), &format!("{path}.content"), dropped)?)
            }
            Some(said @ Value::String(_)) => said.clone(),
            None => "".into(),
            Some(_) => {
                let param = format!("{path}.content");
                let message = format!("{param} must be a string or an array of blocks");
                return Err(ClientError::shape(param, message));
            }
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
        unknown_at(&path, result, &["type", "tool_use_id", "content", "is_error", "cache_control"], dropped);
        out.push(own);
    }
    if !said.is_empty() || results.is_empty() {
        let parts = parts(said, &format!("{path}.content"), dropped)?;
        out.push(json!({ "role": "user", "content": joined(parts) }));
    }
    Ok(())
}

fn assistant(message: &Value, path: &str, dropped: &mut Vec<String>) -> Result<Value, ClientError> {
    let Some(Value::Array(blocks)) = message.get("content") else {
        return Ok(json!({ "role": "assistant", "content": joined(content_parts(message, path, dropped)?) }));
    };
    let (mut words, mut calls, mut thinking) = (Vec::new(), Vec::new(), Vec::new());
    for (n, block) in blocks.iter().enumerate() {
        match text(block, "type") {
            Some("tool_use") => {
                let input = block.get("input").cloned().unwrap_or_else(|| json!({})).to_string();
                let function = json!({ "name": text(block, "name").unwrap_or_default(), "arguments": input });
                let id = text(block, "id").unwrap_or_default();
                calls.push(json!({ "id": id, "type": "function", "function": function }));
                unknown_at(&format!("{path}.content[{n}]"), block, &["type", "id", "name", "input"], dropped);
            }
            Some("thinking" | "redacted_thinking") => thinking.push(block),
            _ => words.push((n, block)),
        }
    }
    let parts = parts(words, &format!("{path}.content"), dropped)?;
    let content = if parts.is_empty() && !calls.is_empty() { Value::Null } else { joined(parts) };
    let mut own = json!({ "role": "assistant", "content": content });
    if let Some(fields) = own.as_object_mut() {
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
        let thoughts: Vec<&str> = thinking.iter().filter_map(|block| said(block, "thinking")).collect();
        if !thoughts.is_empty() {
            fields.insert("reasoning_content".to_owned(), thoughts.join("\n").into());
        }
        let (signed, unsigned): (Vec<&Value>, Vec<&Value>) =
            thinking.into_iter().partition(|block| is_signed(block));
        if !unsigned.is_empty() {
            dropped.push("messages[*].thinking_blocks (not signed)".to_owned());
        }
        if !signed.is_empty() {
            let signed: Vec<Value> = signed.into_iter().cloned().collect();
            fields.insert("thinking_blocks".to_owned(), signed.into());
        }
    }
    Ok(own)
}

/// Thoughts of backends without signatures are shown as blocks with an empty one, which Anthropic would refuse.
fn is_signed(block: &Value) -> bool {
    text(block, "type") == Some("redacted_thinking") || said(block, "signature").is_some()
}
