//! What a backend lists and what the configuration says of it, as one set of models.

use std::collections::HashMap;

use pointsman_types::{Capabilities, ModelId, ModelKind, ModelSpec, Quality};

use crate::{CatalogBackend, source::Listed};

/// Words in the id of a model that does not answer chat completions.
const NOT_CHAT: [&str; 17] = [
    "embed",
    "whisper",
    "tts",
    "dall-e",
    "moderation",
    "realtime",
    "transcribe",
    "rerank",
    "gpt-image",
    "sora",
    "speech",
    "stable-diffusion",
    "flux",
    "babbage",
    "davinci",
    "bge-",
    "-e5-",
];

/// The models of one backend, in the order of their ids; those of the configuration first.
pub(crate) fn merge(backend: &CatalogBackend, listed: &[Listed]) -> Vec<ModelSpec> {
    let mut by_upstream: HashMap<&str, &Listed> = listed.iter().map(|l| (l.id.as_str(), l)).collect();
    let mut models: Vec<ModelSpec> = backend
        .models
        .iter()
        .map(|stated| match by_upstream.remove(&*stated.upstream_id) {
            Some(listed) => filled(stated.clone(), listed),
            None => stated.clone(),
        })
        .collect();
    let mut found: Vec<ModelSpec> = by_upstream.into_values().map(|l| discovered(backend, l)).collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    models.extend(found);
    models
}

/// The configuration's word stands; the backend's fills what it leaves open.
fn filled(mut stated: ModelSpec, listed: &Listed) -> ModelSpec {
    stated.context = stated.context.or(listed.context);
    stated.price = stated.price.or(listed.price);
    stated.created = stated.created.or(listed.created);
    stated
}

fn discovered(backend: &CatalogBackend, listed: &Listed) -> ModelSpec {
    // Ollama lists `llama3.1:latest` for what everybody calls `llama3.1`
    let short = listed.id.strip_suffix(":latest").filter(|s| !s.is_empty());
    ModelSpec {
        aliases: short.map(ModelId::from).into_iter().collect(),
        context: listed.context,
        price: listed.price,
        created: listed.created,
        ..plain(backend, &listed.id)
    }
}

/// A model of which nothing is known but its name.
pub(crate) fn plain(backend: &CatalogBackend, id: &str) -> ModelSpec {
    let lower = id.to_lowercase();
    let chat = !NOT_CHAT.iter().any(|word| lower.contains(word));
    ModelSpec {
        id: id.into(),
        backend: backend.endpoint.id.clone(),
        upstream_id: id.into(),
        aliases: Vec::new(),
        kind: if chat { ModelKind::Chat } else { ModelKind::Other },
        local: backend.endpoint.local,
        simulated: backend.endpoint.simulated,
        context: None,
        max_output: None,
        price: None,
        capabilities: Capabilities::default(),
        quality: Quality::UNKNOWN,
        created: None,
    }
}
