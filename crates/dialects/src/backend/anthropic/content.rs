//! Conversations as blocks of content.

use serde_json::{Value, json};

use super::keep_cache;
use crate::{
    backend::{
        Untranslatable,
        media::{Medium, decoded, medium},
        report::Dropped,
    },
    json::{Object, arguments, list, set, text},
};

/// The system blocks, and the turns: neighbours of one role are one turn.
pub(super) fn conversation(
    chat: &Value,
    dropped: &mut Dropped,
) -> Result<(Vec<Value>, Vec<Value>), Untranslatable> {
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (at, message) in list(chat, "messages").iter().enumerate() {
        let (role, blocks) = match text(message, "role").unwrap_or("user") {
            "system" | "developer" => {
                system.extend(content(message, at)?);
                continue;
            }
            "assistant" => ("assistant", assistant(message, at, dropped)?),
            "tool" => ("user", vec![tool_result(message, at)?]),
            _ => ("user", content(message, at)?),
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
fn assistant(message: &Value, at: usize, dropped: &mut Dropped) -> Result<Vec<Value>, Untranslatable> {
    let thoughts = list(message, "thinking_blocks");
    let mut blocks: Vec<Value> = thoughts.iter().filter(|block| is_signed(block)).cloned().collect();
    if blocks.len() < thoughts.len() {
        dropped.add("messages[*].thinking_blocks (unsigned)");
    } else if blocks.is_empty() && text(message, "reasoning_content").is_some_and(|t| !t.is_empty()) {
        // without its signature the API does not take it
        dropped.add("messages[*].reasoning_content");
    }
    blocks.extend(content(message, at)?);
    for (n, call) in list(message, "tool_calls").iter().enumerate() {
        let function = call.get("function").unwrap_or(&Value::Null);
        let input = arguments(text(function, "arguments").unwrap_or_default()).ok_or_else(|| {
            let param = format!("messages[{at}].tool_calls[{n}].function.arguments");
            Untranslatable::unsupported(param, "the arguments of a tool call must be a JSON object")
        })?;
        let (id, name) = (id(call, "id"), text(function, "name").unwrap_or_default());
        blocks.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    }
    Ok(blocks)
}

/// The API refuses thoughts that it has not signed: those of other models, on their way through this gateway.
fn is_signed(block: &Value) -> bool {
    let filled = |field: &str| text(block, field).is_some_and(|signature| !signature.is_empty());
    match text(block, "type") {
        Some("thinking") => filled("signature"),
        Some("redacted_thinking") => filled("data"),
        _ => false,
    }
}

fn tool_result(message: &Value, at: usize) -> Result<Value, Untranslatable> {
    let mut result = Object::new();
    result.insert("type".to_owned(), "tool_result".into());
    result.insert("tool_use_id".to_owned(), id(message, "tool_call_id").into());
    result.insert("content".to_owned(), content(message, at)?.into());
    if message.get("is_error") == Some(&json!(true)) {
        result.insert("is_error".to_owned(), true.into());
    }
    keep_cache(message, &mut result);
    Ok(result.into())
}

/// The id of a call in the letters that the API takes: other providers use more.
fn id(of: &Value, field: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text(of, field).unwrap_or_default().replace(|letter| !plain(letter), "_")
}

fn content(message: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    let mut blocks = Vec::new();
    match message.get("content") {
        // the API refuses blocks without text
        Some(Value::String(text)) if !text.trim().is_empty() => {
            blocks.push(json!({ "type": "text", "text": text }));
        }
        Some(Value::Array(parts)) => {
            for (n, part) in parts.iter().enumerate() {
                let Some(mut block) = block(part, &format!("messages[{at}].content[{n}]"))? else { continue };
                keep_cache(part, &mut block);
                blocks.push(block.into());
            }
        }
        _ => {}
    }
    Ok(blocks)
}

fn block(part: &Value, param: &str) -> Result<Option<Object>, Untranslatable> {
    let made = match text(part, "type").unwrap_or("text") {
        kind @ ("text" | "input_text" | "output_text" | "refusal") => {
            let field = if kind == "refusal" { kind } else { "text" };
            let said = text(part, field).unwrap_or_default();
            if said.trim().is_empty() {
                return Ok(None);
            }
            json!({ "type": "text", "text": said })
        }
        "image_url" => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            let url = image.as_str().or_else(|| text(image, "url")).unwrap_or_default();
            json!({ "type": "image", "source": source(medium(url, param)?) })
        }
        "file" => document(part.get("file").unwrap_or(&Value::Null), param)?,
        other => {
            let message = format!("content of the type `{other}` is not supported by this backend");
            return Err(Untranslatable::unsupported(param, message));
        }
    };
    Ok(made.as_object().cloned())
}

fn document(file: &Value, param: &str) -> Result<Value, Untranslatable> {
    let Some(url) = text(file, "file_data") else {
        return Err(Untranslatable::unsupported(param, "files by id are not known to this backend"));
    };
    let source = match medium(url, param)? {
        // what is text is a source of its own, and not taken as base64
        Medium::Here { kind, data } if kind.starts_with("text/") => {
            let said = decoded(data).and_then(|bytes| String::from_utf8(bytes).ok());
            let said = said.ok_or_else(|| {
                Untranslatable::unsupported(param, "a file of text must be UTF-8, as base64")
            })?;
            json!({ "type": "text", "media_type": "text/plain", "data": said })
        }
        other => source(other),
    };
    let mut document = json!({ "type": "document", "source": source });
    if let (Some(title), Some(fields)) = (set(file, "filename"), document.as_object_mut()) {
        fields.insert("title".to_owned(), title.clone());
    }
    Ok(document)
}

fn source(medium: Medium<'_>) -> Value {
    match medium {
        Medium::Here { kind, data } => json!({ "type": "base64", "media_type": kind, "data": data }),
        Medium::There(url) => json!({ "type": "url", "url": url }),
    }
}
