//! The completions of old: one prompt becomes one turn of the user.

use serde_json::{Value, json};

use super::{
    ClientError, Echo, Incoming,
    hub::{carry, said, thought, unknown},
};
use crate::{
    json::{Object, bytes, data, list, set, text},
    told::in_short,
};

/// What means the same on both sides.
const CARRIED: [&str; 15] = [
    "model",
    "models",
    "route",
    "metadata",
    "stream",
    "stream_options",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "user",
];

pub(crate) fn request(body: &Value) -> Result<Incoming, ClientError> {
    let unsupported = |param: &str, why: &str| Err(ClientError::unsupported(param, why));
    if set(body, "suffix").is_some_and(|suffix| *suffix != json!("")) {
        return unsupported("suffix", "chat models do not fill in: suffix is not supported");
    }
    if body.get("echo") == Some(&json!(true)) {
        return unsupported("echo", "echo is not supported");
    }
    if set(body, "logprobs").is_some_and(|n| *n != json!(0)) {
        return unsupported("logprobs", "logprobs are not supported here: ask /v1/chat/completions for them");
    }
    if set(body, "best_of").is_some_and(|n| *n != json!(1) && Some(n) != body.get("n")) {
        return unsupported("best_of", "best_of is not supported");
    }
    let prompt = match set(body, "prompt") {
        Some(Value::String(prompt)) => prompt.clone(),
        Some(Value::Array(prompts)) => match prompts.as_slice() {
            [Value::String(prompt)] => prompt.clone(),
            [] => return Err(ClientError::shape("prompt", "prompt is empty: send one text")),
            [Value::String(_), ..] => return unsupported("prompt", "one prompt a request is supported"),
            _ => return unsupported("prompt", "a prompt of tokens is not supported: send text"),
        },
        _ => return Err(ClientError::shape("prompt", "prompt must be a string")),
    };
    let mut chat = Object::new();
    carry(body, &mut chat, &CARRIED);
    chat.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }]));
    let mut dropped: Vec<String> = Vec::new();
    // for 0 there would be the chosen token alone
    dropped.extend(set(body, "logprobs").map(|_| "logprobs".to_owned()));
    let known: Vec<&str> =
        CARRIED.into_iter().chain(["prompt", "suffix", "echo", "logprobs", "best_of"]).collect();
    unknown(body, &known, &mut dropped);
    let stream = body.get("stream") == Some(&json!(true));
    Ok(Incoming { chat: bytes(&chat.into()), stream, dropped: in_short(dropped), echo: Echo::default() })
}

/// A choice whose message, or delta, is in `field`. What was thought stands beside the text: the dialect has no place for
/// it, and what has none is not to be lost.
fn shown(choice: &Value, field: &str) -> Value {
    let own = choice.get(field).unwrap_or(&Value::Null);
    let words = [said(own, "content"), said(own, "refusal")].into_iter().flatten().collect::<String>();
    let mut shown = json!({
        "index": choice.get("index").cloned().unwrap_or_else(|| 0.into()), "text": words, "logprobs": null,
        "finish_reason": choice.get("finish_reason").cloned().unwrap_or_default(),
    });
    if let (Some(thought), Some(fields)) = (thought(own), shown.as_object_mut()) {
        fields.insert("reasoning_content".to_owned(), thought.into());
    }
    shown
}

pub(crate) fn answer(chat: &Value, id: &str, created: u64) -> Value {
    let choice = |choice: &Value| shown(choice, "message");
    json!({
        "id": format!("cmpl-{id}"), "object": "text_completion",
        "created": set(chat, "created").cloned().unwrap_or_else(|| created.into()),
        "model": text(chat, "model").unwrap_or_default(),
        "choices": list(chat, "choices").iter().map(choice).collect::<Vec<_>>(),
        "usage": chat.get("usage").cloned().unwrap_or_default(),
    })
}

#[derive(Debug)]
pub(crate) struct Stream {
    id: String,
    created: u64,
}

impl Stream {
    pub(crate) fn new(id: &str, created: u64) -> Self {
        Self { id: format!("cmpl-{id}"), created }
    }

    pub(crate) fn chunk(&self, chunk: &Value, out: &mut Vec<u8>) {
        let choice = |choice: &Value| shown(choice, "delta");
        let choices: Vec<Value> = list(chunk, "choices").iter().map(choice).collect();
        let mut own = json!({
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": text(chunk, "model").unwrap_or_default(), "choices": choices,
        });
        if let Some(fields) = own.as_object_mut() {
            carry(chunk, fields, &["usage"]);
        }
        out.extend(data(&own));
    }
}
