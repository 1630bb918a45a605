//! Server-sent events of a streamed answer: cut at event borders, read on the way.
//!
//! Bytes in, whole events out: the tail of an event that has not ended yet is held back, so what the client
//! has seen at any moment is a sequence of whole events, and an error can follow it. Chunks that end at a
//! border pass without a copy.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    Finish, Reported, Usage,
    answer::{error_message, lenient, with_model},
    depth::end_of_string,
    object::Object,
};

/// What a stream may begin with, and is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a stream cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SseError {
    /// One event is longer than the limit.
    #[error("a single event is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// An event's data is no JSON object.
    #[error("an event is not a JSON object: {0}")]
    NotJson(String),
    /// The backend reports an error in the stream.
    #[error("the backend reports: {0}")]
    Error(Reported),
    /// `[DONE]` came before any choice had finished.
    #[error("the stream ended before the answer was finished")]
    Unfinished,
}

/// What was read of a stream so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SseSummary {
    /// Some event carried content: text, reasoning or a tool call.
    pub content: bool,
    /// A choice finished.
    pub finished: bool,
    /// `[DONE]` came.
    pub done: bool,
    /// Events with data, `[DONE]` not counted.
    pub events: u64,
    /// Token counts, where the backend sent them.
    pub usage: Usage,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// Bytes of text, as JSON has them: what tokens are estimated from where the backend counts none.
    pub text_bytes: u64,
}

/// Cuts one stream.
#[derive(Debug)]
pub struct SseEvents {
    tail: BytesMut,
    limit: usize,
    model: String,
    words: Words,
    /// The first event told whether this backend names the model.
    names_model: Option<bool>,
    /// `[DONE]` alone is an end.
    lenient: bool,
    /// The last event ended with a CR, whose LF may follow.
    half_a_line_end: bool,
    /// Events were read.
    begun: bool,
    summary: SseSummary,
    failure: Option<SseError>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

impl SseEvents {
    /// For a stream from the model `model`, with events of at most `limit` bytes.
    pub fn new(model: impl Into<String>, limit: usize) -> Self {
        Self {
            tail: BytesMut::new(),
            words: Words::new(),
            limit,
            model: model.into(),
            names_model: None,
            lenient: false,
            half_a_line_end: false,
            begun: false,
            summary: SseSummary::default(),
            failure: None,
        }
    }

    /// Takes `[DONE]` for an end also where no choice had finished: some servers never say why they stop.
    #[must_use]
    pub fn lenient(self, lenient: bool) -> Self {
        Self { lenient, ..self }
    }

    /// What was wrong behind the events that were given back last. Nothing comes after it.
    pub fn take_failure(&mut self) -> Option<SseError> {
        self.failure.take()
    }

    /// What was read so far.
    pub const fn summary(&self) -> &SseSummary {
        &self.summary
    }

    /// Takes the next bytes and gives back the whole events that are complete now; often empty or `chunk`
    /// itself. What was wrong behind some of them is told by [`SseEvents::take_failure`].
    pub fn push(&mut self, mut chunk: Bytes) -> Result<Bytes, SseError> {
        if self.summary.done {
            let second_half = std::mem::take(&mut self.half_a_line_end) && chunk.starts_with(b"\n");
            return Ok(chunk.split_to(usize::from(second_half)));
        }
        let mut border = last_border(&chunk);
        if !self.tail.is_empty() {
            // the tail has no border of its own: one that is new ends in the new bytes and begins at most
            // three before them, so a long line is searched and copied once, not once for each piece
            let seam = self.tail.len().saturating_sub(3);
            self.tail.extend_from_slice(&chunk);
            border = last_border(&self.tail[seam..]);
            if border == 0 {
                return if self.tail.len() > self.limit { self.too_long() } else { Ok(Bytes::new()) };
            }
            border += seam;
            chunk = self.tail.split().freeze();
        }
        let rest = chunk.split_off(border);
        if rest.len() > self.limit {
            return self.too_long();
        }
        self.tail.extend_from_slice(&rest);
        self.read(chunk)
    }

    fn too_long(&self) -> Result<Bytes, SseError> {
        Err(SseError::TooLong { limit: self.limit })
    }

    /// The stream has ended: an event whose blank line never came still counts if it is complete.
    pub fn finish(&mut self) -> Result<Bytes, SseError> {
        if self.summary.done {
            return Ok(Bytes::new());
        }
        if self.tail.trim_ascii().is_empty() {
            return Ok(self.tail.split().freeze());
        }
        self.tail.extend_from_slice(b"\n\n");
        let rest = self.tail.split().freeze();
        self.read(rest)
    }

    /// Reads whole events.
    fn read(&mut self, mut events: Bytes) -> Result<Bytes, SseError> {
        if !self.begun && events.starts_with(BYTE_ORDER_MARK) {
            events.advance(BYTE_ORDER_MARK.len());
        }
        self.begun |= !events.is_empty();
        let mut rewritten: Option<Vec<u8>> = None;
        let mut at = 0;
        // where the event that is read begins, here and in what is written
        let mut whole = (0, 0);
        while at < events.len() {
            let mut end = end_of_line(&events, at);
            let line = &events[at..end];
            if let Some(data) = line.strip_prefix(b"data:") {
                let joined = joined(&events, data.trim_ascii(), &mut end);
                let data = joined.as_deref().unwrap_or(data.trim_ascii());
                if let Err(error) = self.read_data(data) {
                    if whole.0 == 0 {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    return Ok(match rewritten {
                        Some(mut out) => {
                            out.truncate(whole.1);
                            out.into()
                        }
                        None => events.slice(..whole.0),
                    });
                }
                let nameless = self.names_model == Some(false) && data.starts_with(b"{");
                if nameless || joined.is_some() {
                    let out = rewritten.get_or_insert_with(|| events[..at].to_vec());
                    out.extend_from_slice(b"data: ");
                    if nameless {
                        out.extend_from_slice(&with_model(&Bytes::copy_from_slice(data), &self.model));
                    } else {
                        out.extend_from_slice(data);
                    }
                    out.push(b'\n');
                    at = end;
                    continue;
                }
            }
            if let Some(out) = &mut rewritten {
                out.extend_from_slice(line);
            }
            at = end;
            if line.trim_ascii().is_empty() {
                whole = (at, rewritten.as_ref().map_or(at, Vec::len));
                if self.summary.done {
                    self.half_a_line_end = line.ends_with(b"\r");
                    break;
                }
            }
        }
        events.truncate(at);
        Ok(rewritten.map_or(events, Bytes::from))
    }

    fn read_data(&mut self, data: &[u8]) -> Result<(), SseError> {
        if data == b"[DONE]" {
            if !self.summary.finished && !self.lenient {
                return Err(SseError::Unfinished);
            }
            self.summary.done = true;
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        self.summary.events += 1;
        self.summary.text_bytes += self.words.text_bytes(data);
        if !self.worth_parsing(data) {
            // only whether it is JSON: nothing of it is kept
            let checked = serde_json::from_slice::<IgnoredAny>(data);
            return checked.map(|_| ()).map_err(|e| SseError::NotJson(e.to_string()));
        }
        let Object(chunk): Object<Chunk<'_>> =
            serde_json::from_slice(data).map_err(|e| SseError::NotJson(e.to_string()))?;
        if let Some(error) = chunk.error.filter(|e| e.get() != "null") {
            return Err(SseError::Error(Reported::of(error)));
        }
        if chunk.object.is_some_and(|object| object.get() == "\"error\"") {
            let message = chunk.message.map(error_message).unwrap_or_default();
            return Err(SseError::Error(Reported {
                message,
                body: String::from_utf8_lossy(data).into_owned(),
            }));
        }
        self.names_model.get_or_insert(chunk.model.is_some());
        if let Some(Usage { input, output }) = chunk.usage {
            let known = &mut self.summary.usage;
            *known = Usage { input: input.or(known.input), output: output.or(known.output) };
        }
        for choice in chunk.choices.iter().flatten() {
            self.summary.content |= choice.delta.is_some_and(has_content);
            let finish = choice.finish_reason.map_or(Ok(None), Finish::of).map_err(SseError::Error)?;
            self.summary.finished |= finish.is_some();
            self.summary.finish = self.summary.finish.or(finish);
        }
        Ok(())
    }

    /// Once content flows, an event that can carry nothing but more of it is not taken apart: it is checked to be
    /// an object and looked over for the words that matter.
    fn worth_parsing(&self, data: &[u8]) -> bool {
        !data.starts_with(b"{") || !self.summary.content || self.words.any(data)
    }
}

/// The words that make an event worth parsing, their search prepared.
#[derive(Debug)]
struct Words {
    error: memmem::Finder<'static>,
    usage: memmem::Finder<'static>,
    finish: memmem::Finder<'static>,
    /// What text stands behind.
    text: [memmem::Finder<'static>; 3],
}

impl Words {
    fn new() -> Self {
        Self {
            error: memmem::Finder::new("\"error\""),
            usage: memmem::Finder::new("\"usage\""),
            finish: memmem::Finder::new("\"finish_reason\""),
            // `content` and `reasoning_content` alike
            text: ["content\":", "\"reasoning\":", "\"arguments\":"].map(memmem::Finder::new),
        }
    }

    /// Bytes of the strings that are content of some kind, arguments of tools included.
    fn text_bytes(&self, data: &[u8]) -> u64 {
        let string = |from: usize| {
            let value = data.get(from..)?.trim_ascii_start().strip_prefix(b"\"")?;
            Some(end_of_string(value, 0) as u64)
        };
        let of = |word: &memmem::Finder<'_>| -> u64 {
            word.find_iter(data).filter_map(|at| string(at + word.needle().len())).sum()
        };
        self.text.iter().map(of).sum()
    }

    /// Whether one of them stands in `data` with a value; most events carry a null for the latter two.
    fn any(&self, data: &[u8]) -> bool {
        let says = |word: &memmem::Finder<'_>| {
            word.find_iter(data).any(|at| {
                let value = data[at + word.needle().len()..].trim_ascii_start();
                !value.strip_prefix(b":").unwrap_or(value).trim_ascii_start().starts_with(b"null")
            })
        };
        self.error.find(data).is_some() || says(&self.usage) || says(&self.finish)
    }
}

/// Whether a delta says more than the role.
fn has_content(delta: &RawValue) -> bool {
    let Ok(fields) = serde_json::from_str::<std::collections::HashMap<&str, &RawValue>>(delta.get()) else {
        return false;
    };
    fields.iter().any(|(key, value)| *key != "role" && !matches!(value.get(), "null" | "\"\"" | "[]" | "{}"))
}

/// The data of an event in several lines, `first` and those that begin at `end`, as one: the line breaks between them
/// are white space of the JSON. `None` where `first` is whole by itself; servers that forget the blank line send such.
fn joined(events: &[u8], first: &[u8], end: &mut usize) -> Option<Vec<u8>> {
    let more = |at: usize| events[at..].starts_with(b"data:");
    if !more(*end) || first == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(first).is_ok() {
        return None;
    }
    let mut joined = first.to_vec();
    while more(*end) {
        let next = end_of_line(events, *end);
        joined.push(b' ');
        joined.extend_from_slice(events[*end + 5..next].trim_ascii());
        *end = next;
    }
    Some(joined)
}

/// The index after the line that begins at `at`.
fn end_of_line(text: &[u8], at: usize) -> usize {
    match memchr::memchr2(b'\n', b'\r', &text[at..]) {
        Some(i) if text[at + i..].starts_with(b"\r\n") => at + i + 2,
        Some(i) => at + i + 1,
        None => text.len(),
    }
}

/// The index after the last blank line, 0 where there is none. Line ends are LF, CR LF or CR.
fn last_border(chunk: &[u8]) -> usize {
    let mut end = chunk.len();
    while let Some(last) = memchr::memrchr2(b'\n', b'\r', &chunk[..end]) {
        let before = &chunk[..last];
        // the line end at `last` closes an empty line if another line end stands right before it
        let before = if chunk[last] == b'\n' { before.strip_suffix(b"\r").unwrap_or(before) } else { before };
        if before.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            return last + 1;
        }
        end = before.len();
    }
    0
}

impl SseEvents {
    /// Bytes held back because their event has not ended.
    pub fn pending(&self) -> usize {
        self.tail.remaining()
    }
}

#[cfg(test)]
mod tests;
