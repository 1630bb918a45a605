//! What requests of other dialects carry beside OpenAI's own fields, for backends that know it.

mod media;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde_json::{Value, json};

use self::media::out_of_results;
use crate::{
    json::{Object, bytes, set, text},
    told::in_short,
};

/// What a backend of OpenAI's dialect takes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// All: it translates itself.
    All,
    /// Marks of what to cache, and what was thought as text.
    CacheControl,
    /// What was thought as text, and at the top level whatever the client says: a server of open models, which passes over
    /// what it does not know, or any server where the client speaks its dialect and means what it says.
    Lenient,
    /// What was thought as text, and else OpenAI's oldest fields only: a server that may refuse the rest.
    Thoughts,
    /// `extra_content`, in which signatures of thoughts come back: Google, through OpenAI's dialect.
    ExtraContent,
    /// Nothing: OpenAI itself, which refuses fields that it does not know.
    Nothing,
}

/// What speaks for a body that has extensions: their names, which inside a text have their quotes escaped. A result of a
/// tool may have pictures in it.
static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = [
        "\"thinking_blocks\"",
        "\"reasoning_content\"",
        "\"reasoning\"",
        "\"reasoning_details\"",
        "\"extra_content\"",
        "\"cache_control\"",
        "\"is_error\"",
        "\"thinking\"",
        "\"output_config\"",
        "\"top_k\"",
        "\"metadata\"",
        "\"tool_call_id\"",
    ];
    AhoCorasick::new(words).ok()
});
/// Thoughts as text, by their names in messages.
const THOUGHTS: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];
/// The most characters of `user` that OpenAI takes.
const MAX_USER: usize = 64;

/// Whether it is worth to look for extensions in the body of a client that speaks OpenAI's dialect itself: one pass over
/// the bytes. It may say yes to a body that has none, never no to one that has. Requests of other dialects are always looked
/// at: what they bring more, such as a long `user`, has no word of its own.
pub fn has_extensions(chat: &[u8]) -> bool {
    WORDS.as_ref().is_none_or(|words| words.is_match(chat))
}

/// The hub body without the extensions that a backend does not take, and what was left out. A body without any comes back
/// byte by byte.
pub fn without_extensions(chat: &[u8], takes: Takes) -> (Vec<u8>, Vec<String>) {
    if takes == Takes::All {
        return (chat.to_vec(), Vec::new());
    }
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(chat) else {
        return (chat.to_vec(), Vec::new());
    };
    let mut cut = Cut { takes, dropped: Vec::new(), changed: false };
    for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        cut.message(message);
    }
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        cut.marks(tool);
    }
    if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut)
        && out_of_results(messages)
    {
        cut.tell("images of tool results (they follow in a message of the user)");
    }
    cut.top_level(&mut body);
    if !cut.changed {
        return (chat.to_vec(), Vec::new());
    }
    (bytes(&body.into()), in_short(cut.dropped))
}

/// What is being taken out.
struct Cut {
    takes: Takes,
    dropped: Vec<String>,
    changed: bool,
}

impl Cut {
    fn tell(&mut self, what: &str) {
        self.changed = true;
        self.dropped.push(what.to_owned());
    }

    fn field(&mut self, value: &mut Value, field: &str) -> bool {
        let found = value.as_object_mut().and_then(|object| object.shift_remove(field));
        // a null says nothing, and its loss is none
        match found {
            Some(Value::Null) => self.changed = true,
            Some(_) => self.tell(field),
            None => return false,
        }
        true
    }

    fn message(&mut self, message: &mut Value) {
        let mut touched = self.marks(message);
        touched |= self.field(message, "thinking_blocks");
        if matches!(self.takes, Takes::Nothing | Takes::ExtraContent) {
            for name in THOUGHTS {
                touched |= self.field(message, name);
            }
        }
        touched |= self.field(message, "is_error");
        for list in ["content", "tool_calls"] {
            for entry in message.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                touched |= self.marks(entry);
            }
        }
        if touched {
            only_text(message);
        }
    }

    /// What may stand in a message, a part, a call and a tool alike.
    fn marks(&mut self, value: &mut Value) -> bool {
        let cache = self.takes != Takes::CacheControl && self.field(value, "cache_control");
        let extra = self.takes != Takes::ExtraContent && self.field(value, "extra_content");
        cache || extra
    }

    fn top_level(&mut self, body: &mut Object) {
        if self.takes == Takes::Lenient {
            return;
        }
        let effort = body.get("reasoning_effort").and_then(Value::as_str).map(str::to_owned);
        if let Some(thinking) = self.out(body, "thinking") {
            let own = text(&thinking, "type") != Some("disabled") && effort.is_some();
            self.tell(if own { "thinking (its effort stays)" } else { "thinking" });
        }
        if let Some(config) = self.out(body, "output_config") {
            // the same effort stands in `reasoning_effort`
            if config.as_object().is_none_or(|c| c.len() > 1) || text(&config, "effort") != effort.as_deref()
            {
                self.tell("output_config");
            }
        }
        if let Some(user) = body.get("user").and_then(Value::as_str).filter(|u| u.chars().count() > MAX_USER)
        {
            let digest = digest(user);
            body.insert("user".to_owned(), digest.into());
            self.tell("user (longer than 64 characters: a digest of it was sent)");
        }
        if self.takes == Takes::CacheControl {
            return;
        }
        if self.out(body, "top_k").is_some() {
            self.tell("top_k");
        }
        self.metadata(body);
        if self.takes != Takes::Nothing {
            for field in ["service_tier", "prompt_cache_key", "safety_identifier"] {
                if self.out(body, field).is_some() {
                    self.tell(field);
                }
            }
        }
    }

    /// OpenAI takes `metadata` only with what it is asked to store. What in it speaks to this gateway, or stands in `user`,
    /// is not lost.
    fn metadata(&mut self, body: &mut Object) {
        if body.get("store") == Some(&json!(true)) {
            return;
        }
        let has_user = body.contains_key("user");
        let Some(metadata) = self.out(body, "metadata") else { return };
        let heard =
            |key: &String| matches!(key.as_str(), "industry" | "tags") || (key == "user_id" && has_user);
        if metadata.as_object().is_none_or(|fields| !fields.keys().all(heard)) {
            self.tell("metadata");
        }
    }

    /// Takes out a field of the body, if it is set to something.
    fn out(&mut self, body: &mut Object, field: &str) -> Option<Value> {
        let found = body.shift_remove(field)?;
        self.changed = true;
        Some(found).filter(|value| !value.is_null())
    }
}

/// A content of nothing but one text is a string again: every backend reads that.
fn only_text(message: &mut Value) {
    let Some([part]) = message.get("content").and_then(Value::as_array).map(Vec::as_slice) else { return };
    let text = set(part, "text").filter(|_| part.as_object().is_some_and(|part| part.len() == 2)).cloned();
    if let (Some(text), Some(fields)) = (text, message.as_object_mut()) {
        fields.insert("content".to_owned(), text);
    }
}

/// A stable short name for a long one: FNV-1a of 128 bits.
fn digest(text: &str) -> String {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text.bytes().fold(START, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}
