//! Requests to Anthropic's Messages API (docs.anthropic.com, "Messages").

mod content;
mod model;
mod thinking;

use serde_json::{Value, json};

use self::model::Manner;
use super::{Untranslatable, report::Dropped};
use crate::json::{Object, list, set, text};

/// What goes over under another name, or as it is.
const KNOWN: [&str; 21] = [
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
    "output_config",
    "models",
    "route",
    "top_k",
];

/// What it takes of messages beside their content.
const OF_MESSAGES: [&str; 4] = ["reasoning_content", "thinking_blocks", "is_error", "cache_control"];

pub(crate) fn request(
    chat: &Value,
    model: &str,
    stream: bool,
    dropped: &mut Dropped,
) -> Result<(String, Object), Untranslatable> {
    if set(chat, "n").is_some_and(|n| *n != json!(1)) {
        return Err(Untranslatable::unsupported("n", "this backend gives one choice: n must be 1"));
    }
    let mut body = Object::new();
    body.insert("model".to_owned(), model.into());
    let (system, turns) = content::conversation(chat, dropped)?;
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    let manner = Manner::of(model);
    let room = thinking::room(chat, &turns, manner, dropped);
    body.insert("messages".to_owned(), turns.into());
    body.insert("max_tokens".to_owned(), room.limit.into());
    let refuses = if manner == Manner::Effort {
        Some("this model takes none")
    } else {
        room.thinks().then_some("the model thinks")
    };
    sampling(chat, refuses, &mut body, dropped);
    if let Some(thinking) = room.thinking {
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
    tools(chat, &mut body, dropped);
    output_config(chat, room.effort, &mut body, dropped);
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    dropped.unknown(chat, &KNOWN);
    dropped.beside_the_content(chat, &OF_MESSAGES);
    Ok(("/messages".to_owned(), body))
}

/// `refuses`: why the model takes no such parameters now.
fn sampling(chat: &Value, refuses: Option<&str>, body: &mut Object, dropped: &mut Dropped) {
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = set(chat, name) else { continue };
        if let Some(why) = refuses {
            dropped.add(format!("{name} ({why})"));
        } else if name == "temperature" && value.as_f64().is_some_and(|t| t > 1.0) {
            dropped.add("temperature capped at 1");
            body.insert(name.to_owned(), json!(1));
        } else {
            body.insert(name.to_owned(), value.clone());
        }
    }
}

fn tools(chat: &Value, body: &mut Object, dropped: &mut Dropped) {
    let mut tools = Vec::new();
    for tool in list(chat, "tools") {
        let Some(function) = tool.get("function") else {
            dropped.add(format!("tools[*] ({})", text(tool, "type").unwrap_or("no function")));
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

/// Anthropic's own `output_config`, where the client has one, with the effort and the format that are asked for.
fn output_config(chat: &Value, effort: Option<&str>, body: &mut Object, dropped: &mut Dropped) {
    let mut config = match set(chat, "output_config") {
        Some(Value::Object(config)) => config.clone(),
        Some(_) => {
            dropped.add("output_config");
            Object::new()
        }
        None => Object::new(),
    };
    if let Some(effort) = effort {
        config.entry("effort").or_insert_with(|| effort.into());
    }
    if let Some(format) = set(chat, "response_format") {
        match (text(format, "type"), format.get("json_schema").and_then(|s| s.get("schema"))) {
            (Some("json_schema"), Some(schema)) => {
                config.insert("format".to_owned(), json!({ "type": "json_schema", "schema": schema }));
            }
            (Some("text"), _) => {}
            (kind, _) => dropped.add(format!("response_format {}", kind.unwrap_or("of no type"))),
        }
    }
    if !config.is_empty() {
        body.insert("output_config".to_owned(), config.into());
    }
}

fn keep_cache(from: &Value, to: &mut Object) {
    if let Some(cache) = set(from, "cache_control") {
        to.insert("cache_control".to_owned(), cache.clone());
    }
}
