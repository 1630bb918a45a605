//! What backends say of their models: one adapter for each kind of server.
//!
//! An adapter asks, reads leniently and answers with [`Listed`] models. An entry without a usable id costs only
//! itself, and so does a figure of an odd shape. No error quotes an answer: it may hold the key that was sent.

mod anthropic;
mod gemini;
mod http;
mod litellm;
mod ollama;
mod openai;
mod vllm;

use std::time::Duration;

use pointsman_types::{BackendKind, Capabilities, Load, ModelKind, Price, Tokens};
use reqwest::Client;
use serde_json::Value;
use tokio::time::timeout;

use crate::CatalogBackend;
use http::Asker;

/// One model as a backend describes it. What it does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// Other names that the backend takes for it.
    pub(crate) aliases: Vec<String>,
    /// A name that says more than the id: of the deployment behind it, of the weights on a hub.
    pub(crate) behind: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) kind: Option<ModelKind>,
    pub(crate) created: Option<u64>,
    pub(crate) context: Option<Tokens>,
    pub(crate) max_output: Option<Tokens>,
    pub(crate) price: Option<Price>,
    pub(crate) capabilities: Capabilities,
    /// Parameters of the weights, such as `7.6B`.
    pub(crate) parameters: Option<String>,
    pub(crate) quantisation: Option<String>,
    /// The backend only forwards it to somebody else's infrastructure.
    pub(crate) remote: bool,
}

/// A good answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) models: Vec<Listed>,
    /// How busy it is, where it says so.
    pub(crate) load: Option<Load>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListError {
    /// No connection, or no answer in time.
    Unreachable(String),
    /// An answer that is no list.
    Bad(String),
    /// The server has no such route.
    Missing,
}

/// Asks a backend for its models; all of it within `deadline`.
pub(crate) async fn list(
    client: &Client,
    backend: &CatalogBackend,
    deadline: Duration,
    max_bytes: usize,
) -> Result<Listing, ListError> {
    let asker = Asker { client, backend, max_bytes };
    let listing = async {
        match backend.endpoint.kind {
            BackendKind::LiteLlm => litellm::list(&asker).await,
            BackendKind::Ollama => ollama::list(&asker).await,
            BackendKind::Vllm => vllm::list(&asker).await,
            BackendKind::Anthropic => anthropic::list(&asker).await,
            BackendKind::Gemini => gemini::list(&asker).await,
            BackendKind::OpenAi | BackendKind::OpenRouter | BackendKind::LlamaCpp => {
                openai::list(&asker).await
            }
        }
    };
    match timeout(deadline, listing).await {
        Ok(Err(ListError::Missing)) => Err(ListError::Bad("there is no model list: 404".to_owned())),
        Ok(result) => result,
        Err(_) => Err(ListError::Unreachable(format!("no model list within {deadline:?}"))),
    }
}

/// Whether a backend lives, by the cheapest route that its kind has; `None` where there is none.
pub(crate) async fn probe(
    client: &Client,
    backend: &CatalogBackend,
    deadline: Duration,
) -> Option<Result<(), ListError>> {
    let route = match backend.endpoint.kind {
        BackendKind::Vllm | BackendKind::LlamaCpp => "/health",
        BackendKind::LiteLlm => "/health/liveliness",
        BackendKind::Ollama => "/api/version",
        BackendKind::OpenAi | BackendKind::OpenRouter | BackendKind::Anthropic | BackendKind::Gemini => {
            return None;
        }
    };
    let asker = Asker { client, backend, max_bytes: 64 << 10 };
    let asked = timeout(deadline, asker.bytes(&asker.beside(route))).await;
    Some(match asked {
        Ok(Ok(_) | Err(ListError::Missing)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ListError::Unreachable(format!("no answer to {route} within {deadline:?}"))),
    })
}

/// The entries of an array in an answer; an array of something else must not replace what was listed before.
fn entries<'a>(answer: &'a Value, name: &str) -> Result<&'a [Value], ListError> {
    match answer.get(name) {
        Some(Value::Array(entries)) => Ok(entries),
        // Go's empty list
        Some(Value::Null) => Ok(&[]),
        _ => Err(ListError::Bad(format!("no model list: no array `{name}`"))),
    }
}

/// Reads all entries; fails where none of several has an id.
fn read_all(entries: &[Value], read: impl Fn(&Value) -> Option<Listed>) -> Result<Vec<Listed>, ListError> {
    let models: Vec<Listed> = entries.iter().filter_map(read).collect();
    if models.is_empty() && !entries.is_empty() {
        return Err(ListError::Bad("no model list: no entry has an id".to_owned()));
    }
    Ok(models)
}

/// A text that can be the id of a model.
fn id(value: Option<&Value>) -> Option<String> {
    let id = value?.as_str()?;
    (!id.trim().is_empty() && id.len() <= 512 && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}

/// A whole number above zero, written with or without a fraction of zero.
fn whole(figure: Option<&Value>) -> Option<u64> {
    let figure = figure?;
    let float = || figure.as_f64().filter(|f| f.fract() == 0.0 && (0.0..1e15).contains(f)).map(|f| f as u64);
    figure.as_u64().or_else(float).filter(|n| *n > 0)
}

fn tokens(figure: Option<&Value>) -> Option<Tokens> {
    whole(figure).map(Tokens)
}

/// US dollars per token, as a string or a number. Half a price is none; a negative one means "it depends".
fn price(input: Option<&Value>, output: Option<&Value>, cached: Option<&Value>) -> Option<Price> {
    let per_million = |figure: Option<&Value>| {
        let figure = figure?;
        let dollars = figure.as_f64().or_else(|| figure.as_str()?.trim().parse().ok())?;
        // a dollar a token is nobody's price: the figure is in another unit
        (0.0..1.0).contains(&dollars).then_some(dollars * 1e6)
    };
    let mut price = Price::per_million(per_million(input)?, per_million(output)?)?;
    price.cached_input =
        per_million(cached).and_then(|usd| Price::per_million(usd, 0.0)).map(|price| price.input);
    Some(price)
}
