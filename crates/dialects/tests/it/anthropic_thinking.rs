//! When a model of Anthropic may think, and how much.

use pointsman_dialects::backend::BackendDialect;
use serde_json::{Value, json};

use crate::value;

fn sent(chat: &Value) -> (Value, Vec<String>) {
    sent_to("claude", chat)
}

fn sent_to(model: &str, chat: &Value) -> (Value, Vec<String>) {
    let out = BackendDialect::Anthropic.request(chat.to_string().as_bytes(), model, false).unwrap();
    (value(&out.body), out.dropped)
}

#[test]
fn newer_models_are_told_an_effort_in_the_place_of_a_budget() {
    let adaptive = json!({"type": "adaptive"});
    let shown = json!({"type": "adaptive", "display": "summarized"});
    let budget = json!({"type": "enabled", "budget_tokens": 10_000});
    for (model, fields, thinking, effort) in [
        ("claude-opus-4-6", json!({"reasoning_effort": "low"}), &adaptive, json!("low")),
        ("claude-opus-4-6", json!({"reasoning_effort": "xhigh"}), &adaptive, json!("high")),
        ("claude-opus-4-6", json!({"thinking": budget, "max_tokens": 20_000}), &budget, Value::Null),
        ("claude-opus-4-7", json!({"reasoning_effort": "xhigh"}), &shown, json!("xhigh")),
        ("claude-sonnet-5", json!({"thinking": budget}), &shown, json!("medium")),
        (
            "claude-sonnet-5",
            json!({"thinking": budget, "output_config": {"effort": "max"}}),
            &shown,
            json!("max"),
        ),
        ("claude-sonnet-5", json!({"output_config": {"effort": "max"}}), &Value::Null, json!("max")),
        (
            "claude-opus-4-7",
            json!({"thinking": {"type": "disabled"}}),
            &json!({"type": "disabled"}),
            Value::Null,
        ),
    ] {
        let (body, _) = sent_to(model, &asked(&fields));
        assert_eq!(
            (&body["thinking"], &body["output_config"]["effort"]),
            (thinking, &effort),
            "{model} {fields}"
        );
    }
    let (body, dropped) = sent_to("claude-opus-4-7", &asked(&json!({"temperature": 0.5, "top_k": 3})));
    assert_eq!((body.get("temperature"), body.get("top_k")), (None, None));
    assert_eq!(dropped, ["temperature (this model takes none)", "top_k (this model takes none)"]);
    // a tool that must be called ends this thinking as well
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let forced = json!({"tools": tools, "tool_choice": "required", "reasoning_effort": "high"});
    let (body, dropped) = sent_to("claude-opus-4-7", &asked(&forced));
    assert_eq!((body.get("thinking"), body.get("output_config")), (None, None));
    assert_eq!(dropped, ["reasoning_effort (a tool must be called)"]);
}

fn asked(fields: &Value) -> Value {
    let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
    chat.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    chat
}

/// An effort, and a history that ends with the result of a call that was thought of like this.
fn called(thinking_blocks: &Value, fields: &Value) -> Value {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut chat = asked(fields);
    chat["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": null, "tool_calls": [call], "thinking_blocks": thinking_blocks}),
        json!({"role": "tool", "tool_call_id": "c", "content": "r"}),
    ]);
    chat
}

#[test]
fn calls_without_their_thoughts_end_the_thinking() {
    let why = "(the last tool calls come without their thoughts)";
    let signed = json!([{"type": "thinking", "thinking": "hm", "signature": "s"}]);
    let unsigned = json!([{"type": "thinking", "thinking": "hm", "signature": ""}]);
    let effort = json!({"reasoning_effort": "low"});
    let (body, dropped) = sent(&called(&signed, &effort));
    assert_eq!((&body["thinking"]["budget_tokens"], dropped.len()), (&json!(1024), 0));
    let (body, dropped) = sent(&called(&json!([]), &effort));
    assert!(body.get("thinking").is_none());
    assert_eq!(dropped, [format!("reasoning_effort {why}")]);
    let (body, dropped) =
        sent(&called(&unsigned, &json!({"thinking": {"type": "enabled", "budget_tokens": 2000}})));
    assert!(body.get("thinking").is_none());
    assert_eq!(body["messages"][1]["content"][0]["type"], "tool_use", "unsigned thoughts are not sent");
    assert_eq!(dropped, ["messages[*].thinking_blocks (unsigned)".to_owned(), format!("thinking {why}")]);
    let (body, _) = sent(&called(&unsigned, &json!({"thinking": {"type": "adaptive"}})));
    assert_eq!(body["thinking"], json!({"type": "adaptive"}), "which asks for no thoughts in the history");
    let redacted = json!([{"type": "redacted_thinking", "data": "x"}]);
    assert_eq!(sent(&called(&redacted, &effort)).0["messages"][1]["content"][0], redacted[0]);
}

#[test]
fn a_tool_that_must_be_called_is_called_without_thinking() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let named = json!({"type": "function", "function": {"name": "f"}});
    for (choice, thinks) in [("required".into(), false), (named, false), (json!("auto"), true)] {
        let fields =
            json!({"tools": tools, "tool_choice": choice, "reasoning_effort": "low", "temperature": 0.5});
        let (body, dropped) = sent(&asked(&fields));
        assert_eq!(body.get("thinking").is_some(), thinks, "{choice}");
        let told = if thinks {
            "temperature (the model thinks)"
        } else {
            "reasoning_effort (a tool must be called)"
        };
        assert_eq!(dropped, [told]);
    }
}

#[test]
fn what_the_client_says_of_thinking_outranks_the_effort() {
    for (fields, thinking) in [
        (json!({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}), json!({"type": "disabled"})),
        (json!({"thinking": {"type": "adaptive"}, "reasoning_effort": "high"}), json!({"type": "adaptive"})),
        (json!({"output_config": {"effort": "high"}, "reasoning_effort": "high"}), Value::Null),
        (json!({"reasoning_effort": "none"}), Value::Null),
    ] {
        let (body, dropped) = sent(&asked(&fields));
        // how much it thinks is its own affair, so it gets the room
        let limit = if thinking["type"] == "adaptive" { 32_000 } else { 8192 };
        assert_eq!((&body["thinking"], &body["max_tokens"]), (&thinking, &json!(limit)), "{fields}");
        assert!(dropped.is_empty(), "{dropped:?}");
    }
    let format = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}});
    let both = json!({"output_config": {"effort": "low"}, "response_format": format});
    let (body, _) = sent(&asked(&both));
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    assert_eq!(body["output_config"], json!({"effort": "low", "format": format}));
    let (body, _) = sent(&asked(&json!({"thinking": {"type": "disabled"}, "temperature": 0.5})));
    assert_eq!(body["temperature"], 0.5);
}

#[test]
fn the_limit_of_the_client_stands_and_the_budget_yields() {
    let own = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    for (fields, limit, budget, told) in [
        (json!({"max_tokens": 1024, "reasoning_effort": "low"}), 1024, None, true),
        (json!({"max_tokens": 1200, "reasoning_effort": "medium"}), 1200, Some(1024), true),
        (json!({"max_completion_tokens": 4000, "reasoning_effort": "high"}), 4000, Some(3000), true),
        (json!({"max_tokens": 20_000, "reasoning_effort": "medium"}), 20_000, Some(8192), false),
        (json!({"max_tokens": 4000, "thinking": own(5000)}), 4000, Some(3999), true),
        (json!({"max_tokens": 4000, "thinking": own(3900)}), 4000, Some(3900), false),
        (json!({"reasoning_effort": "high"}), 32_000, Some(23_808), false),
        (json!({"thinking": own(40_000)}), 40_001, Some(40_000), false),
        (json!({"thinking": own(u64::MAX)}), u64::MAX, Some(u64::MAX), false),
    ] {
        let (body, dropped) = sent(&asked(&fields));
        assert_eq!(body["max_tokens"], limit, "{fields}");
        assert_eq!(body["thinking"]["budget_tokens"].as_u64(), budget, "{fields}");
        assert_eq!(!dropped.is_empty(), told, "{dropped:?}");
    }
}
