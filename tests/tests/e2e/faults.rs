//! Backends that fail, in every way they know.

use std::time::Duration;

use pointsman_testkit::{Behaviour, Upstream, chat, event};
use serde_json::Value;

use crate::gateway::{Gateway, header};

/// Two backends that serve the same model; the first is asked first.
async fn pair(first: Behaviour) -> (Upstream, Upstream, Gateway) {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    a.script([first]);
    b.script([Behaviour::json("m", "from b")]);
    let gateway = Gateway::over(&[("a", &a), ("b", &b)], "").await;
    (a, b, gateway)
}

fn before_the_first_byte() -> Vec<(&'static str, Behaviour)> {
    let answer = |status, body: &str| {
        Behaviour::Answer(status, vec![("content-type", "application/json".into())], body.into())
    };
    vec![
        ("500", Behaviour::error(500, "boom")),
        ("503", answer(503, "busy")),
        ("429", Behaviour::Answer(429, vec![("retry-after", "7".into())], String::new())),
        ("401", Behaviour::error(401, "bad key")),
        ("404", Behaviour::error(404, "no such model")),
        ("redirect", Behaviour::Answer(307, vec![("location", "http://127.0.0.1:1/".into())], String::new())),
        ("garbage JSON", answer(200, "<html>oops</html>")),
        ("an error under 200", answer(200, r#"{"error":{"message":"no"}}"#)),
        ("half a body", Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"cho".to_vec())),
        ("garbage bytes", Behaviour::Raw(b"\x00\x01\x02 nonsense\r\n\r\n".to_vec())),
        ("an empty answer", answer(200, "")),
        ("closed at once", Behaviour::Close),
    ]
}

#[tokio::test]
async fn a_failure_before_the_first_byte_goes_to_the_next_backend() {
    for (name, fault) in before_the_first_byte() {
        let (_a, _b, gateway) = pair(fault).await;
        let response = gateway.post("/v1/chat/completions", chat("m", "hi", false)).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(header(&response, "x-pointsman-backend"), "b", "{name}");
        assert_eq!(header(&response, "x-pointsman-fallback-used"), "true", "{name}");
        assert_eq!(header(&response, "x-pointsman-attempts"), "2", "{name}");
    }
}

#[tokio::test]
async fn when_every_backend_fails_the_attempts_are_named() {
    for (name, fault) in before_the_first_byte() {
        let upstream = Upstream::start(&["m"]).await;
        upstream.script([fault]);
        let gateway = Gateway::over(&[("only", &upstream)], "").await;
        let response = gateway.post("/v1/chat/completions", chat("m", "hi", false)).await;
        let expected = if name == "429" { 429 } else { 502 };
        assert_eq!(response.status(), expected, "{name}");
        assert_eq!(header(&response, "retry-after"), if name == "429" { "7" } else { "" });
        let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains("m on only: "), "{name}: {error}");
    }
}

#[tokio::test]
async fn what_the_client_caused_is_not_tried_elsewhere() {
    let (_a, b, gateway) = pair(Behaviour::error(400, "temperature must be below 2")).await;
    let (status, error) = gateway.chat(chat("m", "hi", false)).await;
    assert_eq!((status, error["error"]["message"].as_str()), (400, Some("temperature must be below 2")));
    assert!(b.chats().is_empty());
}

#[tokio::test]
async fn a_backend_that_says_nothing_is_given_up() {
    let (a, _b, gateway) = pair(Behaviour::Hang).await;
    let response = gateway.post("/v1/chat/completions", chat("m", "hi", false)).await;
    assert_eq!(header(&response, "x-pointsman-backend"), "b");
    assert!(a.abandoned(1).await, "the call was cancelled");
}

#[tokio::test]
async fn an_unreachable_backend_does_not_stop_the_start() {
    let (dead, alive) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    let url = dead.url();
    drop(dead);
    let extra = format!(
        "[[backends]]\nname = \"dead\"\nkind = \"openai\"\nbase_url = \"{url}\"\nmodels = [{{ id = \"m\" }}]\n"
    );
    let gateway = Gateway::over(&[("alive", &alive)], &extra).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert_eq!(ready["backends"][1]["health"]["status"], "unreachable", "{ready}");
    let response = gateway.post("/v1/chat/completions", chat("m", "hi", false)).await;
    assert_eq!(header(&response, "x-pointsman-backend"), "alive");
    assert_eq!(header(&response, "x-pointsman-attempts"), "1", "the unreachable one is the last resort");
}

#[tokio::test]
async fn streams_that_fail_before_content_go_to_the_next_backend() {
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n".to_owned();
    for (name, fault) in [
        ("nothing", Behaviour::StreamThenClose(vec![])),
        ("only a role", Behaviour::StreamThenClose(vec![role.clone()])),
        ("an empty stream", Behaviour::Stream(vec![])),
        (
            "an error event",
            Behaviour::Stream(vec!["data: {\"error\":{\"message\":\"overloaded\"}}\n\n".into()]),
        ),
        (
            "a page",
            Behaviour::Answer(200, vec![("content-type", "text/html".to_owned())], "<html>".to_owned()),
        ),
        ("no JSON", Behaviour::Stream(vec!["data: <html>\n\n".into()])),
        ("a hanging role", Behaviour::StreamThenHang(vec![role])),
    ] {
        let (_a, b, gateway) = pair(fault).await;
        b.script([Behaviour::stream("m", &["fine"])]);
        let response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "x-pointsman-backend")),
            (200, "b"),
            "{name}"
        );
        let text = response.text().await.unwrap();
        assert!(text.contains("fine") && text.ends_with("data: [DONE]\n\n"), "{name}: {text}");
    }
}

#[tokio::test]
async fn streams_that_fail_after_content_end_with_an_error_and_nothing_else() {
    let half = event("m", "two");
    let half = half[..half.len() / 2].to_owned();
    for (name, fault) in [
        ("closed", Behaviour::StreamThenClose(vec![event("m", "one")])),
        ("closed within an event", Behaviour::StreamThenClose(vec![event("m", "one"), half])),
        ("ended without an end", Behaviour::Stream(vec![event("m", "one")])),
        ("hanging", Behaviour::StreamThenHang(vec![event("m", "one")])),
        (
            "an error",
            Behaviour::Stream(vec![event("m", "one"), "data: {\"error\":{\"message\":\"x\"}}\n\n".into()]),
        ),
        (
            "a huge line",
            Behaviour::Stream(vec![event("m", "one"), format!("data: {{\"a\":\"{}", "x".repeat(20_000_000))]),
        ),
    ] {
        let (_a, b, gateway) = pair(fault).await;
        let response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
        assert_eq!(response.status(), 200, "{name}");
        let text = response.text().await.unwrap();
        let events: Vec<&str> = text.split("\n\n").filter(|e| !e.is_empty()).collect();
        assert_eq!(events.len(), 2, "{name}: {text:.400}");
        assert!(events[0].contains("one"), "{name}");
        let error: Value = serde_json::from_str(events[1].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(error["error"]["code"], "stream_failed", "{name}");
        assert!(b.chats().is_empty(), "{name}: never spliced with another model's text");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_backend_call() {
    let upstream = Upstream::start(&["m"]).await;
    upstream.script([Behaviour::StreamThenHang(vec![event("m", "one")]), Behaviour::Hang]);
    let gateway = Gateway::over(&[("lab", &upstream)], "").await;
    let mut response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    assert!(upstream.abandoned(1).await, "in the middle of a stream");
    let waiting = gateway
        .client
        .post(format!("{}/v1/chat/completions", gateway.url))
        .body(chat("m", "hi", false))
        .send();
    assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err());
    assert!(upstream.abandoned(2).await, "before the first byte");
    let metrics =
        gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"outcome="cancelled"} 2"#), "{metrics}");
}
