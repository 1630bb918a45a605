//! Requests of OpenAI's Responses API (platform.openai.com, "Responses"), those that keep no state.

mod items;

use serde_json::{Value, json};

use super::{
    ClientError, Echo, Incoming,
    hub::{carry, unknown, unknown_at},
};
use crate::{
    json::{Object, bytes, list, set, text},
    told::in_short,
};

const KNOWN: [&str; 26] = [
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
    "include",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
];
/// What means the same on both sides. `metadata` may say something to this gateway, and goes no further than a backend
/// takes it.
const CARRIED: [&str; 10] = [
    "model",
    "models",
    "route",
    "metadata",
    "temperature",
    "top_p",
    "user",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
];
/// What would need a memory of ours, or somebody to work in the background.
const STATEFUL: [&str; 3] = ["previous_response_id", "conversation", "prompt"];
/// What the answer says again.
const ECHOED: [&str; 12] = [
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
    "include",
];
/// Signed thoughts, for a client that sends them back.
pub(super) const SEALED: &str = "reasoning.encrypted_content";

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
    carry(body, &mut chat, &CARRIED);
    if let Some(limit) = set(body, "max_output_tokens") {
        chat.insert("max_completion_tokens".to_owned(), limit.clone());
    }
    let mut messages = Vec::new();
    match set(body, "instructions") {
        Some(Value::String(said)) => messages.push(json!({ "role": "system", "content": said })),
        Some(_) => return Err(ClientError::shape("instructions", "instructions must be a string")),
        None => {}
    }
    items::input(body, &mut messages, &mut dropped)?;
    chat.insert("messages".to_owned(), messages.into());
    tools(body, &mut chat, &mut dropped)?;
    format(body, &mut chat, &mut dropped);
    reasoning(body, &mut chat, &mut dropped);
    let stream = body.get("stream") == Some(&json!(true));
    if stream {
        chat.insert("stream".to_owned(), true.into());
        chat.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    if set(body, "top_logprobs").is_some_and(|n| *n != json!(0)) {
        dropped.push("top_logprobs".to_owned());
    }
    for included in list(body, "include").iter().filter(|included| included.as_str() != Some(SEALED)) {
        dropped.push(format!("include ({})", included.as_str().unwrap_or("not a word")));
    }
    unknown(body, &KNOWN, &mut dropped);
    let mut echo = Object::new();
    carry(body, &mut echo, &ECHOED);
    Ok(Incoming {
        chat: bytes(&chat.into()),
        stream,
        dropped: in_short(dropped),
        echo: Echo { fields: echo },
    })
}

fn reasoning(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) {
    let Some(reasoning) = set(body, "reasoning") else { return };
    if let Some(effort) = set(reasoning, "effort") {
        chat.insert("reasoning_effort".to_owned(), effort.clone());
    }
    unknown_at("reasoning", reasoning, &["effort"], dropped);
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
        let known = ["name", "description", "parameters", "strict"];
        let mut function = Object::new();
        carry(tool, &mut function, &known);
        unknown_at(&format!("tools[{at}]"), tool, &[&known[..], &["type"]].concat(), dropped);
        tools.push(json!({ "type": "function", "function": function }));
    }
    if tools.is_empty() {
        // without tools backends refuse both
        let of_tools = ["tool_choice", "parallel_tool_calls"].into_iter();
        let set = of_tools.filter(|field| set(body, field).is_some());
        dropped.extend(set.map(|field| format!("{field} (there are no tools)")));
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    carry(body, chat, &["parallel_tool_calls"]);
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

fn format(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) {
    let Some(own) = set(body, "text") else { return };
    if let Some(verbosity) = set(own, "verbosity") {
        chat.insert("verbosity".to_owned(), verbosity.clone());
    }
    unknown_at("text", own, &["verbosity", "format"], dropped);
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
        Some("text") => {}
        kind => dropped.push(format!("text.format ({})", kind.unwrap_or("of no type"))),
    }
}
