//! Who may take a request, and how names and lists lead to them.

use std::{collections::HashMap, sync::Arc};

use pointsman_types::{Health, LatencyView, ModelSpec};

use crate::{Estimate, Evidence};

/// One model on one backend, with what was observed of it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub spec: Arc<ModelSpec>,
    /// Recent latencies and failures.
    pub latency: LatencyView,
    /// Its backend could not be reached at the last sync, or no longer lists it: a last resort.
    pub unreachable: bool,
    /// It failed too often of late, or is over its rate limit: passed over while there is another.
    pub resting: bool,
    /// What feedback and outcomes say of its quality, where anything does.
    pub evidence: Option<Arc<Evidence>>,
    /// What recorded outcomes of prompts like this one say, where any do.
    pub estimate: Option<Estimate>,
}

impl Candidate {
    /// A candidate of a backend in this state.
    pub fn new(spec: Arc<ModelSpec>, latency: LatencyView, health: &Health) -> Self {
        let unreachable = matches!(health, Health::Unreachable { .. }) || spec.about.stale_since.is_some();
        Self { spec, latency, unreachable, resting: false, evidence: None, estimate: None }
    }

    /// Whether it may be asked before those that are a last resort.
    pub(crate) const fn is_there(&self) -> bool {
        !self.unreachable && !self.resting
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        *self.spec.id.as_str() == *name
            || *self.spec.backend.as_str() == *name
            || self.spec.aliases.iter().any(|alias| alias.as_str() == name)
    }
}

/// Which candidates the names and lists of a policy mean: made once a catalog, read by every request.
/// Numbers are places in [`Pool::candidates`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// The models of a name.
    pub names: HashMap<String, Vec<u32>>,
    /// The models of a trade: place in its list and candidate, in the order of the list.
    pub industries: HashMap<String, Vec<(u32, u32)>>,
}

/// All that may be chosen for a request.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// The candidates; their order does not matter.
    pub candidates: Vec<Candidate>,
    /// What the policy's names and lists mean.
    pub lists: Arc<Lists>,
    /// What the names in the request mean.
    pub names: HashMap<String, Vec<u32>>,
}

impl Pool {
    /// All candidates, for forms that name none.
    pub fn of(candidates: Vec<Candidate>) -> Self {
        Self { candidates, ..Self::default() }
    }

    /// The candidates of one concrete name and no others.
    pub fn named(name: &str, candidates: Vec<Candidate>) -> Self {
        let all = (0..candidates.len() as u32).collect();
        Self { candidates, lists: Arc::default(), names: HashMap::from([(name.to_owned(), all)]) }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&[u32]> {
        self.names.get(name).or_else(|| self.lists.names.get(name)).map(Vec::as_slice)
    }
}
