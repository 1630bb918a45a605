//! What requests of other dialects carry beside OpenAI's own fields, for backends that know it.

use serde_json::Value;

use crate::json::bytes;

/// What a backend of OpenAI's dialect takes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// All: it translates itself.
    All,
    /// Marks of what to cache.
    CacheControl,
    /// Nothing: it refuses fields that it does not know.
    Nothing,
}

/// The hub body without the extensions that a backend does not take, and what was left out.
pub fn without_extensions(chat: &[u8], takes: Takes) -> (Vec<u8>, Vec<String>) {
    let mut dropped = Vec::new();
    if takes == Takes::All {
        return (chat.to_vec(), dropped);
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(chat) else { return (chat.to_vec(), dropped) };
    let mut fields = vec!["thinking_blocks", "reasoning_content", "is_error"];
    if takes == Takes::Nothing {
        fields.push("cache_control");
    }
    if body.as_object_mut().is_some_and(|body| body.remove("thinking").is_some()) {
        dropped.push("thinking (its effort stays)".to_owned());
    }
    for list in ["messages", "tools"] {
        for entry in body.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            take_out(entry, &fields, &mut dropped);
            for part in entry.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
                take_out(part, &fields, &mut dropped);
            }
            only_text(entry);
        }
    }
    (bytes(&body), dropped)
}

fn take_out(value: &mut Value, fields: &[&str], dropped: &mut Vec<String>) {
    let Some(object) = value.as_object_mut() else { return };
    for field in fields {
        if object.remove(*field).is_some() && !dropped.iter().any(|known| known == field) {
            dropped.push((*field).to_owned());
        }
    }
}

/// A content of nothing but one text is a string again: every backend reads that.
fn only_text(message: &mut Value) {
    let Some([part]) = message.get("content").and_then(Value::as_array).map(Vec::as_slice) else { return };
    let text = part.get("text").filter(|_| part.as_object().is_some_and(|part| part.len() == 2)).cloned();
    if let (Some(text), Some(fields)) = (text, message.as_object_mut()) {
        fields.insert("content".to_owned(), text);
    }
}
