//! The answer of `decide`: an ordered plan and its reasons.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{Capability, Classification, MicroUsd, ModelSpec, RouteRequest, Strategy, Task, Tokens};

/// Why the first candidate is the first: the `x-pointsman-route-reason` header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// The client named the model.
    Alias,
    /// The list of a trade has it.
    Industry(Arc<str>),
    /// Nobody of the list of a trade can take the request: the best of all others.
    IndustryElse(Arc<str>),
    /// What the client asked to favour.
    Strategy(Strategy),
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
            Self::Industry(tag) => write!(f, "industry:{tag}"),
            Self::IndustryElse(tag) => write!(f, "industry:{tag}:general"),
            Self::Strategy(strategy) => write!(f, "strategy:{strategy}"),
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

/// What put the first candidate before one with a higher score, if anything did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Nothing: it has the highest score, or the first place of its list.
    #[default]
    Score,
    /// It answers this conversation already, and the gain of a change is smaller than its cost.
    Session,
    /// The conversation is in the middle of a tool loop with it.
    ToolLoop,
    /// It is the default model, and no other is better beyond the noise or cheaper without loss.
    Default,
    /// Chance chose it, to learn how it does.
    Explored,
}

impl Settled {
    /// Its name in the reason of a decision; `None` where there is nothing to say.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Score => None,
            Self::Session => Some("session"),
            Self::ToolLoop => Some("tool_loop"),
            Self::Default => Some("default"),
            Self::Explored => Some("explored"),
        }
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
    /// Not in the pool of the rule that matched.
    NotInPool,
    /// In `route.ignore`.
    Ignored,
    /// Costs more than the ceiling.
    PriceCeiling {
        /// Predicted cost.
        predicted: MicroUsd,
        /// The ceiling.
        ceiling: MicroUsd,
    },
    /// The prompt alone costs more than the rule that matched allows.
    InputCost {
        /// What the prompt costs.
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
            Self::NotInPool => "not_in_pool",
            Self::InputCost { .. } => "input_cost",
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
            Self::NotInPool => f.write_str("not in the rule's pool"),
            Self::InputCost { predicted, ceiling } => {
                write!(
                    f,
                    "${:.6} for the prompt is over the rule's ${:.6}",
                    predicted.dollars(),
                    ceiling.dollars()
                )
            }
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
    /// Predicted time to the first token, in milliseconds.
    pub ttft_ms: f64,
    /// Predicted time to the whole answer, in milliseconds.
    pub latency_ms: f64,
    /// Latency on the log scale, 0 instant .. 1.
    pub latency: f64,
    /// Expected share of failures, 0..=1.
    pub error_rate: f64,
    /// What is taken off for leaving the model that answers this conversation.
    pub switch_cost: f64,
    /// Whether its quality, with caution, reaches the bar of a strategy that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clears_bar: Option<bool>,
    /// The score of the strategy in force: higher is better.
    pub utility: f64,
}

/// A candidate of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The model.
    #[serde(serialize_with = "spec_name", flatten)]
    pub spec: Arc<ModelSpec>,
    /// Which entry of the chain it stands for, from 0.
    pub entry: usize,
    /// Its place in the list of a trade, from 0, where it stands in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// What its place follows from.
    pub terms: Terms,
}

/// An ordered plan and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Why the first candidate is the first.
    pub reason: RouteReason,
    /// What put it before one with a higher score.
    pub settled: Settled,
    /// The rule that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// Where chance had a say: the probability with which it chooses the first candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
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

impl Decision {
    /// The reason in one line: `[rule:NAME>]REASON[+SETTLED]`, as in the header `x-pointsman-route-reason`.
    pub fn why(&self) -> String {
        let mut why = self.rule.as_ref().map(|name| format!("rule:{name}>")).unwrap_or_default();
        why.push_str(&self.reason.to_string());
        if let Some(settled) = self.settled.as_str() {
            why.push('+');
            why.push_str(settled);
        }
        why
    }
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
    /// No list of models has this tag.
    #[error("there is no industry `{tag}`; valid: {valid}")]
    UnknownIndustry {
        /// What was asked for.
        tag: String,
        /// The tags that there are, separated by a comma.
        valid: String,
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
