//! A backend's answer to a chat request that was not streamed, and the token usage in any answer.

use std::borrow::Cow;

use bytes::Bytes;
use pointsman_types::Tokens;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::object::Object;
/// Why an answer cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not a JSON object.
    #[error("the answer is not a JSON object: {0}")]
    NotJson(String),
    /// An object without `choices`, or whose first has no `message`.
    #[error("the answer has no choices with a message")]
    NoChoices,
    /// An object without `data`.
    #[error("the answer has no data")]
    NoData,
    /// An `error` object under a success status, or a finish reason that is one.
    #[error("the answer is an error: {0}")]
    Error(Reported),
}

/// What a backend reports as an error in the place of an answer, or in the middle of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Reported {
    /// What it says.
    pub message: String,
    /// `{"error": ..}` as it came: who is at fault is read from it as from the body of a refusal.
    pub body: String,
}

impl Reported {
    pub(crate) fn of(error: &RawValue) -> Self {
        Self { message: error_message(error), body: format!("{{\"error\":{}}}", error.get()) }
    }

    /// An answer that ends with a finish reason such as `error` or `abort`: the backend gave it up.
    pub(crate) fn given_up(reason: &RawValue) -> Self {
        Self {
            message: format!("the backend gave the answer up: finish_reason {reason}"),
            body: String::new(),
        }
    }
}

/// A count or an object of them that is of another kind than expected is none.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// Token counts as the backend reports them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Input.
    #[serde(default, rename = "prompt_tokens", deserialize_with = "lenient_count")]
    pub input: Option<Tokens>,
    /// Output.
    #[serde(default, rename = "completion_tokens", deserialize_with = "lenient_count")]
    pub output: Option<Tokens>,
}

/// Why an answer ended, as its first choice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done, or wants a tool.
    Stop,
    /// The limit of tokens cut it off.
    Length,
    /// A filter kept it back.
    Refused,
}

impl Finish {
    /// Of a raw `finish_reason`; `None` where it says nothing, an error where the backend gave up.
    pub(crate) fn of(raw: &RawValue) -> Result<Option<Self>, Reported> {
        Ok(match raw.get() {
            "null" | "\"\"" => None,
            "\"length\"" => Some(Self::Length),
            "\"content_filter\"" | "\"refusal\"" => Some(Self::Refused),
            // vLLM's words for a request that died in it; OpenRouter's for a provider that did
            "\"abort\"" | "\"error\"" => return Err(Reported::given_up(raw)),
            _ => Some(Self::Stop),
        })
    }
}

/// A checked answer, its bytes kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the client gets.
    pub body: Bytes,
    /// Token counts, where the backend reports them.
    pub usage: Usage,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// Bytes of its messages, as JSON has them: what tokens are estimated from where the backend counts none.
    pub text_bytes: u64,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
}

impl Answer {
    /// Checks that `body` is a list of embeddings; otherwise as [`Answer::read`].
    pub fn read_embeddings(body: Bytes, model: &str) -> Result<Self, AnswerError> {
        let Object(wire): Object<Wire<'_>> =
            serde_json::from_slice(&body).map_err(|e| AnswerError::NotJson(e.to_string()))?;
        if let Some(error) = wire.error {
            return Err(AnswerError::Error(Reported::of(error)));
        }
        if !wire.data.is_some_and(|data| data.get().starts_with('[')) {
            return Err(AnswerError::NoData);
        }
        let usage = Usage { output: None, ..wire.usage.unwrap_or_default() };
        let body = if wire.model.is_some() { body } else { with_model(&body, model) };
        Ok(Self { body, usage, finish: None, text_bytes: 0 })
    }

    /// Checks that `body` is a chat completion. Its bytes pass through; only where the backend left `model`
    /// out is it put in as `model`.
    pub fn read(body: Bytes, model: &str) -> Result<Self, AnswerError> {
        let Object(wire): Object<Wire<'_>> =
            serde_json::from_slice(&body).map_err(|e| AnswerError::NotJson(e.to_string()))?;
        if let Some(error) = wire.error {
            return Err(AnswerError::Error(Reported::of(error)));
        }
        let Some(choices) = wire.choices else { return Err(AnswerError::NoChoices) };
        let first: Option<Object<Choice<'_>>> =
            serde_json::from_str::<Vec<_>>(choices.get()).ok().and_then(|list| list.into_iter().next());
        // who reads the answer reads `choices[0].message`
        let Some(Object(first)) = first.filter(|Object(choice)| choice.message.is_some()) else {
            return Err(AnswerError::NoChoices);
        };
        let finish = first.finish_reason.map_or(Ok(None), Finish::of).map_err(AnswerError::Error)?;
        let text_bytes = choices.get().len() as u64;
        let usage = wire.usage.unwrap_or_default();
        let body = if wire.model.is_some() { body } else { with_model(&body, model) };
        Ok(Self { body, usage, finish, text_bytes })
    }
}

/// The message of an OpenAI-style `error` value: an object with `message`, or a plain string.
pub(crate) fn error_message(raw: &RawValue) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape<'a> {
        Object {
            #[serde(borrow)]
            message: Cow<'a, str>,
        },
        Text(Cow<'a, str>),
    }
    let text = match serde_json::from_str(raw.get()) {
        Ok(Shape::Object { message } | Shape::Text(message)) => message,
        Err(_) => Cow::Borrowed(raw.get()),
    };
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// `object` with `"model"` as its first field, or in the place of one that is null. One that names a model stays.
pub(crate) fn with_model(object: &Bytes, model: &str) -> Bytes {
    if memchr::memmem::find(object, b"\"model\"").is_some()
        && let Ok(mut fields) = serde_json::from_slice::<serde_json::Map<_, _>>(object)
        && let Some(known) = fields.get_mut("model")
    {
        if !known.is_null() {
            return object.clone();
        }
        *known = model.into();
        return serde_json::Value::from(fields).to_string().into();
    }
    let Some(open) = memchr::memchr(b'{', object) else { return object.clone() };
    let (head, rest) = object.split_at(open + 1);
    let field = format!("\"model\":{}", serde_json::Value::from(model));
    let comma: &[u8] = if rest.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    [head, field.as_bytes(), comma, rest].concat().into()
}

/// Some servers send `null`, some a float: what is no count is no count.
fn lenient_count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Tokens>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Whole(u64),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Option::<Count>::deserialize(deserializer)? {
        Some(Count::Whole(n)) => Some(Tokens(n)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_and_a_missing_model_is_put_in() {
        let body = Bytes::from_static(
            br#"{ "model":"up", "choices":[ {"message":{}} ], "usage":{"prompt_tokens":3,"completion_tokens":null,"x":1}}"#,
        );
        let answer = Answer::read(body.clone(), "m").unwrap();
        assert_eq!(answer.body, body);
        assert_eq!(answer.usage, Usage { input: Some(Tokens(3)), output: None });
        for (body, expected) in [
            (r#"{"choices":[{"message":{}}]}"#, r#"{"model":"a\"b","choices":[{"message":{}}]}"#),
            (
                r#"{"choices":[{"message":{}}],"model":null}"#,
                r#"{"choices":[{"message":{}}],"model":"a\"b"}"#,
            ),
        ] {
            assert_eq!(Answer::read(Bytes::from_static(body.as_bytes()), "a\"b").unwrap().body, expected);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (body, expected) in [
            ("<html>", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("{\"choices\":[", "not a JSON object"),
            ("{}", "no choices"),
            ("{\"choices\":[]}", "no choices"),
            ("{\"choices\":null}", "no choices"),
            ("{\"choices\":[{}]}", "no choices"),
            ("{\"error\":{\"message\":\"boom\"}}", "is an error: boom"),
            ("{\"error\":\"plain\"}", "is an error: plain"),
            ("{\"choices\":[{\"message\":{},\"finish_reason\":\"abort\"}]}", "gave the answer up"),
        ] {
            let error = Answer::read(Bytes::from(body.as_bytes()), "m").unwrap_err().to_string();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }
}
