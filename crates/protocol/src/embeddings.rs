//! The body of `POST /v1/embeddings`, read once and kept raw.

use std::{borrow::Cow, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use memchr::memmem;
use pointsman_types::{ModelForm, RequestFeatures, RouteOptions, RouteRequest, Tokens};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Answer, AnswerError, RequestError,
    depth::too_deep,
    object::Object,
    rewrite::{quoted, splice},
};

/// A request for embeddings over the raw body.
#[derive(Debug)]
pub struct EmbeddingsRequest<'a> {
    raw: &'a str,
    model: &'a RawValue,
    form: ModelForm,
    input: Tokens,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl<'a> EmbeddingsRequest<'a> {
    /// Reads a body. The model has to be named: vectors of different models cannot be compared, so nothing else
    /// may take its place.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let raw = std::str::from_utf8(body).map_err(|e| RequestError::NotUtf8 { at: e.valid_up_to() })?;
        let Object(wire): Object<Wire<'a>> =
            serde_json::from_str(raw).map_err(|e| RequestError::NotJson(e.to_string()))?;
        if too_deep(body) {
            return Err(RequestError::TooDeep);
        }
        let value = |param, message: &str| RequestError::Value { param, message: message.to_owned() };
        let model = wire.model.ok_or_else(|| value("model", "model is missing: name an embedding model"))?;
        let name: Cow<'_, str> = serde_json::from_str(model.get()).map_err(|_| RequestError::Shape {
            param: "model".to_owned(),
            message: "model must be a string".to_owned(),
        })?;
        let form = ModelForm::parse(&name)?;
        if !matches!(form, ModelForm::Alias(_)) {
            let why = "embeddings need a model by its name: vectors of different models cannot be compared";
            return Err(value("model", why));
        }
        let input = wire.input.filter(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]"));
        let input =
            input.ok_or_else(|| value("input", "input must be a text, or an array of texts or tokens"))?;
        if !input.get().starts_with(['"', '[']) {
            return Err(value("input", "input must be a text, or an array of texts or tokens"));
        }
        Ok(Self { raw, model, form, input: Tokens::estimate(input.get()) })
    }

    /// What is asked of the router.
    pub fn route(&self) -> RouteRequest {
        RouteRequest {
            forms: vec![self.form.clone()],
            options: RouteOptions::default(),
            features: RequestFeatures { input_tokens: self.input, ..RequestFeatures::default() },
        }
    }

    /// The body for a backend that calls the model `upstream_id`.
    pub fn body_for(&self, upstream_id: &str) -> Bytes {
        splice(self.raw, self.model.get(), &quoted(upstream_id))
    }
}

impl Answer {
    /// As [`Answer::read_embeddings`], for a `request` that may have asked for base64: clients that did (OpenAI's own do
    /// unless told otherwise) decode whatever comes, and some backends send lists of numbers all the same.
    pub fn read_embeddings_for(request: &[u8], body: Bytes, model: &str) -> Result<Self, AnswerError> {
        let answer = Self::read_embeddings(body, model)?;
        if !wants_base64(request) {
            return Ok(answer);
        }
        let body = in_base64(&answer.body)?;
        Ok(Self { body: body.unwrap_or(answer.body), ..answer })
    }
}

fn wants_base64(request: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow, default)]
        encoding_format: Option<&'a RawValue>,
    }
    // the inputs may be long: most requests are not read for this
    memmem::find(request, b"\"encoding_format\"").is_some()
        && serde_json::from_slice::<Wire<'_>>(request)
            .is_ok_and(|wire| wire.encoding_format.is_some_and(|format| format.get() == "\"base64\""))
}

/// The answer with its lists of numbers as base64 of little-endian floats of 32 bits, all else in its place; `None` where
/// there is no such list.
fn in_base64(body: &Bytes) -> Result<Option<Bytes>, AnswerError> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        data: Vec<Object<Entry<'a>>>,
    }
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default)]
        embedding: Option<&'a RawValue>,
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|e| AnswerError::NotJson(e.to_string()))?;
    let mut out = Vec::new();
    let mut done = 0;
    for raw in wire.data.iter().filter_map(|Object(entry)| entry.embedding) {
        if !raw.get().starts_with('[') {
            continue;
        }
        let numbers: Vec<f32> = serde_json::from_str(raw.get()).map_err(|_| AnswerError::NoData)?;
        let floats: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        let Range { start, end } = place(raw, body);
        out.extend_from_slice(body.get(done..start).unwrap_or_default());
        out.push(b'"');
        out.extend_from_slice(STANDARD.encode(floats).as_bytes());
        out.push(b'"');
        done = end;
    }
    if done == 0 {
        return Ok(None);
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    Ok(Some(out.into()))
}

/// Where a part stands in the body that it was read from.
fn place(part: &RawValue, body: &Bytes) -> Range<usize> {
    let start = part.get().as_ptr() as usize - body.as_ptr() as usize;
    start..start + part.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(request: &str, body: &'static str) -> Result<String, AnswerError> {
        let answer =
            Answer::read_embeddings_for(request.as_bytes(), Bytes::from_static(body.as_bytes()), "m")?;
        Ok(String::from_utf8(answer.body.to_vec()).unwrap())
    }

    #[test]
    fn who_asked_for_base64_gets_it() {
        let numbers = r#"{"model":"m", "data":[ {"embedding":[1.0, -2],"index":0}, {"index":1,"embedding":[0.5]} ],"usage":{}}"#;
        let encoded = r#"{"model":"m", "data":[ {"embedding":"AACAPwAAAMA=","index":0}, {"index":1,"embedding":"AAAAPw=="} ],"usage":{}}"#;
        let asked = r#"{"input":"a","encoding_format": "base64"}"#;
        assert_eq!(answered(asked, numbers).unwrap(), encoded);
        assert_eq!(answered(asked, encoded).unwrap(), encoded);
        for other in [r#"{"input":"a"}"#, r#"{"input":"base64","encoding_format":"float"}"#] {
            assert_eq!(answered(other, numbers).unwrap(), numbers);
        }
        let odd = r#"{"model":"m","data":[{"embedding":["x"]}]}"#;
        assert_eq!(answered(asked, odd), Err(AnswerError::NoData));
        assert_eq!(answered(asked, r#"{"model":"m","data":[]}"#).unwrap(), r#"{"model":"m","data":[]}"#);
    }

    #[test]
    fn reads_and_rewrites() {
        let body = br#"{"input":["a","b"],"model":"e","encoding_format":"base64"}"#;
        let request = EmbeddingsRequest::parse(body).unwrap();
        let expected = br#"{"input":["a","b"],"model":"up/e","encoding_format":"base64"}"#;
        assert_eq!(&request.body_for("up/e")[..], expected);
        for bad in [
            r#"{"model":"e"}"#,
            r#"{"model":"e","input":[]}"#,
            r#"{"model":"e","input":7}"#,
            r#"{"input":"a"}"#,
            r#"{"model":7,"input":"a"}"#,
            r#"{"model":"auto","input":"a"}"#,
            r#"{"model":"strategy:cost","input":"a"}"#,
            "[]",
            "{",
        ] {
            assert!(EmbeddingsRequest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
