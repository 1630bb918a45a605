//! The answer of `decide`: an ordered plan and its reasons.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{Capability, Classification, MicroUsd, ModelSpec, RouteRequest, Task, Tokens};

/// Why the first candidate is the first: the `x-pointsman-route-reason` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// The client named the model.
    Alias,
    /// `auto`, and the classifier was sure of the task.
    AutoTask(Task),
    /// `auto`, and the prompt is of one of the user's own classes, which a note names.
    AutoClass,
    /// `auto`, and the caller said the task.
    AutoStated(Task),
    /// `auto`, and the request's own facts (images, tools) decide the task.
    AutoRequest(Task),
    /// `auto`, and the classifier abstained: balanced over its whole distribution.
    AutoAbstained,
    /// `auto`, and the classifier was late, full or down: balanced default.
    AutoUnclassified,
}

impl fmt::Display for RouteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias => f.write_str("alias"),
            Self::AutoTask(task) => write!(f, "auto:{task}"),
            Self::AutoClass => f.write_str("auto:class"),
            Self::AutoStated(task) => write!(f, "auto:{task}:stated"),
            Self::AutoRequest(task) => write!(f, "auto:{task}:request"),
            Self::AutoAbstained => f.write_str("auto:abstained"),
            Self::AutoUnclassified => f.write_str("auto:unclassified"),
        }
    }
}

impl Serialize for RouteReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a model cannot take the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "constraint", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Removal {
    /// Not a chat model.
    Kind,
    /// It lacks an ability, or nobody knows that it has it.
    Capability {
        /// Which one.
        missing: Capability,
        /// False where nobody said.
        known: bool,
    },
    /// Input and output do not fit.
    Context {
        /// What the request needs.
        needs: Tokens,
        /// What the model has.
        has: Tokens,
    },
    /// Not own infrastructure, and the request stays local.
    Locality,
    /// Not in `route.only`.
    NotInOnly,
    /// In `route.ignore`.
    Ignored,
    /// Costs more than the ceiling.
    PriceCeiling {
        /// Predicted cost.
        predicted: MicroUsd,
        /// The ceiling.
        ceiling: MicroUsd,
    },
    /// There is a price ceiling and the price is unknown.
    PriceUnknown,
    /// Slower than the ceiling.
    LatencyCeiling {
        /// Predicted time to the whole answer.
        predicted_ms: u64,
        /// The ceiling.
        ceiling_ms: u64,
    },
}

impl Removal {
    /// The name of the constraint, as in its JSON.
    pub const fn constraint(&self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Capability { .. } => "capability",
            Self::Context { .. } => "context",
            Self::Locality => "locality",
            Self::NotInOnly => "not_in_only",
            Self::Ignored => "ignored",
            Self::PriceCeiling { .. } => "price_ceiling",
            Self::PriceUnknown => "price_unknown",
            Self::LatencyCeiling { .. } => "latency_ceiling",
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("not a chat model"),
            Self::Capability { missing, known: true } => write!(f, "lacks {missing}"),
            Self::Capability { missing, known: false } => write!(f, "{missing} unknown"),
            Self::Context { needs, has } => write!(f, "needs {needs} tokens of context, has {has}"),
            Self::Locality => f.write_str("not local"),
            Self::NotInOnly => f.write_str("not in route.only"),
            Self::Ignored => f.write_str("in route.ignore"),
            Self::PriceCeiling { predicted, ceiling } => {
                write!(f, "${:.6} is over the ceiling of ${:.6}", predicted.dollars(), ceiling.dollars())
            }
            Self::PriceUnknown => f.write_str("price unknown and a ceiling is set"),
            Self::LatencyCeiling { predicted_ms, ceiling_ms } => {
                write!(f, "{predicted_ms} ms is over the ceiling of {ceiling_ms} ms")
            }
        }
    }
}

/// A candidate that was filtered out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Removed {
    /// The model.
    #[serde(serialize_with = "spec_name", flatten)]
    pub spec: Arc<ModelSpec>,
    /// The first constraint that it breaks.
    pub why: Removal,
}

/// The terms of one candidate's utility, all but `utility` before weighting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Terms {
    /// Expected quality over the task distribution, 0..=1.
    pub quality: f64,
    /// Standard deviation of that expectation.
    pub sigma: f64,
    /// Predicted cost in US dollars; `None` where the price is unknown.
    pub cost_usd: Option<f64>,
    /// Cost on the log scale, 0 free .. 1.
    pub cost: f64,
    /// Predicted time to the whole answer, in milliseconds.
    pub latency_ms: f64,
    /// Latency on the log scale, 0 instant .. 1.
    pub latency: f64,
    /// Expected share of failures, 0..=1.
    pub error_rate: f64,
    /// The weighted sum: higher is better.
    pub utility: f64,
}

/// A candidate of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The model.
    #[serde(serialize_with = "spec_name", flatten)]
    pub spec: Arc<ModelSpec>,
    /// What its place follows from.
    pub terms: Terms,
}

/// An ordered plan and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Why the first candidate is the first.
    pub reason: RouteReason,
    /// To be tried in this order; never empty.
    pub candidates: Vec<Ranked>,
    /// What was filtered out, and why.
    pub removed: Vec<Removed>,
    /// What the classifier said, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Arc<Classification>>,
    /// What a person should know besides, in plain words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// No candidate can take the request.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NoRoute {
    /// No model has this name.
    #[error("the model `{name}` does not exist")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The nearest names, best first.
        nearest: Vec<String>,
    },
    /// A name leaves open which of several models is meant.
    #[error("the name `{name}` leaves open which model is meant")]
    AmbiguousModel {
        /// What was asked for.
        name: String,
        /// Those that it may mean.
        candidates: Vec<String>,
    },
    /// The catalog holds no model at all.
    #[error("the catalog has no models")]
    EmptyCatalog,
    /// Every candidate breaks a constraint.
    #[error("no model can take this request")]
    Nothing {
        /// What was asked for.
        request: Box<RouteRequest>,
        /// Each candidate and the first constraint that it breaks; never empty.
        removed: Vec<Removed>,
    },
}

fn spec_name<S: Serializer>(spec: &Arc<ModelSpec>, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let mut out = serializer.serialize_struct("ModelSpec", 4)?;
    out.serialize_field("model", &spec.id)?;
    out.serialize_field("backend", &spec.backend)?;
    out.serialize_field("local", &spec.local)?;
    out.serialize_field("simulated", &spec.simulated)?;
    out.end()
}
