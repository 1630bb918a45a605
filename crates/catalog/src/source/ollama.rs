//! Ollama: `/api/tags` for what is there, `/api/show` for what older servers leave out, `/api/ps` for the window
//! that is in force.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use pointsman_types::{Capabilities, ModelKind, Tokens};
use serde_json::{Value, json};

use super::{ListError, Listed, Listing, entries, http, http::Asker, id, openai, read_all, text, tokens};

/// Questions about single models under way at once: it is a small server.
const AT_ONCE: usize = 4;

pub(super) async fn list(asker: &Asker<'_>) -> Result<Listing, ListError> {
    let tags = match asker.json(&asker.beside("/api/tags")).await {
        // something else that speaks its OpenAI routes
        Err(ListError::Missing) => return openai::list(asker).await,
        tags => tags?,
    };
    let mut models = read_all(entries(&tags, "models")?, model)?;
    let unsaid: Vec<(usize, String)> = models
        .iter()
        .enumerate()
        .filter(|(_, m)| m.context.is_none() || m.kind.is_none())
        .map(|(i, m)| (i, m.id.clone()))
        .collect();
    let shown: Vec<(usize, Value)> = stream::iter(unsaid)
        .map(|(i, id)| async move { Some((i, show(asker, &id).await?)) })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |shown| shown)
        .collect()
        .await;
    for (i, answer) in shown {
        if let Some(model) = models.get_mut(i) {
            complete(model, &answer);
        }
    }
    if let Ok(running) = asker.json(&asker.beside("/api/ps")).await {
        let in_force = windows(&running);
        for model in &mut models {
            model.context = in_force.get(&model.id).copied().or(model.context);
        }
    }
    Ok(Listing { models, load: None })
}

async fn show(asker: &Asker<'_>, id: &str) -> Option<Value> {
    let request = asker.client.post(asker.beside("/api/show"));
    let request = request.header("content-type", "application/json").body(json!({ "model": id }).to_string());
    // one model that cannot be shown is listed all the same
    http::parse(&asker.send(request).await.ok()?).ok()
}

fn model(entry: &Value) -> Option<Listed> {
    let id = id(entry.get("model")).or_else(|| id(entry.get("name")))?;
    let details = |name| entry.get("details").and_then(|d| d.get(name));
    let mut model = Listed {
        context: tokens(details("context_length")),
        parameters: text(details("parameter_size")),
        quantisation: text(details("quantization_level")).map(|q| q.to_lowercase()),
        remote: text(entry.get("remote_host")).is_some(),
        behind: text(entry.get("remote_model")),
        provider: Some("ollama".to_owned()),
        id,
        ..Listed::default()
    };
    abilities(&mut model, entry);
    Some(model)
}

/// What newer servers list of each model, older ones in `/api/show` only.
fn abilities(model: &mut Listed, entry: &Value) {
    let Some(list) = entry.get("capabilities").and_then(Value::as_array) else { return };
    let has = |name: &str| list.iter().any(|c| c.as_str() == Some(name));
    model.kind = Some(if has("completion") { ModelKind::Chat } else { ModelKind::Other });
    model.capabilities = Capabilities {
        vision: Some(has("vision")),
        tools: Some(has("tools")),
        // its `format` parameter constrains any model
        json: Some(has("completion")),
        reasoning: Some(has("thinking")),
    };
}

fn complete(model: &mut Listed, shown: &Value) {
    abilities(model, shown);
    let info = |name: &str| shown.get("model_info").and_then(|info| info.get(name));
    let architecture = info("general.architecture").and_then(Value::as_str);
    let window = architecture.and_then(|a| tokens(info(&format!("{a}.context_length"))));
    model.context = model.context.or(window);
    let details = |name| shown.get("details").and_then(|d| d.get(name));
    model.parameters = model.parameters.take().or_else(|| text(details("parameter_size")));
}

/// The windows of the models that are loaded.
fn windows(running: &Value) -> HashMap<String, Tokens> {
    let entries = running.get("models").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|e| Some((id(e.get("model"))?, tokens(e.get("context_length"))?))).collect()
}
