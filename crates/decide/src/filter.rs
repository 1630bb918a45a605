//! Hard constraints: what cannot take the request is removed, with the first constraint it breaks.

use pointsman_types::{
    Capability, MicroUsd, ModelForm, ModelKind, ModelSpec, Removal, Removed, RouteRequest, Tokens,
};

use crate::{Candidate, Policy, score, tasks};

/// What the filter leaves.
pub(crate) struct Filtered {
    pub(crate) kept: Vec<Candidate>,
    pub(crate) removed: Vec<Removed>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn filter(
    request: &RouteRequest,
    candidates: Vec<Candidate>,
    tasks: &tasks::Weights,
    policy: &Policy,
) -> Filtered {
    let needs = needs(request);
    let (mut kept, mut unsure, mut removed) = (Vec::with_capacity(candidates.len()), Vec::new(), Vec::new());
    for candidate in candidates {
        match broken(&candidate, request, &needs, tasks, policy) {
            Some(why) => removed.push(Removed { spec: candidate.spec, why }),
            None => match unknown(&candidate.spec, &needs) {
                Some(missing) => unsure.push((candidate, missing)),
                None => kept.push(candidate),
            },
        }
    }
    let mut notes = Vec::new();
    let first_missing = unsure.iter().map(|(_, missing)| *missing).min();
    if let (true, Some(missing)) = (kept.is_empty(), first_missing) {
        // nobody is known to fit: better a model that may than none
        notes.push(format!("no candidate is known to have {missing}: trying those that may"));
        kept.extend(unsure.into_iter().map(|(candidate, _)| candidate));
    } else {
        let why = |missing| Removal::Capability { missing, known: false };
        removed.extend(unsure.into_iter().map(|(c, missing)| Removed { spec: c.spec, why: why(missing) }));
    }
    Filtered { kept, removed, notes }
}

/// The abilities that the request needs, in the order of [`Capability::ALL`].
fn needs(request: &RouteRequest) -> Vec<Capability> {
    let facts = &request.features;
    let needed = |c: &Capability| {
        let by_facts = match c {
            Capability::Vision => facts.has_images,
            Capability::Tools => facts.has_tools || facts.in_tool_loop,
            Capability::Json => facts.wants_json,
            Capability::Reasoning => false,
        };
        by_facts || request.options.require.contains(c)
    };
    Capability::ALL.into_iter().filter(needed).collect()
}

fn unknown(spec: &ModelSpec, needs: &[Capability]) -> Option<Capability> {
    needs.iter().copied().find(|c| spec.capabilities.get(*c).is_none())
}

fn broken(
    candidate: &Candidate,
    request: &RouteRequest,
    needs: &[Capability],
    tasks: &tasks::Weights,
    policy: &Policy,
) -> Option<Removal> {
    let (spec, options) = (&candidate.spec, &request.options);
    let named = matches!(request.form, ModelForm::Alias(_));
    let listed =
        |list: &[String]| list.iter().any(|name| name == spec.id.as_str() || name == spec.backend.as_str());
    if listed(&options.ignore) {
        return Some(Removal::Ignored);
    }
    if !options.only.is_empty() && !listed(&options.only) {
        return Some(Removal::NotInOnly);
    }
    if options.local_only && !spec.local {
        return Some(Removal::Locality);
    }
    if !named && spec.kind != ModelKind::Chat {
        return Some(Removal::Kind);
    }
    if let Some(missing) = needs.iter().copied().find(|c| spec.capabilities.get(*c) == Some(false)) {
        return Some(Removal::Capability { missing, known: true });
    }
    context(candidate, request, named, policy).or_else(|| ceilings(candidate, request, tasks, policy))
}

/// Input and output share the window. The estimate of the input is rough, so it is held against the window
/// with some slack, and the output counts only as far as the client insists on it.
fn context(candidate: &Candidate, request: &RouteRequest, named: bool, policy: &Policy) -> Option<Removal> {
    let has = candidate.spec.context?;
    let features = &request.features;
    let slack = if named { policy.context_slack.0 } else { policy.context_slack.1 };
    let input = (features.input_tokens.0 as f64 * slack) as u64;
    let output = if named { 0 } else { features.max_output.map_or(1, |t| t.0) };
    let needs = Tokens(input.saturating_add(output));
    (needs > has).then_some(Removal::Context { needs, has })
}

fn ceilings(
    candidate: &Candidate,
    request: &RouteRequest,
    tasks: &tasks::Weights,
    policy: &Policy,
) -> Option<Removal> {
    if let Some(ceiling) = request.options.max_cost {
        let Some(usd) = score::predicted_cost(candidate, &request.features, tasks, policy) else {
            return Some(Removal::PriceUnknown);
        };
        if usd > ceiling.dollars() {
            return Some(Removal::PriceCeiling { predicted: MicroUsd::from_dollars(usd), ceiling });
        }
    }
    let ceiling_ms = request.options.max_latency_ms?;
    let predicted_ms = score::predicted_latency_ms(candidate, &request.features, tasks, policy) as u64;
    (predicted_ms > ceiling_ms).then_some(Removal::LatencyCeiling { predicted_ms, ceiling_ms })
}
