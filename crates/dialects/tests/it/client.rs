use pointsman_dialects::{
    Takes,
    client::{ClientDialect, Echo, count_tokens},
    without_extensions,
};
use serde_json::{Value, json};

use crate::{events, value};

fn hub(dialect: ClientDialect, body: &Value) -> (Value, Vec<String>, Echo) {
    let incoming = dialect.request(body.to_string().as_bytes()).unwrap();
    (value(&incoming.chat), incoming.dropped, incoming.echo)
}

fn messages_request() -> Value {
    json!({
        "model": "auto", "max_tokens": 50, "stream": true, "top_k": 5, "stop_sequences": ["END"], "route": {"local_only": true},
        "metadata": {"user_id": "u1"}, "thinking": {"type": "enabled", "budget_tokens": 2000},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Where?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "rain", "is_error": true},
                {"type": "text", "text": "And now?"},
            ]},
        ],
    })
}

#[test]
fn messages_become_a_chat() {
    let (chat, dropped, _) = hub(ClientDialect::Messages, &messages_request());
    assert_eq!(
        chat,
        json!({
            "model": "auto", "max_tokens": 50, "stream": true, "stream_options": {"include_usage": true}, "stop": ["END"],
            "route": {"local_only": true}, "user": "u1", "metadata": {"user_id": "u1"}, "top_k": 5, "reasoning_effort": "low",
            "thinking": {"type": "enabled", "budget_tokens": 2000}, "tool_choice": "required", "parallel_tool_calls": false,
            "tools": [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "Where?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ]},
                {"role": "assistant", "content": null, "reasoning_content": "hm",
                    "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "sig"}],
                    "tool_calls": [{"id": "t1", "type": "function",
                        "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
                {"role": "tool", "tool_call_id": "t1", "content": "rain", "is_error": true},
                {"role": "user", "content": "And now?"},
            ],
        })
    );
    assert_eq!(dropped, [""; 0]);
    let (plain, told) = without_extensions(chat.to_string().as_bytes(), Takes::Nothing);
    let plain = value(&plain);
    assert_eq!(plain["messages"][0]["content"], "Be brief.");
    assert_eq!(
        told,
        [
            "cache_control",
            "thinking_blocks",
            "reasoning_content",
            "is_error",
            "thinking (its effort stays)",
            "top_k"
        ]
    );
    assert!(!plain.to_string().contains("signature"));
    let counted = count_tokens(messages_request().to_string().as_bytes()).unwrap();
    assert!((1000..1100).contains(&counted), "{counted}");
}

#[test]
fn a_whole_trip_through_anthropic_loses_nothing() {
    let mut asked = messages_request();
    // what Anthropic takes together: thinking needs room below the limit, and no tool that must be called
    asked["max_tokens"] = 4000.into();
    asked["tool_choice"]["type"] = "auto".into();
    let (chat, ..) = hub(ClientDialect::Messages, &asked);
    let dialect = pointsman_dialects::backend::BackendDialect::Anthropic;
    let body = value(&dialect.request(chat.to_string().as_bytes(), "claude", true).unwrap().body);
    for field in ["system", "thinking", "stop_sequences", "metadata", "tools", "tool_choice"] {
        assert_eq!(body[field], asked[field], "{field}");
    }
    assert_eq!(body["messages"][1], asked["messages"][1]);
    assert_eq!(body["messages"][2]["content"][0]["is_error"], true);
}

#[test]
fn responses_become_a_chat() {
    let (chat, dropped, _) = hub(
        ClientDialect::Responses,
        &json!({
            "model": "m", "instructions": "Be brief.", "max_output_tokens": 20, "store": true, "metadata": {"a": "b"},
            "reasoning": {"effort": "low", "summary": "auto"}, "tool_choice": {"type": "function", "name": "f"},
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
            "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}},
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Where?"},
                    {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]},
            ],
        }),
    );
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Where?"},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call("c1"), call("c2")]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "assistant", "content": "Rain."},
        ])
    );
    assert_eq!(
        chat["response_format"]["json_schema"],
        json!({"name": "s", "schema": {"type": "object"}, "strict": true})
    );
    assert_eq!(chat["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!((&chat["max_completion_tokens"], &chat["metadata"]), (&json!(20), &json!({"a": "b"})));
    assert_eq!(dropped, ["reasoning.summary", "store"]);
}

#[test]
fn completions_become_one_turn() {
    let (chat, dropped, _) = hub(
        ClientDialect::Completions,
        &json!({"model": "m", "prompt": ["Say hi"], "max_tokens": 3, "x": 1, "logprobs": 0}),
    );
    assert_eq!(
        chat,
        json!({"model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "Say hi"}]})
    );
    assert_eq!(dropped, ["logprobs", "x"]);
}

#[test]
fn what_cannot_be_carried_over_is_refused_with_its_place() {
    use ClientDialect::{Completions, Messages, Responses};
    let user = |content: Value| json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]});
    for (dialect, body, param) in [
        (Messages, json!({"model": "m", "messages": [{"role": "user", "content": "a"}]}), "max_tokens"),
        (Messages, json!({"model": "m", "max_tokens": 1}), "messages"),
        (Messages, user(json!(7)), "messages[0].content"),
        (Messages, user(json!([{"type": "video"}])), "messages[0].content[0]"),
        (
            Messages,
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "bard", "content": "a"}]}),
            "messages[0].role",
        ),
        (
            Messages,
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            "tools[0].type",
        ),
        (Responses, json!({"model": "m"}), "input"),
        (Responses, json!({"model": "m", "input": "a", "previous_response_id": "r"}), "previous_response_id"),
        (Responses, json!({"model": "m", "input": "a", "background": true}), "background"),
        (Responses, json!({"model": "m", "input": "a", "tools": [{"type": "web_search"}]}), "tools[0].type"),
        (Responses, json!({"model": "m", "input": [{"type": "item_reference", "id": "x"}]}), "input[0].type"),
        (Completions, json!({"model": "m", "prompt": ["a", "b"]}), "prompt"),
        (Completions, json!({"model": "m", "prompt": [1, 2]}), "prompt"),
        (Completions, json!({"model": "m", "prompt": []}), "prompt"),
        (Completions, json!({"model": "m", "prompt": "a", "logprobs": 1}), "logprobs"),
        (Completions, json!({"model": "m", "prompt": "a", "suffix": "b"}), "suffix"),
        (Completions, json!({"model": "m"}), "prompt"),
    ] {
        let error = dialect.request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{body}: {error}");
    }
    for dialect in [Messages, Responses, Completions] {
        assert_eq!(dialect.request(b"[").unwrap_err().code(), "invalid_json");
        assert_eq!(dialect.request(b"[]").unwrap_err().code(), "invalid_json");
    }
}

fn chat_answer() -> Value {
    json!({
        "id": "x", "object": "chat.completion", "created": 5, "model": "up",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Hi", "reasoning_content": "hm",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "t2", "type": "function", "function": {"name": "f", "arguments": "oops"}}]}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 3}},
    })
}

#[test]
fn answers_get_the_shape_of_the_client() {
    let chat = chat_answer().to_string();
    let shown = |dialect: ClientDialect| {
        value(&dialect.answer(chat.as_bytes(), &Echo::default(), "req_1", 9).unwrap())
    };
    let messages = shown(ClientDialect::Messages);
    assert_eq!(
        messages["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "f", "input": {"_raw_arguments": "oops"}},
        ])
    );
    assert_eq!((&messages["stop_reason"], &messages["model"]), (&json!("tool_use"), &json!("up")));
    assert_eq!(
        (&messages["usage"]["input_tokens"], &messages["usage"]["cache_read_input_tokens"]),
        (&json!(7), &json!(3))
    );
    let response = shown(ClientDialect::Responses);
    let kinds: Vec<&str> =
        response["output"].as_array().unwrap().iter().map(|o| o["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call"]);
    assert_eq!((&response["status"], &response["usage"]["total_tokens"]), (&json!("completed"), &json!(14)));
    let completion = shown(ClientDialect::Completions);
    assert_eq!(
        (&completion["choices"][0]["text"], &completion["object"]),
        (&json!("Hi"), &json!("text_completion"))
    );
    let error = br#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"x"}}"#;
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ] {
        let shown = value(&ClientDialect::Messages.error(status, error, "req_1"));
        assert_eq!(
            (&shown["error"]["type"], &shown["error"]["message"], &shown["type"]),
            (&json!(kind), &json!("no"), &json!("error"))
        );
    }
}

/// Thoughts, words, two calls whose pieces interleave, an end, counts.
pub(crate) fn hub_stream() -> String {
    let delta = |delta: Value| json!({"id": "x", "model": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let call = |index: u64, more: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        delta(json!({"tool_calls": [call]}))
    };
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "hm"})),
        delta(json!({"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "sig"}]})),
        delta(json!({"content": "H"})),
        delta(json!({"content": "i"})),
        call(0, json!({"id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}})),
        call(1, json!({"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{\"b\""}})),
        call(0, json!({"function": {"arguments": "{\"a\":1}"}})),
        call(1, json!({"function": {"arguments": ":2}"}})),
        json!({"model": "up", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"model": "up", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}),
    ];
    let mut text: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    text.insert_str(0, ": hello\n\n");
    text + "data: [DONE]\n\n"
}

#[test]
fn streams_get_the_shape_of_the_client() {
    let shown =
        |dialect: ClientDialect| dialect.stream(Echo::default(), "req_1", 9).push(hub_stream().as_bytes());
    let out = shown(ClientDialect::Messages);
    assert!(out.starts_with(b"event: ping\n"));
    let list = events(&out);
    let kinds: Vec<String> = list
        .iter()
        .filter(|e| e["type"] != "ping")
        .map(|e| {
            format!("{}{}", e["type"].as_str().unwrap().trim_start_matches("content_block_"), e["index"])
                .replace("null", "")
        })
        .collect();
    let expected = "message_start start0 delta0 delta0 stop0 start1 delta1 delta1 stop1 start2 delta2 stop2 start3 delta3 stop3 message_delta message_stop";
    assert_eq!(kinds.join(" "), expected);
    let pieces: String =
        list.iter().filter(|e| e["index"] == 3).filter_map(|e| e["delta"]["partial_json"].as_str()).collect();
    assert_eq!(pieces, "{\"b\":2}");
    let end = list.iter().find(|e| e["type"] == "message_delta").unwrap();
    assert_eq!(
        (&end["delta"]["stop_reason"], &end["usage"]["input_tokens"]),
        (&json!("tool_use"), &json!(10))
    );

    let list = events(&shown(ClientDialect::Responses));
    assert!(list.iter().enumerate().all(|(n, e)| e["sequence_number"] == n));
    let last = list.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let output = last["response"]["output"].as_array().unwrap();
    assert_eq!(output.len(), 4);
    assert_eq!(output[1]["content"][0]["text"], "Hi");
    assert_eq!(
        (&output[2]["arguments"], &output[3]["arguments"]),
        (&json!("{\"a\":1}"), &json!("{\"b\":2}"))
    );
    for (at, item) in output.iter().enumerate() {
        let done = list
            .iter()
            .find(|e| e["type"] == "response.output_item.done" && e["output_index"] == at)
            .unwrap();
        assert_eq!(&done["item"], item);
    }

    let list = events(&shown(ClientDialect::Completions));
    let text: String = list.iter().filter_map(|e| e["choices"][0]["text"].as_str()).collect();
    assert_eq!((text.as_str(), list.last().unwrap()), ("Hi", &json!("[DONE]")));
}

#[test]
fn an_error_is_the_last_that_is_heard() {
    let broken = format!(
        "{}data: {{\"error\":{{\"message\":\"boom\",\"type\":\"server_error\",\"code\":\"stream_failed\"}}}}\n\ndata: [DONE]\n\n",
        hub_stream().split_inclusive("\n\n").take(5).collect::<String>()
    );
    for (dialect, kind) in [(ClientDialect::Messages, "error"), (ClientDialect::Responses, "response.failed")]
    {
        let list = events(&dialect.stream(Echo::default(), "r", 0).push(broken.as_bytes()));
        let last = list.last().unwrap();
        assert_eq!(last["type"], kind);
        assert!(last.to_string().contains("boom"));
    }
    let list = events(&ClientDialect::Completions.stream(Echo::default(), "r", 0).push(broken.as_bytes()));
    assert_eq!(list.last().unwrap()["error"]["message"], "boom");
}
