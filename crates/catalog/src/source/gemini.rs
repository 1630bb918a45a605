//! Gemini: `GET /v1beta/models` with its own header, in pages.

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
        let mut request = asker.client.get(asker.under(&format!("/models?pageSize=1000{after}")));
        if let Some(key) = &asker.backend.api_key {
            request = request.header("x-goog-api-key", key.expose_secret());
        }
        let answer = http::parse(&asker.send(request).await?)?;
        models.extend(read_all(entries(&answer, "models")?, model)?);
        let next = answer.get("nextPageToken").and_then(Value::as_str).filter(|token| plain(token));
        let Some(next) = next else { break };
        after = format!("&pageToken={next}");
    }
    Ok(Listing { models, load: None })
}

/// A token that can stand in a query as it is.
fn plain(token: &str) -> bool {
    !token.is_empty()
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'='))
}

fn model(entry: &Value) -> Option<Listed> {
    let name = id(entry.get("name"))?;
    let methods = entry.get("supportedGenerationMethods").and_then(Value::as_array);
    let chats = methods.is_none_or(|list| list.iter().any(|method| method == "generateContent"));
    Some(Listed {
        id: name.strip_prefix("models/").map_or(name.clone(), str::to_owned),
        provider: Some("google".to_owned()),
        kind: Some(if chats { ModelKind::Chat } else { ModelKind::Other }),
        context: tokens(entry.get("inputTokenLimit")),
        max_output: tokens(entry.get("outputTokenLimit")),
        ..Listed::default()
    })
}
