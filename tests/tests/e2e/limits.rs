//! What no client can take for itself: connections, memory, keys, time; and what a reload cannot lose.

mod connections;
mod http2;
mod keys;
mod reload;

use std::time::Duration;

use pointsman_testkit::{Behaviour, Upstream, chat, event, last_events};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::gateway::{Gateway, header};

/// The head and the first bytes of a chat request whose body is announced with this length.
async fn begin(gateway: &Gateway, length: usize, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), first].concat()).await.unwrap();
    stream
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // the connection may be reset when the answer is read
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "no end: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_trickles_is_not_waited_for() {
    let lab = Upstream::start(&["m"]).await;
    let gateway = Gateway::over(&[("lab", &lab)], "[server]\nbody_timeout = \"700ms\"\n").await;
    let mut stream = begin(&gateway, 1000, b"{").await;
    let (mut read, mut write) = stream.split();
    let trickle = async {
        while write.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut told = [0; 1024];
    let read = async {
        let n = timeout(Duration::from_secs(10), read.read(&mut told)).await.expect("it trickles on");
        String::from_utf8_lossy(&told[..n.unwrap()]).into_owned()
    };
    let answer = tokio::select! {
        answer = read => answer,
        () = trickle => panic!("cut without an answer"),
    };
    assert!(
        answer.contains("408 Request Timeout") && answer.contains("was not whole after 700ms"),
        "{answer}"
    );
}

#[tokio::test]
async fn bodies_together_have_a_limit_that_is_given_back() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::says("m", "fine")]);
    let limits = "[server]\nbody_limit_bytes = 4096\nmax_buffered_bytes = 5000\n";
    let gateway = Gateway::over(&[("lab", &lab)], limits).await;
    let held = begin(&gateway, 4000, &[b' '; 3000]).await;
    sleep(Duration::from_millis(300)).await;
    let body = chat("m", &"a".repeat(2500), false);
    let refused = gateway.post("/v1/chat/completions", body.clone()).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "1"));
    let error: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "overloaded");
    drop(held);
    timeout(Duration::from_secs(5), async {
        while gateway.chat(body.clone()).await.0 != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the room was not given back");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_the_backend_back() {
    let lab = Upstream::start(&["m"]).await;
    let piece = event("m", &"x".repeat(64 << 10));
    lab.script([Behaviour::Flood(piece)]);
    let gateway = Gateway::over(&[("lab", &lab)], "").await;
    let body = chat("m", "hi", true);
    let mut stream = begin(&gateway, body.len(), body.as_bytes()).await;
    // what the systems between take is taken, and then no more
    let mut before = usize::MAX;
    let settled = timeout(Duration::from_secs(20), async {
        while before != lab.flooded() || before == 0 {
            before = lab.flooded();
            sleep(Duration::from_millis(700)).await;
        }
    });
    assert!(settled.await.is_ok(), "nothing holds the backend back: {} bytes", lab.flooded());
    assert!(before < 64 << 20, "{before} bytes for a client that reads nothing");
    // and when the client reads, it goes on
    let mut read = vec![0; 1 << 20];
    let goes_on = timeout(Duration::from_secs(20), async {
        while lab.flooded() < before + (4 << 20) {
            assert!(stream.read(&mut read).await.unwrap() > 0, "the stream ended");
        }
    });
    assert!(goes_on.await.is_ok(), "it does not go on");
    drop(stream);
    assert!(lab.abandoned(1).await);
}

#[tokio::test]
async fn an_answer_that_takes_long_to_begin_says_in_comments_who_gives_it() {
    let lab = Upstream::start(&["m"]).await;
    let mut events = vec![event("m", "fine")];
    events.extend(last_events("m"));
    lab.script([Behaviour::After(Duration::from_millis(600), Box::new(Behaviour::Stream(events)))]);
    let gateway = Gateway::over(&[("lab", &lab)], "[server]\nkeep_alive = \"150ms\"\n").await;
    let messages = r#"{"model":"m","max_tokens":9,"stream":true,"oddity":3,"messages":[{"role":"user","content":"hi"}]}"#;
    let responses = r#"{"model":"m","stream":true,"oddity":3,"input":"hi"}"#;
    let completions = r#"{"model":"m","stream":true,"oddity":3,"prompt":"hi"}"#;
    for (path, body) in [
        ("/v1/chat/completions", chat("m", "hi", true).as_str()),
        ("/v1/messages", messages),
        ("/v1/responses", responses),
        ("/v1/completions", completions),
    ] {
        let response = gateway.post(path, body.to_owned()).await;
        let id = header(&response, "x-pointsman-request-id").to_owned();
        assert!(!id.is_empty(), "{path}");
        assert_eq!(header(&response, "x-pointsman-model"), "", "{path}: nobody can know it yet");
        let known = if path.ends_with("chat/completions") { "" } else { "dropped oddity" };
        assert_eq!(header(&response, "x-pointsman-adapted"), known, "{path}");
        let text = response.text().await.unwrap();
        let (before, after) = text.split_once(": x-pointsman-model: m\n").expect(&text);
        assert!(!before.contains("fine") && !before.contains("data: {\"id\""), "{path}: {text}");
        assert!(after.contains("fine"), "{path}: {text}");
        for told in [": x-pointsman-backend: lab\n", ": x-pointsman-attempts: 1\n"] {
            assert_eq!(text.matches(told).count(), 1, "{path}: {text}");
        }
        assert!(!text.contains(": x-pointsman-request-id"), "{path}: the header has said it: {text}");
    }
}

#[tokio::test]
async fn every_path_and_method_is_answered_in_json() {
    let gateway = Gateway::demo_with_admin("root").await;
    let (status, error) = gateway.get("/v1/models/%ff").await;
    assert_eq!((status, error["error"]["code"].as_str()), (400, Some("invalid_path")), "{error}");
    let actor = gateway.client.post(format!("{}/admin/v1/actors/%ff/restart", gateway.url));
    let actor = actor.header("authorization", "bearer root").send().await.unwrap();
    assert_eq!((actor.status().as_u16(), header(&actor, "content-type")), (400, "application/json"));
    for (request, status) in [
        ("OPTIONS /v1/chat/completions", "405 "),
        ("OPTIONS *", "40"),
        ("HEAD /v1/nothing", "404 "),
        ("HEAD /v1/chat/completions", "405 "),
        ("TRACE /healthz", "405 "),
        ("GET /v1/models/%ff%00", "400 "),
        ("DELETE /v1/nothing/%ff", "404 "),
    ] {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect(request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert!(head.contains("content-type: application/json"), "{request}: {answer}");
        let empty = request.starts_with("HEAD");
        assert_eq!(serde_json::from_str::<Value>(body).is_ok(), !empty, "{request}: {answer}");
    }
}
