//! `GET /v1/models`: the catalog and the virtual ids, in OpenRouter's shape.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use pointsman_engine::CatalogSnapshot;
use pointsman_types::{Capability, Fact, LatencyView, ModelId, ModelSpec, Origins, Price, Strategy};
use serde::{Deserialize, Serialize};

use super::{App, json, named};
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
    canonical_slug: Option<Arc<str>>,
    family: Option<Arc<str>>,
    provider: Option<Arc<str>>,
    quantization: Option<Arc<str>>,
    backends: Vec<String>,
    /// Unix time since which its backend no longer lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since: Option<u64>,
    local: bool,
    simulated: bool,
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
    pricing: Option<Pricing>,
    architecture: Architecture,
    top_provider: TopProvider,
    supported_parameters: Vec<&'static str>,
    /// Expected quality over all tasks, 0..1, where anything is known of it.
    quality: Option<f32>,
    latency: LatencyView,
    /// Median, after the first token.
    tokens_per_second: Option<f64>,
    /// Who says so, fact by fact.
    origins: Origins,
}

#[derive(Serialize)]
struct TopProvider {
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
}

/// US dollars per token, as strings: a float would lose digits.
#[derive(Serialize)]
struct Pricing {
    prompt: String,
    completion: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cache_read: Option<String>,
}

#[derive(Serialize)]
struct Architecture {
    modality: &'static str,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
}

/// `?sort=price|latency|quality|name&capability=vision,tools&local=true&family=qwen`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    sort: Option<Sort>,
    capability: Option<String>,
    local: Option<bool>,
    family: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// Cheapest first; unknown prices last.
    Price,
    /// Lowest observed median time to first token first; unobserved last.
    Latency,
    /// Best first.
    Quality,
    Name,
}

pub(super) async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let query: Query = match serde_urlencoded::from_str(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(why) => return HttpError::bad_request("invalid_query", why.to_string()).into_response(),
    };
    let required: Result<Vec<Capability>, _> =
        query.capability.iter().flat_map(|list| list.split(',')).map(str::parse).collect();
    let required = match required {
        Ok(required) => required,
        Err(why) => return HttpError::bad_request("invalid_query", why.to_string()).into_response(),
    };
    let catalog = app.engine().catalog();
    let filtered = query.local.is_some() || !required.is_empty() || query.family.is_some();
    // virtual ids can anything: they are in the list as long as nothing is asked of it
    let mut data = if filtered { Vec::new() } else { virtual_models(&app) };
    let mut seen = std::collections::HashSet::new();
    let mut specs: Vec<&Arc<ModelSpec>> = catalog
        .models()
        .iter()
        .filter(|spec| query.local.is_none_or(|local| spec.local == local))
        .filter(|spec| required.iter().all(|c| spec.capabilities.get(*c) == Some(true)))
        .filter(|spec| query.family.as_deref().is_none_or(|f| spec.about.family.as_deref() == Some(f)))
        .filter(|spec| seen.insert(&spec.id))
        .collect();
    if let Some(sort) = query.sort {
        order(&app, sort, &mut specs);
    }
    data.extend(specs.into_iter().map(|spec| model(&app, &catalog, &spec.id, spec)));
    json(&List { object: "list", data })
}

fn order(app: &App, sort: Sort, specs: &mut [&Arc<ModelSpec>]) {
    // three tokens read for each written: how chat traffic is on average
    let price = |spec: &ModelSpec| spec.price.map_or(u64::MAX, |p| 3 * p.input + p.output);
    let latency = |spec: &ModelSpec| app.engine().latency().view(&spec.backend, &spec.id).ttft_p50;
    match sort {
        Sort::Price => specs.sort_by_cached_key(|spec| (price(spec), spec.id.clone())),
        Sort::Latency => {
            specs.sort_by_cached_key(|spec| (latency(spec).unwrap_or(Duration::MAX), spec.id.clone()));
        }
        Sort::Quality => specs.sort_by(|a, b| b.quality.mean().total_cmp(&a.quality.mean())),
        Sort::Name => specs.sort_by(|a, b| a.id.cmp(&b.id)),
    }
}

pub(super) async fn show(State(app): State<App>, path: Result<Path<String>, PathRejection>) -> Response {
    let id = match named(path) {
        Ok(id) => id,
        Err(error) => return error.into_response(),
    };
    if let Some(found) = virtual_models(&app).into_iter().find(|m| m.id == id) {
        return json(&found);
    }
    let catalog = app.engine().catalog();
    match catalog.find(&id).first() {
        Some(spec) => json(&model(&app, &catalog, &spec.id, spec)),
        None => HttpError::from(app.engine().unknown_model(&id)).into_response(),
    }
}

/// `auto`, strategies, industries, and the user's aliases.
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
    let engine = app.engine();
    let aliases = engine.aliases().iter().map(|(name, chain)| {
        let chain: Vec<_> = chain.iter().map(ToString::to_string).collect();
        entry(name, format!("alias of {}", chain.join(", then ")))
    });
    let strategies = Strategy::ALL
        .iter()
        .map(|s| entry(&format!("strategy:{s}"), format!("{} of all eligible models", favours(*s))));
    let industries = engine.industries().map(|tag| {
        entry(
            &format!("industry:{tag}"),
            format!("the first of the list for {tag} that can take the request"),
        )
    });
    std::iter::once(auto).chain(strategies).chain(industries).chain(aliases).collect()
}

const fn favours(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Cost => "the cheapest that clears the quality bar",
        Strategy::Quality => "the strongest",
        Strategy::Latency => "the lowest time to first token that clears the quality bar",
        Strategy::Local => "the best on own infrastructure",
    }
}

fn model(app: &App, catalog: &CatalogSnapshot, id: &ModelId, spec: &Arc<ModelSpec>) -> Model {
    let serving = catalog.find(id.as_str());
    let can = |capability| spec.capabilities.get(capability) == Some(true);
    let mut input = vec!["text"];
    if can(Capability::Vision) {
        input.push("image");
    }
    let about = &spec.about;
    let latency = app.engine().latency().view(&spec.backend, &spec.id);
    let facts = Facts {
        canonical_slug: about.canonical.clone(),
        family: about.family.clone(),
        provider: about.provider.clone(),
        quantization: about.quantisation.clone(),
        stale_since: about.stale_since,
        origins: about.origins.clone(),
        quality: about.origins.get(Fact::Quality).map(|_| spec.quality.mean()),
        top_provider: TopProvider {
            context_length: spec.context.map(|t| t.0),
            max_completion_tokens: spec.max_output.map(|t| t.0),
        },
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
        tokens_per_second: latency.tpot_p50.map(|d| 1.0 / d.as_secs_f64().max(1e-9)),
        latency,
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
    Pricing {
        prompt: per_token(price.input),
        completion: per_token(price.output),
        input_cache_read: price.cached_input.map(per_token),
    }
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
