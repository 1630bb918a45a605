//! Anthropic's Messages API: what requests keep, and how answers end.

use pointsman_dialects::{
    backend::BackendDialect,
    client::{ClientDialect, Echo},
};
use serde_json::{Value, json};

use crate::{events, value};

fn hub(body: &Value) -> (Value, Vec<String>, Echo) {
    let incoming = ClientDialect::Messages.request(body.to_string().as_bytes()).unwrap();
    (value(&incoming.chat), incoming.dropped, incoming.echo)
}

/// A request with these fields more.
fn with(more: &Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn answer(choice: &Value, echo: &Echo) -> Value {
    let chat = json!({"model": "up", "choices": [choice], "usage": {}});
    value(&ClientDialect::Messages.answer(chat.to_string().as_bytes(), echo, "r", 0).unwrap())
}

#[test]
fn the_clients_own_effort_counts_more_than_its_budget() {
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    for (fields, effort, config) in [
        (json!({"thinking": thinking}), json!("low"), Value::Null),
        (
            json!({"thinking": thinking, "output_config": {"effort": "high"}}),
            json!("high"),
            json!({"effort": "high"}),
        ),
        (json!({"thinking": {"type": "disabled"}}), Value::Null, Value::Null),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            json!("high"),
            json!({"effort": "max"}),
        ),
    ] {
        let (chat, dropped, _) = hub(&with(&fields));
        assert_eq!((&chat["reasoning_effort"], &chat["output_config"]), (&effort, &config), "{fields}");
        assert_eq!(chat["thinking"], fields["thinking"], "{fields}");
        assert!(dropped.is_empty(), "{dropped:?}");
    }
}

#[test]
fn leftovers_are_told_by_their_names() {
    let (chat, dropped, _) = hub(&with(&json!({
        "output_config": {"effort": "low", "new": 1, "format": {"type": "json_schema", "schema": {}, "name": "x"}},
        "output_format": {"type": "json_schema", "schema": {"a": 1}}, "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": [
                {"type": "document", "title": "T", "context": "c", "citations": {"enabled": false},
                    "source": {"type": "text", "data": "words"}},
                {"type": "text", "text": "hi", "citations": []},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t", "name": "f", "input": {}, "cache_control": {"type": "ephemeral"}},
                {"type": "tool_use", "id": "u", "name": "f", "input": {}, "cache_control": {"type": "ephemeral"}}]},
        ],
    })));
    assert_eq!(chat["response_format"]["json_schema"]["schema"], json!({}));
    assert_eq!(
        dropped,
        [
            "messages[*].content[*].title",
            "messages[*].content[*].context",
            "messages[*].content[*].cache_control",
            "tool_choice (there are no tools)",
            "output_config.new",
            "output_format (output_config.format counts)",
            "output_config.format.name",
        ]
    );
}

#[test]
fn thoughts_without_a_signature_stay_words() {
    let (chat, dropped, _) = hub(&with(&json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "one", "signature": ""},
            {"type": "thinking", "thinking": "two"},
            {"type": "thinking", "thinking": "three", "signature": "sig"},
            {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "one", "signature": ""}, {"type": "text", "text": "b"}]},
    ]})));
    let said = &chat["messages"][1];
    assert_eq!(said["reasoning_content"], "one\ntwo\nthree");
    assert_eq!(
        said["thinking_blocks"],
        json!([{"type": "thinking", "thinking": "three", "signature": "sig"}, {"type": "redacted_thinking", "data": "x"}])
    );
    assert_eq!(chat["messages"][3].get("thinking_blocks"), None);
    assert_eq!(dropped, ["messages[*].thinking_blocks (not signed)"]);
}

#[test]
fn metadata_and_documents_survive() {
    let (chat, dropped, _) = hub(&with(&json!({
        "metadata": {"user_id": "u", "industry": "legal", "tags": ["a"]}, "top_k": 4,
        "messages": [{"role": "user", "content": [
            {"type": "document", "title": "T", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            {"type": "document", "source": {"type": "base64", "data": "AAAA"}}]}],
    })));
    assert_eq!((&chat["metadata"]["industry"], &chat["metadata"]["user_id"]), (&json!("legal"), &json!("u")));
    assert_eq!((&chat["user"], &chat["top_k"], dropped.len()), (&json!("u"), &json!(4), 0));
    assert_eq!(
        chat["messages"][0]["content"][1]["file"],
        json!({"filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"})
    );
    let sent = BackendDialect::Anthropic.request(chat.to_string().as_bytes(), "m", false).unwrap();
    let block = &value(&sent.body)["messages"][0]["content"][0];
    assert_eq!(block["source"], json!({"type": "url", "url": "https://example.org/a.pdf"}));
    assert_eq!(block["title"], "T");
}

#[test]
fn errors_name_the_block_at_fault() {
    let image = json!({"type": "image", "source": {"type": "file", "file_id": "f"}});
    for (content, param) in [
        (json!([{"type": "text", "text": "a"}, image]), "messages[0].content[1]"),
        (
            json!([{"type": "tool_result", "tool_use_id": "t", "content": [image]}]),
            "messages[0].content[0].content[0]",
        ),
        (
            json!([{"type": "tool_result", "tool_use_id": "t", "content": 7}]),
            "messages[0].content[0].content",
        ),
        (
            json!([{"type": "document", "source": {"type": "file", "file_id": "f"}}]),
            "messages[0].content[0].source",
        ),
    ] {
        let body = with(&json!({"messages": [{"role": "user", "content": content}]}));
        let error = ClientDialect::Messages.request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{content}: {error}");
    }
}

/// A choice as one delta and an end.
fn streamed(choice: &Value, echo: &Echo) -> (Value, Value) {
    let mut delta = choice.clone();
    let message = delta.as_object_mut().unwrap().remove("message").unwrap();
    delta["delta"] = message;
    let chunk = json!({"model": "up", "choices": [delta]});
    let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let list = events(&ClientDialect::Messages.stream(echo.clone(), "r", 0).push(body.as_bytes()));
    let end = list.iter().find(|e| e["type"] == "message_delta").unwrap();
    (end["delta"]["stop_reason"].clone(), end["delta"]["stop_sequence"].clone())
}

#[test]
fn an_answer_ends_for_its_true_reason() {
    let call =
        json!([{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let echo = Echo::default();
    let (.., asked) = hub(&with(&json!({"stop_sequences": ["END"]})));
    let (.., unasked) = hub(&with(&json!({})));
    for (choice, echo, reason, sequence) in [
        (json!({"message": {"content": "a"}, "finish_reason": "stop"}), &echo, "end_turn", Value::Null),
        (
            json!({"message": {"content": null, "tool_calls": call}, "finish_reason": "stop"}),
            &echo,
            "tool_use",
            Value::Null,
        ),
        (
            json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}),
            &echo,
            "stop_sequence",
            json!("END"),
        ),
        (
            json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}),
            &asked,
            "stop_sequence",
            json!("END"),
        ),
        (
            json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "eos"}),
            &unasked,
            "end_turn",
            Value::Null,
        ),
        (
            json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": 128_009}),
            &echo,
            "end_turn",
            Value::Null,
        ),
        (json!({"message": {"content": "a"}, "finish_reason": "length"}), &echo, "max_tokens", Value::Null),
        (
            json!({"message": {"content": "", "refusal": "No."}, "finish_reason": "stop"}),
            &echo,
            "refusal",
            Value::Null,
        ),
        (
            json!({"message": {"content": "a"}, "finish_reason": "content_filter"}),
            &echo,
            "refusal",
            Value::Null,
        ),
    ] {
        let whole = answer(&choice, echo);
        assert_eq!((&whole["stop_reason"], &whole["stop_sequence"]), (&json!(reason), &sequence), "{choice}");
        assert_eq!(streamed(&choice, echo), (json!(reason), sequence), "{choice}");
    }
    let refused =
        answer(&json!({"message": {"content": "", "refusal": "No."}, "finish_reason": "stop"}), &echo);
    assert_eq!(refused["content"], json!([{"type": "text", "text": "No."}]));
}

#[test]
fn thoughts_are_read_under_either_name_and_once() {
    for message in [
        json!({"content": "a", "reasoning": "hm"}),
        json!({"content": "a", "reasoning": "hm", "reasoning_content": "hm"}),
        json!({"content": "a", "reasoning_content": "hm"}),
    ] {
        let whole = answer(&json!({"message": message, "finish_reason": "stop"}), &Echo::default());
        let expected =
            json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "a"}]);
        assert_eq!(whole["content"], expected, "{message}");
    }
    let ids = answer(
        &json!({"message": {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}}),
        &Echo::default(),
    );
    assert_eq!(
        ids["content"],
        json!([{"type": "tool_use", "id": "call_r_0", "name": "f", "input": {"a": 1}}])
    );
}
