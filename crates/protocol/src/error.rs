//! OpenAI-shaped error bodies: `{"error": {"message", "type", "param", "code"}}`.

use serde::Serialize;

/// The `type` of an error, as OpenAI names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// The request is at fault.
    InvalidRequestError,
    /// No key or a bad one.
    AuthenticationError,
    /// Too many requests.
    RateLimitError,
    /// The gateway or a backend is at fault.
    ServerError,
}

/// The content of an error body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What went wrong, for a person.
    pub message: String,
    /// The class of the error.
    pub r#type: ErrorType,
    /// The request field at fault.
    pub param: Option<String>,
    /// A stable word for programs.
    pub code: Option<&'static str>,
}

impl ErrorBody {
    /// An error without a field.
    pub fn new(r#type: ErrorType, code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), r#type, param: None, code: Some(code) }
    }

    /// The same error, with the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The whole body as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Wrapper<'a> {
            error: &'a ErrorBody,
        }
        serde_json::to_vec(&Wrapper { error: self }).unwrap_or_default()
    }

    /// The body as one server-sent event, blank line included.
    pub fn to_event(&self) -> Vec<u8> {
        [b"data: ".as_slice(), &self.to_json(), b"\n\n"].concat()
    }
}
