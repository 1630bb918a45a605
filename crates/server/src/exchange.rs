//! One exchange with a client, whatever it speaks: who asks, what, and how the answer is shown.

use std::panic::AssertUnwindSafe;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, header};
use pointsman_dialects::client::{ClientDialect, ClientStream, Echo};
use pointsman_engine::{Caller, ChatReply, EngineError, ReplyBody};
use pointsman_types::RequestId;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    asker,
    body::Room,
    errors::HttpError,
    events::{AsIs, Events, Opening, Pending, Shape},
    headers,
    keys::Holder,
    routes::{App, json_bytes},
};

/// A request of any dialect, as the engine takes it.
struct Asked {
    body: Bytes,
    stream: bool,
    /// What could not be carried over from the client's dialect.
    dropped: Vec<String>,
    echo: Option<Echo>,
}

/// What is needed to show an answer.
struct Shown {
    dialect: Option<ClientDialect>,
    echo: Option<Echo>,
    dropped: Vec<String>,
    id: RequestId,
    created: u64,
}

/// Answers a chat request in the dialect of the client; `None` is OpenAI's chat completions.
pub(crate) async fn chat(
    app: &App,
    dialect: Option<ClientDialect>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let id = app.engine().request_id();
    let mut response = match answer(app, dialect, &id, headers, body).await {
        Ok(response) => response,
        Err(error) => match dialect {
            None => error.into_response(),
            Some(dialect) => error.in_dialect(dialect, &id),
        },
    };
    headers::request_id(response.headers_mut(), &id);
    response
}

async fn answer(
    app: &App,
    dialect: Option<ClientDialect>,
    id: &RequestId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let holder = app.keys().check(headers)?;
    let caller = asker::caller(headers, holder.as_ref(), |value| app.is_ours(value));
    let caller = Caller { extended: dialect.is_some(), ..caller };
    let keep_alive = app.settings().keep_alive;
    let (body, room) = app.read(headers, body).await?;
    let asked = read(dialect, body, room)?;
    let place = place_of(holder.as_ref(), asked.stream)?;
    let shown =
        Shown { dialect, echo: asked.echo, dropped: asked.dropped, id: id.clone(), created: app.unix_time() };
    let mut pending = ask(app, id.clone(), asked.body, caller);
    if !asked.stream {
        let reply = pending.await?;
        // whatever we made of the body: a stream is not open without its place
        let place = place_of(holder.as_ref(), matches!(reply.body, ReplyBody::Stream(_)))?;
        return shown.response(reply, place, keep_alive);
    }
    match timeout(keep_alive, &mut pending).await {
        Ok(reply) => shown.response(reply?, place, keep_alive),
        // from here on the client hears from us; who answers is not known yet, and told when it is
        Err(_) => Ok(shown.pending(pending, place, keep_alive)),
    }
}

/// A place among the streams of a key, where a stream is asked for.
fn place_of(holder: Option<&Holder>, stream: bool) -> Result<Option<OwnedSemaphorePermit>, HttpError> {
    match holder {
        Some(holder) if stream => holder.stream(),
        _ => Ok(None),
    }
}

fn read(dialect: Option<ClientDialect>, body: Bytes, room: Room) -> Result<Asked, HttpError> {
    let Some(dialect) = dialect else {
        let stream = asks_for_stream(&body);
        return Ok(Asked { stream, body: room.hold(body), dropped: Vec::new(), echo: None });
    };
    let incoming = dialect.request(&body).map_err(HttpError::from)?;
    Ok(Asked {
        body: room.hold(incoming.chat),
        stream: incoming.stream,
        dropped: incoming.dropped,
        echo: Some(incoming.echo),
    })
}

/// Whether `stream` is true: what else is wrong with the body is the engine's to say.
fn asks_for_stream(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Wire {
        stream: Option<bool>,
    }
    // most bodies do not say it, or say no: that is found out without reading them whole
    let yes = |at: usize| {
        let value = body[at + NAME.len()..].trim_ascii_start().strip_prefix(b":");
        !value.is_some_and(|value| matches!(value.trim_ascii_start().first(), Some(b'f' | b'n')))
    };
    let may = memchr::memmem::find_iter(body, NAME).any(yes)
        // in escaped letters
        || memchr::memmem::find(body, b"\\u").is_some();
    may && serde_json::from_slice::<Wire>(body).is_ok_and(|wire| wire.stream == Some(true))
}

const NAME: &[u8] = b"\"stream\"";

fn ask(app: &App, id: RequestId, body: Bytes, caller: Caller) -> Pending {
    let engine = app.engine();
    Box::pin(async move {
        // where the client hears from us already, this future is polled by its connection
        let answer = AssertUnwindSafe(engine.chat(&id, &body, &caller)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| {
            engine.metrics().panicked();
            Err(EngineError::Panicked)
        });
        answer.inspect_err(|error| tracing::info!(request = %id, kind = error.kind(), %error, "no answer"))
    })
}

impl Shown {
    fn shape(&self) -> Box<dyn Shape> {
        match self.dialect {
            None => Box::new(AsIs),
            Some(dialect) => {
                let echo = self.echo.clone().unwrap_or_default();
                let stream = dialect.stream(echo, self.id.as_str(), self.created);
                Box::new(Translated { dialect, stream })
            }
        }
    }

    fn response(
        self,
        reply: ChatReply,
        place: Option<OwnedSemaphorePermit>,
        keep_alive: std::time::Duration,
    ) -> Result<Response, HttpError> {
        let mut meta = reply.meta;
        tracing::debug!(request = %self.id, model = %meta.spec.id, reason = meta.decision.why(), "answered");
        let mut response = match (reply.body, self.dialect) {
            (ReplyBody::Json(body), None) => json_bytes(body),
            (ReplyBody::Json(body), Some(dialect)) => {
                let echo = self.echo.clone().unwrap_or_default();
                let shown = dialect.answer(&body, &echo, self.id.as_str(), self.created);
                json_bytes(shown.map_err(|why| HttpError::untranslated(&why))?.into())
            }
            (ReplyBody::Stream(events), _) => stream(Events::open(events, self.shape(), keep_alive, place)),
        };
        meta.changes.extend(changes(self.dropped));
        headers::explain(response.headers_mut(), &meta);
        Ok(response)
    }

    /// An answer that is waited for. Its headers tell what is known, and comments in the stream the rest.
    fn pending(
        self,
        pending: Pending,
        place: Option<OwnedSemaphorePermit>,
        keep_alive: std::time::Duration,
    ) -> Response {
        let shape = self.shape();
        let changed: Vec<String> = changes(self.dropped).collect();
        let mut known = HeaderMap::new();
        headers::request_id(&mut known, &self.id);
        headers::adapted(&mut known, &changed);
        let told = known.clone();
        let opening: Opening = Box::new(move |mut meta| {
            tracing::debug!(request = %self.id, model = %meta.spec.id, reason = meta.decision.why(), "answered");
            meta.changes.extend(changed);
            headers::comments(&meta, &told)
        });
        let mut response = stream(Events::pending(pending, opening, shape, keep_alive, place));
        response.headers_mut().extend(known);
        response
    }
}

fn changes(dropped: Vec<String>) -> impl Iterator<Item = String> {
    dropped.into_iter().map(|what| format!("dropped {what}"))
}

struct Translated {
    dialect: ClientDialect,
    stream: ClientStream,
}

impl Shape for Translated {
    fn show(&mut self, events: Bytes) -> Bytes {
        self.stream.push(&events).into()
    }

    fn keep_alive(&self) -> &'static [u8] {
        self.dialect.keep_alive()
    }
}

fn stream(events: Events) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // proxies of the nginx family would hold the events back
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

#[cfg(test)]
mod tests {
    use super::asks_for_stream;

    #[test]
    fn a_stream_is_seen_however_its_name_is_written() {
        for (body, stream) in [
            (r#"{"stream":true}"#, true),
            (r#"{"str\u0065am":true}"#, true),
            (r#"{"\u0073\u0074\u0072\u0065\u0061\u006d" : true}"#, true),
            (r#"{"messages":[{"content":"\u00fc"}]}"#, false),
            (r#"{"messages":[{"stream":true}]}"#, false),
            (r#"{"stream":false}"#, false),
            (r#"{"stream":null}"#, false),
            (r#"{"stream" : false, "messages":[{"stream":true}]}"#, false),
            (r#"{"messages":[{"stream":false}], "stream" : true}"#, true),
            (r#"{"messages":["stream"], "stream":true}"#, true),
            (r#"{"model":"m","stream""#, false),
            ("{}", false),
            ("stream", false),
        ] {
            assert_eq!(asks_for_stream(body.as_bytes()), stream, "{body}");
        }
    }
}
