//! The catalog of one moment.

use std::{collections::HashMap, sync::Arc};

use pointsman_names::identify;
use pointsman_types::{BackendId, BackendKind, BackendState, ModelSpec};

use crate::{CatalogSettings, Facts, glob, merge};

/// The names of models, and the models.
type Names = HashMap<Box<str>, Vec<Arc<ModelSpec>>>;

/// All routable models and the state of the backends. Never changes.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    models: Vec<Arc<ModelSpec>>,
    names: Names,
    /// The same in lower case.
    folded: Names,
    /// By canonical id, by that without `instruct`, by line.
    canonical: [Names; 3],
    backends: Vec<BackendState>,
    /// Backends that take names by their shape.
    accepting: Vec<crate::CatalogBackend>,
    facts: Arc<Facts>,
    generation: u64,
}

/// The models of a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Match<'a> {
    /// These, several where several backends serve it.
    Found(&'a [Arc<ModelSpec>]),
    /// The name leaves open which of these is meant.
    Ambiguous(&'a [Arc<ModelSpec>]),
}

impl CatalogSnapshot {
    pub(crate) fn new(
        models: Vec<Arc<ModelSpec>>,
        backends: Vec<BackendState>,
        settings: &CatalogSettings,
        generation: u64,
    ) -> Self {
        let canonical = canonical(&models);
        let names = names(&models, &canonical[0]);
        let folded = folded(&models, &names);
        let accepting = settings.backends.iter().filter(|b| !b.accept.is_empty()).cloned().collect();
        let facts = Arc::clone(&settings.facts);
        Self { models, names, folded, canonical, backends, accepting, facts, generation }
    }

    /// All models: in the order of the backends, those of the configuration before those discovered.
    pub fn models(&self) -> &[Arc<ModelSpec>] {
        &self.models
    }

    /// The models of this name, several where several backends serve it. An id comes before an alias, an
    /// upstream id or `backend/id`, those before a name that differs only in case, and last comes another spelling of
    /// the same model. Empty where nobody serves it, or where the name leaves open which of several is meant.
    pub fn find(&self, name: &str) -> &[Arc<ModelSpec>] {
        match self.resolve(name) {
            Match::Found(found) => found,
            Match::Ambiguous(_) => &[],
        }
    }

    /// As [`Self::find`], and says where a name is ambiguous.
    pub fn resolve(&self, name: &str) -> Match<'_> {
        if let Some(found) = self.names.get(name).or_else(|| self.folded.get(name.to_lowercase().as_str())) {
            return Match::Found(found);
        }
        let identity = identify(name);
        if identity.family.is_none() {
            return Match::Found(&[]);
        }
        let [exact, keys, lines] = &self.canonical;
        let open = identity.size.is_none() && identity.variant.is_none();
        let found = exact
            .get(identity.canonical.as_str())
            .or_else(|| keys.get(identity.key().as_str()))
            .or_else(|| lines.get(identity.line.as_str()).filter(|_| open));
        let Some(found) = found else { return Match::Found(&[]) };
        let one = found.iter().all(|spec| spec.about.canonical == found[0].about.canonical);
        if one { Match::Found(found) } else { Match::Ambiguous(found) }
    }

    /// Where the models of a name stand in [`Self::models`], those of an open name included: a line stands for all
    /// its sizes. `places` is from [`Self::places`].
    pub fn all_of(&self, name: &str, places: &HashMap<*const ModelSpec, u32>) -> Vec<u32> {
        let (Match::Found(found) | Match::Ambiguous(found)) = self.resolve(name);
        found.iter().filter_map(|spec| places.get(&Arc::as_ptr(spec)).copied()).collect()
    }

    /// The place of each model in [`Self::models`].
    pub fn places(&self) -> HashMap<*const ModelSpec, u32> {
        self.models.iter().enumerate().map(|(n, spec)| (Arc::as_ptr(spec), n as u32)).collect()
    }

    /// The models that backends take by the shape of their name although nobody lists them.
    pub fn accepting(&self, name: &str) -> Vec<Arc<ModelSpec>> {
        let takes = |b: &&crate::CatalogBackend| b.accept.iter().any(|pattern| glob::matches(pattern, name));
        self.accepting.iter().filter(takes).map(|b| Arc::new(merge::plain(b, name, &self.facts))).collect()
    }

    /// The backends, in the order of the configuration.
    pub fn backends(&self) -> &[BackendState] {
        &self.backends
    }

    /// What a backend speaks.
    pub fn kind_of(&self, backend: &BackendId) -> BackendKind {
        let state = self.backends.iter().find(|state| state.endpoint.id == *backend);
        state.map_or(BackendKind::OpenAi, |state| state.endpoint.kind)
    }

    /// Counts the snapshots; a larger one is newer.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Unix time of the last good answer of any backend; `None` where none has answered yet.
    pub fn synced_at(&self) -> Option<u64> {
        self.backends.iter().filter_map(|state| state.answered_at).max()
    }
}

fn names(models: &[Arc<ModelSpec>], canonical: &Names) -> Names {
    let mut ids = Names::new();
    for spec in models {
        ids.entry(spec.id.as_str().into()).or_default().push(Arc::clone(spec));
    }
    // the same model under another spelling on another backend
    for (name, serving) in &mut ids {
        let twins = canonical.get(name).map(Vec::as_slice).unwrap_or_default();
        for twin in twins.iter().filter(|twin| is_plain(twin)) {
            if serving.iter().all(|own| own.backend != twin.backend) {
                serving.push(Arc::clone(twin));
            }
        }
    }
    let mut others = Names::new();
    for spec in models {
        let qualified = format!("{}/{}", spec.backend, spec.id);
        let aliases = spec.aliases.iter().map(pointsman_types::ModelId::as_str);
        for name in aliases.chain([&*spec.upstream_id, qualified.as_str()]) {
            if !ids.contains_key(name) {
                let same = others.entry(name.into()).or_default();
                if !same.iter().any(|other| Arc::ptr_eq(other, spec)) {
                    same.push(Arc::clone(spec));
                }
            }
        }
    }
    ids.extend(others);
    ids
}

/// The same names in lower case, each with its models in the order of `models`.
fn folded(models: &[Arc<ModelSpec>], names: &Names) -> Names {
    let places: HashMap<_, _> = models.iter().enumerate().map(|(i, m)| (Arc::as_ptr(m), i)).collect();
    let mut folded = Names::new();
    for (name, specs) in names {
        folded.entry(name.to_lowercase().into()).or_default().extend(specs.iter().cloned());
    }
    for same in folded.values_mut() {
        same.sort_by_key(|m| places.get(&Arc::as_ptr(m)));
        same.dedup_by(|a, b| Arc::ptr_eq(a, b));
    }
    folded
}

/// Whether an upstream id names no date and no storage: the model as such.
fn is_plain(spec: &ModelSpec) -> bool {
    let identity = identify(&spec.upstream_id);
    identity.snapshot.is_none() && identity.quantisation.is_none()
}

/// Models by what they are, whatever they are called: by their canonical id, by that without `instruct`, by their
/// line alone. Somebody's own tuning answers to its own name only.
fn canonical(models: &[Arc<ModelSpec>]) -> [Names; 3] {
    let mut maps = [Names::new(), Names::new(), Names::new()];
    for spec in models {
        let Some(id) = spec.about.canonical.as_deref().filter(|_| spec.about.family.is_some()) else {
            continue;
        };
        if identify(&spec.upstream_id).fine_tuned {
            continue;
        }
        let identity = identify(id);
        for (names, name) in maps.iter_mut().zip([id, identity.key().as_str(), identity.line.as_str()]) {
            names.entry(name.into()).or_default().push(Arc::clone(spec));
        }
    }
    maps
}
