//! A backend that does as little as it can: what a gateway's cost is measured against.
//!
//! Answers every POST with a small chat completion; with `"stream":true`, with 50 events, at once, or for the
//! model `slow` one every 20 ms. Prints its base URL. Ends with its standard input.

#![allow(clippy::print_stdout, reason = "a command line program")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const EVENTS: usize = 50;
const PACE: Duration = Duration::from_millis(20);
const ANSWER: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"Switches are set; the train goes where it should."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":11,"total_tokens":23}}"#;
const EVENT: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"switch \"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"bench","object":"model"},{"id":"slow","object":"model"}]}"#;

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/v1", listener.local_addr()?);
    std::thread::spawn(|| {
        // whoever started this has ended when standard input does
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let listing = request.method() == hyper::Method::GET;
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (head, tail) = (&body[..body.len().min(300)], &body[body.len().saturating_sub(300)..]);
    let says = |what: &[u8]| [head, tail].iter().any(|part| part.windows(what.len()).any(|w| w == what));
    if listing {
        return Ok(plain(MODELS));
    }
    if !says(b"\"stream\":true") {
        return Ok(plain(ANSWER));
    }
    let pace = if says(b"\"slow\"") { PACE } else { Duration::ZERO };
    let events = (0..EVENTS).map(|_| EVENT).chain([LAST]);
    let events = stream::iter(events).then(move |event| async move {
        if pace.is_zero() {
            // one write for each event, as a model would
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pace).await;
        }
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(event.as_bytes())))
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    Ok(response.body(StreamBody::new(events).boxed_unsync()).unwrap_or_default_body())
}

fn plain(text: &'static str) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/json");
    response.body(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync()).unwrap_or_default_body()
}

/// The header names above are constants: the error arm is never taken.
trait OrEmpty {
    fn unwrap_or_default_body(self) -> Response<Body>;
}

impl OrEmpty for Result<Response<Body>, http::Error> {
    fn unwrap_or_default_body(self) -> Response<Body> {
        self.unwrap_or_else(|_| Response::new(Full::new(Bytes::new()).boxed_unsync()))
    }
}
