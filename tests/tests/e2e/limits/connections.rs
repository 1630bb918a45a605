//! Connections that do nothing, and streams that are not read.

use std::time::Duration;

use pointsman_testkit::{Behaviour, Upstream, chat, event};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::http2::{DATA, GO_AWAY, HEADERS, Http2, PREFACE, RESET};
use crate::gateway::Gateway;

const SHORT: &str = "[server]\nheader_read_timeout = \"500ms\"\nwrite_timeout = \"500ms\"\n";

/// Waits for the end of a connection.
async fn ends(stream: &mut TcpStream, what: &str) {
    let mut rest = Vec::new();
    let end = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "{what}: it lives for ever");
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_take_the_places_of_others() {
    let lab = Upstream::start(&["m"]).await;
    let gateway = Gateway::over(&[("lab", &lab)], &format!("{SHORT}max_connections = 4\n")).await;
    let mut silent = Vec::new();
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for said in [&b""[..], &b"PRI * HT"[..], PREFACE, &settings] {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(said).await.unwrap();
        silent.push((stream, String::from_utf8_lossy(said).into_owned()));
    }
    let answered = timeout(Duration::from_secs(10), gateway.get("/healthz")).await;
    assert_eq!(answered.expect("no place is left").0, 200);
    for (stream, said) in &mut silent {
        ends(stream, said).await;
    }
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed_and_one_with_some_is_not() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::After(Duration::from_millis(1500), Box::new(Behaviour::says("m", "fine")))]);
    let gateway = Gateway::over(&[("lab", &lab)], SHORT).await;
    let mut client = Http2::connect(gateway.address(), 65_535).await;
    client.post(1, "/v1/chat/completions", &chat("m", "hi", false)).await;
    // longer than any of the deadlines: what is waited for is not idle
    assert_eq!(client.until(HEADERS).await.payload[0], 0x88, "200, by its index");
    assert_eq!(client.until(GO_AWAY).await.stream, 0);
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn a_stream_of_http2_that_is_not_read_is_reset_and_others_go_on() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::Flood(event("m", &"x".repeat(8 << 10)))]);
    let gateway = Gateway::over(&[("lab", &lab)], "[server]\nwrite_timeout = \"500ms\"\n").await;
    // not a byte of the answers is let through
    let mut client = Http2::connect(gateway.address(), 0).await;
    client.get(1, "/healthz").await;
    client.post(3, "/v1/chat/completions", &chat("m", "hi", true)).await;
    let reset = [client.until(RESET).await.stream, client.until(RESET).await.stream];
    assert!(reset.contains(&1) && reset.contains(&3), "{reset:?}");
    assert!(lab.abandoned(1).await, "the backend goes on for a client that does not read");
    client.window(65_535).await;
    client.get(5, "/healthz").await;
    let data = client.until(DATA).await;
    assert!(data.stream == 5 && data.payload.starts_with(b"{"), "{data:?}");
}

#[tokio::test]
async fn a_stream_of_http2_that_is_read_slowly_goes_on() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::json("m", &"x".repeat(200 << 10))]);
    let gateway = Gateway::over(&[("lab", &lab)], "[server]\nwrite_timeout = \"800ms\"\n").await;
    let mut client = Http2::connect(gateway.address(), 0).await;
    client.post(1, "/v1/chat/completions", &chat("m", "hi", false)).await;
    client.until(HEADERS).await;
    // over longer than the deadline, but never for so long without any
    let mut read = 0;
    for step in 1..=6_u32 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.window(step * 10_000).await;
        while read < step as usize * 10_000 {
            let frame = client.next().await.expect("the connection ended");
            assert_eq!(frame.kind, DATA, "{frame:?}");
            read += frame.payload.len();
        }
    }
}
