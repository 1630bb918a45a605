//! The base URL of a backend: checked, and brought to one form.

use std::sync::Arc;

use pointsman_types::BackendKind;
use url::Url;

/// The URL up to and including the version segment, without a trailing slash. Where a person left the version
/// out, it is added: always for Ollama, whose OpenAI routes are under `/v1` only; for the others where the
/// path is empty. An error is a message without the URL itself, which may hold a password.
pub(crate) fn normalise(kind: BackendKind, text: &str) -> Result<Arc<str>, String> {
    if !["http://", "https://"].iter().any(|scheme| starts_with_ignoring_case(text, scheme)) {
        return Err("a base URL starts with http:// or https://".to_owned());
    }
    let url = Url::parse(text).map_err(|why| format!("not a URL: {why}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong in a URL: put the name of an environment variable under \
                    api_key_env"
            .to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL has no `?` or `#` part".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    if let Some(route) = ["/chat/completions", "/models"].iter().find(|route| path.ends_with(**route)) {
        return Err(format!("a base URL ends before `{route}`, for example at /v1"));
    }
    let path = match kind {
        BackendKind::Ollama if !path.ends_with("/v1") => format!("{path}/v1"),
        BackendKind::Gemini if path.is_empty() => "/v1beta".to_owned(),
        BackendKind::OpenRouter if path.is_empty() => "/api/v1".to_owned(),
        _ if path.is_empty() => "/v1".to_owned(),
        _ => path.to_owned(),
    };
    let mut base = url;
    base.set_path(&path);
    Ok(base.as_str().into())
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_to_one_form() {
        use BackendKind::{LiteLlm, Ollama, OpenAi, OpenRouter, Vllm};
        for (kind, given, wanted) in [
            (Ollama, "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
            (Ollama, "http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
            (Ollama, "https://lab.example/ollama/", "https://lab.example/ollama/v1"),
            (Vllm, "HTTP://gpu:8000/", "http://gpu:8000/v1"),
            (LiteLlm, "http://[::1]:4000", "http://[::1]:4000/v1"),
            (OpenAi, "https://api.example/openai/v2//", "https://api.example/openai/v2"),
            (OpenRouter, "https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ] {
            assert_eq!(normalise(kind, given).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn bad_urls_are_refused_without_repeating_them() {
        for given in [
            "localhost:11434",
            "ftp://secret.example",
            "http://",
            "http://user:secret@host/v1",
            "http://host/v1?key=secret",
            "http://host/v1#secret",
            "http://secret host/v1",
            "https://secret.example/v1/chat/completions",
            "",
        ] {
            let message = normalise(BackendKind::OpenAi, given).unwrap_err();
            assert!(!message.contains("secret"), "{given}: {message}");
        }
    }
}
