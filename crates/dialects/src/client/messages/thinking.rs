//! How long the model is to think, and which form its answer is to have.

use serde_json::{Value, json};

use super::super::hub::unknown_at;
use crate::json::{Object, set, text};

/// `thinking` and `output_config.effort` go on as they are, for backends that know them; the others read
/// `reasoning_effort`. The client's own word for the effort counts more than what its budget lets us guess.
pub(super) fn effort(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) {
    if let Some(thinking) = set(body, "thinking") {
        chat.insert("thinking".to_owned(), thinking.clone());
        if text(thinking, "type") != Some("disabled") {
            chat.insert("reasoning_effort".to_owned(), guessed(thinking).into());
        }
    }
    let Some(config) = set(body, "output_config") else { return };
    if let Some(effort) = text(config, "effort") {
        // more than `high` is a word that few models know
        let word = if effort == "max" { "high" } else { effort };
        chat.insert("reasoning_effort".to_owned(), word.into());
        chat.insert("output_config".to_owned(), json!({ "effort": effort }));
    } else if set(config, "effort").is_some() {
        dropped.push("output_config.effort".to_owned());
    }
    unknown_at("output_config", config, &["effort", "format"], dropped);
}

fn guessed(thinking: &Value) -> &'static str {
    match thinking.get("budget_tokens").and_then(Value::as_u64) {
        Some(0..=4096) => "low",
        Some(0..=16_384) | None => "medium",
        Some(_) => "high",
    }
}

/// The schema of the answer, under the name of today or that of the beta.
pub(super) fn format(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) {
    let now = set(body, "output_config").and_then(|config| set(config, "format"));
    let before = set(body, "output_format");
    if now.is_some() && before.is_some() {
        dropped.push("output_format (output_config.format counts)".to_owned());
    }
    let name = if now.is_some() { "output_config.format" } else { "output_format" };
    let Some(format) = now.or(before) else { return };
    let Some(schema) = set(format, "schema") else {
        dropped.push(name.to_owned());
        return;
    };
    let schema = json!({ "name": "answer", "schema": schema, "strict": true });
    chat.insert("response_format".to_owned(), json!({ "type": "json_schema", "json_schema": schema }));
    unknown_at(name, format, &["type", "schema"], dropped);
}
