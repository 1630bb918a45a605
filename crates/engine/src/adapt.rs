//! Parameters that the chosen model cannot take: dropped, renamed or capped, and reported in a header.
//!
//! What is known: OpenAI's reasoning models refuse `max_tokens` and sampling parameters (platform.openai.com, "Reasoning
//! models"); Ollama reads `max_tokens` only (its "OpenAI compatibility" page); a model that does not think has no
//! use for `reasoning_effort`; and no model writes more than its limit. Anything else passes through.

use pointsman_dialects::Takes;
use pointsman_protocol::{Adaptation, ChatRequest, Parameter};
use pointsman_types::{BackendKind, ModelSpec};

/// What OpenAI's reasoning models refuse.
const SAMPLING: [Parameter; 7] = [
    Parameter::Temperature,
    Parameter::TopP,
    Parameter::PresencePenalty,
    Parameter::FrequencyPenalty,
    Parameter::Logprobs,
    Parameter::TopLogprobs,
    Parameter::LogitBias,
];

/// What to change in a request for this model on a backend of this kind.
pub(crate) fn adaptations(request: &ChatRequest<'_>, spec: &ModelSpec, kind: BackendKind) -> Vec<Adaptation> {
    let mut changes = Vec::new();
    let has = |parameter| request.has(parameter);
    if thinks_at_openai(spec) {
        changes.extend(SAMPLING.into_iter().filter(|p| has(*p)).map(Adaptation::Drop));
        if has(Parameter::MaxTokens) {
            changes.push(rename(Parameter::MaxTokens, Parameter::MaxCompletionTokens, request));
        }
    }
    if kind == BackendKind::Ollama && has(Parameter::MaxCompletionTokens) {
        changes.push(rename(Parameter::MaxCompletionTokens, Parameter::MaxTokens, request));
    }
    if spec.capabilities.reasoning == Some(false) && has(Parameter::ReasoningEffort) {
        changes.push(Adaptation::Drop(Parameter::ReasoningEffort));
    }
    if let Some(limit) = spec.max_output {
        for parameter in [Parameter::MaxTokens, Parameter::MaxCompletionTokens] {
            let renamed =
                changes.iter().any(|c| matches!(c, Adaptation::Rename(from, _) if *from == parameter));
            if !renamed && request.limit(parameter).is_some_and(|asked| asked > limit.0) {
                changes.push(Adaptation::Cap(parameter, limit.0));
            }
        }
    }
    changes
}

/// What a model on a backend of this kind takes of what is beside OpenAI's own fields. `translated`: the request came in
/// another dialect.
pub(crate) fn takes(kind: BackendKind, spec: &ModelSpec, translated: bool) -> Takes {
    match (kind, spec.about.family.as_deref()) {
        // those that speak Anthropic's dialect, or translate into it
        (BackendKind::Anthropic | BackendKind::Gemini | BackendKind::LiteLlm, _) => Takes::All,
        (BackendKind::OpenRouter, _) => Takes::CacheControl,
        (BackendKind::OpenAi, Some("gpt" | "o-series")) => Takes::Nothing,
        (BackendKind::OpenAi, Some("gemini")) => Takes::ExtraContent,
        // a client that speaks this dialect means what it says; what we translated is kept to what is safe
        (BackendKind::OpenAi, _) if translated => Takes::Thoughts,
        (BackendKind::OpenAi | BackendKind::Ollama | BackendKind::Vllm | BackendKind::LlamaCpp, _) => {
            Takes::Lenient
        }
    }
}

/// A parameter under another name; where that stands in the request already, it is the one that counts.
fn rename(from: Parameter, to: Parameter, request: &ChatRequest<'_>) -> Adaptation {
    if request.has(to) { Adaptation::Drop(from) } else { Adaptation::Rename(from, to) }
}

fn thinks_at_openai(spec: &ModelSpec) -> bool {
    let family = spec.about.family.as_deref();
    matches!(family, Some("o-series" | "gpt")) && spec.capabilities.reasoning == Some(true)
}
