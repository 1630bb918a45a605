//! What a refusal means, by status or in the place of an answer: who is at fault, and whether another model may do
//! better.

use bytes::Bytes;
use http::StatusCode;
use pointsman_protocol::{AnswerError, Reported};
use pointsman_types::Outcome;
use serde_json::Value;

use crate::AttemptError;

/// What providers say of a prompt that is longer than the model's window, in lower case: codes and phrases of OpenAI,
/// Anthropic, Gemini, vLLM, TGI, llama.cpp, Mistral, Cohere, xAI, Bedrock and others.
const TOO_LONG: [&str; 20] = [
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "context limit",
    "maximum prompt length",
    "prompt is too long",
    "prompt is longer than",
    "input is too long",
    "prompt too long",
    "too many input tokens",
    "too many tokens: ",
    "input token count",
    "`inputs` tokens",
    "inputs` must have less than",
    "maximum number of tokens",
    "max_model_len",
];

/// What a filter of the provider says.
const FILTERED: [&str; 5] = [
    "content_filter",
    "content_policy_violation",
    "content management policy",
    "content filtering policy",
    "responsibleaipolicyviolation",
];

/// What is wrong between us and this backend, whatever the client asks for: our key, our account, its models.
const OURS: [&str; 17] = [
    "invalid_api_key",
    "api_key_invalid",
    "api key not valid",
    "api key expired",
    "insufficient_quota",
    "credit balance is too low",
    "billing_hard_limit",
    "billing_not_active",
    "account_deactivated",
    "unsupported_location",
    "unsupported_country",
    "user location is not supported",
    "model_not_found",
    "model_decommissioned",
    "is not a valid model id",
    "model not found",
    "no endpoints found",
];

/// The outcome of an answer with this status and body. The request is at fault only where another backend would say
/// the same: a key or a model that this backend does not know is this backend's affair.
pub(crate) fn outcome(status: StatusCode, body: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    match status.as_u16() {
        408 | 504 | 524 => Outcome::Timeout,
        429 => Outcome::RateLimited,
        // Groq: too large for what is left of the minute, which passes
        413 if text.contains("per minute") => Outcome::RateLimited,
        // old llama.cpp servers have no better status for it
        400 | 403 | 413 | 422 | 500 if says(&TOO_LONG) => Outcome::ContextOverflow,
        // a limit of bytes, which says nothing of the model: the same one may well take it elsewhere
        413 => Outcome::Untranslatable,
        // 529 is Anthropic's overload; TGI says 424 where generating failed
        500.. | 424 => Outcome::ServerError,
        400 | 403 | 422 if says(&FILTERED) => Outcome::ContentFilter,
        400 | 422 if says(&OURS) => Outcome::Rejected,
        401..=405 | 407 | 409 | 410 | 421 | 425 | 451 => Outcome::Rejected,
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

/// What is wrong with a whole answer, as the failure of an attempt.
pub(crate) fn in_answer(error: AnswerError) -> AttemptError {
    match error {
        AnswerError::Error(told) => reported(told),
        error => AttemptError::malformed(error.to_string()),
    }
}

/// An error under a success status, or in a stream, as the failure of an attempt.
pub(crate) fn reported(told: Reported) -> AttemptError {
    let body: Value = serde_json::from_str(&told.body).unwrap_or_default();
    let message = format!("the backend reports: {}", told.message);
    match status_of(&body) {
        Some(status) => {
            let outcome = outcome(status, told.body.as_bytes());
            let error = AttemptError { status: Some(status.as_u16()), ..AttemptError::new(outcome, message) };
            error.with_body(Some(told.body.into()))
        }
        None => AttemptError::malformed(message),
    }
}

/// The status that an error in band would have had: as a number, or as OpenAI's, Anthropic's and Google's names say.
fn status_of(body: &Value) -> Option<StatusCode> {
    let error = body.get("error").unwrap_or(body);
    let numbers = ["code", "status", "status_code"].into_iter().filter_map(|name| {
        let value = error.get(name).or_else(|| body.get(name))?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        StatusCode::from_u16(u16::try_from(number).ok()?).ok()
    });
    let stated = numbers.into_iter().find(|status| status.is_client_error() || status.is_server_error());
    let names = ["type", "code", "status"].into_iter().filter_map(|name| error.get(name)?.as_str());
    let named = names.into_iter().find_map(|name| {
        Some(match name {
            "overloaded_error" | "UNAVAILABLE" => 503,
            "rate_limit_error" | "rate_limit_exceeded" | "RESOURCE_EXHAUSTED" => 429,
            "api_error" | "server_error" | "INTERNAL" => 500,
            "authentication_error" | "UNAUTHENTICATED" => 401,
            "permission_error" | "PERMISSION_DENIED" => 403,
            "not_found_error" | "NOT_FOUND" => 404,
            "timeout_error" | "DEADLINE_EXCEEDED" => 504,
            _ => return None,
        })
    });
    stated.or_else(|| StatusCode::from_u16(named?).ok()).or_else(|| {
        // nothing but its words: only what they are sure about
        let words = body.to_string().to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        (says(&TOO_LONG) || says(&FILTERED) || says(&OURS)).then_some(StatusCode::BAD_REQUEST)
    })
}

fn error_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
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
            (413, "", Outcome::Untranslatable),
            (
                413,
                r#"{"error":{"message":"Request too large: tokens per minute (TPM): Limit 6000"}}"#,
                Outcome::RateLimited,
            ),
            (
                400,
                r#"{"error":{"message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
                Outcome::ContextOverflow,
            ),
            (
                422,
                r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"}"#,
                Outcome::ContextOverflow,
            ),
            (
                500,
                r#"{"error":{"message":"the request exceeds the available context size"}}"#,
                Outcome::ContextOverflow,
            ),
            (
                400,
                r#"{"error":{"message":"API key not valid. Please pass a valid API key."}}"#,
                Outcome::Rejected,
            ),
            (
                400,
                r#"{"error":{"message":"Your credit balance is too low to access the API."}}"#,
                Outcome::Rejected,
            ),
            (400, r#"{"error":{"message":"a/b is not a valid model ID"}}"#, Outcome::Rejected),
            (424, r#"{"error":"Request failed during generation"}"#, Outcome::ServerError),
            (409, "", Outcome::Rejected),
            (451, "", Outcome::Rejected),
            (403, r#"{"error":{"message":"Requests to this API are blocked."}}"#, Outcome::Rejected),
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

    #[test]
    fn an_error_in_band_counts_as_by_status() {
        for (body, expected, status) in [
            (
                r#"{"error":{"message":"maximum context length is 8192","code":"context_length_exceeded"}}"#,
                Outcome::ContextOverflow,
                Some(400),
            ),
            (r#"{"error":{"message":"slow down","code":429}}"#, Outcome::RateLimited, Some(429)),
            (r#"{"error":{"message":"slow down","code":"429"}}"#, Outcome::RateLimited, Some(429)),
            (
                r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Outcome::ServerError,
                Some(503),
            ),
            (
                r#"{"object":"error","message":"prompt is too long","code":400}"#,
                Outcome::ContextOverflow,
                Some(400),
            ),
            (r#"{"error":{"message":"bad temperature","code":400}}"#, Outcome::ClientError, Some(400)),
            (r#"{"error":{"message":"boom"}}"#, Outcome::Malformed, None),
            ("", Outcome::Malformed, None),
        ] {
            let error = reported(Reported { message: "m".to_owned(), body: body.to_owned() });
            assert_eq!((error.outcome, error.status), (expected, status), "{body}");
        }
    }
}
