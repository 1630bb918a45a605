//! The body of `POST /v1/embeddings`, read once and kept raw.

use std::borrow::Cow;

use bytes::Bytes;
use pointsman_types::{ModelForm, RequestFeatures, RouteOptions, RouteRequest, Tokens};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    RequestError,
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

#[cfg(test)]
mod tests {
    use super::*;

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
