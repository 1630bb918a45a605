//! Backends that speak something else than OpenAI's chat completions.

mod anthropic;
mod anthropic_answer;
mod chunks;
mod embeddings;
mod gemini;
mod gemini_answer;
mod hub;
mod ids;
mod media;
mod ollama;
mod ollama_answer;
mod refusal;
mod report;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use self::{chunks::Head, ids::Seed, report::Dropped};
use crate::{
    json::{self, Object, bytes, text},
    lines::{Lines, event_data},
};

/// A dialect of backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendDialect {
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Ollama's own `/api/chat`.
    Ollama,
}

/// A request as the backend takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What is appended to the base URL.
    pub path: String,
    /// The body.
    pub body: Vec<u8>,
    /// What could not be carried over.
    pub dropped: Vec<String>,
}

/// Why a request cannot be carried over to a backend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Untranslatable {
    /// The hub body is no JSON object.
    #[error("the request is not a JSON object: {0}")]
    NotJson(String),
    /// The backend has no words for something that matters.
    #[error("{message}")]
    Unsupported {
        /// The field at fault.
        param: String,
        /// What is not supported.
        message: String,
    },
}

impl Untranslatable {
    /// The field at fault.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::NotJson(_) => None,
            Self::Unsupported { param, .. } => Some(param),
        }
    }

    pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), message: message.into() }
    }
}

impl BackendDialect {
    /// Turns the hub body `chat`, whose model the backend calls `model`, into a request of this dialect.
    pub fn request(self, chat: &[u8], model: &str, stream: bool) -> Result<Outgoing, Untranslatable> {
        let mut chat = object(chat)?;
        let mut dropped = Dropped::default();
        hub::usual(&mut chat, &mut dropped)?;
        let chat = Value::from(chat);
        let (path, body) = match self {
            Self::Anthropic => anthropic::request(&chat, model, stream, &mut dropped)?,
            Self::Gemini => gemini::request(&chat, model, stream, &mut dropped)?,
            Self::Ollama => ollama::request(&chat, model, stream, &mut dropped)?,
        };
        Ok(Outgoing { path, body: bytes(&body.into()), dropped: dropped.into_list() })
    }

    /// A whole answer as a chat completion of `model`, `created` at this Unix time.
    pub fn answer(self, body: &[u8], model: &str, created: u64) -> Result<Vec<u8>, String> {
        let answer = whole(body)?;
        let head = Head::new(Seed::of(body, model, created), model, created);
        let completion = match self {
            Self::Anthropic => anthropic_answer::answer(&answer, head),
            Self::Gemini => gemini_answer::answer(&answer, head),
            Self::Ollama => ollama_answer::answer(&answer, &head),
        };
        completion.map(|completion| bytes(&completion))
    }

    /// Turns OpenAI's request for embeddings into one of this dialect. Of these backends only Gemini has embeddings
    /// in words of its own.
    pub fn embeddings(self, asked: &[u8], model: &str) -> Result<Outgoing, Untranslatable> {
        let asked = Value::from(object(asked)?);
        if self != Self::Gemini {
            let message = "embeddings are not to be had from a backend of this kind";
            return Err(Untranslatable::unsupported("model", message));
        }
        let mut dropped = Dropped::default();
        let body = embeddings::request(&asked, gemini::bare(model), &mut dropped)?;
        let path = gemini::path(model, "batchEmbedContents");
        Ok(Outgoing { path, body: bytes(&body.into()), dropped: dropped.into_list() })
    }

    /// The answer to `asked`, a request for embeddings, as OpenAI's list.
    pub fn embeddings_answer(self, asked: &[u8], body: &[u8], model: &str) -> Result<Vec<u8>, String> {
        let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
        embeddings::answer(&whole(body)?, &asked, model).map(|list| bytes(&list))
    }

    /// Reads a streamed answer to the hub body `chat`: who did not ask for usage gets no chunk without a choice.
    pub fn stream(self, chat: &[u8], model: &str, created: u64, max_event_bytes: usize) -> BackendStream {
        let asked: Asked = serde_json::from_slice(chat).unwrap_or_default();
        let usage_apart = asked.stream_options.is_some_and(|options| options.include_usage);
        let mut head = Head::new(Seed::of(chat, model, created), model, created);
        head.usage_apart = usage_apart;
        let reader = match self {
            Self::Anthropic => Reader::Anthropic(anthropic_answer::Stream::new(head)),
            Self::Gemini => Reader::Gemini(gemini_answer::Stream::new(head)),
            Self::Ollama => Reader::Ollama(ollama_answer::Stream::new(head)),
        };
        BackendStream { lines: Lines::new(max_event_bytes), reader, failed: None }
    }

    /// An error body of this provider as one of OpenAI's.
    pub fn error(self, status: u16, body: &[u8]) -> Vec<u8> {
        refusal::error(status, body)
    }
}

/// A request of the hub.
fn object(body: &[u8]) -> Result<Object, Untranslatable> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Untranslatable::NotJson("not an object".to_owned())),
        Err(error) => Err(Untranslatable::NotJson(error.to_string())),
    }
}

/// A whole answer that is no error.
fn whole(body: &[u8]) -> Result<Value, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|e| format!("the answer is not JSON: {e}"))?;
    match json::set(&answer, "error") {
        Some(error) => Err(format!("the answer is an error: {}", said(error))),
        None => Ok(answer),
    }
}

/// What of a request says how its stream is to look.
#[derive(Default, Deserialize)]
struct Asked {
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// What an `error` value says.
fn said(error: &Value) -> String {
    let said = error.as_str().or_else(|| text(error, "message"));
    said.map_or_else(|| error.to_string(), str::to_owned)
}

/// A stream of a backend on its way to OpenAI's shape.
#[derive(Debug)]
pub struct BackendStream {
    lines: Lines,
    reader: Reader,
    /// What was wrong behind the events that were given back.
    failed: Option<String>,
}

#[derive(Debug)]
enum Reader {
    Anthropic(anthropic_answer::Stream),
    Gemini(gemini_answer::Stream),
    Ollama(ollama_answer::Stream),
}

impl Reader {
    /// The provider has said its last word.
    const fn is_over(&self) -> bool {
        match self {
            Self::Anthropic(stream) => stream.over,
            Self::Gemini(stream) => stream.over,
            Self::Ollama(stream) => stream.over,
        }
    }
}

impl BackendStream {
    /// Takes the next bytes, cut anywhere, and gives back whole events, often none. Fails on garbage and on events
    /// that are too long, after the events that stood before them were given back; what follows a true end is ignored.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let mut out = Vec::new();
        if self.reader.is_over() {
            return Ok(out);
        }
        let (lines, too_long) = self.lines.push(chunk);
        self.failed = lines.iter().find_map(|line| self.line(line, &mut out).err()).or(too_long);
        if self.reader.is_over() {
            self.failed = None;
        }
        match &self.failed {
            Some(failed) if out.is_empty() => Err(failed.clone()),
            _ => Ok(out),
        }
    }

    /// The body has ended. An end that did not come is not invented.
    pub fn finish(&mut self) -> Result<Vec<u8>, String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let mut out = Vec::new();
        let rest = self.lines.rest();
        self.line(&rest, &mut out)?;
        if let Reader::Gemini(stream) = &mut self.reader {
            stream.finish(&mut out);
        }
        Ok(out)
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let data = match &self.reader {
            Reader::Ollama(_) => Some(line.trim_ascii()),
            _ => event_data(line),
        };
        // some proxies end every stream as OpenAI does; only the provider's own end counts
        let Some(data) = data.filter(|data| !data.is_empty() && *data != b"[DONE]") else { return Ok(()) };
        if self.reader.is_over() {
            return Ok(());
        }
        let event: Value = serde_json::from_slice(data).map_err(|e| format!("an event is not JSON: {e}"))?;
        match &mut self.reader {
            Reader::Anthropic(stream) => stream.event(&event, out),
            Reader::Gemini(stream) => stream.event(&event, out),
            Reader::Ollama(stream) => stream.event(&event, out),
        }
        Ok(())
    }
}
