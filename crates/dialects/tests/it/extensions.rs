//! What is taken out for which backend.

use pointsman_dialects::{Takes, has_extensions, without_extensions};
use serde_json::{Value, json};

use crate::value;

fn cut(body: &Value, takes: Takes) -> (Value, Vec<String>) {
    let (bytes, told) = without_extensions(body.to_string().as_bytes(), takes);
    (value(&bytes), told)
}

#[test]
fn a_body_without_extensions_keeps_its_bytes() {
    let body = b"{ \"model\" : \"m\",  \"temperature\": 1.0, \"messages\":[{\"role\":\"user\",\"content\":\"say \\\"top_k\\\"\"}] }";
    assert!(!has_extensions(body));
    for takes in [Takes::All, Takes::CacheControl, Takes::Lenient, Takes::Thoughts, Takes::Nothing] {
        assert_eq!(without_extensions(body, takes), (body.to_vec(), Vec::new()));
    }
}

#[test]
fn each_backend_keeps_what_it_takes() {
    let body = json!({
        "model": "m", "thinking": {"type": "enabled"}, "output_config": {"effort": "max"}, "reasoning_effort": "high",
        "top_k": 4, "metadata": {"a": 1}, "prompt_cache_key": "k", "user": "u".repeat(80),
        "messages": [
            {"role": "assistant", "content": [{"type": "text", "text": "hi", "cache_control": {}}], "reasoning": "hm",
                "reasoning_content": "hm", "thinking_blocks": [], "tool_calls": [{"id": "c", "extra_content": {"google": {}}}]},
        ],
    });
    assert!(has_extensions(body.to_string().as_bytes()));
    let has = |takes: Takes| {
        let (body, told) = cut(&body, takes);
        let message = &body["messages"][0];
        let kept = |value: &Value, fields: &[&str]| -> Vec<String> {
            fields.iter().filter(|f| value.get(**f).is_some()).map(|f| (*f).to_owned()).collect()
        };
        assert!(kept(message, &["thinking_blocks"]).is_empty());
        let google = takes == Takes::ExtraContent;
        assert_eq!(message["tool_calls"][0].get("extra_content").is_some(), google);
        assert_eq!(body["user"].as_str().unwrap().len() == 80, takes == Takes::Lenient);
        assert_eq!(told.contains(&"extra_content".to_owned()), !google, "{told:?}");
        let mut all = kept(&body, &["thinking", "output_config", "top_k", "metadata", "prompt_cache_key"]);
        all.extend(kept(message, &["reasoning", "reasoning_content"]));
        all.extend(kept(&message["content"][0], &["cache_control"]));
        all.join(" ")
    };
    assert_eq!(has(Takes::Nothing), "prompt_cache_key");
    assert_eq!(has(Takes::ExtraContent), "");
    assert_eq!(has(Takes::Thoughts), "reasoning reasoning_content");
    assert_eq!(
        has(Takes::Lenient),
        "thinking output_config top_k metadata prompt_cache_key reasoning reasoning_content"
    );
    assert_eq!(
        has(Takes::CacheControl),
        "top_k metadata prompt_cache_key reasoning reasoning_content cache_control"
    );
    let (_, told) = cut(&body, Takes::Nothing);
    for what in ["thinking (its effort stays)", "output_config", "top_k", "metadata", "reasoning"] {
        assert!(told.iter().any(|t| t == what), "{what}: {told:?}");
    }
}

#[test]
fn metadata_stays_where_it_is_stored_and_hints_are_no_loss() {
    let body = |more: Value| {
        let mut body = json!({"messages": [], "user": "u"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let stored = body(json!({"metadata": {"a": "b"}, "store": true}));
    assert_eq!(cut(&stored, Takes::Nothing), (stored.clone(), vec![]));
    let hints = body(json!({"metadata": {"user_id": "u", "tags": ["t"]}}));
    assert_eq!(cut(&hints, Takes::Nothing), (body(json!({})), vec![]));
}

#[test]
fn a_long_user_keeps_one_short_name() {
    let named = |user: &str| cut(&json!({"messages": [], "user": user}), Takes::Thoughts).0["user"].clone();
    let (one, other) = (named(&"a".repeat(65)), named(&"b".repeat(65)));
    assert_eq!(one, named(&"a".repeat(65)));
    assert!(one != other && one.as_str().unwrap().len() == 32);
    assert_eq!(named("short"), "short");
}

#[test]
fn images_of_tool_results_are_shown_by_the_user() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}});
    let result = |id: &str, content: Value| json!({"role": "tool", "tool_call_id": id, "content": content});
    let label = |id: &str| json!({"type": "text", "text": format!("From the result of the tool call {id}:")});
    let body = json!({"messages": [
        result("a", json!([{"type": "text", "text": "seen"}, image])), result("b", json!("words")), result("c", json!([image])),
        {"role": "user", "content": "And?"},
        result("d", json!([image])),
        {"role": "assistant", "content": "so"},
        result("e", json!([image])),
    ]});
    assert!(has_extensions(body.to_string().as_bytes()));
    let (shown, told) = cut(&body, Takes::Lenient);
    let follows = "(The result follows in the next message.)";
    assert_eq!(
        shown["messages"],
        json!([
            result("a", json!("seen")), result("b", json!("words")), result("c", json!(follows)),
            {"role": "user", "content": [label("a"), image, label("c"), image, {"type": "text", "text": "And?"}]},
            result("d", json!(follows)),
            {"role": "user", "content": [label("d"), image]},
            {"role": "assistant", "content": "so"},
            result("e", json!(follows)),
            {"role": "user", "content": [label("e"), image]},
        ])
    );
    assert_eq!(told, ["images of tool results (they follow in a message of the user)"]);
    assert_eq!(cut(&body, Takes::All), (body.clone(), vec![]));
}
