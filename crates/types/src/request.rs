//! What the router knows of a request before it decides.

use std::sync::Arc;

use serde::Serialize;

use crate::{Capability, MicroUsd, ModelForm, Strategy, Task, Tokens};

/// Facts read from the request itself. They outrank the classifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestFeatures {
    /// Estimated tokens of everything the model has to read.
    pub input_tokens: Tokens,
    /// What the client allows the model to write, where it says so.
    pub max_output: Option<Tokens>,
    /// An image is in the messages.
    pub has_images: bool,
    /// Functions are declared.
    pub has_tools: bool,
    /// The conversation is in the middle of a tool loop.
    pub in_tool_loop: bool,
    /// JSON output is asked for.
    pub wants_json: bool,
    /// Server-sent events are asked for.
    pub stream: bool,
    /// Messages in the conversation.
    pub turns: usize,
}

/// The `route` object and what stands beside it in a request: the caller's own constraints.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RouteOptions {
    /// The caller knows the task: the classifier is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The caller knows the trade: its list of models, where the form is `auto` or a strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub industry: Option<String>,
    /// What to favour, where the form leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The caller's own tags, for rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The name of the gateway key that the request came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// 0 cheap .. 1 best; `None` is the balanced default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tradeoff: Option<f64>,
    /// Ceiling on the predicted cost of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<MicroUsd>,
    /// Ceiling on the predicted time to the whole answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
    /// Abilities that the model must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Capability>,
    /// Only these models (ids or backend names), if not empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// None of these models (ids or backend names).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Only own infrastructure.
    pub local_only: bool,
    /// The conversation this request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// Who waits for an answer, where there are more requests than places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits: before every batch request.
    #[default]
    Interactive,
    /// Nobody does.
    Batch,
}

/// A request, resolved: what `decide` reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteRequest {
    /// What `model` and `models` name, aliases followed: a chain, tried in order; never empty.
    pub forms: Vec<ModelForm>,
    /// The caller's constraints.
    pub options: RouteOptions,
    /// Facts of the request.
    pub features: RequestFeatures,
}
