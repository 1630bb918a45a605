//! Clients that speak something else than OpenAI's chat completions.

mod calls;
mod completions;
mod hub;
mod messages;
mod messages_stream;
mod responses;
mod responses_input;
mod responses_stream;
mod sealed;
mod thoughts;

pub use messages::count_tokens;

use serde_json::Value;
use thiserror::Error;

use crate::{
    json::{self, Object, bytes, text},
    lines::event_data,
};

/// A dialect of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientDialect {
    /// Anthropic's Messages API.
    Messages,
    /// OpenAI's Responses API, without state.
    Responses,
    /// OpenAI's completions of old.
    Completions,
}

/// A request as one of the hub.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The hub body.
    pub chat: Vec<u8>,
    /// Events are asked for.
    pub stream: bool,
    /// What could not be carried over.
    pub dropped: Vec<String>,
    /// What the answer repeats.
    pub echo: Echo,
}

/// What of the request the answer repeats.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    pub(crate) fields: Object,
}

impl Echo {
    /// Whether the client takes signed thoughts, to send them back.
    pub(crate) fn wants_sealed(&self) -> bool {
        let wanted = self.fields.get("include").and_then(Value::as_array);
        wanted.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(responses_input::SEALED)))
    }
}

/// Why a request cannot be carried over. All are the client's to mend: 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The body is no JSON object.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// A field is missing, or of the wrong shape.
    #[error("{message}")]
    Shape {
        /// The field.
        param: String,
        /// What is wrong with it.
        message: String,
    },
    /// Something that matters cannot be carried over.
    #[error("{message}")]
    Unsupported {
        /// The field.
        param: String,
        /// What is not supported.
        message: String,
    },
}

impl ClientError {
    /// The field at fault.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::NotJson(_) => None,
            Self::Shape { param, .. } | Self::Unsupported { param, .. } => Some(param),
        }
    }

    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "invalid_json",
            Self::Shape { .. } => "invalid_type",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    pub(crate) fn shape(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Shape { param: param.into(), message: message.into() }
    }

    pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), message: message.into() }
    }
}

impl ClientDialect {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Completions => "completions",
        }
    }

    /// Turns a request of this dialect into one of the hub.
    pub fn request(self, body: &[u8]) -> Result<Incoming, ClientError> {
        let request = object(body)?;
        match self {
            Self::Messages => messages::request(&request),
            Self::Responses => responses_input::request(&request),
            Self::Completions => completions::request(&request),
        }
    }

    /// A whole hub answer in this dialect. `id` is the gateway's id of the request, `created` a Unix time.
    pub fn answer(self, chat: &[u8], echo: &Echo, id: &str, created: u64) -> Result<Vec<u8>, String> {
        let chat: Value = serde_json::from_slice(chat).map_err(|e| e.to_string())?;
        let answer = match self {
            Self::Messages => messages::answer(&chat, echo, id),
            Self::Responses => responses::answer(&chat, echo, id, created),
            Self::Completions => completions::answer(&chat, id, created),
        };
        Ok(bytes(&answer))
    }

    /// Shows a streamed hub answer in this dialect.
    pub fn stream(self, echo: Echo, id: &str, created: u64) -> ClientStream {
        let writer = match self {
            Self::Messages => Writer::Messages(Box::new(messages_stream::Stream::new(id, echo))),
            Self::Responses => Writer::Responses(Box::new(responses_stream::Stream::new(echo, id, created))),
            Self::Completions => Writer::Completions(completions::Stream::new(id, created)),
        };
        ClientStream { dialect: self, writer, over: false }
    }

    /// An error body of the hub, under this status, as this dialect shapes errors.
    pub fn error(self, status: u16, hub: &[u8], id: &str) -> Vec<u8> {
        match self {
            Self::Messages => bytes(&messages::error(status, hub, id)),
            Self::Responses | Self::Completions => hub.to_vec(),
        }
    }

    /// What is sent while nothing happens.
    pub const fn keep_alive(self) -> &'static [u8] {
        match self {
            Self::Messages => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Self::Responses | Self::Completions => b": keep-alive\n\n",
        }
    }
}

fn object(body: &[u8]) -> Result<Value, ClientError> {
    let value: Value = serde_json::from_slice(body).map_err(|e| ClientError::NotJson(e.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(ClientError::NotJson("not an object".to_owned())) }
}

/// A stream on its way to a client.
#[derive(Debug)]
pub struct ClientStream {
    dialect: ClientDialect,
    writer: Writer,
    over: bool,
}

#[derive(Debug)]
enum Writer {
    Messages(Box<messages_stream::Stream>),
    Responses(Box<responses_stream::Stream>),
    Completions(completions::Stream),
}

impl ClientStream {
    /// Takes whole hub events, comments among them, and gives back whole events of this dialect. Lines end with LF, CR LF
    /// or CR. After an error, and after the end, there is nothing more; an end that did not come is not invented.
    pub fn push(&mut self, events: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in events.split(|byte| matches!(byte, b'\n' | b'\r')) {
            if self.over {
                break;
            }
            if line.starts_with(b":") {
                out.extend(self.dialect.keep_alive());
            } else if let Some(data) = event_data(line).filter(|data| !data.is_empty()) {
                self.data(data, &mut out);
            }
        }
        out
    }

    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if data == b"[DONE]" {
            self.over = true;
            match &mut self.writer {
                Writer::Messages(stream) => stream.end(out),
                Writer::Responses(stream) => stream.end(out),
                Writer::Completions(_) => out.extend(b"data: [DONE]\n\n"),
            }
            return;
        }
        let chunk = match serde_json::from_slice::<Value>(data) {
            Ok(chunk) if chunk.is_object() => chunk,
            // to go on would be to answer with a hole
            Ok(_) => {
                json::error("an event of the answer is not an object", "server_error", Some("stream_failed"))
            }
            Err(why) => {
                let message = format!("an event of the answer cannot be read: {why}");
                json::error(&message, "server_error", Some("stream_failed"))
            }
        };
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            self.over = true;
            match &mut self.writer {
                Writer::Messages(_) => messages_stream::fail(error, out),
                Writer::Responses(stream) => stream.fail(error, out),
                Writer::Completions(_) => out.extend(json::data(&chunk)),
            }
            return;
        }
        match &mut self.writer {
            Writer::Messages(stream) => stream.chunk(&chunk, out),
            Writer::Responses(stream) => stream.chunk(&chunk, out),
            Writer::Completions(stream) => stream.chunk(&chunk, out),
        }
    }
}

/// An event with a name.
pub(crate) fn event(value: &Value, out: &mut Vec<u8>) {
    let name = text(value, "type").unwrap_or_default();
    out.extend(b"event: ");
    out.extend(name.as_bytes());
    out.push(b'\n');
    out.extend(json::data(value));
}
