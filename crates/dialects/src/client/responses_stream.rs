//! Streams as clients of the Responses API read them: items, their parts, and numbers that grow.

use serde_json::{Value, json};

use super::{
    Echo, event,
    hub::Used,
    responses::{Shell, function_call, message, output_text, reasoning, status},
};
use crate::json::{list, set, text};

/// An item that is under way.
#[derive(Debug)]
enum Item {
    Reasoning(String),
    Message(String),
    Call { number: u64, at: usize, call_id: String, name: String, arguments: String },
}

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
    calls: usize,
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
            calls: 0,
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
        if let Some(thought) = text(delta, "reasoning_content").filter(|t| !t.is_empty()) {
            self.thought(thought, out);
        }
        if let Some(said) =
            text(delta, "content").or_else(|| text(delta, "refusal")).filter(|t| !t.is_empty())
        {
            self.said(said, out);
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
    fn add(&mut self, item: Item, shown: &Value, out: &mut Vec<u8>) -> usize {
        let at = self.output.len();
        self.output.push(Value::Null);
        self.emit(json!({ "type": "response.output_item.added", "output_index": at, "item": shown }), out);
        self.open.push((at, item));
        at
    }

    fn thought(&mut self, piece: &str, out: &mut Vec<u8>) {
        let id = format!("rs_{}", self.id);
        if !self.open.iter().any(|(_, item)| matches!(item, Item::Reasoning(_))) {
            self.close_all(out);
            let shown = json!({ "id": id, "type": "reasoning", "status": "in_progress", "summary": [] });
            let at = self.add(Item::Reasoning(String::new()), &shown, out);
            let part = json!({ "type": "summary_text", "text": "" });
            let added = "response.reasoning_summary_part.added";
            self.emit(
                json!({ "type": added, "item_id": id, "output_index": at, "summary_index": 0, "part": part }),
                out,
            );
        }
        let Some((at, Item::Reasoning(whole))) = self.open.last_mut() else { return };
        whole.push_str(piece);
        let at = *at;
        let delta = "response.reasoning_summary_text.delta";
        self.emit(
            json!({ "type": delta, "item_id": id, "output_index": at, "summary_index": 0, "delta": piece }),
            out,
        );
    }

    fn said(&mut self, piece: &str, out: &mut Vec<u8>) {
        let id = format!("msg_{}", self.id);
        if !self.open.iter().any(|(_, item)| matches!(item, Item::Message(_))) {
            self.close_all(out);
            let shown = json!({ "id": id, "type": "message", "role": "assistant", "status": "in_progress", "content": [] });
            let at = self.add(Item::Message(String::new()), &shown, out);
            let part = output_text("");
            let added = "response.content_part.added";
            self.emit(
                json!({ "type": added, "item_id": id, "output_index": at, "content_index": 0, "part": part }),
                out,
            );
        }
        let Some((at, Item::Message(whole))) = self.open.last_mut() else { return };
        whole.push_str(piece);
        let at = *at;
        let delta = "response.output_text.delta";
        self.emit(
            json!({
                "type": delta, "item_id": id, "output_index": at, "content_index": 0, "delta": piece, "logprobs": [],
            }),
            out,
        );
    }

    fn call(&mut self, call: &Value, out: &mut Vec<u8>) {
        let wanted = call.get("index").and_then(Value::as_u64).unwrap_or(0);
        let function = call.get("function").unwrap_or(&Value::Null);
        let is_it =
            |(_, item): &(usize, Item)| matches!(item, Item::Call { number, .. } if *number == wanted);
        if !self.open.iter().any(is_it) {
            // calls may be written side by side, but not beside words
            if !self.open.iter().all(|(_, item)| matches!(item, Item::Call { .. })) {
                self.close_all(out);
            }
            let (call_id, name) =
                (text(call, "id").unwrap_or_default(), text(function, "name").unwrap_or_default());
            let shown = function_call(&self.id, self.calls, call_id, name, "", "in_progress");
            let item = Item::Call {
                number: wanted,
                at: self.calls,
                call_id: call_id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            };
            self.calls += 1;
            self.add(item, &shown, out);
        }
        let piece = text(function, "arguments").unwrap_or_default();
        let found = self.open.iter_mut().find(|open| is_it(open));
        let Some((place, Item::Call { at, arguments, .. })) = found else { return };
        if piece.is_empty() {
            return;
        }
        arguments.push_str(piece);
        let (place, id) = (*place, format!("fc_{}_{at}", self.id));
        let delta = "response.function_call_arguments.delta";
        self.emit(json!({ "type": delta, "item_id": id, "output_index": place, "delta": piece }), out);
    }

    fn close_all(&mut self, out: &mut Vec<u8>) {
        for (at, item) in std::mem::take(&mut self.open) {
            let whole = self.close(at, item, out);
            self.emit(json!({ "type": "response.output_item.done", "output_index": at, "item": whole }), out);
            if let Some(slot) = self.output.get_mut(at) {
                *slot = whole;
            }
        }
    }

    fn close(&mut self, place: usize, item: Item, out: &mut Vec<u8>) -> Value {
        match item {
            Item::Reasoning(thought) => {
                let id = format!("rs_{}", self.id);
                let part = json!({ "type": "summary_text", "text": thought });
                self.emit(json!({ "type": "response.reasoning_summary_text.done", "item_id": id, "output_index": place, "summary_index": 0, "text": thought }), out);
                self.emit(json!({ "type": "response.reasoning_summary_part.done", "item_id": id, "output_index": place, "summary_index": 0, "part": part }), out);
                reasoning(&self.id, &thought)
            }
            Item::Message(said) => {
                let id = format!("msg_{}", self.id);
                self.emit(json!({ "type": "response.output_text.done", "item_id": id, "output_index": place, "content_index": 0, "text": said, "logprobs": [] }), out);
                self.emit(json!({ "type": "response.content_part.done", "item_id": id, "output_index": place, "content_index": 0, "part": output_text(&said) }), out);
                message(&self.id, &said, status(self.finish.as_deref()).0)
            }
            Item::Call { at, call_id, name, arguments, .. } => {
                let id = format!("fc_{}_{at}", self.id);
                self.emit(json!({ "type": "response.function_call_arguments.done", "item_id": id, "output_index": place, "name": name, "arguments": arguments }), out);
                function_call(&self.id, at, &call_id, &name, &arguments, "completed")
            }
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close_all(out);
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
            let code = text(error, "code").unwrap_or("server_error");
            let message = text(error, "message").unwrap_or("the stream failed");
            fields.insert("error".to_owned(), json!({ "code": code, "message": message }));
        }
        self.emit(json!({ "type": "response.failed", "response": response }), out);
    }
}
