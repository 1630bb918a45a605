//! Backends that the environment names: a URL or a key is enough to be served.

use pointsman_types::{BackendId, BackendKind, Endpoint};
use secrecy::SecretString;

use crate::{
    backend::{BackendConfig, FromFile, is_header_text},
    base_url,
    environment::Environment,
    problem::{Origin, Severity},
    report::Report,
};

/// A backend that variables can name.
struct Known {
    name: &'static str,
    kind: BackendKind,
    /// The variable that makes it a backend.
    trigger: &'static str,
    url: Url,
    key: Option<&'static str>,
    local: bool,
}

/// Where its address comes from.
enum Url {
    /// The trigger.
    Trigger,
    /// This variable, else this default.
    Variable(&'static str, &'static str),
    /// Always here.
    Fixed(&'static str),
}

const KNOWN: [Known; 7] = [
    Known {
        name: "ollama",
        kind: BackendKind::Ollama,
        trigger: "OLLAMA_BASE_URL",
        url: Url::Trigger,
        key: None,
        local: true,
    },
    Known {
        name: "vllm",
        kind: BackendKind::Vllm,
        trigger: "VLLM_BASE_URL",
        url: Url::Trigger,
        key: None,
        local: true,
    },
    Known {
        name: "litellm",
        kind: BackendKind::LiteLlm,
        trigger: "LITELLM_BASE_URL",
        url: Url::Trigger,
        key: Some("LITELLM_API_KEY"),
        // it may forward to any cloud
        local: false,
    },
    Known {
        name: "openai",
        kind: BackendKind::OpenAi,
        trigger: "OPENAI_API_KEY",
        url: Url::Variable("OPENAI_BASE_URL", "https://api.openai.com/v1"),
        key: Some("OPENAI_API_KEY"),
        local: false,
    },
    Known {
        name: "anthropic",
        kind: BackendKind::Anthropic,
        trigger: "ANTHROPIC_API_KEY",
        url: Url::Variable("ANTHROPIC_BASE_URL", "https://api.anthropic.com/v1"),
        key: Some("ANTHROPIC_API_KEY"),
        local: false,
    },
    Known {
        name: "gemini",
        kind: BackendKind::Gemini,
        trigger: "GEMINI_API_KEY",
        url: Url::Variable("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com/v1beta"),
        key: Some("GEMINI_API_KEY"),
        local: false,
    },
    Known {
        name: "openrouter",
        kind: BackendKind::OpenRouter,
        trigger: "OPENROUTER_API_KEY",
        url: Url::Fixed("https://openrouter.ai/api/v1"),
        key: Some("OPENROUTER_API_KEY"),
        local: false,
    },
];

/// The backends that the environment names and the file does not.
pub(crate) fn backends(environment: &Environment, file: &[FromFile], report: &Report) -> Vec<BackendConfig> {
    idle_variables(environment, report);
    KNOWN
        .iter()
        .filter(|known| environment.get(known.trigger).is_some())
        .filter_map(|known| detect(known, environment, report))
        .filter(|found| !is_in(file, found, report))
        .collect()
}

fn detect(known: &Known, environment: &Environment, report: &Report) -> Option<BackendConfig> {
    let error = |key: &str, why: &str| report.outside(Severity::Error, Origin::Environment, key, why);
    let (variable, url) = match known.url {
        Url::Trigger => (known.trigger, environment.get(known.trigger)?),
        Url::Variable(variable, default) => (variable, environment.get(variable).unwrap_or(default)),
        Url::Fixed(url) => (known.trigger, url),
    };
    let base_url = base_url::normalise(known.kind, url).map_err(|why| error(variable, &why)).ok()?;
    let api_key = match known.key.and_then(|variable| Some((variable, environment.get(variable)?))) {
        Some((variable, key)) if !is_header_text(key) => {
            error(variable, "holds characters that cannot be sent in a header");
            return None;
        }
        key => key.map(|(_, key)| SecretString::from(key)),
    };
    let endpoint = Endpoint {
        id: BackendId::from(known.name),
        kind: known.kind,
        base_url,
        local: known.local,
        simulated: false,
    };
    Some(BackendConfig::discovered(endpoint, api_key))
}

/// Whether the file has this backend: under its name, at its address, or with its key, which was then given
/// for another address and must not be sent to this one. Says so in a note.
fn is_in(file: &[FromFile], found: &BackendConfig, report: &Report) -> bool {
    let known = KNOWN.iter().find(|known| found.endpoint.id.as_str() == known.name);
    let same = file.iter().find(|theirs| {
        let endpoint = &theirs.config.endpoint;
        endpoint.id == found.endpoint.id
            || endpoint.base_url == found.endpoint.base_url
            || (theirs.api_key_env.is_some() && theirs.api_key_env.as_deref() == known.and_then(|k| k.key))
    });
    let trigger = known.map_or("", |known| known.trigger);
    report.note(match same {
        Some(theirs) => format!("backend `{}` of the file wins over {trigger}", theirs.config.endpoint.id),
        None => {
            format!("backend `{}` at {} found from {trigger}", found.endpoint.id, found.endpoint.base_url)
        }
    });
    same.is_some()
}

/// Variables that are set and change nothing, which whoever set them did not mean.
fn idle_variables(environment: &Environment, report: &Report) {
    let set = |name: &str| environment.get(name).is_some();
    let warn = |name: &str, why: &str| {
        if set(name) {
            report.outside(Severity::Warning, Origin::Environment, name, why);
        }
    };
    if !set("OPENAI_API_KEY") {
        warn(
            "OPENAI_BASE_URL",
            "has no effect without OPENAI_API_KEY; a server without keys goes into the file",
        );
    }
    if !set("LITELLM_BASE_URL") {
        warn("LITELLM_API_KEY", "has no effect without LITELLM_BASE_URL");
    }
}
