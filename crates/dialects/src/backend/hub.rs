//! What is the same for all backends with a dialect of their own: the hub's older and rarer words become the usual ones,
//! and what none of these backends has words for is an error.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Untranslatable, ids, report::Dropped};
use crate::json::{Object, list, set, text};

type Checked = Result<(), Untranslatable>;

/// Makes a request usual.
pub(crate) fn usual(chat: &mut Object, dropped: &mut Dropped) -> Checked {
    old_functions(chat, dropped);
    if let Some(messages) = chat.get_mut("messages").and_then(Value::as_array_mut) {
        // the ids of old calls, by the name of the function
        let mut ids = HashMap::new();
        for (at, message) in messages.iter_mut().enumerate() {
            let Some(message) = message.as_object_mut() else {
                let param = format!("messages[{at}]");
                return Err(Untranslatable::unsupported(param, "a message must be an object"));
            };
            self::message(message, at, &mut ids)?;
        }
    }
    choice(chat)
}

/// The messages in the order in which they are told to a backend that knows calls by their order alone: results of tools
/// in that of their calls, whichever tool was done first.
pub(crate) fn in_order(messages: &[Value]) -> Vec<usize> {
    let mut order = Vec::with_capacity(messages.len());
    let mut calls: HashMap<&str, usize> = HashMap::new();
    let mut results: Vec<(usize, usize)> = Vec::new();
    let is_result = |message: &Value| text(message, "role") == Some("tool");
    for (at, message) in messages.iter().enumerate() {
        if is_result(message) {
            let call = text(message, "tool_call_id").and_then(|id| calls.get(id));
            results.push((call.copied().unwrap_or(usize::MAX), at));
        }
        if !messages.get(at + 1).is_some_and(is_result) {
            results.sort_unstable();
            order.extend(results.drain(..).map(|(_, at)| at));
        }
        if !is_result(message) {
            order.push(at);
        }
        if text(message, "role") == Some("assistant") {
            let ids = list(message, "tool_calls").iter().enumerate();
            calls = ids.filter_map(|(n, call)| Some((text(call, "id")?, n))).collect();
        }
    }
    order
}

/// `functions` and `function_call` of a request, from before there were tools.
fn old_functions(chat: &mut Object, dropped: &mut Dropped) {
    let is_unset = |chat: &Object, field: &str| chat.get(field).is_none_or(Value::is_null);
    if is_unset(chat, "tools")
        && let Some(functions) = chat.get("functions").and_then(Value::as_array)
    {
        let tool = |function: &Value| json!({ "type": "function", "function": function });
        let tools = functions.iter().map(tool).collect();
        chat.insert("tools".to_owned(), tools);
        chat.remove("functions");
        dropped.add("functions (sent as tools, and answered as calls of tools)");
    }
    if is_unset(chat, "tool_choice")
        && let Some(choice) = chat.remove("function_call")
    {
        let named = choice.is_object();
        let choice = if named { json!({ "type": "function", "function": choice }) } else { choice };
        chat.insert("tool_choice".to_owned(), choice);
    }
}

fn message(message: &mut Object, at: usize, ids: &mut HashMap<String, String>) -> Checked {
    let role = message.get("role").and_then(Value::as_str).unwrap_or("user").to_owned();
    match role.as_str() {
        "function" => old_result(message, at, ids)?,
        "system" | "developer" | "user" | "assistant" | "tool" => {}
        other => {
            let why = format!("the role `{other}` is not known to this backend");
            return Err(Untranslatable::unsupported(format!("messages[{at}].role"), why));
        }
    }
    if message.get("audio").is_some_and(|audio| !audio.is_null()) {
        let why = "sounds of earlier answers are not known to this backend";
        return Err(Untranslatable::unsupported(format!("messages[{at}].audio"), why));
    }
    // what was refused is what was said
    let silent = message.get("content").is_none_or(|content| content.is_null() || content == "");
    if silent && let Some(refusal @ Value::String(_)) = message.remove("refusal") {
        message.insert("content".to_owned(), refusal);
    }
    content(message, at)?;
    calls(message, at, ids)
}

/// The content is a text or parts, which are objects.
fn content(message: &mut Object, at: usize) -> Checked {
    let parts = match message.get_mut("content") {
        None | Some(Value::Null | Value::String(_)) => return Ok(()),
        Some(Value::Array(parts)) => parts,
        Some(_) => {
            let why = "a content must be a text or an array of parts";
            return Err(Untranslatable::unsupported(format!("messages[{at}].content"), why));
        }
    };
    for (n, part) in parts.iter_mut().enumerate() {
        match part {
            Value::Object(_) => {}
            Value::String(said) => *part = json!({ "type": "text", "text": said }),
            _ => {
                let param = format!("messages[{at}].content[{n}]");
                return Err(Untranslatable::unsupported(param, "a part must be an object"));
            }
        }
    }
    Ok(())
}

/// Calls are calls of functions; the old kind gets an id, which its result is found by.
fn calls(message: &mut Object, at: usize, ids: &mut HashMap<String, String>) -> Checked {
    let has_calls =
        message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
    if let Some(call) = message.get("function_call").filter(|call| !has_calls && call.is_object()) {
        let id = ids::of_place(at);
        ids.insert(text(call, "name").unwrap_or_default().to_owned(), id.clone());
        let call = json!({ "id": id, "type": "function", "function": call });
        message.remove("function_call");
        message.insert("tool_calls".to_owned(), json!([call]));
    }
    for (n, call) in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if !call.get("function").is_some_and(Value::is_object) {
            let param = format!("messages[{at}].tool_calls[{n}]");
            return Err(Untranslatable::unsupported(
                param,
                "only calls of functions are known to this backend",
            ));
        }
    }
    Ok(())
}

/// The result of an old call.
fn old_result(message: &mut Object, at: usize, ids: &HashMap<String, String>) -> Checked {
    message.insert("role".to_owned(), "tool".into());
    if message.get("tool_call_id").is_some_and(|id| !id.is_null()) {
        return Ok(());
    }
    let name = message.get("name").and_then(Value::as_str).unwrap_or_default();
    let id = ids.get(name).cloned().ok_or_else(|| {
        let why = "no call of this function comes before its result";
        Untranslatable::unsupported(format!("messages[{at}].name"), why)
    })?;
    message.insert("tool_call_id".to_owned(), id.into());
    Ok(())
}

/// A choice of tools is a word or one function. A list of allowed tools is what it means: fewer tools.
fn choice(chat: &mut Object) -> Checked {
    let Some(choice) = chat.get("tool_choice").filter(|choice| !choice.is_null()).cloned() else {
        return Ok(());
    };
    let unsupported = |why: String| Err(Untranslatable::unsupported("tool_choice", why));
    if let Some(word) = choice.as_str() {
        return match word {
            "auto" | "none" | "required" => Ok(()),
            _ => unsupported(format!("the choice `{word}` of tools is not known to this backend")),
        };
    }
    match text(&choice, "type") {
        _ if choice.get("function").and_then(|function| text(function, "name")).is_some() => Ok(()),
        Some("allowed_tools") => {
            let allowed = set(&choice, "allowed_tools").unwrap_or(&choice);
            let name = |tool: &Value| tool.get("function").and_then(|f| text(f, "name")).map(str::to_owned);
            let names: Vec<_> = list(allowed, "tools")
                .iter()
                .map(|tool| name(tool).or_else(|| text(tool, "name").map(str::to_owned)))
                .collect();
            if names.is_empty() || names.contains(&None) {
                return unsupported("only functions can be allowed by name with this backend".to_owned());
            }
            let mode = text(allowed, "mode").unwrap_or("auto").to_owned();
            if let Some(tools) = chat.get_mut("tools").and_then(Value::as_array_mut) {
                tools.retain(|tool| names.contains(&name(tool)));
            }
            if chat.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return unsupported("none of the allowed tools is among the tools".to_owned());
            }
            chat.insert("tool_choice".to_owned(), mode.into());
            self::choice(chat)
        }
        kind => {
            let kind = kind.unwrap_or("(none)");
            unsupported(format!("a choice of the type `{kind}` is not known to this backend"))
        }
    }
}
