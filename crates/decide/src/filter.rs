//! Hard constraints: what cannot take the request is removed, with the first constraint it breaks.

use pointsman_types::{Capability, MicroUsd, ModelKind, ModelSpec, Removal, RouteRequest, Tokens};

use crate::{Candidate, Policy, entry::Entry, score::Scorer, tasks};

/// The constraints of one entry of a chain.
pub(crate) struct Filter<'a> {
    request: &'a RouteRequest,
    scorer: &'a Scorer<'a>,
    entry: &'a Entry<'a>,
    /// The abilities that the request needs, in the order of [`Capability::ALL`].
    needs: Vec<Capability>,
    /// Tokens that the request needs of a context window.
    window: Tokens,
}

/// What a filter says of a candidate.
pub(crate) enum Verdict {
    /// It can take the request.
    Fits,
    /// It can, if it has an ability that nobody says it has.
    May(Capability),
    /// It cannot.
    No(Removal),
}

impl<'a> Filter<'a> {
    pub(crate) fn new(
        request: &'a RouteRequest,
        policy: &'a Policy,
        scorer: &'a Scorer<'a>,
        entry: &'a Entry<'a>,
    ) -> Self {
        let needs = Capability::ALL.into_iter().filter(|c| tasks::needs(request, *c)).collect();
        let window = window(request, entry.named, policy);
        Self { request, scorer, entry, needs, window }
    }

    pub(crate) fn judge(&self, candidate: &Candidate) -> Verdict {
        if let Some(why) = self.broken(candidate) {
            return Verdict::No(why);
        }
        let known = |c: &Capability| candidate.spec.capabilities.get(*c).is_none();
        self.needs.iter().copied().find(known).map_or(Verdict::Fits, Verdict::May)
    }

    fn broken(&self, candidate: &Candidate) -> Option<Removal> {
        let (spec, options) = (&*candidate.spec, &self.request.options);
        let listed = |list: &[String]| {
            list.iter().any(|name| name == spec.id.as_str() || name == spec.backend.as_str())
        };
        if !options.ignore.is_empty() && listed(&options.ignore) {
            return Some(Removal::Ignored);
        }
        if !options.only.is_empty() && !listed(&options.only) {
            return Some(Removal::NotInOnly);
        }
        if !self.entry.pool.is_empty() && !self.entry.pool.iter().any(|name| candidate.is_named(name)) {
            return Some(Removal::NotInPool);
        }
        if (options.local_only || self.entry.local) && !spec.local {
            return Some(Removal::Locality);
        }
        if !self.entry.named && spec.kind != ModelKind::Chat {
            return Some(Removal::Kind);
        }
        if let Some(missing) = self.needs.iter().copied().find(|c| spec.capabilities.get(*c) == Some(false)) {
            return Some(Removal::Capability { missing, known: true });
        }
        self.context(spec).or_else(|| self.ceilings(candidate))
    }

    fn context(&self, spec: &ModelSpec) -> Option<Removal> {
        let (needs, has) = (self.window, spec.context?);
        (needs > has).then_some(Removal::Context { needs, has })
    }

    fn ceilings(&self, candidate: &Candidate) -> Option<Removal> {
        let options = &self.request.options;
        if let Some(ceiling) = options.max_cost {
            let Some(usd) = self.scorer.cost(candidate, Tokens(0)) else {
                return Some(Removal::PriceUnknown);
            };
            if usd > ceiling.dollars() {
                return Some(Removal::PriceCeiling { predicted: MicroUsd::from_dollars(usd), ceiling });
            }
        }
        if let Some(ceiling) = self.entry.max_input_cost {
            let Some(price) = candidate.spec.price else { return Some(Removal::PriceUnknown) };
            let usd = price.cost_usd(self.request.features.input_tokens, Tokens(0));
            if usd > ceiling {
                let ceiling = MicroUsd::from_dollars(ceiling);
                return Some(Removal::InputCost { predicted: MicroUsd::from_dollars(usd), ceiling });
            }
        }
        let ceiling_ms = options.max_latency_ms?;
        let predicted_ms = self.scorer.latency(candidate).1 as u64;
        (predicted_ms > ceiling_ms).then_some(Removal::LatencyCeiling { predicted_ms, ceiling_ms })
    }
}

/// Input and output share the window. The estimate of the input is rough, so it is held against the window with some
/// slack, and the output counts only as far as the client insists on it.
fn window(request: &RouteRequest, named: bool, policy: &Policy) -> Tokens {
    let features = &request.features;
    let slack = if named { policy.context_slack.0 } else { policy.context_slack.1 };
    let input = (features.input_tokens.0 as f64 * slack) as u64;
    let output = if named { 0 } else { features.max_output.map_or(1, |t| t.0) };
    Tokens(input.saturating_add(output))
}
