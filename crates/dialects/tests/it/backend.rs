use pointsman_dialects::backend::{BackendDialect, Untranslatable};
use serde_json::{Value, json};

use crate::{conversation, events, value};

fn sent(dialect: BackendDialect, chat: &Value) -> (String, Value, Vec<String>) {
    let out = dialect.request(chat.to_string().as_bytes(), "up", false).unwrap();
    (out.path, value(&out.body), out.dropped)
}

#[test]
fn anthropic_gets_its_own_shape() {
    let (path, body, dropped) = sent(BackendDialect::Anthropic, &conversation());
    assert_eq!(path, "/messages");
    assert_eq!(
        body,
        json!({
            "model": "up", "max_tokens": 100, "temperature": 1, "stop_sequences": ["END"],
            "metadata": {"user_id": "u1"}, "system": [{"type": "text", "text": "Be brief."}],
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "tools": [{"name": "weather", "description": "d",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}],
            "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": true},
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "Where is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "c2", "name": "weather", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "rain"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "{\"sun\":true}"}]},
                    {"type": "text", "text": "And now?"},
                ]},
            ],
        })
    );
    assert_eq!(dropped, ["temperature capped at 1", "logit_bias"]);
}

#[test]
fn gemini_gets_its_own_shape() {
    let (path, body, dropped) = sent(BackendDialect::Gemini, &conversation());
    assert_eq!(path, "/models/up:generateContent");
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "Where is this?"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                ]},
                {"role": "model", "parts": [
                    {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                    {"functionCall": {"name": "weather", "args": {}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c1", "name": "weather", "response": {"result": "rain"}}},
                    {"functionResponse": {"id": "c2", "name": "weather", "response": {"sun": true}}},
                    {"text": "And now?"},
                ]},
            ],
            "tools": [{"functionDeclarations": [{"name": "weather", "description": "d",
                "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
            "generationConfig": {"temperature": 1.5, "maxOutputTokens": 100, "stopSequences": ["END"],
                "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        })
    );
    assert_eq!(dropped, ["logit_bias", "parallel_tool_calls", "user"]);
    let stream =
        BackendDialect::Gemini.request(conversation().to_string().as_bytes(), "models/a b", true).unwrap();
    assert_eq!(stream.path, "/models/a%20b:streamGenerateContent?alt=sse");
}

#[test]
fn ollama_gets_its_own_shape() {
    let (path, body, dropped) = sent(BackendDialect::Ollama, &conversation());
    assert_eq!(path, "/api/chat");
    assert_eq!(body["options"], json!({"temperature": 1.5, "num_predict": 100, "stop": ["END"]}));
    assert_eq!((&body["format"], &body["stream"]), (&json!({"type": "object"}), &json!(false)));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is this?", "images": ["AAAA"]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"function": {"name": "weather", "arguments": {"city": "Oslo"}}},
                {"function": {"name": "weather", "arguments": {}}},
            ]},
            {"role": "tool", "content": "rain", "tool_name": "weather"},
            {"role": "tool", "content": "{\"sun\":true}", "tool_name": "weather"},
            {"role": "user", "content": "And now?"},
        ])
    );
    assert_eq!(dropped, ["tool_choice", "user", "logit_bias", "parallel_tool_calls"]);
}

#[test]
fn what_has_no_words_is_an_error_with_its_place() {
    let with = |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let audio = with(json!([{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]));
    let web = with(json!([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]));
    let n = json!({"model": "m", "n": 2, "messages": []});
    let orphan = json!({"model": "m", "messages": [{"role": "tool", "tool_call_id": "x", "content": "a"}]});
    for (dialect, chat, param) in [
        (BackendDialect::Anthropic, &audio, "messages[0].content[0]"),
        (BackendDialect::Ollama, &web, "messages[0].content[0]"),
        (BackendDialect::Anthropic, &n, "n"),
        (BackendDialect::Ollama, &n, "n"),
        (BackendDialect::Gemini, &orphan, "messages[0].tool_call_id"),
    ] {
        let error = dialect.request(chat.to_string().as_bytes(), "m", false).unwrap_err();
        assert_eq!(error.param(), Some(param), "{dialect:?} {error}");
    }
    assert!(matches!(BackendDialect::Gemini.request(b"[]", "m", false), Err(Untranslatable::NotJson(_))));
    assert!(BackendDialect::Gemini.request(audio.to_string().as_bytes(), "m", false).is_ok());
}

#[test]
fn thinking_goes_over_and_gets_room() {
    let chat = json!({"model": "m", "reasoning_effort": "medium", "max_tokens": 500, "temperature": 0.2,
        "messages": [{"role": "user", "content": "a"}]});
    let (_, body, dropped) = sent(BackendDialect::Anthropic, &chat);
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 8192}));
    assert_eq!(body["max_tokens"], 8692);
    assert_eq!(dropped, ["temperature (the model thinks)"]);
    let (_, body, _) = sent(BackendDialect::Gemini, &chat);
    assert_eq!(
        body["generationConfig"]["thinkingConfig"],
        json!({"thinkingBudget": 8192, "includeThoughts": true})
    );
    let (_, body, _) = sent(BackendDialect::Ollama, &chat);
    assert_eq!(body["think"], "medium");
}

/// What each provider answers, and what of it matters in OpenAI's words.
fn answers() -> Vec<(BackendDialect, Value, Value, &'static str, [u64; 3])> {
    let call = json!({"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    vec![
        (
            BackendDialect::Anthropic,
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
                "content": [{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "text", "text": "Hi"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}],
                "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 7}}),
            json!({"role": "assistant", "content": "Hi", "refusal": null, "reasoning_content": "hm", "tool_calls": [call],
                "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "sig"}]}),
            "tool_calls",
            [10, 7, 3],
        ),
        (
            BackendDialect::Gemini,
            json!({"responseId": "r1", "candidates": [{"finishReason": "MAX_TOKENS", "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true}, {"text": "Hi"}]}}],
                "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 1}}),
            json!({"role": "assistant", "content": "Hi", "refusal": null, "reasoning_content": "hm"}),
            "length",
            [4, 7, 1],
        ),
        (
            BackendDialect::Ollama,
            json!({"model": "llama", "created_at": "x", "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2,
                "message": {"role": "assistant", "content": "Hi", "thinking": "hm"}}),
            json!({"role": "assistant", "content": "Hi", "refusal": null, "reasoning_content": "hm"}),
            "stop",
            [3, 2, 0],
        ),
    ]
}

#[test]
fn answers_become_completions() {
    for (dialect, answer, message, finish, [input, output, cached]) in answers() {
        let chat = value(&dialect.answer(answer.to_string().as_bytes(), "ours", 9).unwrap());
        assert_eq!(chat["choices"][0]["message"], message, "{dialect:?}");
        assert_eq!(chat["choices"][0]["finish_reason"], finish, "{dialect:?}");
        assert_eq!(
            (&chat["model"], &chat["created"], &chat["object"]),
            (&json!("ours"), &json!(9), &json!("chat.completion"))
        );
        assert_eq!(chat["usage"]["prompt_tokens"], input);
        assert_eq!(chat["usage"]["completion_tokens"], output);
        assert_eq!(chat["usage"]["total_tokens"], input + output);
        assert_eq!(chat["usage"]["prompt_tokens_details"]["cached_tokens"], cached);
        for bad in ["<html>", "[]", "{}", "{\"error\":{\"message\":\"boom\"}}"] {
            assert!(dialect.answer(bad.as_bytes(), "m", 0).is_err(), "{dialect:?} {bad}");
        }
    }
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let chat = value(&BackendDialect::Gemini.answer(blocked.to_string().as_bytes(), "m", 0).unwrap());
    assert_eq!(chat["choices"][0]["finish_reason"], "content_filter");
}

/// A stream of each provider: thoughts, words, a call, an end.
pub(crate) fn streams() -> Vec<(BackendDialect, String)> {
    let named = |list: &[Value]| {
        list.iter()
            .map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap()))
            .collect::<String>()
    };
    let anthropic = named(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 5, "output_tokens": 1}}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    let gemini = [
        json!({"responseId": "r", "candidates": [{"content": {"parts": [{"text": "hm", "thought": true}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}}]},
            "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 9}}),
    ];
    let ollama = [
        json!({"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": false}),
        json!({"message": {"role": "assistant", "content": "Hi"}, "done": false}),
        json!({"message": {"role": "assistant", "content": "", "tool_calls": [
            {"id": "t1", "function": {"name": "f", "arguments": {"a": 1}}}]}, "done": false}),
        json!({"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
            "prompt_eval_count": 5, "eval_count": 9}),
    ];
    vec![
        (BackendDialect::Anthropic, anthropic),
        (BackendDialect::Gemini, gemini.iter().map(|e| format!("data: {e}\r\n\r\n")).collect()),
        (BackendDialect::Ollama, ollama.iter().map(|e| format!("{e}\n")).collect()),
    ]
}

#[test]
fn streams_become_chunks() {
    let asked: &[u8] = br#"{"stream_options":{"include_usage":true}}"#;
    for ((dialect, text), asked) in streams().into_iter().flat_map(|s| [(s.clone(), asked), (s, b"{}")]) {
        let mut stream = dialect.stream(asked, "ours", 9, 1 << 16);
        let mut out = stream.push(text.as_bytes()).unwrap();
        out.extend(stream.finish().unwrap());
        let events = events(&out);
        let deltas = || events.iter().filter_map(|e| e["choices"][0].get("delta"));
        let joined = |field: &str| deltas().filter_map(|d| d[field].as_str()).collect::<String>();
        assert_eq!(
            (joined("reasoning_content"), joined("content")),
            ("hm".into(), "Hi".into()),
            "{dialect:?}"
        );
        let calls: Vec<&Value> = deltas().filter_map(|d| d["tool_calls"].get(0)).collect();
        assert_eq!((&calls[0]["id"], &calls[0]["index"]), (&json!("t1"), &json!(0)), "{dialect:?}");
        let arguments: String = calls.iter().filter_map(|c| c["function"]["arguments"].as_str()).collect();
        assert_eq!(arguments, "{\"a\":1}", "{dialect:?}");
        assert_eq!(deltas().next().unwrap()["role"], "assistant");
        let n = events.len();
        let end = if asked == b"{}" { n - 2 } else { n - 3 };
        assert_eq!(events[end]["choices"][0]["finish_reason"], "tool_calls", "{dialect:?}");
        assert!(events[..=end].iter().all(|e| e["choices"][0].is_object()), "{dialect:?}");
        assert_eq!(events[n - 2]["usage"]["total_tokens"], 14, "{dialect:?}");
        assert_eq!(events[n - 1], "[DONE]");
    }
}

#[test]
fn errors_in_streams_and_garbage_are_told() {
    for (dialect, text) in [
        (
            BackendDialect::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
        ),
        (
            BackendDialect::Gemini,
            "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n",
        ),
        (BackendDialect::Ollama, "{\"error\":\"busy\"}\n"),
    ] {
        let out = dialect.stream(b"{}", "m", 0, 1000).push(text.as_bytes()).unwrap();
        assert_eq!(events(&out)[0]["error"]["message"], "busy", "{dialect:?}");
        assert!(dialect.stream(b"{}", "m", 0, 1000).push(b"data: <html>\n").is_err());
        assert!(dialect.stream(b"{}", "m", 0, 10).push(b"data: {\"a\": \"0123456789").is_err(), "too long");
    }
}

#[test]
fn errors_get_their_codes() {
    for (dialect, status, body, code) in [
        (
            BackendDialect::Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens"}}"#,
            Some("context_length_exceeded"),
        ),
        (
            BackendDialect::Gemini,
            400,
            r#"[{"error":{"code":400,"message":"The input token count exceeds the maximum"}}]"#,
            Some("context_length_exceeded"),
        ),
        (BackendDialect::Ollama, 404, r#"{"error":"model 'x' not found"}"#, None),
        (BackendDialect::Ollama, 500, "oops", None),
    ] {
        let error = value(&dialect.error(status, body.as_bytes()));
        assert_eq!(error["error"]["code"].as_str(), code, "{error}");
        assert!(error["error"]["message"].is_string());
    }
}
