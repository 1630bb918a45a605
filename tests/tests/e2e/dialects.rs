//! Clients and backends of every dialect, over real sockets.

use pointsman_testkit::{Behaviour, Upstream};
use serde_json::{Value, json};

use crate::gateway::{Gateway, header};

fn native(kind: &str, upstream: &Upstream) -> String {
    let base = upstream.url();
    let base = base.strip_suffix("/v1").unwrap();
    let (base, more) = match kind {
        "ollama" => (base.to_owned(), "dialect = \"native\"\n"),
        "gemini" => (format!("{base}/v1beta"), ""),
        _ => (format!("{base}/v1"), ""),
    };
    format!(
        "[[backends]]\nname = \"{kind}\"\nkind = \"{kind}\"\nbase_url = \"{base}\"\ndiscover = false\napi_key_env = \"KEY\"\nmodels = [{{ id = \"{kind}-model\" }}]\n{more}"
    )
}

fn answer(content_type: &'static str, body: &Value) -> Behaviour {
    Behaviour::Answer(200, vec![("content-type", content_type.to_owned())], body.to_string())
}

fn raw_stream(content_type: &str, body: &str) -> Behaviour {
    Behaviour::Raw(
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// How each provider says "Hi", whole and streamed.
fn providers() -> [(&'static str, Behaviour, Behaviour, &'static str, &'static str); 3] {
    let claude = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 4, "output_tokens": 2}});
    let claude_events = [
        json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 4, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let gemini = json!({"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2}});
    let ollama = json!({"message": {"role": "assistant", "content": "Hi"}, "done": true, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 2});
    let lines = "{\"message\":{\"role\":\"assistant\",\"content\":\"H\"},\"done\":false}\n{\"message\":{\"role\":\"assistant\",\"content\":\"i\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":4,\"eval_count\":2}\n";
    let events: Vec<String> = claude_events.iter().map(|e| format!("data: {e}\n\n")).collect();
    let events = events.concat();
    [
        (
            "anthropic",
            answer("application/json", &claude),
            raw_stream("text/event-stream", &events),
            "/v1/messages",
            "x-api-key",
        ),
        (
            "gemini",
            answer("application/json", &gemini),
            raw_stream("text/event-stream", &format!("data: {gemini}\r\n\r\n")),
            "/v1beta/models/gemini-model",
            "x-goog-api-key",
        ),
        (
            "ollama",
            answer("application/json", &ollama),
            raw_stream("application/x-ndjson", lines),
            "/api/chat",
            "authorization",
        ),
    ]
}

/// Every dialect of clients: route, body, and where the text stands in the answer.
fn clients(model: &str, stream: bool) -> [(&'static str, Value, &'static str); 4] {
    let user = json!([{"role": "user", "content": "Say hi"}]);
    [
        (
            "/v1/chat/completions",
            json!({"model": model, "messages": user, "stream": stream}),
            "/choices/0/message/content",
        ),
        (
            "/v1/messages",
            json!({"model": model, "messages": user, "max_tokens": 9, "stream": stream}),
            "/content/0/text",
        ),
        (
            "/v1/responses",
            json!({"model": model, "input": "Say hi", "stream": stream}),
            "/output/0/content/0/text",
        ),
        ("/v1/completions", json!({"model": model, "prompt": "Say hi", "stream": stream}), "/choices/0/text"),
    ]
}

/// The text of a stream of any dialect, and whether it ended as it should.
fn streamed(text: &str) -> (String, bool) {
    let mut said = String::new();
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let chunk: Value = serde_json::from_str(data).unwrap_or_default();
        for place in ["/choices/0/delta/content", "/choices/0/text", "/delta/text"] {
            said += chunk.pointer(place).and_then(Value::as_str).unwrap_or_default();
        }
        if chunk["type"] == "response.output_text.delta" {
            said += chunk["delta"].as_str().unwrap_or_default();
        }
    }
    let ended =
        ["data: [DONE]", "\"message_stop\"", "\"response.completed\""].iter().any(|end| text.contains(end));
    (said, ended)
}

#[tokio::test]
async fn every_client_reaches_every_provider() {
    for (kind, whole, events, path, key_header) in providers() {
        let upstream = Upstream::start(&[]).await;
        upstream.script([Behaviour::Either(Box::new(whole), Box::new(events))]);
        let gateway = Gateway::with_environment(&native(kind, &upstream), &[("KEY", "secret")]).await;
        let model = format!("{kind}-model");
        for stream in [false, true] {
            for (route, body, place) in clients(&model, stream) {
                let response = gateway.post(route, body.to_string()).await;
                assert_eq!(response.status(), 200, "{kind} {route} {stream}");
                assert_eq!(header(&response, "x-pointsman-backend"), kind);
                let text = response.text().await.unwrap();
                if stream {
                    assert_eq!(streamed(&text), ("Hi".to_owned(), true), "{kind} {route}: {text}");
                } else {
                    let answer: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(answer.pointer(place).unwrap(), "Hi", "{kind} {route}: {text}");
                    assert_eq!(answer["model"], model.as_str(), "{kind} {route}: {text}");
                }
            }
        }
        for seen in upstream.seen() {
            assert!(seen.path.starts_with(path), "{kind}: {}", seen.path);
            let key = pointsman_testkit::header(&seen.headers, key_header).unwrap();
            assert!(key.ends_with("secret"), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_in_every_dialect() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::StreamThenClose(vec![pointsman_testkit::event("m", "Hi")])]);
    let gateway = Gateway::over(&[("lab", &lab)], "[breakers]\nenabled = false\n").await;
    for (route, body, _) in clients("m", true) {
        let text = gateway.post(route, body.to_string()).await.text().await.unwrap();
        let (said, ended) = streamed(&text);
        assert_eq!((said.as_str(), ended), ("Hi", false), "{route}: {text}");
        let last = text.trim_end().rsplit("data: ").next().unwrap();
        assert!(last.contains("middle of the answer"), "{route}: {text}");
    }
}

#[tokio::test]
async fn what_is_left_out_is_told_and_what_cannot_be_done_is_refused() {
    let lab = Upstream::start(&["m"]).await;
    let gateway = Gateway::over(&[("lab", &lab)], "").await;
    let body = json!({"model": "m", "max_tokens": 5, "top_k": 3, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]});
    let response = gateway.post("/v1/messages", body.to_string()).await;
    assert_eq!(header(&response, "x-pointsman-adapted"), "dropped cache_control; dropped top_k");
    let sent: Value = serde_json::from_slice(&lab.chats().last().unwrap().body).unwrap();
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "hi"}]));
    for (route, body, param) in [
        ("/v1/messages", json!({"model": "m", "messages": []}), ""),
        (
            "/v1/responses",
            json!({"model": "m", "input": "a", "previous_response_id": "r"}),
            "previous_response_id",
        ),
        ("/v1/completions", json!({"model": "m", "prompt": [1]}), "prompt"),
    ] {
        let response = gateway.post(route, body.to_string()).await;
        assert_eq!(response.status(), 400, "{route}");
        let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        if route == "/v1/messages" {
            assert_eq!(error["error"]["type"], "invalid_request_error");
        } else {
            assert_eq!(error["error"]["param"], param);
        }
    }
    let counted = gateway
        .post(
            "/v1/messages/count_tokens",
            json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]}).to_string(),
        )
        .await;
    let counted: Value = serde_json::from_str(&counted.text().await.unwrap()).unwrap();
    assert!(counted["input_tokens"].as_u64().is_some_and(|n| (2..20).contains(&n)), "{counted}");
}

#[tokio::test]
async fn embeddings_go_to_the_model_that_is_named() {
    let lab = Upstream::start(&["text-embedding-3-small"]).await;
    let body = json!({"object": "list", "model": "text-embedding-3-small", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    lab.script([answer("application/json", &body)]);
    let gateway = Gateway::over(&[("lab", &lab)], "").await;
    let response = gateway
        .post("/v1/embeddings", json!({"model": "text-embedding-3-small", "input": "hi"}).to_string())
        .await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "x-pointsman-model")),
        (200, "text-embedding-3-small")
    );
    let answered: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(answered, body);
    assert!(lab.seen().iter().any(|r| r.path == "/v1/embeddings"));
    for (body, status) in [
        (json!({"model": "auto", "input": "hi"}), 400),
        (json!({"model": "nobody", "input": "hi"}), 404),
        (json!({"model": "text-embedding-3-small"}), 400),
    ] {
        assert_eq!(gateway.post("/v1/embeddings", body.to_string()).await.status(), status, "{body}");
    }
}

#[tokio::test]
async fn an_ollama_without_openai_routes_is_spoken_to_in_its_own() {
    let ollama = Upstream::start(&[]).await;
    ollama.script([Behaviour::by(|request| {
        if request.path.starts_with("/v1/") {
            return Behaviour::Answer(404, vec![], "404 page not found".to_owned());
        }
        answer("application/json", &json!({"message": {"role": "assistant", "content": "Hi"}, "done": true}))
    })]);
    let config = native("ollama", &ollama).replace("dialect = \"native\"\n", "");
    let gateway = Gateway::with_environment(&config, &[("KEY", "k")]).await;
    for _ in 0..2 {
        let (status, body) = gateway.chat(pointsman_testkit::chat("ollama-model", "hi", false)).await;
        assert_eq!((status, body["choices"][0]["message"]["content"].as_str()), (200, Some("Hi")), "{body}");
    }
    let paths: Vec<String> = ollama.seen().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/v1/chat/completions", "/api/chat", "/api/chat"], "found out once");
}
