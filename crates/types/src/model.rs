//! Models and the backends that serve them, as the catalog publishes them.

use std::sync::Arc;

use serde::Serialize;

use crate::{About, BackendId, Capability, ModelId, Price, Task, Tokens};

/// What a model is served for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Answers chat completions: eligible for `auto`.
    Chat,
    /// Embeddings, speech, images, moderation: only by its own name.
    Other,
}

/// What is known of a model's abilities. `None`: nobody said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Reads images.
    pub vision: Option<bool>,
    /// Calls functions.
    pub tools: Option<bool>,
    /// JSON mode.
    pub json: Option<bool>,
    /// Thinks before it answers.
    pub reasoning: Option<bool>,
}

impl Capabilities {
    /// The complete list of what a model can do: what is not in it is known to be missing.
    pub fn exactly(list: &[Capability]) -> Self {
        let has = |c| Some(list.contains(&c));
        Self {
            vision: has(Capability::Vision),
            tools: has(Capability::Tools),
            json: has(Capability::Json),
            reasoning: has(Capability::Reasoning),
        }
    }

    /// What is known of one ability.
    pub const fn get(&self, capability: Capability) -> Option<bool> {
        match capability {
            Capability::Vision => self.vision,
            Capability::Tools => self.tools,
            Capability::Json => self.json,
            Capability::Reasoning => self.reasoning,
        }
    }
}

/// Expected quality per task, 0..=1, and how sure of it we are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Mean quality over [`Task::ALL`].
    pub mu: [f32; Task::COUNT],
    /// Standard deviation of that belief, over [`Task::ALL`].
    pub sigma: [f32; Task::COUNT],
}

impl Quality {
    /// Nothing is known: the middle, widely uncertain.
    pub const UNKNOWN: Self = Self { mu: [0.5; Task::COUNT], sigma: [0.2; Task::COUNT] };
    /// Uncertainty of a figure that a person wrote into the configuration.
    pub const STATED_SIGMA: f32 = 0.05;

    /// The mean over the tasks.
    pub fn mean(&self) -> f32 {
        self.mu.iter().sum::<f32>() / Task::COUNT as f32
    }

    /// Stated figures for some tasks. A task without one gets the mean of the stated ones, twice as
    /// uncertain as an unknown is not: halfway between stated and unknown.
    pub fn stated(figures: &[(Task, f32)]) -> Self {
        if figures.is_empty() {
            return Self::UNKNOWN;
        }
        let mean = figures.iter().map(|(_, q)| q).sum::<f32>() / figures.len() as f32;
        let mut quality = Self { mu: [mean; Task::COUNT], sigma: [0.12; Task::COUNT] };
        for &(task, q) in figures {
            quality.mu[task.index()] = q.clamp(0.0, 1.0);
            quality.sigma[task.index()] = Self::STATED_SIGMA;
        }
        quality
    }
}

/// One model on one backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSpec {
    /// The name that clients use.
    pub id: ModelId,
    /// The backend that serves it.
    pub backend: BackendId,
    /// The name that the backend uses.
    pub upstream_id: Arc<str>,
    /// Other names for the same model, for example `llama3.1` for `llama3.1:latest`.
    pub aliases: Vec<ModelId>,
    /// What it is served for.
    pub kind: ModelKind,
    /// Runs on own infrastructure.
    pub local: bool,
    /// A simulated model of the demo.
    pub simulated: bool,
    /// Input and output tokens together, where known.
    pub context: Option<Tokens>,
    /// The most it writes in one answer, where known.
    pub max_output: Option<Tokens>,
    /// What a token costs; `None` is unknown, never free.
    pub price: Option<Price>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How well it does it.
    pub quality: Quality,
    /// Unix time of creation, as the backend reports it.
    pub created: Option<u64>,
    /// Who it is, and the origins of these facts.
    pub about: About,
}

/// The protocol family of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Any OpenAI-compatible server.
    OpenAi,
    /// Ollama, through its OpenAI-compatible routes.
    Ollama,
    /// vLLM.
    Vllm,
    /// A LiteLLM proxy, through its OpenAI-compatible routes.
    LiteLlm,
    /// OpenRouter.
    OpenRouter,
    /// The server of llama.cpp.
    LlamaCpp,
    /// Anthropic, in its own dialect (Messages).
    Anthropic,
    /// Google's Gemini, in its own dialect (`generateContent`).
    Gemini,
}

/// Where a backend is. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Its name.
    pub id: BackendId,
    /// What it speaks.
    pub kind: BackendKind,
    /// Base URL up to and including the version segment, for example `http://127.0.0.1:11434/v1`, no
    /// trailing slash.
    pub base_url: Arc<str>,
    /// Own infrastructure.
    pub local: bool,
    /// One of the demo's simulated backends.
    pub simulated: bool,
}

/// What the last sync says of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Health {
    /// Not asked yet, or not asked at all (discovery is off).
    Unknown,
    /// It answered its model list.
    Up,
    /// It answered, but not with a model list. Models from the configuration stay routable.
    Degraded {
        /// What was wrong.
        error: String,
    },
    /// No connection.
    Unreachable {
        /// What was wrong.
        error: String,
    },
}

impl Health {
    /// The status as a metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded { .. } => "degraded",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// A backend and what the last sync says of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendState {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// How it was at the last sync.
    pub health: Health,
    /// How many models it serves.
    pub models: usize,
    /// Unix time of its last good answer.
    pub answered_at: Option<u64>,
    /// How busy it says it is.
    pub load: Option<Load>,
}

/// How busy a server says it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// Requests that it works on.
    pub running: f64,
    /// Requests that wait in it.
    pub waiting: f64,
    /// Share of its key-value cache in use, 0..=1.
    pub cache: Option<f64>,
}
