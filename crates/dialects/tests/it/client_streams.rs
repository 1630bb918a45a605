//! Streams of the hub that are not as one would like them.

use pointsman_dialects::client::{ClientDialect, Echo};
use pointsman_protocol::Answer;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{events, value};

fn delta(delta: &Value) -> Value {
    json!({"model": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"index": index, "function": {"arguments": arguments}});
    if !id.is_empty() {
        call["id"] = id.into();
        call["function"]["name"] = name.into();
    }
    delta(&json!({"tool_calls": [call]}))
}

fn shown(dialect: ClientDialect, echo: &Echo, chunks: &[Value]) -> Vec<Value> {
    let mut body: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    body += "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    events(&dialect.stream(echo.clone(), "r", 0).push(body.as_bytes()))
}

/// The blocks that a Messages client puts together, and why the answer ended. Fails where blocks interleave.
fn blocks(chunks: &[Value]) -> (Vec<Value>, String) {
    let (mut out, mut open, mut reason) = (Vec::new(), None, String::new());
    for event in shown(ClientDialect::Messages, &Echo::default(), chunks) {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, &event["index"]), (None, &json!(out.len())));
                open = Some(out.len());
                let mut block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    block["input"] = "".into();
                }
                out.push(block);
            }
            "content_block_delta" => {
                assert_eq!(Some(event["index"].as_u64().unwrap() as usize), open);
                let block = out.last_mut().unwrap();
                for (from, to) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                    ("partial_json", "input"),
                ] {
                    if let Some(piece) = event["delta"][from].as_str() {
                        block[to] = format!("{}{piece}", block[to].as_str().unwrap()).into();
                    }
                }
            }
            "content_block_stop" => open = None,
            "message_delta" => event["delta"]["stop_reason"].as_str().unwrap().clone_into(&mut reason),
            _ => {}
        }
    }
    assert_eq!(open, None);
    (out, reason)
}

/// The output of a response, checked against what the events put together.
fn output(echo: &Echo, chunks: &[Value]) -> Vec<Value> {
    let list = shown(ClientDialect::Responses, echo, chunks);
    assert!(list.iter().enumerate().all(|(n, e)| e["sequence_number"] == n));
    let output = list.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    let mut ids: Vec<&str> = output.iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), output.len(), "{ids:?}");
    for (at, item) in output.iter().enumerate() {
        let of_item = |kind: &str, field: &str| {
            let of = |e: &&Value| e["type"] == kind && e["item_id"] == item["id"] && e["output_index"] == at;
            list.iter().filter(of).filter_map(|e| e[field].as_str()).collect::<String>()
        };
        match item["type"].as_str().unwrap() {
            "function_call" => {
                assert_eq!(of_item("response.function_call_arguments.delta", "delta"), item["arguments"]);
            }
            "message" => {
                let text: String =
                    item["content"].as_array().unwrap().iter().filter_map(|p| p["text"].as_str()).collect();
                assert_eq!(of_item("response.output_text.delta", "delta"), text);
            }
            _ => {}
        }
    }
    output
}

fn tool(id: &str, name: &str, input: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

#[test]
fn a_call_goes_on_after_words_that_came_between() {
    let chunks = [
        delta(&json!({"reasoning": "hm"})),
        call(0, "t1", "f", "{\"a\""),
        delta(&json!({"content": "while "})),
        call(1, "t2", "g", "{"),
        delta(&json!({"content": "at it"})),
        call(0, "", "", ":1}"),
        call(1, "", "", "}"),
    ];
    let (list, reason) = blocks(&chunks);
    assert_eq!(
        list,
        [
            json!({"type": "thinking", "thinking": "hm", "signature": ""}),
            tool("t1", "f", "{\"a\":1}"),
            tool("t2", "g", "{}"),
            json!({"type": "text", "text": "while at it"}),
        ]
    );
    assert_eq!(reason, "tool_use");
    let items = output(&Echo::default(), &chunks);
    let told: Vec<Value> = items.iter().map(|i| json!([i["type"], i["call_id"], i["arguments"]])).collect();
    assert_eq!(
        told,
        [
            json!(["reasoning", null, null]),
            json!(["function_call", "t1", "{\"a\":1}"]),
            json!(["message", null, null]),
            json!(["function_call", "t2", "{}"]),
            json!(["message", null, null]),
        ]
    );
}

#[test]
fn calls_that_share_an_index_are_told_apart_by_their_ids() {
    let chunks =
        [call(0, "t1", "f", "{"), call(0, "", "", "}"), call(0, "t2", "f", "{\"b\""), call(0, "", "", ":2}")];
    assert_eq!(blocks(&chunks).0, [tool("t1", "f", "{}"), tool("t2", "f", "{\"b\":2}")]);
    let items = output(&Echo::default(), &chunks);
    let told: Vec<Value> = items.iter().map(|i| json!([i["call_id"], i["arguments"]])).collect();
    assert_eq!(told, [json!(["t1", "{}"]), json!(["t2", "{\"b\":2}"])]);
}

#[test]
fn calls_without_an_id_get_one() {
    let chunks = [delta(
        &json!({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "f", "arguments": "{}"}}]}),
    )];
    assert_eq!(blocks(&chunks).0, [tool("call_r_0", "f", "{}"), tool("call_r_1", "f", "{}")]);
    assert_eq!(output(&Echo::default(), &chunks)[1]["call_id"], "call_r_1");
    assert_eq!(blocks(&[delta(&json!({"tool_calls": [{"index": 0}]}))]), (Vec::new(), "end_turn".to_owned()));
}

#[test]
fn no_thought_is_shown_twice() {
    let block = |thinking: &str, signature: &str| json!({"type": "thinking", "thinking": thinking, "signature": signature});
    let thinking =
        [block("one", "s1"), json!({"type": "redacted_thinking", "data": "x"}), block("two", "s2")];
    let mut expected = thinking.to_vec();
    expected.push(json!({"type": "text", "text": "Hi"}));
    // as our own translation of Anthropic has it
    let pieces = [
        delta(&json!({"reasoning_content": "o"})),
        delta(&json!({"reasoning_content": "ne"})),
        delta(&json!({"thinking_blocks": [thinking[0]]})),
        delta(&json!({"thinking_blocks": [thinking[1]]})),
        delta(&json!({"reasoning_content": "two"})),
        delta(&json!({"thinking_blocks": [thinking[2]]})),
        delta(&json!({"content": "Hi"})),
    ];
    assert_eq!(blocks(&pieces).0, expected);
    // pieces under both names at once
    let twice = [
        delta(
            &json!({"reasoning_content": "o", "thinking_blocks": [{"type": "thinking", "thinking": "o", "signature": null}]}),
        ),
        delta(
            &json!({"reasoning_content": "ne", "thinking_blocks": [{"type": "thinking", "thinking": "ne", "signature": null}]}),
        ),
        delta(&json!({"reasoning_content": "", "thinking_blocks": [block("", "s1")]})),
    ];
    assert_eq!(blocks(&twice).0, [thinking[0].clone()]);
    // a whole answer in the place of a stream
    let chat = json!({"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant",
        "reasoning_content": "onetwo", "thinking_blocks": thinking, "content": "Hi"}}]});
    let answer = Answer::read(chat.to_string().into(), "m").unwrap();
    let whole = events(&answer.as_events());
    let (list, reason) = blocks(&whole[..whole.len() - 1]);
    assert_eq!((list, reason.as_str()), (expected, "end_turn"));
    let reasoning = &output(&Echo::default(), &whole[..whole.len() - 1])[0];
    assert_eq!(
        (&reasoning["summary"][0]["text"], reasoning.get("encrypted_content")),
        (&json!("onetwo"), None)
    );
}

#[test]
fn words_and_thoughts_in_turns_are_items_of_their_own() {
    let chunks = [
        delta(&json!({"reasoning": "a"})),
        delta(&json!({"content": "b"})),
        delta(&json!({"reasoning": "c"})),
        delta(&json!({"content": "d"})),
    ];
    let kinds: Vec<String> =
        output(&Echo::default(), &chunks).iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["rs_r", "msg_r_1", "rs_r_2", "msg_r_3"]);
}

#[test]
fn a_refusal_is_told_as_one() {
    let chunks = [
        delta(&json!({"content": "Well. "})),
        delta(&json!({"refusal": "N"})),
        delta(&json!({"refusal": "o."})),
    ];
    let (list, reason) = blocks(&chunks);
    assert_eq!((list[0]["text"].as_str().unwrap(), reason.as_str()), ("Well. No.", "refusal"));
    let list = shown(ClientDialect::Responses, &Echo::default(), &chunks);
    let told = |kind: &str, field: &str| -> String {
        list.iter()
            .filter(|e| e["type"] == kind && e["content_index"] == 1)
            .filter_map(|e| e[field].as_str())
            .collect()
    };
    assert_eq!(told("response.refusal.delta", "delta"), "No.");
    assert_eq!(told("response.refusal.done", "refusal"), "No.");
    let parts = |kind: &str| list.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((parts("response.content_part.added"), parts("response.content_part.done")), (2, 2));
    let content = &list.last().unwrap()["response"]["output"][0]["content"];
    assert_eq!(content[1], json!({"type": "refusal", "refusal": "No."}));
    let list = shown(ClientDialect::Completions, &Echo::default(), &chunks);
    let text: String = list.iter().filter_map(|e| e["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, "Well. No.");
}

#[test]
fn what_cannot_be_read_ends_the_stream_with_an_error() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":oops}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\ndata: [DONE]\n\n";
    for (dialect, kind) in [
        (ClientDialect::Messages, "error"),
        (ClientDialect::Responses, "response.failed"),
        (ClientDialect::Completions, ""),
    ] {
        let mut stream = dialect.stream(Echo::default(), "r", 0);
        let list = events(&stream.push(body.as_bytes()));
        let last = list.last().unwrap();
        assert!(last.to_string().contains("cannot be read"), "{last}");
        assert_eq!(last["type"].as_str().unwrap_or_default(), kind);
        assert!(stream.push(b"data: {\"choices\":[]}\n\n").is_empty());
    }
    let list = events(&ClientDialect::Responses.stream(Echo::default(), "r", 0).push(b"data: 7\n\n"));
    assert_eq!(list.last().unwrap()["response"]["error"]["code"], "server_error");
    let limited =
        b"data: {\"error\":{\"message\":\"slow\",\"type\":\"rate_limit_error\",\"code\":\"x\"}}\n\n";
    let list = events(&ClientDialect::Responses.stream(Echo::default(), "r", 0).push(limited));
    assert_eq!(
        list.last().unwrap()["response"]["error"],
        json!({"code": "rate_limit_exceeded", "message": "slow"})
    );
}

#[test]
fn lines_end_in_any_way_and_an_empty_answer_has_a_beginning() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n: still here\n\ndata: [DONE]\n\n";
    for dialect in [ClientDialect::Messages, ClientDialect::Responses, ClientDialect::Completions] {
        let shown = |body: String| dialect.stream(Echo::default(), "r", 0).push(body.as_bytes());
        let expected = shown(body.to_owned());
        assert_eq!(shown(body.replace('\n', "\r\n")), expected);
        assert_eq!(shown(body.replace('\n', "\r")), expected);
    }
    let list = events(&ClientDialect::Messages.stream(Echo::default(), "r", 0).push(b"data: [DONE]\n\n"));
    let kinds: Vec<&str> = list.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message_start", "message_delta", "message_stop"]);
}

#[test]
fn completions_show_what_was_thought_beside_the_text() {
    let list = shown(ClientDialect::Completions, &Echo::default(), &[delta(&json!({"reasoning": "hm"}))]);
    assert_eq!(list[0]["choices"][0]["reasoning_content"], "hm");
    let chat =
        json!({"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]});
    let whole =
        ClientDialect::Completions.answer(chat.to_string().as_bytes(), &Echo::default(), "r", 0).unwrap();
    assert_eq!(value(&whole)["choices"][0]["text"], "No.");
}

proptest! {
    /// Pieces of up to four calls and words between them, in any order: who is 4 speaks.
    #[test]
    fn no_piece_is_lost_and_no_two_calls_are_one(order in vec((0_u64..5, "[a-z ]{1,3}"), 1..30)) {
        let mut begun: Vec<(u64, String)> = Vec::new();
        let (mut chunks, mut words) = (Vec::new(), String::new());
        for (who, piece) in &order {
            if *who == 4 {
                words += piece;
                chunks.push(delta(&json!({"content": piece})));
                continue;
            }
            if let Some((_, arguments)) = begun.iter_mut().find(|(known, _)| known == who) {
                *arguments += piece;
                chunks.push(call(*who, "", "", piece));
            } else {
                begun.push((*who, piece.clone()));
                chunks.push(call(*who, &format!("t{who}"), "f", piece));
            }
        }
        let expected: Vec<(String, String)> = begun.iter().map(|(who, arguments)| (format!("t{who}"), arguments.clone())).collect();
        let field = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let (list, _) = blocks(&chunks);
        let calls = list.iter().filter(|b| b["type"] == "tool_use").map(|b| (field(b, "id"), field(b, "input")));
        prop_assert_eq!(calls.collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(list.iter().filter_map(|b| b["text"].as_str()).collect::<String>(), words.clone());
        let items = output(&Echo::default(), &chunks);
        let calls = items.iter().filter(|i| i["type"] == "function_call").map(|i| (field(i, "call_id"), field(i, "arguments")));
        prop_assert_eq!(calls.collect::<Vec<_>>(), expected);
        prop_assert_eq!(items.iter().filter_map(|i| i["content"][0]["text"].as_str()).collect::<String>(), words);
    }
}
