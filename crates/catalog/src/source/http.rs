//! Asking: one GET, bounded in bytes, no redirects, errors without URLs.

use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::ListError;
use crate::CatalogBackend;

/// One backend and how it is asked.
pub(super) struct Asker<'a> {
    pub(super) client: &'a Client,
    pub(super) backend: &'a CatalogBackend,
    pub(super) max_bytes: usize,
}

impl Asker<'_> {
    /// A route under the base URL.
    pub(super) fn under(&self, route: &str) -> String {
        format!("{}{route}", self.backend.endpoint.base_url)
    }

    /// A route beside the version segment of the base URL.
    pub(super) fn beside(&self, route: &str) -> String {
        let base = &*self.backend.endpoint.base_url;
        format!("{}{route}", base.strip_suffix("/v1").unwrap_or(base))
    }

    /// The JSON at a URL.
    pub(super) async fn json(&self, url: &str) -> Result<Value, ListError> {
        self.read(url, Ok).await
    }

    /// The JSON at a URL and what `read` makes of it, off the runtime: a list of thousands is tens of milliseconds of
    /// work, in which requests must not wait.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        url: &str,
        read: impl FnOnce(Value) -> Result<T, ListError> + Send + 'static,
    ) -> Result<T, ListError> {
        let bytes = self.bytes(url).await?;
        let parsed = tokio::task::spawn_blocking(move || read(parse(&bytes)?)).await;
        parsed.unwrap_or_else(|e| Err(ListError::Bad(format!("the model list could not be read: {e}"))))
    }

    /// The bytes at a URL.
    pub(super) async fn bytes(&self, url: &str) -> Result<Vec<u8>, ListError> {
        let mut request = self.client.get(url);
        if let Some(key) = &self.backend.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        self.send(request).await
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ListError> {
        let mut response = request.send().await.map_err(|e| ListError::Unreachable(describe(e)))?;
        let status = response.status();
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Err(ListError::Missing);
        }
        if !status.is_success() {
            return Err(ListError::Bad(format!("the model list answered {status}")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| ListError::Bad(describe(e)))? {
            if body.len() + chunk.len() > self.max_bytes {
                return Err(ListError::Bad(format!(
                    "the model list is longer than {} bytes",
                    self.max_bytes
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Value, ListError> {
    serde_json::from_slice(body).map_err(|e| ListError::Bad(format!("no model list: {e}")))
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
