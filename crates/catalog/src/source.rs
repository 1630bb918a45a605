//! The model list of a backend: `GET {base_url}/models`, as OpenAI, vLLM, Ollama, LiteLLM and OpenRouter
//! serve it.

use std::time::Duration;

use pointsman_types::{Price, Tokens};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::Value;
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

/// An entry without a usable id costs only itself, and so does a figure of an odd shape. No error quotes the
/// answer: it may hold the key that it was asked with.
fn parse(body: &[u8]) -> Result<Vec<Listed>, ListError> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|e| ListError::Bad(format!("no model list: {e}")))?;
    match answer.get("data") {
        Some(Value::Array(entries)) => {
            let models: Vec<Listed> = entries.iter().filter_map(listed).collect();
            // a list of something else must not replace what was listed before
            if models.is_empty() && !entries.is_empty() {
                return Err(ListError::Bad("no model list: no entry of `data` has an id".to_owned()));
            }
            Ok(models)
        }
        // Ollama without a model
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(ListError::Bad("no model list: no array `data`".to_owned())),
    }
}

fn listed(entry: &Value) -> Option<Listed> {
    let id = entry.get("id")?.as_str()?;
    if id.trim().is_empty() || id.chars().any(char::is_control) {
        return None;
    }
    // OpenRouter, then vLLM
    let context = ["context_length", "max_model_len"].iter().find_map(|name| whole(entry.get(name)?));
    Some(Listed {
        id: id.to_owned(),
        created: entry.get("created").and_then(Value::as_u64),
        context: context.map(Tokens),
        price: entry.get("pricing").and_then(price),
    })
}

/// A whole number above zero, written with or without a fraction of zero.
fn whole(figure: &Value) -> Option<u64> {
    let float = || figure.as_f64().filter(|f| f.fract() == 0.0 && (0.0..1e15).contains(f)).map(|f| f as u64);
    figure.as_u64().or_else(float).filter(|n| *n > 0)
}

/// OpenRouter: US dollars per token, as strings. Others write numbers, some of them per million tokens: a price
/// that may be wrong by that much is unknown.
fn price(pricing: &Value) -> Option<Price> {
    let per_million = |name: &str| Some(pricing.get(name)?.as_str()?.parse::<f64>().ok()? * 1e6);
    Price::per_million(per_million("prompt")?, per_million("completion")?)
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
