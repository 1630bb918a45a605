//! The routing brain: a pure function from a request, what is known of it and the candidates to an ordered
//! plan with its reasons.
//!
//! No clock, no I/O, no async, no randomness: same inputs, same decision. Candidates are filtered by hard
//! constraints, each removal keeping its reason; those left are scored by one utility and ordered. A named
//! model goes the same way: its candidates are the backends that serve it. The constants are in [`Policy`].

mod filter;
mod follow_up;
mod policy;
mod score;
mod tasks;

use std::{cmp::Ordering, sync::Arc};

use pointsman_types::{
    Classification, Decision, Health, LatencyView, ModelForm, ModelSpec, NoRoute, Ranked, Removed,
    RouteReason, RouteRequest,
};

pub use follow_up::{follow_up_share, may_follow_up};
pub use policy::{ClassRoute, Policy};

/// One model on one backend, with what was observed of it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub spec: Arc<ModelSpec>,
    /// Recent latencies and failures.
    pub latency: LatencyView,
    /// Its backend could not be reached at the last sync, or no longer lists it: a last resort.
    pub unreachable: bool,
}

impl Candidate {
    /// A candidate of a backend in this state.
    pub fn new(spec: Arc<ModelSpec>, latency: LatencyView, health: &Health) -> Self {
        let unreachable = matches!(health, Health::Unreachable { .. }) || spec.about.stale_since.is_some();
        Self { spec, latency, unreachable }
    }
}

/// What was found out about the request beside its own facts.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// What the classifier said; `None` where it was not asked or did not answer.
    pub classification: Option<Arc<Classification>>,
    /// Why there is no classification, in a few words.
    pub unclassified: Option<String>,
}

/// Decides who takes the request: an ordered, never empty plan, or why there is none.
///
/// `candidates` are, for a named model, those of that name; for `auto`, the whole catalog. Their order does
/// not matter.
pub fn decide(
    request: &RouteRequest,
    signals: &Signals,
    candidates: Vec<Candidate>,
    policy: &Policy,
) -> Result<Decision, NoRoute> {
    if candidates.is_empty() {
        return Err(NoRoute::EmptyCatalog);
    }
    let tasks = tasks::weigh(request, signals, policy);
    let filtered = filter::filter(request, candidates, &tasks, policy);
    if filtered.kept.is_empty() {
        return Err(nothing(request, filtered.removed));
    }
    let mut notes = filtered.notes;
    let named = matches!(request.form, ModelForm::Alias(_));
    if !named {
        notes.extend(tasks.note.clone());
    }
    let class = if named { None } else { signals.classification.as_ref().and_then(|c| policy.class_of(c)) };
    let ranked = order(filtered.kept, &tasks, request, policy, class.map(|(route, _)| route));
    Ok(Decision {
        reason: if named { RouteReason::Alias } else { tasks.reason },
        candidates: ranked,
        removed: sorted(filtered.removed),
        classification: signals.classification.clone(),
        notes,
    })
}

/// Reachable before unreachable, then as the class of the prompt prefers, then by utility; ties by name, so that the order is total.
fn order(
    kept: Vec<Candidate>,
    tasks: &tasks::Weights,
    request: &RouteRequest,
    policy: &Policy,
    class: Option<&ClassRoute>,
) -> Vec<Ranked> {
    let weights = score::weights(policy, request.options.tradeoff);
    let mut scored: Vec<_> = kept
        .into_iter()
        .map(|candidate| (score::terms(&candidate, &request.features, tasks, &weights, policy), candidate))
        .collect();
    scored.sort_by(|(a, x), (b, y)| {
        let reachable = x.unreachable.cmp(&y.unreachable);
        let preferred = class.map_or(Ordering::Equal, |c| c.place(&x.spec).cmp(&c.place(&y.spec)));
        let utility = b.utility.partial_cmp(&a.utility).unwrap_or(Ordering::Equal);
        reachable.then(preferred).then(utility).then_with(|| by_name(&x.spec, &y.spec))
    });
    scored.into_iter().map(|(terms, c)| Ranked { spec: c.spec, terms }).collect()
}

fn by_name(a: &ModelSpec, b: &ModelSpec) -> Ordering {
    a.id.cmp(&b.id).then_with(|| a.backend.cmp(&b.backend))
}

fn sorted(mut removed: Vec<Removed>) -> Vec<Removed> {
    removed.sort_by(|a, b| by_name(&a.spec, &b.spec));
    removed
}

fn nothing(request: &RouteRequest, removed: Vec<Removed>) -> NoRoute {
    NoRoute::Nothing { request: Box::new(request.clone()), removed: sorted(removed) }
}
