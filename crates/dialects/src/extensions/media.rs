//! Images and files in the results of tools, for backends that take them from the user only.

use serde_json::{Value, json};

use crate::json::text;

/// Moves what is no text out of the results of tools into a message of the user behind them; whether there was any.
pub(super) fn out_of_results(messages: &mut Vec<Value>) -> bool {
    let is_result = |message: &Value| matches!(text(message, "role"), Some("tool" | "function"));
    let has_media = |message: &Value| {
        let parts = message.get("content").and_then(Value::as_array);
        is_result(message) && parts.is_some_and(|parts| !parts.iter().all(is_text))
    };
    if !messages.iter().any(has_media) {
        return false;
    }
    let mut moved = Vec::new();
    for mut message in std::mem::take(messages) {
        if is_result(&message) {
            take_out(&mut message, &mut moved);
        } else if !moved.is_empty() {
            follow(&mut message, std::mem::take(&mut moved), messages);
        }
        messages.push(message);
    }
    if !moved.is_empty() {
        messages.push(json!({ "role": "user", "content": moved }));
    }
    true
}

fn is_text(part: &Value) -> bool {
    !matches!(text(part, "type"), Some("image_url" | "file" | "input_audio"))
}

fn take_out(result: &mut Value, moved: &mut Vec<Value>) {
    let id = text(result, "tool_call_id").unwrap_or_default().to_owned();
    let Some(parts) = result.get_mut("content").and_then(Value::as_array_mut) else { return };
    let (mut words, media): (Vec<Value>, Vec<Value>) = std::mem::take(parts).into_iter().partition(is_text);
    if !media.is_empty() {
        moved.push(json!({ "type": "text", "text": format!("From the result of the tool call {id}:") }));
        moved.extend(media);
        if words.is_empty() {
            words.push(json!({ "type": "text", "text": "(The result follows in the next message.)" }));
        }
    }
    *parts = words;
    super::only_text(result);
}

/// A user who speaks next shows them; otherwise a message of its own does. Some models want turns to alternate.
fn follow(next: &mut Value, mut moved: Vec<Value>, messages: &mut Vec<Value>) {
    if text(next, "role") != Some("user") {
        messages.push(json!({ "role": "user", "content": moved }));
        return;
    }
    let Some(fields) = next.as_object_mut() else { return };
    let content = fields.entry("content").or_insert(Value::Null);
    match std::mem::take(content) {
        Value::Array(parts) => moved.extend(parts),
        Value::String(said) => moved.push(json!({ "type": "text", "text": said })),
        _ => {}
    }
    *content = moved.into();
}
