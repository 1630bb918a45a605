//! The HTTP of one simulated backend.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::{self, Question},
    models::Character,
};

const MAX_BODY: usize = 64 << 20;

type Body = UnsyncBoxBody<Bytes, Infallible>;

struct Backend {
    character: Character,
    answers: AtomicU64,
}

/// Serves on a free port of 127.0.0.1 until `stop` is cancelled.
pub(crate) async fn start(character: Character, stop: CancellationToken) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let backend = Arc::new(Backend { character, answers: AtomicU64::new(0) });
    tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    tokio::spawn(connection(stream, Arc::clone(&backend), stop.clone()));
                },
                () = stop.cancelled() => return,
            }
        }
    });
    Ok(address)
}

async fn connection(stream: TcpStream, backend: Arc<Backend>, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let backend = Arc::clone(&backend);
        async move { Ok::<_, Infallible>(backend.route(request).await) }
    });
    tokio::select! {
        // a client that hangs up ends its connection, and with it the answer
        _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
        () = stop.cancelled() => {}
    }
}

impl Backend {
    async fn route(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/v1/models") => json_response(StatusCode::OK, &self.list()),
            (&Method::POST, "/v1/chat/completions") => {
                match Limited::new(request.into_body(), MAX_BODY).collect().await {
                    Ok(body) => self.chat(&body.to_bytes()).await,
                    Err(_) => refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", "too_large"),
                }
            }
            _ => refused(StatusCode::NOT_FOUND, "no such route", "not_found"),
        }
    }

    fn list(&self) -> Value {
        let id = &self.character.spec.id;
        json!({ "object": "list", "data": [{ "id": id, "object": "model", "created": now(), "owned_by": "pointsman-demo" }] })
    }

    async fn chat(self: Arc<Self>, body: &[u8]) -> Response<Body> {
        let Some((model, question)) = Question::read(body) else {
            return refused(StatusCode::BAD_REQUEST, "expected a chat request in JSON", "invalid_body");
        };
        let spec = &self.character.spec;
        if model != spec.id.as_str() {
            return refused(
                StatusCode::NOT_FOUND,
                &format!("the model `{model}` is not here"),
                "model_not_found",
            );
        }
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let (id, created) = (format!("chatcmpl-sim-{number}"), now());
        let (pieces, reason) = question.answer(&self.character);
        tokio::time::sleep(self.character.first_token).await;
        if question.stream {
            let events = self.events(&id, created, &pieces, reason, &question);
            return stream_response(events, self.character.per_token);
        }
        tokio::time::sleep(self.character.per_token * pieces.len() as u32).await;
        let usage = question.usage(pieces.len());
        let answer = answer::completion(&id, created, spec.id.as_str(), &pieces.concat(), reason, &usage);
        json_response(StatusCode::OK, &answer)
    }

    fn events(
        &self,
        id: &str,
        created: u64,
        pieces: &[String],
        reason: &str,
        question: &Question,
    ) -> Vec<Bytes> {
        let model = self.character.spec.id.as_str();
        let event = |value: &Value| Bytes::from(format!("data: {value}\n\n"));
        let mut events = vec![event(&answer::chunk(
            id,
            created,
            model,
            &json!({ "role": "assistant", "content": "" }),
            None,
        ))];
        let said = pieces
            .iter()
            .map(|piece| event(&answer::chunk(id, created, model, &json!({ "content": piece }), None)));
        events.extend(said);
        events.push(event(&answer::chunk(id, created, model, &json!({}), Some(reason))));
        if question.include_usage {
            events.push(event(&answer::usage_chunk(id, created, model, &question.usage(pieces.len()))));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }
}

fn stream_response(events: Vec<Bytes>, pace: Duration) -> Response<Body> {
    let events = futures_util::stream::unfold(events.into_iter(), move |mut events| async move {
        let event = events.next()?;
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        Some((Ok::<_, Infallible>(Frame::data(event)), events))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-simulated", HeaderValue::from_static("true"));
    response
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-simulated", HeaderValue::from_static("true"));
    response
}

fn refused(status: StatusCode, message: &str, code: &str) -> Response<Body> {
    json_response(status, &answer::error(message, code))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
