//! OpenAI's Responses API: what requests keep, and thoughts that come back sealed.

use pointsman_dialects::client::{ClientDialect, Echo};
use serde_json::{Value, json};

use crate::{events, value};

fn hub(body: &Value) -> (Value, Vec<String>, Echo) {
    let incoming = ClientDialect::Responses.request(body.to_string().as_bytes()).unwrap();
    (value(&incoming.chat), incoming.dropped, incoming.echo)
}

fn sealed(blocks: &Value) -> Value {
    let (.., echo) = hub(&json!({"model": "m", "input": "a", "include": ["reasoning.encrypted_content"]}));
    let chat = json!({"choices": [{"message": {"content": "Hi", "reasoning_content": "hm", "thinking_blocks": blocks}}]});
    let whole = ClientDialect::Responses.answer(chat.to_string().as_bytes(), &echo, "r", 0).unwrap();
    let item = value(&whole)["output"][0].clone();
    let stream = format!(
        "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        json!({"choices": [{"delta": {"reasoning_content": "hm"}}]}),
        json!({"choices": [{"delta": {"thinking_blocks": blocks}}]})
    );
    let list = events(&ClientDialect::Responses.stream(echo, "r", 0).push(stream.as_bytes()));
    assert_eq!(list.last().unwrap()["response"]["output"][0], item);
    item
}

#[test]
fn signed_thoughts_come_back_as_they_were() {
    let blocks = json!([{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "redacted_thinking", "data": "x"}]);
    let item = sealed(&blocks);
    assert!(item["encrypted_content"].is_string(), "{item}");
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let foreign = json!({"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"});
    let (chat, dropped, _) = hub(&json!({"model": "m", "input": [
        {"role": "user", "content": "a"}, foreign, item, call, foreign,
    ]}));
    let said = &chat["messages"][1];
    assert_eq!((&said["thinking_blocks"], &said["reasoning_content"]), (&blocks, &json!("hm")));
    assert_eq!(
        (said["tool_calls"].as_array().unwrap().len(), chat["messages"].as_array().unwrap().len()),
        (1, 2)
    );
    assert_eq!(dropped, ["input[*].encrypted_content (not of this gateway)"]);
}

#[test]
fn who_did_not_ask_for_sealed_thoughts_gets_none() {
    let chat = json!({"choices": [{"message": {"content": "Hi", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}}]});
    let whole =
        ClientDialect::Responses.answer(chat.to_string().as_bytes(), &Echo::default(), "r", 0).unwrap();
    let item = &value(&whole)["output"][0];
    assert_eq!((&item["summary"][0]["text"], item.get("encrypted_content")), (&json!("hm"), None));
}

#[test]
fn thoughts_in_a_row_are_of_one_turn_and_never_alone() {
    let thought =
        |text: &str| json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]});
    let (chat, ..) = hub(&json!({"model": "m", "input": [
        thought("a"), thought("b"), {"role": "assistant", "content": "c"}, thought("d"), {"role": "user", "content": "e"},
    ]}));
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "assistant", "content": "c", "reasoning_content": "a\nb"},
            {"role": "assistant", "content": "", "reasoning_content": "d"},
            {"role": "user", "content": "e"},
        ])
    );
}

#[test]
fn fields_of_the_request_are_carried_or_told() {
    let (chat, dropped, _) = hub(&json!({
        "model": "m", "input": "a", "parallel_tool_calls": true, "tool_choice": "auto", "service_tier": "flex",
        "prompt_cache_key": "k", "safety_identifier": "s", "include": ["message.output_text.logprobs"],
        "text": {"format": {"type": "grammar"}},
    }));
    assert_eq!(
        chat,
        json!({"model": "m", "service_tier": "flex", "prompt_cache_key": "k", "safety_identifier": "s",
            "messages": [{"role": "user", "content": "a"}]})
    );
    assert_eq!(
        dropped,
        [
            "tool_choice (there are no tools)",
            "parallel_tool_calls (there are no tools)",
            "text.format (grammar)",
            "include (message.output_text.logprobs)",
        ]
    );
    for (body, param) in [
        (json!({"model": "m", "input": "a", "instructions": [{"role": "system"}]}), "instructions"),
        (json!({"model": "m", "input": [{"type": "item_reference", "id": "x"}]}), "input[0].type"),
        (
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "file_id": "f"}]}]}),
            "input[0].output[0]",
        ),
    ] {
        let error = ClientDialect::Responses.request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{error}");
        assert_eq!(error.to_string().contains("`store: false`"), param == "input[0].type", "{error}");
    }
}

#[test]
fn a_refusal_is_a_part_of_the_message() {
    let chat =
        json!({"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]});
    let whole =
        ClientDialect::Responses.answer(chat.to_string().as_bytes(), &Echo::default(), "r", 0).unwrap();
    assert_eq!(value(&whole)["output"][0]["content"], json!([{"type": "refusal", "refusal": "No."}]));
}

#[test]
fn counts_as_large_as_can_be_are_no_panic() {
    let most = u64::MAX;
    let chat = json!({"choices": [], "usage": {"prompt_tokens": most, "completion_tokens": most,
        "prompt_tokens_details": {"cached_tokens": most, "cache_creation_tokens": most}}});
    for dialect in [ClientDialect::Messages, ClientDialect::Responses, ClientDialect::Completions] {
        dialect.answer(chat.to_string().as_bytes(), &Echo::default(), "r", 0).unwrap();
    }
}
