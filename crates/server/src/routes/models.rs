//! `GET /v1/models`: the catalog and the virtual ids, in OpenRouter's shape.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use pointsman_engine::CatalogSnapshot;
use pointsman_types::{Capability, LatencyView, ModelId, ModelSpec, Price};
use serde::Serialize;

use super::{App, json};
use crate::errors::HttpError;

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Model>,
}

/// One id, with the facts of the first backend that serves it.
#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(flatten)]
    facts: Option<Facts>,
}

#[derive(Serialize)]
struct Facts {
    backends: Vec<String>,
    local: bool,
    simulated: bool,
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
    pricing: Option<Pricing>,
    architecture: Architecture,
    supported_parameters: Vec<&'static str>,
    latency: LatencyView,
}

/// US dollars per token, as strings: a float would lose digits.
#[derive(Serialize)]
struct Pricing {
    prompt: String,
    completion: String,
}

#[derive(Serialize)]
struct Architecture {
    modality: &'static str,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
}

pub(super) async fn list(State(app): State<App>) -> Response {
    let catalog = app.engine.catalog();
    let mut data = virtual_models(&app);
    let mut seen = std::collections::HashSet::new();
    for spec in catalog.models() {
        if seen.insert(&spec.id) {
            data.push(model(&app, &catalog, &spec.id, spec));
        }
    }
    json(&List { object: "list", data })
}

pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Response {
    if let Some(found) = virtual_models(&app).into_iter().find(|m| m.id == id) {
        return json(&found);
    }
    let catalog = app.engine.catalog();
    match catalog.find(&id).first() {
        Some(spec) => json(&model(&app, &catalog, &spec.id, spec)),
        None => HttpError::from(app.engine.unknown_model(&id)).into_response(),
    }
}

/// `auto` and the user's aliases.
fn virtual_models(app: &App) -> Vec<Model> {
    let entry = |id: &str, description: String| Model {
        id: id.to_owned(),
        object: "model",
        created: app.started,
        owned_by: "pointsman".to_owned(),
        description: Some(description),
        facts: None,
    };
    let auto = entry("auto", "the classifier reads the prompt and the router picks the model".to_owned());
    let aliases = app.engine.aliases().iter().map(|(name, form)| entry(name, format!("alias of {form}")));
    std::iter::once(auto).chain(aliases).collect()
}

fn model(app: &App, catalog: &CatalogSnapshot, id: &ModelId, spec: &Arc<ModelSpec>) -> Model {
    let serving = catalog.find(id.as_str());
    let can = |capability| spec.capabilities.get(capability) == Some(true);
    let mut input = vec!["text"];
    if can(Capability::Vision) {
        input.push("image");
    }
    let facts = Facts {
        backends: serving.iter().filter(|s| s.id == *id).map(|s| s.backend.to_string()).collect(),
        local: spec.local,
        simulated: spec.simulated,
        context_length: spec.context.map(|t| t.0),
        max_completion_tokens: spec.max_output.map(|t| t.0),
        pricing: spec.price.map(pricing),
        architecture: Architecture {
            modality: if can(Capability::Vision) { "text+image->text" } else { "text->text" },
            input_modalities: input,
            output_modalities: vec!["text"],
        },
        supported_parameters: supported(spec),
        latency: app.engine.latency().view(&spec.backend, &spec.id),
    };
    Model {
        id: id.to_string(),
        object: "model",
        created: spec.created.unwrap_or(app.started),
        owned_by: spec.backend.to_string(),
        description: spec.simulated.then(|| "simulated model of the demo".to_owned()),
        facts: Some(facts),
    }
}

fn supported(spec: &ModelSpec) -> Vec<&'static str> {
    let mut parameters = vec!["max_tokens", "temperature", "top_p", "stop", "stream"];
    for (capability, names) in [
        (Capability::Tools, ["tools", "tool_choice"].as_slice()),
        (Capability::Json, &["response_format"]),
        (Capability::Reasoning, &["reasoning_effort"]),
    ] {
        if spec.capabilities.get(capability) == Some(true) {
            parameters.extend(names);
        }
    }
    parameters
}

fn pricing(price: Price) -> Pricing {
    Pricing { prompt: per_token(price.input), completion: per_token(price.output) }
}

/// Pico-dollars as a decimal string of dollars, without trailing zeros.
fn per_token(pico: u64) -> String {
    let text = format!("{}.{:012}", pico / 1_000_000_000_000, pico % 1_000_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_strings() {
        for (pico, expected) in
            [(0, "0"), (150_000, "0.00000015"), (3_000_000, "0.000003"), (1_000_000_000_000, "1")]
        {
            assert_eq!(per_token(pico), expected);
        }
    }
}
