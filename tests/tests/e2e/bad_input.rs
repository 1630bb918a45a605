//! Requests that no client should send. Each gets a clear answer, and the process lives.

use std::time::Duration;

use pointsman_testkit::{Upstream, chat};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::gateway::Gateway;

async fn lives(gateway: &Gateway) {
    assert_eq!(gateway.chat(chat("demo-local", "hi", false)).await.0, 200);
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let gateway = Gateway::demo().await;
    let deep = format!(
        r#"{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let bodies: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 400, "invalid_json"),
        (b"not json".to_vec(), 400, "invalid_json"),
        (b"[]".to_vec(), 400, "invalid_json"),
        (b"{\"model\":\"auto\",\"messages\":\"hi\"}".to_vec(), 400, "invalid_type"),
        (b"{\"model\":\"auto\",\"messages\":[]}".to_vec(), 400, "invalid_value"),
        (b"{\"model\":\"\xff\xfe\"}".to_vec(), 400, "invalid_utf8"),
        (chat("no-such-model", "hi", false).into_bytes(), 404, "model_not_found"),
        (chat("gpt\r\nx-evil: 1", "hi", false).into_bytes(), 400, "invalid_model"),
        (deep.into_bytes(), 400, "json_too_deep"),
    ];
    for (body, status, code) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (got, error) = gateway.chat(body).await;
        assert_eq!((got, error["error"]["code"].as_str()), (status, Some(code)), "{shown}");
        assert!(error["error"]["message"].is_string() && error["error"]["type"].is_string());
    }
    lives(&gateway).await;
}

#[tokio::test]
async fn fifty_megabytes_are_refused_and_a_million_characters_read() {
    let gateway = Gateway::demo().await;
    let (status, error) = gateway.chat(chat("auto", &"a".repeat(50_000_000), false)).await;
    assert_eq!((status, &error["error"]["code"]), (413, &json!("request_too_large")));
    let (status, error) = gateway.chat(chat("auto", &"word ".repeat(200_000), false)).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("context_length_exceeded")));
    assert!(error["error"]["message"].as_str().unwrap().contains("demo-local (needs"), "{error}");
    let (status, _) = gateway.chat(chat("demo-reasoner", &"word ".repeat(100_000), false)).await;
    assert_eq!(status, 200);
    lives(&gateway).await;
}

#[tokio::test]
async fn routes_and_methods_that_are_not_there() {
    let gateway = Gateway::demo().await;
    assert_eq!(gateway.get("/v2/nothing").await.0, 404);
    let (status, error) = gateway.get("/v1/chat/completions").await;
    assert_eq!((status, &error["error"]["code"]), (405, &json!("method_not_allowed")));
}

#[tokio::test]
async fn half_a_request_and_bytes_that_are_no_http() {
    let upstream = Upstream::start(&["m"]).await;
    let gateway = Gateway::over(&[("lab", &upstream)], "[server]\nheader_read_timeout = \"300ms\"\n").await;
    for (sent, expected) in [
        (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"model\"",
            "408 Request Timeout",
        ),
        ("POST /v1/chat/completions HTTP/1.1\r\nhost", ""),
        ("NONSENSE\r\n\r\n", ""),
        ("\x16\x03\x01 a TLS greeting\r\n\r\n", ""),
    ] {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("left open").ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(expected), "{sent:?}: {answer:?}");
    }
    assert!(upstream.chats().is_empty());
    assert_eq!(gateway.chat(chat("m", "hi", false)).await.0, 200);
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let upstream = Upstream::start(&["m"]).await;
    let big = pointsman_testkit::event("m", &"x".repeat(1 << 20));
    upstream.script([pointsman_testkit::Behaviour::StreamThenHang(vec![big; 64])]);
    let gateway = Gateway::over(&[("lab", &upstream)], "[server]\nwrite_timeout = \"500ms\"\n").await;
    let body = chat("m", "hi", true);
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    // the connection ends from the other side although nothing was read: a write meets a reset
    let cut = timeout(Duration::from_secs(15), async {
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(cut.await.is_ok(), "the connection stayed open");
    let (status, _): (u16, Value) = gateway.get("/healthz").await;
    assert_eq!(status, 200);
}
