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

/// Ollama lists `llama3.1:latest` for what everybody calls `llama3.1`.
const LATEST: &str = ":latest";

/// The models of one backend, in the order of their ids; those of the configuration first.
pub(crate) fn merge(backend: &CatalogBackend, listed: &[Listed]) -> Vec<ModelSpec> {
    let by_id: HashMap<&str, &Listed> = listed.iter().map(|l| (l.id.as_str(), l)).collect();
    let mut unclaimed = by_id.clone();
    let mut models = Vec::with_capacity(listed.len());
    for stated in &backend.models {
        let latest = format!("{}{LATEST}", stated.upstream_id);
        let listed = by_id.get(&*stated.upstream_id).or_else(|| by_id.get(latest.as_str()));
        models.push(listed.map_or_else(|| stated.clone(), |listed| filled(stated.clone(), listed)));
        if let Some(listed) = listed {
            unclaimed.remove(listed.id.as_str());
        }
    }
    let mut found: Vec<ModelSpec> = unclaimed.into_values().map(|l| discovered(backend, l)).collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    models.extend(found);
    models
}

/// The configuration's word stands; the backend's fills what it leaves open.
fn filled(mut stated: ModelSpec, listed: &Listed) -> ModelSpec {
    stated.context = stated.context.or(listed.context);
    stated.price = stated.price.or(listed.price);
    stated.created = stated.created.or(listed.created);
    if *stated.upstream_id != *listed.id {
        stated.aliases.push(listed.id.as_str().into());
    }
    stated
}

fn discovered(backend: &CatalogBackend, listed: &Listed) -> ModelSpec {
    let short = listed.id.strip_suffix(LATEST).filter(|s| !s.is_empty());
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
