//! What a translation leaves out. It goes into a header, so a field is told once, however often it comes.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    json::{list, set, text},
    told::in_short,
};

/// What every backend takes of a message.
const TAKEN: [&str; 4] = ["role", "content", "tool_calls", "tool_call_id"];

/// What was left out so far, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    list: Vec<String>,
    known: HashSet<String>,
}

impl Dropped {
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.known.insert(what.clone()) {
            self.list.push(what);
        }
    }

    pub(crate) fn into_list(self) -> Vec<String> {
        in_short(self.list)
    }

    /// The fields of a request that the dialect does not know.
    pub(crate) fn unknown(&mut self, chat: &Value, known: &[&str]) {
        for (field, value) in chat.as_object().into_iter().flatten() {
            // it asks for what is the case anyway
            let is_so_anyway = match field.as_str() {
                "store" => *value == Value::Bool(false),
                "parallel_tool_calls" => *value == Value::Bool(true),
                // who asks stands in `user` as well
                "metadata" => set(chat, "user").is_some() && is_only(value, "user_id"),
                _ => false,
            };
            if !known.contains(&field.as_str()) && !value.is_null() && !is_so_anyway {
                self.add(field);
            }
        }
    }

    /// What messages and tools carry beside their content, as far as it is not among what the dialect takes.
    pub(crate) fn beside_the_content(&mut self, chat: &Value, taken: &[&str]) {
        for message in list(chat, "messages") {
            self.of_message(message, taken);
        }
        let cached = |tool: &Value| tool.get("cache_control").is_some_and(|mark| !is_unset(mark));
        if !taken.contains(&"cache_control") && list(chat, "tools").iter().any(cached) {
            self.add("cache_control");
        }
    }

    fn of_message(&mut self, message: &Value, taken: &[&str]) {
        let is_tool = text(message, "role") == Some("tool");
        for (field, value) in message.as_object().into_iter().flatten() {
            let is_taken = TAKEN.contains(&field.as_str()) || taken.contains(&field.as_str());
            // the name of a tool is that of its call
            if is_taken || is_unset(value) || (is_tool && field == "name") {
                continue;
            }
            match field.as_str() {
                "cache_control" => self.add("cache_control"),
                _ => self.add(format!("messages[*].{field}")),
            }
        }
        for call in list(message, "tool_calls") {
            if !taken.contains(&"extra_content") && call.get("extra_content").is_some_and(|e| !is_unset(e)) {
                self.add("messages[*].tool_calls[*].extra_content");
            }
        }
        for part in list(message, "content") {
            if !taken.contains(&"cache_control") && part.get("cache_control").is_some_and(|c| !is_unset(c)) {
                self.add("cache_control");
            }
            let detail = part.get("image_url").and_then(|image| text(image, "detail"));
            if detail.is_some_and(|detail| detail != "auto") {
                self.add("messages[*].content[*].image_url.detail");
            }
        }
    }
}

/// An object with no field but this.
fn is_only(value: &Value, field: &str) -> bool {
    value.as_object().is_some_and(|fields| fields.keys().all(|key| key == field))
}

/// Nothing is lost with it.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(said) => said.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
