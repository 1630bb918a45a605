//! `[[backends]]`: where models are served, and how patiently we talk to them.

use std::{collections::HashSet, time::Duration};

use pointsman_catalog::CatalogBackend;
use pointsman_types::{BackendId, BackendKind, Endpoint, ModelSpec};
use pointsman_upstream::{Timeouts, UpstreamSettings, WireDialect};
use secrecy::SecretString;

use crate::{
    base_url,
    environment::Environment,
    model,
    reader::{Section, Value},
    tuning::{DAY, MILLISECOND},
};

/// The longest answer and the longest event that are read from any backend, in bytes: room for images in
/// base64, an end to a backend that never stops.
const MAX_ANSWER_BYTES: usize = 64 << 20;
const MAX_EVENT_BYTES: usize = 8 << 20;

/// One backend, checked.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<SecretString>,
    /// List models from the backend; otherwise only `models` and `accept` are served.
    pub discover: bool,
    /// Globs of ids that are forwarded here even when not listed.
    pub accept: Vec<String>,
    /// Models that the configuration names.
    pub models: Vec<ModelSpec>,
    /// The deadlines of one attempt.
    pub timeouts: Timeouts,
    /// The most requests in flight to it.
    pub max_concurrency: usize,
    /// What it is spoken to in.
    pub dialect: WireDialect,
    /// The most that wait for a place.
    pub max_waiting: usize,
    /// Take a stream for whole that has a finish reason or `[DONE]`, but not both.
    pub lenient_streams: bool,
    /// A client's own `Authorization` goes to it in the place of ours.
    pub own_keys: bool,
}

impl BackendConfig {
    /// Requests in flight to one backend where the configuration does not say.
    pub const MAX_CONCURRENCY: usize = 4096;
    /// Requests that wait for a place there.
    pub const MAX_WAITING: usize = 1024;

    /// Ollama answers few at a time (`OLLAMA_NUM_PARALLEL`, 1 to 4 unless set) and lets the others wait where nobody
    /// sees them: better here, where they may go elsewhere.
    const fn max_concurrency_of(kind: BackendKind) -> usize {
        match kind {
            BackendKind::Ollama => 4,
            _ => Self::MAX_CONCURRENCY,
        }
    }

    /// A backend with these models, the usual deadlines and no key.
    pub fn with_models(endpoint: Endpoint, models: Vec<ModelSpec>) -> Self {
        Self { models, ..Self::discovered(endpoint, None) }
    }

    /// A backend that is asked for its models.
    pub(crate) fn discovered(endpoint: Endpoint, api_key: Option<SecretString>) -> Self {
        let kind = endpoint.kind;
        Self {
            endpoint,
            api_key,
            discover: true,
            accept: Vec::new(),
            models: Vec::new(),
            timeouts: Timeouts::default(),
            max_concurrency: Self::max_concurrency_of(kind),
            dialect: dialect_of(kind),
            max_waiting: Self::MAX_WAITING,
            lenient_streams: false,
            own_keys: false,
        }
    }

    pub(crate) fn catalog(&self) -> CatalogBackend {
        CatalogBackend {
            endpoint: self.endpoint.clone(),
            api_key: self.api_key.clone(),
            discover: self.discover,
            models: self.models.clone(),
            accept: self.accept.clone(),
        }
    }

    pub(crate) fn upstream(&self) -> UpstreamSettings {
        UpstreamSettings {
            endpoint: self.endpoint.clone(),
            api_key: self.api_key.clone(),
            timeouts: self.timeouts,
            max_concurrency: self.max_concurrency,
            dialect: self.dialect,
            max_waiting: self.max_waiting,
            lenient_streams: self.lenient_streams,
            own_keys: self.own_keys,
            max_answer_bytes: MAX_ANSWER_BYTES,
            max_event_bytes: MAX_EVENT_BYTES,
        }
    }
}

/// One backend of the file, and the variable that its key comes from.
pub(crate) struct FromFile {
    pub(crate) config: BackendConfig,
    pub(crate) api_key_env: Option<String>,
}

/// Reads `[[backends]]`. A backend that is wrong in itself is left out, its other mistakes are reported.
pub(crate) fn read_all(value: &Value<'_>, environment: &Environment) -> Vec<FromFile> {
    let mut names = HashSet::new();
    value.list().unwrap_or_default().iter().filter_map(|item| read(item, &mut names, environment)).collect()
}

fn read(value: &Value<'_>, names: &mut HashSet<String>, environment: &Environment) -> Option<FromFile> {
    let mut section = value.section()?;
    let name = section.require("name").and_then(|v| name(&v, names));
    let kind = section.require("kind").and_then(|v| kind(&v));
    let base_url = address(&mut section, kind);
    let (api_key_env, api_key) = section.get("api_key_env").map(|v| key(&v, environment)).unwrap_or_default();
    let local = section.get("local").and_then(|v| v.boolean());
    let discover = section.get("discover").and_then(|v| v.boolean()).unwrap_or(true);
    let accept = section.get("accept").map(|v| texts(&v)).unwrap_or_default();
    let models = section.get("models");
    let timeouts = section.get("timeouts").map(|v| timeouts(&v)).unwrap_or_default();
    let max_concurrency = section.get("max_concurrency").and_then(|v| v.size(1..=100_000));
    let dialect = section.get("dialect").and_then(|v| dialect(&v, kind));
    let max_waiting = section.get("max_waiting").and_then(|v| v.size(0..=100_000));
    let lenient_streams = section.get("lenient_streams").and_then(|v| v.boolean()).unwrap_or(false);
    let own_keys = section.get("bring_your_own_key").and_then(|v| v.boolean()).unwrap_or(false);
    refuse_secrets(&mut section);
    section.finish();
    if !discover && models.is_none() && accept.is_empty() {
        value.warn("serves nothing: discover is false and there are neither models nor accept");
    }

    // models are read even where the backend itself is wrong: their mistakes belong in the same report
    let endpoint = Endpoint {
        id: BackendId::new(name.as_deref().unwrap_or_default()),
        kind: kind.unwrap_or(BackendKind::OpenAi),
        base_url: base_url.as_deref().unwrap_or_default().into(),
        // never assumed: a prompt that must stay at home must not go out for want of a word
        local: local.unwrap_or(false),
        simulated: false,
    };
    if local.is_none()
        && matches!(kind, Some(BackendKind::Ollama | BackendKind::Vllm | BackendKind::LlamaCpp))
    {
        value.note(format!(
            "backend `{}` does not say `local = true`: strategy:local passes it over",
            endpoint.id
        ));
    }
    let models = models.map(|v| model::read_all(&v, &endpoint)).unwrap_or_default();
    (name.is_some() && kind.is_some() && base_url.is_some()).then(|| {
        let max_concurrency =
            max_concurrency.unwrap_or_else(|| BackendConfig::max_concurrency_of(endpoint.kind));
        let dialect = dialect.unwrap_or_else(|| dialect_of(endpoint.kind));
        let config = BackendConfig {
            endpoint,
            api_key,
            discover,
            accept,
            models,
            timeouts,
            max_concurrency,
            dialect,
            max_waiting: max_waiting.unwrap_or(BackendConfig::MAX_WAITING),
            lenient_streams,
            own_keys,
        };
        FromFile { config, api_key_env }
    })
}

/// Names go into headers, metric labels and `backend/model` ids.
fn name(value: &Value<'_>, names: &mut HashSet<String>) -> Option<String> {
    let name = value.text()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() > 64 || !name.chars().all(plain) {
        value.fail("a name has at most 64 letters, digits, `-`, `_` and `.`");
        return None;
    }
    if !names.insert(name.to_owned()) {
        value.fail(format!("there is a backend named `{name}` above already"));
        return None;
    }
    Some(name.to_owned())
}

fn kind(value: &Value<'_>) -> Option<BackendKind> {
    match value.text()? {
        "openai" => Some(BackendKind::OpenAi),
        "llamacpp" => Some(BackendKind::LlamaCpp),
        "anthropic" => Some(BackendKind::Anthropic),
        "gemini" => Some(BackendKind::Gemini),
        "litellm" => Some(BackendKind::LiteLlm),
        "ollama" => Some(BackendKind::Ollama),
        "vllm" => Some(BackendKind::Vllm),
        "openrouter" => Some(BackendKind::OpenRouter),
        other => {
            value.fail(format!(
                "unknown kind `{other}`; valid: openai, litellm, ollama, vllm, llamacpp, openrouter, anthropic, gemini"
            ));
            None
        }
    }
}

/// What a kind speaks where nothing else is said.
const fn dialect_of(kind: BackendKind) -> WireDialect {
    match kind {
        BackendKind::Anthropic => WireDialect::Anthropic,
        BackendKind::Gemini => WireDialect::Gemini,
        BackendKind::Ollama => WireDialect::EitherOfOllama,
        _ => WireDialect::OpenAi,
    }
}

/// `openai` for the OpenAI routes that some kinds have beside their own; `native` for their own alone.
fn dialect(value: &Value<'_>, kind: Option<BackendKind>) -> Option<WireDialect> {
    match (value.text()?, kind?) {
        ("openai", _) => Some(WireDialect::OpenAi),
        ("native", BackendKind::Ollama) => Some(WireDialect::Ollama),
        ("native", kind @ (BackendKind::Anthropic | BackendKind::Gemini)) => Some(dialect_of(kind)),
        ("native", _) => {
            value.fail("this kind has no dialect of its own: it speaks OpenAI's");
            None
        }
        (other, _) => {
            value.fail(format!("unknown dialect `{other}`; valid: openai, native"));
            None
        }
    }
}

/// Only where there is one place it can mean may the address be left out: a forgotten line must not send
/// prompts to somebody else's cloud.
fn address(section: &mut Section<'_>, kind: Option<BackendKind>) -> Option<String> {
    let default = match kind {
        Some(BackendKind::Ollama) => Some("http://127.0.0.1:11434/v1"),
        Some(BackendKind::OpenRouter) => Some("https://openrouter.ai/api/v1"),
        Some(BackendKind::Anthropic) => Some("https://api.anthropic.com/v1"),
        Some(BackendKind::Gemini) => Some("https://generativelanguage.googleapis.com/v1beta"),
        _ => None,
    };
    let value = match default {
        Some(_) => section.get("base_url"),
        None => section.require("base_url"),
    };
    let Some(value) = value else { return default.map(str::to_owned) };
    match base_url::normalise(kind.unwrap_or(BackendKind::OpenAi), value.text()?) {
        Ok(url) => Some(url.to_string()),
        Err(why) => {
            value.fail(why);
            None
        }
    }
}

/// The name of the variable, and the key in it. What is no variable name may be the secret itself, so it is
/// not repeated.
fn key(value: &Value<'_>, environment: &Environment) -> (Option<String>, Option<SecretString>) {
    let Some(variable) = value.text() else { return (None, None) };
    if !is_variable_name(variable) || looks_secret(variable) {
        value.fail(
            "looks like a key: give the name of an environment variable that holds it, never the secret",
        );
        return (None, None);
    }
    let key = match environment.get(variable) {
        Some(key) if is_header_text(key) => Some(SecretString::from(key)),
        Some(_) => {
            value.fail(format!("the value of {variable} holds characters that cannot be sent in a header"));
            None
        }
        None => {
            value.warn(format!("{variable} is not set: requests to this backend carry no key"));
            None
        }
    };
    (Some(variable.to_owned()), key)
}

fn is_variable_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Long and of mixed case, as keys without a dash are and variable names are not.
fn looks_secret(text: &str) -> bool {
    let has = |test: fn(&char) -> bool| text.chars().any(|c| test(&c));
    text.len() >= 24
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_digit)
}

/// Whether a key can stand in an `Authorization` header.
pub(crate) fn is_header_text(key: &str) -> bool {
    key.bytes().all(|b| (b' '..=b'~').contains(&b))
}

fn refuse_secrets(section: &mut Section<'_>) {
    for key in ["api_key", "apikey", "key", "token", "secret", "password", "authorization"] {
        section.refuse(
            key,
            "secrets do not belong in this file: put the name of an environment variable under api_key_env",
        );
    }
}

fn timeouts(value: &Value<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(mut section) = value.section() else { return timeouts };
    let mut stated = |key, slot: &mut Duration| {
        let value = section.get(key)?;
        *slot = value.duration(MILLISECOND..=DAY)?;
        Some((value, *slot))
    };
    let parts = [
        stated("connect", &mut timeouts.connect),
        stated("first_byte", &mut timeouts.first_byte),
        stated("idle", &mut timeouts.idle),
    ];
    let total = stated("total", &mut timeouts.total).map(|(_, total)| total);
    section.finish();
    for (value, part) in parts.into_iter().flatten() {
        if total.is_some_and(|total| part > total) {
            value.warn("longer than total, which ends the attempt first");
        }
    }
    timeouts
}

/// The strings of an array, none of them empty.
pub(crate) fn texts(value: &Value<'_>) -> Vec<String> {
    value.list().unwrap_or_default().iter().filter_map(|v| v.text().map(str::to_owned)).collect()
}
