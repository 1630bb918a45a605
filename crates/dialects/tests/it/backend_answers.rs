//! What answers and streams of backends become where they are out of the ordinary.

use std::collections::HashSet;

use pointsman_dialects::backend::BackendDialect::{self, Anthropic, Gemini, Ollama};
use serde_json::{Value, json};

use crate::{events, value};

fn answered(dialect: BackendDialect, answer: &Value) -> Result<Value, String> {
    dialect.answer(answer.to_string().as_bytes(), "m", 1).map(|chat| value(&chat))
}

fn lines(dialect: BackendDialect, list: &[Value]) -> String {
    let before = if dialect == Ollama { "" } else { "data: " };
    list.iter().map(|event| format!("{before}{event}\n\n")).collect()
}

fn streamed(dialect: BackendDialect, chat: &[u8], text: &str) -> Vec<Value> {
    let mut stream = dialect.stream(chat, "m", 1, 1 << 16);
    let mut out = stream.push(text.as_bytes()).unwrap();
    out.extend(stream.finish().unwrap());
    events(&out)
}

fn calls(events: &[Value]) -> Vec<Value> {
    let calls = events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array());
    calls.flatten().cloned().collect()
}

fn gemini(parts: &Value, reason: &str) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]})
}

#[test]
fn ids_that_are_made_up_do_not_come_again() {
    let own = json!({"functionCall": {"name": "f", "args": {}}});
    let mut ids = HashSet::new();
    let mut whole = gemini(&json!([own, own]), "STOP");
    for response in ["r1", "r2"] {
        whole["responseId"] = response.into();
        let chat = answered(Gemini, &whole).unwrap();
        let calls = chat["choices"][0]["message"]["tool_calls"].as_array().unwrap().clone();
        ids.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
        // the turns of a conversation differ by what was said before
        let chat = format!("{{\"messages\":[\"{response}\"]}}");
        let events = streamed(Gemini, chat.as_bytes(), &lines(Gemini, &[whole.clone()]));
        ids.extend(self::calls(&events).iter().map(|call| call["id"].as_str().unwrap().to_owned()));
    }
    for at in ["2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.2Z"] {
        let call = json!({"function": {"name": "f", "arguments": {}}});
        let message = json!({"role": "assistant", "content": "", "tool_calls": [call]});
        let event = json!({"created_at": at, "message": message, "done": true});
        let chat = answered(Ollama, &event).unwrap();
        ids.insert(chat["choices"][0]["message"]["tool_calls"][0]["id"].as_str().unwrap().to_owned());
        ids.insert(chat["id"].as_str().unwrap().to_owned());
        let events = streamed(Ollama, b"{}", &lines(Ollama, &[event]));
        ids.insert(calls(&events)[0]["id"].as_str().unwrap().to_owned());
        ids.insert(events[0]["id"].as_str().unwrap().to_owned());
        let head: HashSet<_> = events.iter().filter_map(|event| event["id"].as_str()).collect();
        assert_eq!(head.len(), 1, "one stream has one id");
    }
    assert_eq!(ids.len(), 8 + 8, "{ids:?}");
}

#[test]
fn calls_of_anthropic_without_pieces_have_the_arguments_that_they_began_with() {
    let start = |input: Value| {
        let block = json!({"type": "tool_use", "id": "t", "name": "f", "input": input});
        json!({"type": "content_block_start", "index": 0, "content_block": block})
    };
    let stop = json!({"type": "content_block_stop", "index": 0});
    let end = [
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
        json!({"type": "message_stop"}),
    ];
    let piece = json!({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{\"b\":2}"}});
    let empty =
        json!({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": ""}});
    for (begun, arguments) in [
        (vec![start(json!({})), stop.clone()], "{}"),
        (vec![start(json!({})), empty, stop.clone()], "{}"),
        (vec![start(json!({"a": 1})), stop.clone()], "{\"a\":1}"),
        (vec![start(json!({})), piece, stop], "{\"b\":2}"),
        (vec![start(json!({}))], "{}"),
    ] {
        let events = streamed(Anthropic, b"{}", &lines(Anthropic, &[&begun[..], &end].concat()));
        let said: String = calls(&events)
            .iter()
            .filter_map(|call| call["function"]["arguments"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(said, arguments);
        assert_eq!(events.last().unwrap(), "[DONE]");
    }
}

#[test]
fn the_stop_sequence_that_was_met_stands_beside_the_finish_reason() {
    let whole =
        json!({"type": "message", "content": [], "stop_reason": "stop_sequence", "stop_sequence": "END"});
    let choice = answered(Anthropic, &whole).unwrap()["choices"][0].clone();
    assert_eq!((&choice["finish_reason"], &choice["stop_reason"]), (&json!("stop"), &json!("END")));
    let delta = json!({"stop_reason": "stop_sequence", "stop_sequence": "END"});
    let events = streamed(
        Anthropic,
        b"{}",
        &lines(
            Anthropic,
            &[json!({"type": "message_delta", "delta": delta}), json!({"type": "message_stop"})],
        ),
    );
    let last = &events[events.len() - 2]["choices"][0];
    assert_eq!((&last["finish_reason"], &last["stop_reason"]), (&json!("stop"), &json!("END")));
    let whole = json!({"type": "message", "content": [], "stop_reason": "end_turn", "stop_sequence": null});
    assert!(answered(Anthropic, &whole).unwrap()["choices"][0].get("stop_reason").is_none());
}

#[test]
fn what_follows_a_true_end_is_ignored() {
    for (dialect, text) in crate::backend::streams() {
        let whole = streamed(dialect, b"{}", &text);
        let more = if dialect == Gemini { "data: [DONE]\n\n" } else { "data: [DONE]\n\ndata: <html>\n\n" };
        assert_eq!(streamed(dialect, b"{}", &format!("{text}{more}")), whole, "{dialect:?}");
        if dialect != Gemini {
            let mut stream = dialect.stream(b"{}", "m", 1, 1 << 16);
            stream.push(text.as_bytes()).unwrap();
            assert_eq!(stream.push(&vec![b'x'; 1 << 17]).unwrap(), b"", "{dialect:?}");
            assert_eq!(stream.finish().unwrap(), b"", "{dialect:?}");
        }
    }
    let unfinished = lines(Anthropic, &[json!({"type": "message_start", "message": {"id": "a"}})]);
    assert!(streamed(Anthropic, b"{}", &format!("{unfinished}data: [DONE]\n\n")).is_empty());
}

#[test]
fn good_events_come_before_the_error_behind_them() {
    let good = lines(Gemini, &[json!({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]})]);
    for bad in ["data: <html>\n\n".to_owned(), format!("data: {}\n", "x".repeat(2000)), "x".repeat(2000)] {
        let mut stream = Gemini.stream(b"{}", "m", 1, 1000);
        let out = stream.push(format!("{good}{bad}").as_bytes()).unwrap();
        assert_eq!(events(&out)[0]["choices"][0]["delta"]["content"], "Hi");
        assert!(stream.push(good.as_bytes()).is_err());
        assert!(stream.finish().is_err());
    }
}

#[test]
fn reasons_of_gemini_are_told_apart() {
    let words = json!([{"text": "Hi"}]);
    for (parts, reason, finish) in [
        (&words, "STOP", Some("stop")),
        (&words, "MAX_TOKENS", Some("length")),
        (&words, "LANGUAGE", Some("content_filter")),
        (&words, "OTHER", Some("content_filter")),
        (&words, "IMAGE_PROHIBITED_CONTENT", Some("content_filter")),
        (&words, "BRAND_NEW", Some("stop")),
        (&json!([]), "BRAND_NEW", Some("content_filter")),
        (&words, "MALFORMED_FUNCTION_CALL", None),
        (&words, "UNEXPECTED_TOOL_CALL", None),
    ] {
        let answer = gemini(parts, reason);
        let whole = answered(Gemini, &answer).ok();
        let whole = whole.as_ref().and_then(|chat| chat["choices"][0]["finish_reason"].as_str());
        assert_eq!(whole, finish, "{reason}");
        let events = streamed(Gemini, b"{}", &lines(Gemini, &[answer]));
        let streamed = events.iter().find_map(|event| event["choices"][0]["finish_reason"].as_str());
        assert_eq!(streamed, finish, "{reason}");
        assert_eq!(events.last().unwrap()["error"].is_object(), finish.is_none(), "{reason}");
    }
}

#[test]
fn parts_of_gemini_are_text_or_an_error() {
    let code = json!([{"text": "So:"}, {"executableCode": {"language": "PYTHON", "code": "print('```')\n"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}]);
    let said = "So:\n````python\nprint('```')\n````\n\n```\n1\n```\n";
    let chat = answered(Gemini, &gemini(&code, "STOP")).unwrap();
    assert_eq!(chat["choices"][0]["message"]["content"], said);
    let events = streamed(Gemini, b"{}", &lines(Gemini, &[gemini(&code, "STOP")]));
    let streamed_text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(streamed_text, said);
    let image = gemini(&json!([{"inlineData": {"mimeType": "image/png", "data": "AA"}}]), "STOP");
    assert!(answered(Gemini, &image).unwrap_err().contains("image/png"));
    let events = streamed(Gemini, b"{}", &lines(Gemini, &[image]));
    assert!(events[0]["error"]["message"].as_str().unwrap().contains("image/png"));
}

#[test]
fn signatures_of_gemini_reach_the_client() {
    let call = json!({"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "c-s"});
    let parts = json!([{"text": "Hi", "thoughtSignature": "t-s"}, call]);
    let extra = |signature: &str| json!({"google": {"thought_signature": signature}});
    let message = answered(Gemini, &gemini(&parts, "STOP")).unwrap()["choices"][0]["message"].clone();
    assert_eq!(message["extra_content"], extra("t-s"));
    assert_eq!(message["tool_calls"][0]["extra_content"], extra("c-s"));
    let late = json!([{"text": "", "thoughtSignature": "t-s"}]);
    for parts in [parts, late] {
        let events = streamed(Gemini, b"{}", &lines(Gemini, &[gemini(&parts, "STOP")]));
        assert_eq!(events[0]["choices"][0]["delta"]["extra_content"], extra("t-s"));
    }
}

#[test]
fn candidates_of_a_stream_keep_their_index() {
    let piece = |index: u64, text: &str, reason: Value| json!({"index": index, "content": {"parts": [{"text": text}]}, "finishReason": reason});
    let list = [
        json!({"candidates": [piece(0, "a", Value::Null), piece(1, "b", "MAX_TOKENS".into())]}),
        json!({"candidates": [piece(0, "c", "STOP".into())]}),
    ];
    let events = streamed(Gemini, b"{}", &lines(Gemini, &list));
    let said = |index: u64| -> (String, String) {
        let choices = || events.iter().map(|event| &event["choices"][0]).filter(|c| c["index"] == index);
        let text = choices().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        (text, choices().filter_map(|choice| choice["finish_reason"].as_str()).collect())
    };
    assert_eq!(said(0), ("ac".to_owned(), "stop".to_owned()));
    assert_eq!(said(1), ("b".to_owned(), "length".to_owned()));
    let events = streamed(Gemini, b"{}", &lines(Gemini, &list[..1]));
    assert!(events.iter().all(|event| event["choices"][0]["finish_reason"].is_null()), "one has not ended");
}

#[test]
fn errors_say_whose_affair_they_are() {
    let invalid = r#"{"error":{"code":400,"message":"Bad key.","details":[{"reason":"API_KEY_INVALID"}]}}"#;
    for (dialect, status, body, kind, code) in [
        (Gemini, 400, invalid, "authentication_error", Some("invalid_api_key")),
        (
            Gemini,
            400,
            r#"{"error":{"message":"API key not valid. Please pass a valid API key."}}"#,
            "authentication_error",
            Some("invalid_api_key"),
        ),
        (
            Gemini,
            400,
            r#"{"error":{"message":"User location is not supported for the API use."}}"#,
            "authentication_error",
            Some("unsupported_location"),
        ),
        (
            Gemini,
            403,
            r#"{"error":{"message":"Requests from referer <empty> are blocked."}}"#,
            "authentication_error",
            None,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"message":"safety_settings is malformed"}}"#,
            "invalid_request_error",
            None,
        ),
        (
            Anthropic,
            400,
            r#"{"error":{"message":"Your credit balance is too low to access the Anthropic API."}}"#,
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        (
            Anthropic,
            400,
            r#"{"error":{"message":"Output blocked by content filtering policy"}}"#,
            "invalid_request_error",
            Some("content_filter"),
        ),
    ] {
        let error = value(&dialect.error(status, body.as_bytes()))["error"].clone();
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some(kind), code), "{error}");
    }
}

#[test]
fn counts_that_are_too_large_do_not_overflow() {
    let usage = json!({"input_tokens": u64::MAX, "cache_read_input_tokens": 1, "output_tokens": 1});
    let chat = answered(Anthropic, &json!({"type": "message", "usage": usage})).unwrap();
    assert_eq!(chat["usage"]["total_tokens"], u64::MAX);
    let mut answer = gemini(&json!([{"text": "a"}]), "STOP");
    answer["usageMetadata"] = json!({"promptTokenCount": u64::MAX, "toolUsePromptTokenCount": 1,
        "candidatesTokenCount": u64::MAX, "thoughtsTokenCount": 1});
    assert_eq!(answered(Gemini, &answer).unwrap()["usage"]["total_tokens"], u64::MAX);
}
