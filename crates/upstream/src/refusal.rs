//! What a status other than 200 means: who is at fault, and whether another model may do better.

use bytes::Bytes;
use http::StatusCode;
use pointsman_types::Outcome;

use crate::AttemptError;

/// What providers say of a prompt that is longer than the model's window, in lower case: codes and phrases of OpenAI,
/// Anthropic, Gemini, vLLM, llama.cpp, Mistral, Bedrock and others.
const TOO_LONG: [&str; 14] = [
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "prompt too long",
    "too many input tokens",
    "input token count",
    "maximum number of tokens",
    "max_model_len",
];

/// What a filter of the provider says.
const FILTERED: [&str; 4] = [
    "content_filter",
    "content_policy_violation",
    "content management policy",
    "responsibleaipolicyviolation",
];

/// The outcome of an answer with this status and body. The request is at fault only where another backend would say
/// the same: a key or a model that this backend does not know is this backend's affair.
pub(crate) fn outcome(status: StatusCode, body: &[u8]) -> Outcome {
    let says = |phrases: &[&str]| {
        let text = String::from_utf8_lossy(body).to_lowercase();
        phrases.iter().any(|phrase| text.contains(phrase))
    };
    match status.as_u16() {
        408 | 504 | 524 => Outcome::Timeout,
        429 => Outcome::RateLimited,
        // Anthropic: overloaded
        500.. => Outcome::ServerError,
        400 | 403 | 413 | 422 if says(&TOO_LONG) => Outcome::ContextOverflow,
        400 | 403 | 422 if says(&FILTERED) => Outcome::ContentFilter,
        401..=405 | 407 => Outcome::Rejected,
        400..500 => Outcome::ClientError,
        _ => Outcome::Malformed,
    }
}

/// The refusal as the failure of an attempt.
pub(crate) fn error(status: StatusCode, body: Option<Bytes>) -> AttemptError {
    let bytes = body.as_deref().unwrap_or_default();
    let message = match error_message(bytes) {
        _ if status.is_redirection() => {
            format!("the backend redirects ({status}); redirects are not followed")
        }
        Some(said) => format!("the backend answered {status}: {said}"),
        None => format!("the backend answered {status}"),
    };
    AttemptError { status: Some(status.as_u16()), ..AttemptError::new(outcome(status, bytes), message) }
        .with_body(body)
}

fn error_message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    // `detail` is what servers on FastAPI say, in words or as a list of what is wrong
    let error = value.get("error").or_else(|| value.get("detail")).unwrap_or(&value);
    let error = error.get(0).unwrap_or(error);
    let text = error.get("message").or_else(|| error.get("msg")).unwrap_or(error).as_str()?;
    Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_found() {
        for (body, said) in [
            (r#"{"error":{"message":"a\nb"}}"#, Some("ab")),
            (r#"{"error":"a"}"#, Some("a")),
            (r#"{"message":"a"}"#, Some("a")),
            (r#"{"detail":"a"}"#, Some("a")),
            (r#"{"detail":[{"loc":["body"],"msg":"a"}]}"#, Some("a")),
            (r#"[{"error":{"message":"a"}}]"#, None),
            ("<html>", None),
        ] {
            assert_eq!(error_message(body.as_bytes()).as_deref(), said, "{body}");
        }
    }

    #[test]
    fn whose_fault_it_is() {
        for (status, body, expected) in [
            (400, r#"{"error":{"message":"temperature must be below 2"}}"#, Outcome::ClientError),
            (400, r#"{"error":{"code":"context_length_exceeded","message":"x"}}"#, Outcome::ContextOverflow),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens."}}"#,
                Outcome::ContextOverflow,
            ),
            (413, r#"{"error":{"message":"Prompt is too long"}}"#, Outcome::ContextOverflow),
            (413, "", Outcome::ClientError),
            (400, r#"{"error":{"code":"content_filter","message":"x"}}"#, Outcome::ContentFilter),
            (422, "{}", Outcome::ClientError),
            (401, "", Outcome::Rejected),
            (403, "", Outcome::Rejected),
            (404, r#"{"error":{"message":"no such model"}}"#, Outcome::Rejected),
            (408, "", Outcome::Timeout),
            (429, "", Outcome::RateLimited),
            (500, "", Outcome::ServerError),
            (529, "", Outcome::ServerError),
            (504, "", Outcome::Timeout),
            (302, "", Outcome::Malformed),
            (204, "", Outcome::Malformed),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
