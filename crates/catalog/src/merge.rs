//! What the configuration, the backend and the facts say of a model, as one.
//!
//! Order of trust: configuration, the backend's own word, refreshed prices, shipped facts of the model and its line,
//! defaults of its family. Each fact keeps its origin; what nobody says stays unknown.

use std::{collections::HashMap, sync::Arc};

use pointsman_names::{Identity, identify};
use pointsman_types::{
    About, BackendKind, Capabilities, Fact, ModelId, ModelKind, ModelSpec, Origin, Price, Quality,
};

use crate::{CatalogBackend, facts::Facts, source::Listed};

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

/// A listed model and since when it is no longer listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) listed: Listed,
    /// Unix time.
    pub(crate) stale_since: Option<u64>,
}

/// The models of one backend: those of the configuration first, then in the order of their ids.
pub(crate) fn merge(backend: &CatalogBackend, seen: &[Seen], facts: &Facts) -> Vec<Arc<ModelSpec>> {
    let by_id: HashMap<&str, &Seen> = seen.iter().map(|s| (s.listed.id.as_str(), s)).collect();
    let mut unclaimed = by_id.clone();
    let mut models = Vec::with_capacity(seen.len());
    for stated in &backend.models {
        let latest = format!("{}{LATEST}", stated.upstream_id);
        let found = by_id.get(&*stated.upstream_id).or_else(|| by_id.get(latest.as_str()));
        if let Some(found) = found {
            unclaimed.remove(found.listed.id.as_str());
        }
        let mut spec = with_origins(stated.clone());
        if let Some(found) = found {
            if *spec.upstream_id != *found.listed.id {
                spec.aliases.push(found.listed.id.as_str().into());
            }
            hear(&mut spec, &found.listed);
        }
        // stated in the configuration: it stays, listed or not
        models.push(Arc::new(enrich(spec, found.map(|f| &f.listed), backend, facts)));
    }
    let mut found: Vec<ModelSpec> = unclaimed
        .into_values()
        .map(|seen| {
            let mut spec = discovered(backend, &seen.listed);
            hear(&mut spec, &seen.listed);
            spec.about.stale_since = seen.stale_since;
            enrich(spec, Some(&seen.listed), backend, facts)
        })
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    models.extend(found.into_iter().map(Arc::new));
    models
}

/// What the configuration states is its own word.
fn with_origins(mut spec: ModelSpec) -> ModelSpec {
    let stated = [
        (Fact::Context, spec.context.is_some()),
        (Fact::MaxOutput, spec.max_output.is_some()),
        (Fact::Price, spec.price.is_some()),
        (Fact::Vision, spec.capabilities.vision.is_some()),
        (Fact::Tools, spec.capabilities.tools.is_some()),
        (Fact::Json, spec.capabilities.json.is_some()),
        (Fact::Reasoning, spec.capabilities.reasoning.is_some()),
        (Fact::Quality, spec.quality != Quality::UNKNOWN),
        (Fact::Kind, true),
    ];
    for (fact, _) in stated.into_iter().filter(|(_, stated)| *stated) {
        spec.about.origins.insert(fact, Origin::Config);
    }
    spec
}

fn discovered(backend: &CatalogBackend, listed: &Listed) -> ModelSpec {
    let short = listed.id.strip_suffix(LATEST).filter(|s| !s.is_empty()).map(ModelId::from);
    let others = listed.aliases.iter().map(|alias| alias.as_str().into());
    let mut spec = bare(backend, &listed.id);
    spec.aliases = short.into_iter().chain(others).collect();
    spec.local = backend.endpoint.local && !listed.remote;
    if let Some(kind) = listed.kind {
        spec.kind = kind;
        spec.about.origins.insert(Fact::Kind, Origin::Backend);
    }
    spec
}

/// Fills what is open with the backend's own word.
fn hear(spec: &mut ModelSpec, listed: &Listed) {
    spec.created = spec.created.or(listed.created);
    let Capabilities { vision, tools, json, reasoning } = listed.capabilities;
    let said = Said {
        context: listed.context.map(|t| (t, Origin::Backend)),
        max_output: listed.max_output.map(|t| (t, Origin::Backend)),
        price: listed.price.map(|p| (p, Origin::Backend)),
        capabilities: Capabilities { vision, tools, json, reasoning },
        capabilities_from: Some(Origin::Backend),
    };
    fill(spec, said);
}

/// What one source says.
struct Said {
    context: Option<(pointsman_types::Tokens, Origin)>,
    max_output: Option<(pointsman_types::Tokens, Origin)>,
    price: Option<(Price, Origin)>,
    capabilities: Capabilities,
    capabilities_from: Option<Origin>,
}

fn fill(spec: &mut ModelSpec, said: Said) {
    let origins = &mut spec.about.origins;
    let mut set = |fact, origin: &Origin| origins.insert(fact, origin.clone());
    if let (None, Some((context, origin))) = (spec.context, said.context) {
        spec.context = Some(context);
        set(Fact::Context, &origin);
    }
    if let (None, Some((output, origin))) = (spec.max_output, said.max_output) {
        spec.max_output = Some(output);
        set(Fact::MaxOutput, &origin);
    }
    if let (None, Some((price, origin))) = (spec.price, said.price) {
        spec.price = Some(price);
        set(Fact::Price, &origin);
    }
    let Some(origin) = said.capabilities_from else { return };
    let (own, theirs) = (&mut spec.capabilities, said.capabilities);
    for (fact, own, theirs) in [
        (Fact::Vision, &mut own.vision, theirs.vision),
        (Fact::Tools, &mut own.tools, theirs.tools),
        (Fact::Json, &mut own.json, theirs.json),
        (Fact::Reasoning, &mut own.reasoning, theirs.reasoning),
    ] {
        if own.is_none() && theirs.is_some() {
            *own = theirs;
            set(fact, &origin);
        }
    }
}

/// Finds out who it is, and fills what is still open with facts.
fn enrich(
    mut spec: ModelSpec,
    listed: Option<&Listed>,
    backend: &CatalogBackend,
    facts: &Facts,
) -> ModelSpec {
    let identity = identity(&spec, listed, facts);
    let provider = listed
        .and_then(|l| l.provider.as_deref())
        .or_else(|| by_address(backend))
        .or(identity.organisation.as_deref())
        .map(Arc::from);
    let known = facts.of(&identity, provider.as_deref());
    if spec.about.origins.get(Fact::Kind).is_none() {
        // a name that says what it is outranks the default of a line
        let other = NOT_CHAT.iter().any(|word| spec.id.as_str().to_lowercase().contains(word));
        let kind = known.kind.filter(|_| !other);
        spec.kind = kind.as_ref().map_or(if other { ModelKind::Other } else { ModelKind::Chat }, |(k, _)| *k);
        spec.about.origins.insert(Fact::Kind, kind.map_or(Origin::Name, |(_, origin)| origin));
    }
    let own_price = (spec.local, Origin::OwnInfrastructure);
    let price = if own_price.0 { Some((Price::default(), own_price.1)) } else { known.price };
    fill(
        &mut spec,
        Said {
            context: known.context,
            max_output: known.max_output,
            price,
            capabilities: known.capabilities,
            capabilities_from: known.capabilities_from,
        },
    );
    if let (None, Some((quality, origin))) = (spec.about.origins.get(Fact::Quality), known.quality) {
        spec.quality = quality;
        spec.about.origins.insert(Fact::Quality, origin);
    }
    let quantisation = identity.quantisation.as_deref().or_else(|| listed?.quantisation.as_deref());
    spec.about = About {
        ambiguous: identity.ambiguous,
        family: identity.family.as_deref().map(Arc::from),
        size: identity.size.as_deref().map(Arc::from),
        quantisation: quantisation.map(Arc::from),
        provider,
        canonical: Some(identity.canonical.into()),
        ..spec.about
    };
    spec
}

/// The name that says most: what is behind the id where that has a brand, else the id; with the size that the server
/// knows where the name leaves it open.
fn identity(spec: &ModelSpec, listed: Option<&Listed>, facts: &Facts) -> Identity {
    let behind = listed.and_then(|l| l.behind.as_deref()).map(identify).filter(|i| i.family.is_some());
    let own = identify(&spec.upstream_id);
    let by_id = || identify(spec.id.as_str());
    let identity = behind.or_else(|| own.family.is_some().then_some(own)).unwrap_or_else(by_id);
    match listed.and_then(|l| l.parameters.as_deref()) {
        Some(reported) => {
            let published = facts.published_size(&identity.line, reported);
            identity.with_size(published.as_deref().unwrap_or(reported))
        }
        None => identity,
    }
}

/// Who answers at a well-known address. Nobody is guessed: elsewhere prices stay unknown.
fn by_address(backend: &CatalogBackend) -> Option<&'static str> {
    const HOSTS: [(&str, &str); 18] = [
        ("api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("api.mistral.ai", "mistral"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "xai"),
        ("api.groq.com", "groq"),
        ("api.together.xyz", "together_ai"),
        ("api.together.ai", "together_ai"),
        ("api.fireworks.ai", "fireworks_ai"),
        ("api.perplexity.ai", "perplexity"),
        ("api.cohere.ai", "cohere_chat"),
        ("api.cohere.com", "cohere_chat"),
        ("api.cerebras.ai", "cerebras"),
        ("api.moonshot.ai", "moonshot"),
        ("api.deepinfra.com", "deepinfra"),
        ("api.novita.ai", "novita"),
        ("api.z.ai", "zai"),
    ];
    let rest = backend.endpoint.base_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let found =
        HOSTS.iter().find(|(known, _)| host.eq_ignore_ascii_case(known)).map(|(_, provider)| *provider);
    found.or(match backend.endpoint.kind {
        BackendKind::OpenRouter => Some("openrouter"),
        _ => None,
    })
}

/// A model of which nothing is known but its name and backend.
fn bare(backend: &CatalogBackend, id: &str) -> ModelSpec {
    ModelSpec {
        id: id.into(),
        backend: backend.endpoint.id.clone(),
        upstream_id: id.into(),
        aliases: Vec::new(),
        kind: ModelKind::Chat,
        local: backend.endpoint.local,
        simulated: backend.endpoint.simulated,
        context: None,
        max_output: None,
        price: None,
        capabilities: Capabilities::default(),
        quality: Quality::UNKNOWN,
        created: None,
        about: About::default(),
    }
}

/// A model that nobody lists, by its name.
pub(crate) fn plain(backend: &CatalogBackend, id: &str, facts: &Facts) -> ModelSpec {
    enrich(bare(backend, id), None, backend, facts)
}
