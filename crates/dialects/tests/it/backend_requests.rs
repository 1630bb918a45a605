//! What of a request each backend gets, and what is said of the rest.

use pointsman_dialects::backend::BackendDialect::{self, Anthropic, Gemini, Ollama};
use serde_json::{Value, json};

use crate::value;

fn sent_to(dialect: BackendDialect, model: &str, chat: &Value) -> (Value, Vec<String>) {
    let out = dialect.request(chat.to_string().as_bytes(), model, false).unwrap();
    (value(&out.body), out.dropped)
}

fn sent(dialect: BackendDialect, chat: &Value) -> (Value, Vec<String>) {
    sent_to(dialect, "up", chat)
}

fn fault(dialect: BackendDialect, chat: &Value) -> String {
    let error = dialect.request(chat.to_string().as_bytes(), "m", false).unwrap_err();
    error.param().unwrap().to_owned()
}

/// A question to which these fields are added.
fn asked(fields: &Value) -> Value {
    let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
    chat.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    chat
}

/// A call and its result, of which the call is this.
fn called(call: &Value, result: &Value) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "tool_calls": [call]}, result]})
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "r"})
}

const EVERY: [BackendDialect; 3] = [Anthropic, Gemini, Ollama];

#[test]
fn ids_that_were_made_up_stay_here_and_others_are_in_call_and_response() {
    let (body, _) = sent(Gemini, &called(&call("g1"), &result("g1")));
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["id"], "g1");
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["id"], "g1");
    let answer = json!({"candidates": [{"finishReason": "STOP",
        "content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}}]});
    let answer = value(&Gemini.answer(answer.to_string().as_bytes(), "m", 1).unwrap());
    let made_up = answer["choices"][0]["message"]["tool_calls"][0].clone();
    let id = made_up["id"].as_str().unwrap().to_owned();
    let (body, _) = sent(Gemini, &called(&made_up, &result(&id)));
    assert!(!body.to_string().contains(&id), "{body}");
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "f");
}

#[test]
fn results_come_in_the_order_of_their_calls_where_only_that_tells_them_apart() {
    let mut chat = called(&call("call_pm_1"), &result("call_pm_3"));
    let messages = chat["messages"].as_array_mut().unwrap();
    messages[1]["tool_calls"] = json!([call("call_pm_1"), call("call_pm_2"), call("call_pm_3")]);
    messages.extend([result("call_pm_1"), result("call_pm_2"), json!({"role": "user", "content": "b"})]);
    for (at, said) in [(2, "3"), (3, "1"), (4, "2")] {
        messages[at]["content"] = said.into();
    }
    let (body, _) = sent(Gemini, &chat);
    let parts = body["contents"][2]["parts"].as_array().unwrap();
    let said: Vec<_> =
        parts.iter().map(|part| part["functionResponse"]["response"]["result"].as_str()).collect();
    assert_eq!(said, [Some("1"), Some("2"), Some("3"), None]);
    let (body, _) = sent(Ollama, &chat);
    let messages = body["messages"].as_array().unwrap();
    let said: Vec<_> = messages[2..].iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["1", "2", "3", "b"]);
}

#[test]
fn ids_of_other_providers_are_spelled_as_anthropic_takes_them() {
    let (body, _) = sent(Anthropic, &called(&call("functions.f:0"), &result("functions.f:0")));
    assert_eq!(body["messages"][1]["content"][0]["id"], "functions_f_0");
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "functions_f_0");
}

#[test]
fn calls_without_a_signature_get_the_stand_in_where_it_is_wanted() {
    let signature = |body: &Value, at: usize, n: usize| {
        body["contents"][at]["parts"][n]["thoughtSignature"].as_str().map(str::to_owned)
    };
    let stand_in = Some("skip_thought_signature_validator".to_owned());
    let mut chat = called(&call("a"), &result("a"));
    chat["messages"][1]["tool_calls"] = json!([call("a"), call("b")]);
    for (model, wanted) in [
        ("gemini-3-pro-preview", stand_in.clone()),
        ("models/gemini-3.1-flash", stand_in.clone()),
        ("gemini-flash-latest", stand_in),
        ("gemini-2.5-pro", None),
        ("gemma-3-27b-it", None),
    ] {
        let (body, _) = sent_to(Gemini, model, &chat);
        assert_eq!((signature(&body, 1, 0), signature(&body, 1, 1)), (wanted, None), "{model}");
    }
    // its own is kept, and turns that are over need none
    let own = json!({"google": {"thought_signature": "s"}});
    chat["messages"][1]["tool_calls"][0]["extra_content"] = own;
    let (body, dropped) = sent_to(Gemini, "gemini-3-pro", &chat);
    assert_eq!(signature(&body, 1, 0).as_deref(), Some("s"));
    assert!(dropped.is_empty());
    let (_, dropped) = sent(Anthropic, &chat);
    assert_eq!(dropped, ["messages[*].tool_calls[*].extra_content"]);
    let mut over = called(&call("a"), &result("a"));
    over["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "and?"}));
    let (body, _) = sent_to(Gemini, "gemini-3-pro", &over);
    assert_eq!(signature(&body, 1, 0), None);
}

#[test]
fn signatures_of_words_go_back_to_their_part() {
    let extra = json!({"google": {"thought_signature": "s"}});
    let chat = |content: Value| {
        json!({"model": "m", "messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": content, "extra_content": extra}, {"role": "user", "content": "b"}]})
    };
    for (content, said) in [(json!("hi"), "hi"), (Value::Null, "")] {
        let (body, _) = sent(Gemini, &chat(content));
        assert_eq!(body["contents"][1]["parts"], json!([{"text": said, "thoughtSignature": "s"}]));
    }
    assert_eq!(sent(Ollama, &chat("hi".into())).1, ["messages[*].extra_content"]);
}

#[test]
fn images_in_results_follow_the_response_and_errors_stay_errors() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AA"}});
    let mut of_tool = result("a");
    of_tool["content"] = json!([{"type": "text", "text": "{\"b\":1}"}, image]);
    of_tool["is_error"] = true.into();
    let (body, dropped) = sent(Gemini, &called(&call("a"), &of_tool));
    assert_eq!(
        body["contents"][2]["parts"],
        json!([
            {"functionResponse": {"name": "f", "response": {"error": {"b": 1}}, "id": "a"}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "AA"}},
        ])
    );
    assert!(dropped.is_empty());
    assert_eq!(sent(Ollama, &called(&call("a"), &of_tool)).1, ["messages[*].is_error"]);
    let mut of_tool = result("a");
    of_tool["content"] = json!([{"type": "video_url", "video_url": {"url": "https://a.example/b"}}]);
    assert_eq!(fault(Gemini, &called(&call("a"), &of_tool)), "messages[2].content[0]");
}

#[test]
fn budgets_keep_to_what_the_model_of_gemini_takes() {
    for (model, fields, budget, told) in [
        ("gemini-2.5-flash", json!({"thinking": {"budget_tokens": 30_000}}), 24_576, true),
        ("gemini-2.5-flash-lite", json!({"thinking": {"budget_tokens": 100}}), 512, true),
        ("gemini-2.5-flash", json!({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}), 0, false),
        ("gemini-2.5-pro", json!({"reasoning_effort": "none"}), 128, true),
        ("gemini-2.5-pro", json!({"thinking": {"budget_tokens": 40_000}}), 32_768, true),
        ("gemini-2.5-pro", json!({"output_config": {"effort": "max"}}), 24_576, false),
    ] {
        let (body, dropped) = sent_to(Gemini, model, &asked(&fields));
        assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingBudget"], budget, "{model} {fields}");
        assert_eq!(!dropped.is_empty(), told, "{dropped:?}");
    }
    for model in ["gemini-2.0-flash", "gemma-3-27b-it"] {
        let (body, dropped) = sent_to(Gemini, model, &asked(&json!({"thinking": {"type": "disabled"}})));
        assert!(body.get("generationConfig").is_none() && dropped.is_empty(), "{model} never thinks");
    }
}

#[test]
fn what_is_left_out_is_told_once_and_by_name() {
    let marked = json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]);
    let thought = json!({"role": "assistant", "content": "x", "reasoning_content": "hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]});
    let user = json!({"role": "user", "name": "u", "content": marked});
    let chat = json!({"model": "m", "store": true, "metadata": {"a": "b"}, "messages": [user, thought, user, thought]});
    assert_eq!(sent(Anthropic, &chat).1, ["store", "metadata", "messages[*].name"]);
    let of_gemini = ["messages[*].reasoning_content", "messages[*].thinking_blocks"];
    let (_, dropped) = sent(Gemini, &chat);
    assert_eq!(dropped[..4], ["store", "metadata", "messages[*].name", "cache_control"]);
    assert_eq!(dropped[4..], of_gemini);
    let (_, dropped) = sent(Ollama, &chat);
    assert_eq!(dropped[2..], ["messages[*].name", "cache_control", "messages[*].thinking_blocks"]);
    let nothing =
        json!({"store": false, "parallel_tool_calls": true, "user": "u", "metadata": {"user_id": "u"}});
    assert_eq!(sent(Gemini, &asked(&nothing)).1, ["user"]);
    assert!(sent(Anthropic, &asked(&nothing)).1.is_empty());
}

#[test]
fn what_is_told_stays_short() {
    let mut fields: serde_json::Map<String, Value> =
        (0..100).map(|n| (format!("field_{n}"), json!(1))).collect();
    fields.insert("reasoning_effort".to_owned(), "x".repeat(5000).into());
    let (_, dropped) = sent(Gemini, &asked(&fields.into()));
    assert!(dropped.last().unwrap().ends_with(" more"), "{dropped:?}");
    assert!(dropped.concat().len() < 1000, "{dropped:?}");
}

#[test]
fn functions_of_old_become_tools() {
    let chat = json!({"model": "m", "functions": [{"name": "f", "parameters": {"type": "object"}}],
        "function_call": {"name": "f"}, "messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\":1}"}},
            {"role": "function", "name": "f", "content": "r"}]});
    for dialect in EVERY {
        let (body, dropped) = sent(dialect, &chat);
        assert_eq!(dropped[0], "functions (sent as tools, and answered as calls of tools)");
        let said = body.to_string();
        let words = match dialect {
            Anthropic => ["\"tool_use\"", "\"tool_result\"", "\"tool_choice\"", "\"input_schema\""],
            Gemini => ["\"functionCall\"", "\"functionResponse\"", "\"ANY\"", "\"functionDeclarations\""],
            Ollama => ["\"tool_calls\"", "\"tool_name\"", "\"tools\"", "\"parameters\""],
        };
        for word in words {
            assert!(said.contains(word), "{word} {said}");
        }
    }
    let (body, _) = sent(Anthropic, &chat);
    assert_eq!(body["messages"][1]["content"][0]["id"], body["messages"][2]["content"][0]["tool_use_id"]);
    let orphan = json!({"model": "m", "messages": [{"role": "function", "name": "f", "content": "r"}]});
    assert_eq!(fault(Gemini, &orphan), "messages[0].name");
}

#[test]
fn choices_of_tools_are_kept_or_refused() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let with = |choice: Value| asked(&json!({"tools": [tool("f"), tool("g")], "tool_choice": choice}));
    let allowed =
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("g")]}});
    let (body, _) = sent(Anthropic, &with(allowed.clone()));
    assert_eq!((&body["tools"][0]["name"], &body["tool_choice"]["type"]), (&json!("g"), &json!("any")));
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    let (body, dropped) = sent(Ollama, &with(allowed));
    assert_eq!((body["tools"].as_array().unwrap().len(), dropped), (1, vec!["tool_choice".to_owned()]));
    let (body, dropped) = sent(Ollama, &with("none".into()));
    assert!(body.get("tools").is_none() && dropped.is_empty());
    for choice in [
        json!("often"),
        json!({"type": "custom", "custom": {"name": "c"}}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("h")]}}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "web_search"}]}}),
    ] {
        for dialect in EVERY {
            assert_eq!(fault(dialect, &with(choice.clone())), "tool_choice");
        }
    }
}

#[test]
fn messages_without_words_here_are_refused_with_their_place() {
    let custom = json!({"id": "c", "type": "custom", "custom": {"name": "c", "input": "x"}});
    for (message, param) in [
        (json!({"role": "assistant", "content": null, "audio": {"id": "a"}}), "messages[0].audio"),
        (json!({"role": "critic", "content": "a"}), "messages[0].role"),
        (json!({"role": "user", "content": 3}), "messages[0].content"),
        (json!({"role": "user", "content": [3]}), "messages[0].content[0]"),
        (json!({"role": "assistant", "tool_calls": [custom]}), "messages[0].tool_calls[0]"),
        (json!("hi"), "messages[0]"),
    ] {
        for dialect in EVERY {
            assert_eq!(fault(dialect, &json!({"model": "m", "messages": [message]})), param);
        }
    }
    let refused =
        json!({"model": "m", "messages": [{"role": "assistant", "content": null, "refusal": "no"}]});
    for dialect in EVERY {
        let (body, dropped) = sent(dialect, &refused);
        assert!(body.to_string().contains("\"no\"") && dropped.is_empty(), "{body}");
    }
}

#[test]
fn files_of_text_are_sources_of_text() {
    let file = |url: &str| json!([{"type": "file", "file": {"filename": "a.txt", "file_data": url}}]);
    let chat = |url: &str| json!({"model": "m", "messages": [{"role": "user", "content": file(url)}]});
    let (body, _) = sent(Anthropic, &chat("data:text/plain;base64,aGVsbG8="));
    let source = &body["messages"][0]["content"][0]["source"];
    assert_eq!(*source, json!({"type": "text", "media_type": "text/plain", "data": "hello"}));
    let (body, _) = sent(Anthropic, &chat("data:application/pdf;base64,AA=="));
    assert_eq!(body["messages"][0]["content"][0]["source"]["media_type"], "application/pdf");
    for bad in ["data:text/plain;base64,/w==", "data:text/plain,hello", "file-1"] {
        assert_eq!(fault(Anthropic, &chat(bad)), "messages[0].content[0]");
    }
}
