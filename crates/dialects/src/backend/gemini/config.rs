//! How an answer is to be generated.

use serde_json::{Value, json};

use crate::{
    backend::report::Dropped,
    json::{Object, set, text},
};

/// Their names on both sides.
const SAMPLING: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];

pub(super) fn config(chat: &Value, model: &str, dropped: &mut Dropped) -> Object {
    let mut config = Object::new();
    for (theirs, ours) in SAMPLING {
        if let Some(value) = set(chat, theirs) {
            config.insert(ours.to_owned(), value.clone());
        }
    }
    if let Some(limit) = set(chat, "max_completion_tokens").or_else(|| set(chat, "max_tokens")) {
        config.insert("maxOutputTokens".to_owned(), limit.clone());
    }
    if let Some(n) = set(chat, "n").filter(|n| **n != json!(1)) {
        config.insert("candidateCount".to_owned(), n.clone());
    }
    match set(chat, "stop") {
        Some(Value::String(stop)) => drop(config.insert("stopSequences".to_owned(), json!([stop]))),
        Some(stop) => drop(config.insert("stopSequences".to_owned(), stop.clone())),
        None => {}
    }
    if let Some(format) = set(chat, "response_format") {
        match text(format, "type") {
            Some("json_schema") => {
                config.insert("responseMimeType".to_owned(), "application/json".into());
                if let Some(schema) = format.get("json_schema").and_then(|s| s.get("schema")) {
                    config.insert("responseJsonSchema".to_owned(), schema.clone());
                }
            }
            Some("json_object") => {
                drop(config.insert("responseMimeType".to_owned(), "application/json".into()));
            }
            Some("text") => {}
            kind => dropped.add(format!("response_format {}", kind.unwrap_or("of no type"))),
        }
    }
    // models that never think refuse to be told not to
    if let Some((field, asked)) = budget(chat, dropped).filter(|(_, budget)| *budget > 0 || may_think(model))
    {
        let budget = allowed(model, asked);
        if budget != asked {
            dropped.add(format!("{field} (its budget is {budget} tokens, as this model allows)"));
        }
        let thinking = json!({ "thinkingBudget": budget, "includeThoughts": budget > 0 });
        config.insert("thinkingConfig".to_owned(), thinking);
    }
    config
}

/// How many tokens may be thought, and the field that says so.
fn budget(chat: &Value, dropped: &mut Dropped) -> Option<(&'static str, u64)> {
    let own = set(chat, "thinking");
    if own.is_some_and(|own| text(own, "type") == Some("disabled")) {
        return Some(("thinking", 0));
    }
    if let Some(budget) = own.and_then(|own| own.get("budget_tokens")).and_then(Value::as_u64) {
        return Some(("thinking", budget));
    }
    let own_effort = set(chat, "output_config").and_then(|config| text(config, "effort"));
    let budget = match text(chat, "reasoning_effort").or(own_effort)? {
        "none" => 0,
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" | "xhigh" | "max" => 24_576,
        other => {
            dropped.add(format!("reasoning_effort {other}"));
            return None;
        }
    };
    Some(("reasoning_effort", budget))
}

/// Thinking began with version 2.5.
fn may_think(model: &str) -> bool {
    !["gemma", "gemini-1", "gemini-2.0"].iter().any(|family| model.contains(family))
}

/// The nearest budget that the model takes (ai.google.dev, "Thinking"); of other families it is not known.
fn allowed(model: &str, budget: u64) -> u64 {
    let is = |family: &str| model.contains("gemini-") && model.contains(family);
    if is("flash-lite") && budget > 0 {
        budget.clamp(512, 24_576)
    } else if is("flash") {
        budget.min(24_576)
    } else if is("pro") {
        // these always think
        budget.clamp(128, 32_768)
    } else {
        budget
    }
}
