//! How much each task counts for a request: the classifier's distribution, corrected by the request's own facts.

use pointsman_types::{Capability, RequestFeatures, RouteReason, RouteRequest, Task};

use crate::{Policy, Signals};

/// The mass that goes to `tool_use` when functions are declared, and in the middle of a tool loop.
const TOOLS_DECLARED: f32 = 0.3;
const TOOL_LOOP: f32 = 0.6;
/// The mass that goes to all tasks alike when the classifier abstains.
const ABSTAINED: f32 = 0.5;

/// A distribution over [`Task::ALL`] and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    pub(crate) p: [f32; Task::COUNT],
    pub(crate) reason: RouteReason,
    pub(crate) note: Option<String>,
}

pub(crate) fn weigh(request: &RouteRequest, signals: &Signals, policy: &Policy) -> Weights {
    if let Some(task) = request.options.task {
        let mut p = [0.0; Task::COUNT];
        p[task.index()] = 1.0;
        return Weights { p, reason: RouteReason::AutoStated(task), note: None };
    }
    let Some(classification) = &signals.classification else {
        let why = signals.unclassified.as_deref().unwrap_or("the classifier was not asked");
        let p = with_tools(uniform(), &request.features);
        let note = format!("{why}: balanced over all tasks");
        return Weights { p, reason: RouteReason::AutoUnclassified, note: Some(note) };
    };
    if let Some((class, confidence)) = policy.class_of(classification) {
        let mut p = classification.task.0;
        if let Some(task) = class.task {
            p = [0.0; Task::COUNT];
            p[task.index()] = 1.0;
        }
        let note = Some(format!("of the class `{}` ({confidence:.2})", class.name));
        return Weights { p: with_tools(p, &request.features), reason: RouteReason::AutoClass, note };
    }
    let (top, confidence) = classification.top_task();
    let classified = classification.task.0;
    if classification.abstained {
        let p = with_tools(mix(classified, ABSTAINED, uniform()), &request.features);
        let note =
            format!("the classifier abstained ({top} {confidence:.2}): half its distribution, half balanced");
        return Weights { p, reason: RouteReason::AutoAbstained, note: Some(note) };
    }
    let p = with_tools(classified, &request.features);
    let share = classification.previous_share;
    let note =
        (share > 0.0).then(|| format!("a short follow-up: {share:.2} of the class of the turn before"));
    let reason = match top_of(&p) {
        task if task == top => RouteReason::AutoTask(task),
        task => RouteReason::AutoRequest(task),
    };
    Weights { p, reason, note }
}

fn uniform() -> [f32; Task::COUNT] {
    [1.0 / Task::COUNT as f32; Task::COUNT]
}

/// Functions in the request are a fact; what the classifier makes of the text is a guess.
fn with_tools(p: [f32; Task::COUNT], features: &RequestFeatures) -> [f32; Task::COUNT] {
    let share = match (features.in_tool_loop, features.has_tools) {
        (true, _) => TOOL_LOOP,
        (false, true) => TOOLS_DECLARED,
        (false, false) => return p,
    };
    let mut tool_use = [0.0; Task::COUNT];
    tool_use[Task::ToolUse.index()] = 1.0;
    mix(p, share, tool_use)
}

fn mix(p: [f32; Task::COUNT], share: f32, other: [f32; Task::COUNT]) -> [f32; Task::COUNT] {
    std::array::from_fn(|i| (1.0 - share) * p[i] + share * other[i])
}

fn top_of(p: &[f32; Task::COUNT]) -> Task {
    let mut best = 0;
    for i in 1..Task::COUNT {
        if p[i] > p[best] {
            best = i;
        }
    }
    Task::ALL[best]
}

/// Whether the request itself asks for an ability.
pub(crate) fn needs(request: &RouteRequest, ability: Capability) -> bool {
    let facts = &request.features;
    let by_facts = match ability {
        Capability::Vision => facts.has_images,
        Capability::Tools => facts.has_tools || facts.in_tool_loop,
        Capability::Json => facts.wants_json,
        Capability::Reasoning => false,
    };
    by_facts || request.options.require.contains(&ability)
}
