//! The model list of a backend: `GET {base_url}/models`, as OpenAI, vLLM, Ollama, LiteLLM and OpenRouter
//! serve it.

use std::time::Duration;

use pointsman_types::{Price, Tokens};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::timeout;

use crate::CatalogBackend;

/// One model as a backend lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) created: Option<u64>,
    pub(crate) context: Option<Tokens>,
    pub(crate) price: Option<Price>,
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListError {
    /// No connection, or no answer in time.
    Unreachable(String),
    /// An answer that is no list.
    Bad(String),
}

#[derive(Deserialize)]
struct Wire {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    created: Option<serde_json::Value>,
    /// vLLM.
    #[serde(default)]
    max_model_len: Option<u64>,
    /// OpenRouter.
    #[serde(default)]
    context_length: Option<u64>,
    /// OpenRouter: US dollars per token, as strings.
    #[serde(default)]
    pricing: Option<Pricing>,
}

#[derive(Deserialize)]
struct Pricing {
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    completion: Option<String>,
}

pub(crate) async fn list(
    client: &Client,
    backend: &CatalogBackend,
    deadline: Duration,
    max_bytes: usize,
) -> Result<Vec<Listed>, ListError> {
    let asked = timeout(deadline, ask(client, backend, max_bytes)).await;
    asked.unwrap_or_else(|_| Err(ListError::Unreachable(format!("no model list within {deadline:?}"))))
}

async fn ask(client: &Client, backend: &CatalogBackend, max_bytes: usize) -> Result<Vec<Listed>, ListError> {
    let mut request = client.get(format!("{}/models", backend.endpoint.base_url));
    if let Some(key) = &backend.api_key {
        request = request.bearer_auth(key.expose_secret());
    }
    let response = request.send().await.map_err(|e| ListError::Unreachable(describe(e)))?;
    let status = response.status();
    if !status.is_success() {
        return Err(ListError::Bad(format!("the model list answered {status}")));
    }
    parse(&read(response, max_bytes).await?)
}

async fn read(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, ListError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| ListError::Bad(describe(e)))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(ListError::Bad(format!("the model list is longer than {max_bytes} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse(body: &[u8]) -> Result<Vec<Listed>, ListError> {
    let wire: Wire =
        serde_json::from_slice(body).map_err(|e| ListError::Bad(format!("no model list: {e}")))?;
    let usable = |entry: &Entry| !entry.id.trim().is_empty() && !entry.id.chars().any(char::is_control);
    Ok(wire.data.into_iter().filter(usable).map(Entry::into_listed).collect())
}

impl Entry {
    fn into_listed(self) -> Listed {
        let dollars = |text: Option<String>| text?.parse::<f64>().ok();
        let price = self
            .pricing
            .and_then(|p| Price::per_million(dollars(p.prompt)? * 1e6, dollars(p.completion)? * 1e6));
        Listed {
            id: self.id,
            created: self.created.and_then(|c| c.as_u64()),
            context: self.context_length.or(self.max_model_len).filter(|n| *n > 0).map(Tokens),
            price,
        }
    }
}

fn describe(error: reqwest::Error) -> String {
    use std::error::Error;
    // the URL is in the configuration, and may hold what a log should not
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_kind() {
        let list = parse(
            br#"{"object":"list","data":[{"id":"gpt-4o","created":1715367049,"owned_by":"system"},
                {"id":"qwen","max_model_len":32768,"created":1.5},{"id":"x/y","context_length":8192,
                 "pricing":{"prompt":"0.00000015","completion":"0.0000006","image":"0"}},{"id":" "},{"id":"a\nb"},
                {"id":"z","pricing":{"prompt":"-1","completion":"-1"}}]}"#,
        )
        .unwrap();
        let names: Vec<_> = list.iter().map(|l| l.id.as_str()).collect();
        assert_eq!(names, ["gpt-4o", "qwen", "x/y", "z"]);
        assert_eq!(list[1].context, Some(Tokens(32768)));
        assert_eq!(list[2].price, Price::per_million(0.15, 0.6));
        assert_eq!(list[3].price, None, "a dynamic price is unknown");
        assert!(matches!(parse(b"<html>"), Err(ListError::Bad(_))));
        assert!(matches!(parse(br#"{"models":[]}"#), Err(ListError::Bad(_))));
    }
}
