//! Anthropic's Messages API as clients speak it (docs.anthropic.com, "Messages").

mod answer;
mod blocks;
mod count;
mod thinking;
mod turns;

use serde_json::{Value, json};

pub(crate) use self::answer::{Ending, answer, error, error_type_of};
pub use self::count::count_tokens;
use super::{
    ClientError, Echo, Incoming,
    hub::{carry, said, unknown, unknown_at},
};
use crate::{
    json::{Object, bytes, list, set, text},
    told::in_short,
};

const KNOWN: [&str; 18] = [
    "model",
    "models",
    "route",
    "messages",
    "system",
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "mcp_servers",
    "top_k",
];

pub(crate) fn request(body: &Value) -> Result<Incoming, ClientError> {
    let mut dropped = Vec::new();
    let mut chat = Object::new();
    // `metadata` says who asks, which keeps a conversation at its model, and may say more to this gateway
    carry(body, &mut chat, &["model", "models", "route", "metadata", "temperature", "top_p", "top_k"]);
    if set(body, "mcp_servers").is_some_and(|servers| servers.as_array().is_none_or(|list| !list.is_empty()))
    {
        return Err(ClientError::unsupported(
            "mcp_servers",
            "servers of tools are not called by this gateway",
        ));
    }
    let limit = set(body, "max_tokens").and_then(Value::as_u64).filter(|limit| *limit > 0);
    let limit = limit
        .ok_or_else(|| ClientError::shape("max_tokens", "max_tokens must be a whole number, 1 or more"))?;
    chat.insert("max_tokens".to_owned(), limit.into());
    if let Some(user) = body.get("metadata").and_then(|metadata| said(metadata, "user_id")) {
        chat.insert("user".to_owned(), user.into());
    }
    let stop = set(body, "stop_sequences").filter(|stop| stop.as_array().is_none_or(|s| !s.is_empty()));
    if let Some(stop) = stop {
        chat.insert("stop".to_owned(), stop.clone());
    }
    chat.insert("messages".to_owned(), turns::conversation(body, &mut dropped)?.into());
    tools(body, &mut chat, &mut dropped)?;
    thinking::effort(body, &mut chat, &mut dropped);
    thinking::format(body, &mut chat, &mut dropped);
    let stream = body.get("stream") == Some(&json!(true));
    if stream {
        chat.insert("stream".to_owned(), true.into());
        chat.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    unknown(body, &KNOWN, &mut dropped);
    let mut echo = Echo::default();
    echo.fields.insert("stop_sequences".to_owned(), stop.cloned().unwrap_or_else(|| json!([])));
    Ok(Incoming { chat: bytes(&chat.into()), stream, dropped: in_short(dropped), echo })
}

fn tools(body: &Value, chat: &mut Object, dropped: &mut Vec<String>) -> Result<(), ClientError> {
    let mut tools = Vec::new();
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if let Some(kind) = text(tool, "type").filter(|kind| *kind != "custom") {
            let message =
                format!("the tool `{kind}` runs at its provider, which this gateway does not offer");
            return Err(ClientError::unsupported(format!("tools[{at}].type"), message));
        }
        let mut function = Object::new();
        carry(tool, &mut function, &["name", "description", "strict"]);
        if let Some(schema) = set(tool, "input_schema") {
            function.insert("parameters".to_owned(), schema.clone());
        }
        let mut own = json!({ "type": "function", "function": function });
        if let (Some(cache), Some(fields)) = (set(tool, "cache_control"), own.as_object_mut()) {
            fields.insert("cache_control".to_owned(), cache.clone());
        }
        let known = ["type", "name", "description", "strict", "input_schema", "cache_control"];
        unknown_at(&format!("tools[{at}]"), tool, &known, dropped);
        tools.push(own);
    }
    let choice = set(body, "tool_choice");
    if tools.is_empty() {
        dropped.extend(choice.map(|_| "tool_choice (there are no tools)".to_owned()));
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    let Some(choice) = choice else { return Ok(()) };
    let word = match text(choice, "type") {
        Some("auto") => json!("auto"),
        Some("any") => json!("required"),
        Some("none") => json!("none"),
        Some("tool") => {
            let name = text(choice, "name").unwrap_or_default();
            json!({ "type": "function", "function": { "name": name } })
        }
        _ => {
            let message = "tool_choice.type must be `auto`, `any`, `none` or `tool`";
            return Err(ClientError::shape("tool_choice.type", message));
        }
    };
    chat.insert("tool_choice".to_owned(), word);
    if choice.get("disable_parallel_tool_use") == Some(&json!(true)) {
        chat.insert("parallel_tool_calls".to_owned(), false.into());
    }
    unknown_at("tool_choice", choice, &["type", "name", "disable_parallel_tool_use"], dropped);
    Ok(())
}
