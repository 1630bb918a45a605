//! Small tools for JSON values that are taken apart and put together.

use serde_json::{Map, Value, json};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The text of a field, if it is one.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

/// The entries of a field, none where it is no array.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The count in a field; 0 where there is none.
pub(crate) fn count(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// A field that is set to something.
pub(crate) fn set<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|v| !v.is_null())
}

/// An object as bytes.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// One event of OpenAI's shape.
pub(crate) fn data(value: &Value) -> Vec<u8> {
    let mut out = b"data: ".to_vec();
    out.extend(bytes(value));
    out.extend(b"\n\n");
    out
}

/// The text of a content: a string, or the text parts of an array, joined. What was refused is text too.
pub(crate) fn plain_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| text(part, "text")).or_else(|| text(part, "refusal")))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

/// The arguments of a call as an object: an empty text stands for none.
pub(crate) fn arguments(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(json!({}));
    }
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// An error in OpenAI's shape.
pub(crate) fn error(message: &str, r#type: &str, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": r#type, "param": null, "code": code } })
}
