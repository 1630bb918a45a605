//! Streams as clients of the Responses API read them: items, their parts, and numbers that grow.

mod item;

use serde_json::{Value, json};

use self::item::{Item, Part, whole};
use super::{
    Echo,
    calls::{Call, Calls},
    event,
    hub::{Used, call_id, error_message, said},
    responses::{Shell, function_call, message, reasoning, status, summary_text},
    thoughts::{Thought, Thoughts},
};
use crate::json::{list, set, text};

#[derive(Debug)]
pub(crate) struct Stream {
    echo: Echo,
    id: String,
    created: u64,
    model: String,
    begun: bool,
    sequence: u64,
    /// What is written, each with its place in the output.
    open: Vec<(usize, Item)>,
    output: Vec<Value>,
    calls: Calls,
    thoughts: Thoughts,
    finish: Option<String>,
    used: Used,
}

impl Stream {
    pub(crate) fn new(echo: Echo, id: &str, created: u64) -> Self {
        Self {
            echo,
            id: id.to_owned(),
            created,
            model: String::new(),
            begun: false,
            sequence: 0,
            open: Vec::new(),
            output: Vec::new(),
            calls: Calls::default(),
            thoughts: Thoughts::default(),
            finish: None,
            used: Used::default(),
        }
    }

    fn shell(&self) -> Shell<'_> {
        Shell { echo: &self.echo, id: &self.id, created: self.created, model: &self.model }
    }

    fn emit(&mut self, mut value: Value, out: &mut Vec<u8>) {
        if let Some(fields) = value.as_object_mut() {
            fields.insert("sequence_number".to_owned(), self.sequence.into());
        }
        self.sequence += 1;
        event(&value, out);
    }

    /// An event that speaks of an item, and of a part of it: `part` is the name and the number of that.
    fn tell(&mut self, mut value: Value, of: (&str, usize), part: Option<(&str, usize)>, out: &mut Vec<u8>) {
        if let Some(fields) = value.as_object_mut() {
            fields.insert("item_id".to_owned(), of.0.into());
            fields.insert("output_index".to_owned(), of.1.into());
            if let Some((name, number)) = part {
                fields.insert(name.to_owned(), number.into());
            }
        }
        self.emit(value, out);
    }

    pub(crate) fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        if set(chunk, "usage").is_some() {
            self.used = Used::of(chunk);
        }
        if let Some(model) = text(chunk, "model") {
            model.clone_into(&mut self.model);
        }
        self.begin(out);
        let choice = list(chunk, "choices").first().unwrap_or(&Value::Null);
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        for thought in self.thoughts.read(delta) {
            self.thought(thought, out);
        }
        for (refusal, field) in [(false, "content"), (true, "refusal")] {
            if let Some(piece) = said(delta, field) {
                self.thoughts.over();
                self.said(refusal, piece, out);
            }
        }
        for call in list(delta, "tool_calls") {
            self.call(call, out);
        }
        if let Some(finish) = text(choice, "finish_reason") {
            self.finish = Some(finish.to_owned());
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let response = self.shell().response("in_progress", &[], &Value::Null, &Value::Null);
        self.emit(json!({ "type": "response.created", "response": response }), out);
        self.emit(json!({ "type": "response.in_progress", "response": response }), out);
    }

    /// Takes the next place in the output.
    fn add(&mut self, item: Item, shown: &Value, out: &mut Vec<u8>) {
        let at = self.output.len();
        self.output.push(Value::Null);
        self.emit(json!({ "type": "response.output_item.added", "output_index": at, "item": shown }), out);
        self.open.push((at, item));
    }

    /// An id that no other item has: all but the first have their place in it.
    fn new_id(&self, kind: &str) -> String {
        match self.output.len() {
            0 => format!("{kind}_{}", self.id),
            n => format!("{kind}_{}_{n}", self.id),
        }
    }

    fn thought(&mut self, new: Thought, out: &mut Vec<u8>) {
        let sealed = self.echo.wants_sealed();
        if !sealed && !matches!(new, Thought::Text(_)) {
            return;
        }
        if !self.open.iter().any(|(_, item)| matches!(item, Item::Reasoning { .. })) {
            self.close(false, out);
            let id = self.new_id("rs");
            let shown = json!({ "id": id, "type": "reasoning", "status": "in_progress", "summary": [] });
            self.add(Item::Reasoning { id, thought: String::new(), blocks: Vec::new() }, &shown, out);
        }
        let found = self.open.iter_mut().find(|(_, item)| matches!(item, Item::Reasoning { .. }));
        let Some((at, Item::Reasoning { id, thought, blocks })) = found else { return };
        let piece = match new {
            Thought::Text(piece) => piece,
            Thought::Signed(block) | Thought::Redacted(block) => return blocks.push(block),
        };
        let (at, id, first) = (*at, id.clone(), thought.is_empty());
        thought.push_str(&piece);
        let part = Some(("summary_index", 0));
        if first {
            let added = json!({ "type": "response.reasoning_summary_part.added", "part": summary_text("") });
            self.tell(added, (&id, at), part, out);
        }
        let delta = json!({ "type": "response.reasoning_summary_text.delta", "delta": piece });
        self.tell(delta, (&id, at), part, out);
    }

    fn said(&mut self, refusal: bool, piece: &str, out: &mut Vec<u8>) {
        if !self.open.iter().any(|(_, item)| matches!(item, Item::Message { .. })) {
            self.close(false, out);
            let id = self.new_id("msg");
            let shown = message(&id, &[], "in_progress");
            self.add(Item::Message { id, parts: Vec::new() }, &shown, out);
        }
        let found = self.open.iter_mut().find(|(_, item)| matches!(item, Item::Message { .. }));
        let Some((at, Item::Message { id, parts })) = found else { return };
        let (at, id) = (*at, id.clone());
        let mut events = Vec::new();
        if parts.last().is_none_or(|part| part.refusal != refusal) {
            let before = parts.len().saturating_sub(1);
            events.extend(parts.last().into_iter().flat_map(|last| ends(last, before)));
            let new = Part { refusal, text: String::new() };
            let added = json!({ "type": "response.content_part.added", "part": new.shown() });
            events.push((parts.len(), added));
            parts.push(new);
        }
        let number = parts.len().saturating_sub(1);
        if let Some(part) = parts.last_mut() {
            part.text.push_str(piece);
            events.push((number, part.delta(piece)));
        }
        for (number, event) in events {
            self.tell(event, (&id, at), Some(("content_index", number)), out);
        }
    }

    /// Calls may be written side by side, and go on beside words that come later: each has a place of its own.
    fn call(&mut self, piece: &Value, out: &mut Vec<u8>) {
        let Some(at) = self.calls.take(piece) else { return };
        if self.is_open(at) || self.calls.list.get(at).is_some_and(Call::is_known) {
            self.show_call(at, out);
        }
    }

    fn is_open(&self, call: usize) -> bool {
        self.open.iter().any(|(_, item)| matches!(item, Item::Call { at, .. } if *at == call))
    }

    /// Opens a call where it is not open, and shows what is new of it.
    fn show_call(&mut self, call: usize, out: &mut Vec<u8>) {
        let id = format!("fc_{}_{call}", self.id);
        let Some(own) = self.calls.list.get_mut(call) else { return };
        own.id = call_id(&own.id, &self.id, call);
        let shown = function_call(&id, &own.id, &own.name, "", "in_progress");
        let piece = own.unseen();
        if !self.is_open(call) {
            self.close(false, out);
            self.add(Item::Call { id: id.clone(), at: call }, &shown, out);
        }
        let place = self.open.iter().find(|(_, item)| matches!(item, Item::Call { at, .. } if *at == call));
        let Some(place) = place.map(|(place, _)| *place).filter(|_| !piece.is_empty()) else { return };
        let delta = json!({ "type": "response.function_call_arguments.delta", "delta": piece });
        self.tell(delta, (&id, place), None, out);
    }

    /// Ends what is open: words and thoughts, and at the end the calls too.
    fn close(&mut self, calls_too: bool, out: &mut Vec<u8>) {
        let open = std::mem::take(&mut self.open);
        let (over, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, item)| calls_too || !matches!(item, Item::Call { .. }));
        self.open = open;
        for (at, item) in over {
            let whole = self.done(at, &item, out);
            self.emit(json!({ "type": "response.output_item.done", "output_index": at, "item": whole }), out);
            if let Some(slot) = self.output.get_mut(at) {
                *slot = whole;
            }
        }
    }

    /// The events at the end of an item, and the whole of it.
    fn done(&mut self, place: usize, item: &Item, out: &mut Vec<u8>) -> Value {
        match item {
            Item::Reasoning { id, thought, blocks } => {
                if !thought.is_empty() {
                    let part = Some(("summary_index", 0));
                    let done = json!({ "type": "response.reasoning_summary_text.done", "text": thought });
                    self.tell(done, (id, place), part, out);
                    let shown = summary_text(thought);
                    let done = json!({ "type": "response.reasoning_summary_part.done", "part": shown });
                    self.tell(done, (id, place), part, out);
                }
                reasoning(id, thought, blocks)
            }
            Item::Message { id, parts } => {
                let last = parts.len().saturating_sub(1);
                for (number, event) in parts.last().into_iter().flat_map(|part| ends(part, last)) {
                    self.tell(event, (id, place), Some(("content_index", number)), out);
                }
                whole(id, parts, status(self.finish.as_deref()).0)
            }
            Item::Call { id, at } => {
                let own = self.calls.list.get(*at);
                let (call, name, arguments) = own.map_or(("", "", ""), |c| (&c.id, &c.name, &c.arguments));
                let whole = function_call(id, call, name, arguments, "completed");
                let done = json!({ "type": "response.function_call_arguments.done", "name": name, "arguments": arguments });
                self.tell(done, (id, place), None, out);
                whole
            }
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        for call in 0..self.calls.list.len() {
            self.show_call(call, out);
        }
        self.close(true, out);
        let (status, incomplete) = status(self.finish.as_deref());
        let response = self.shell().response(status, &self.output, &self.used.in_details(), &incomplete);
        self.emit(json!({ "type": format!("response.{status}"), "response": response }), out);
    }

    /// The end of a stream that failed.
    pub(crate) fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        self.begin(out);
        let done: Vec<Value> = self.output.iter().filter(|item| !item.is_null()).cloned().collect();
        let mut response = self.shell().response("failed", &done, &Value::Null, &Value::Null);
        if let Some(fields) = response.as_object_mut() {
            let error = json!({ "code": code(error), "message": error_message(error) });
            fields.insert("error".to_owned(), error);
        }
        self.emit(json!({ "type": "response.failed", "response": response }), out);
    }
}

/// The events at the end of a part, each with the number of the part.
fn ends(part: &Part, number: usize) -> [(usize, Value); 2] {
    let done = json!({ "type": "response.content_part.done", "part": part.shown() });
    [(number, part.done()), (number, done)]
}

/// Official clients know a closed list of codes.
fn code(error: &Value) -> &'static str {
    let says = |field: &str| text(error, field).is_some_and(|word| word.contains("rate_limit"));
    if says("type") || says("code") { "rate_limit_exceeded" } else { "server_error" }
}
