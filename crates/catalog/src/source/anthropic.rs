//! Anthropic: `GET /v1/models` with its own headers, in pages.

use pointsman_types::ModelKind;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{ListError, Listed, Listing, entries, http, http::Asker, id, read_all, tokens};

/// More pages than any catalog has; a list that never ends is cut here.
const PAGES: usize = 20;

pub(super) async fn list(asker: &Asker<'_>) -> Result<Listing, ListError> {
    let mut models = Vec::new();
    let mut after = String::new();
    for _ in 0..PAGES {
        let mut request = asker
            .client
            .get(asker.under(&format!("/models?limit=1000{after}")))
            .header("anthropic-version", "2023-06-01");
        if let Some(key) = &asker.backend.api_key {
            request = request.header("x-api-key", key.expose_secret());
        }
        let answer = http::parse(&asker.send(request).await?)?;
        models.extend(read_all(entries(&answer, "data")?, model)?);
        let more = answer.get("has_more").and_then(Value::as_bool) == Some(true);
        let Some(last) = answer.get("last_id").and_then(Value::as_str).filter(|last| more && plain(last))
        else {
            break;
        };
        after = format!("&after_id={last}");
    }
    Ok(Listing { models, load: None })
}

/// An id that can stand in a query as it is.
fn plain(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn model(entry: &Value) -> Option<Listed> {
    Some(Listed {
        id: id(entry.get("id"))?,
        provider: Some("anthropic".to_owned()),
        kind: Some(ModelKind::Chat),
        context: tokens(entry.get("max_input_tokens")),
        max_output: tokens(entry.get("max_tokens")),
        ..Listed::default()
    })
}
