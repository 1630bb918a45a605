//! The catalog of one moment.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use pointsman_types::{BackendState, ModelSpec};

use crate::{CatalogBackend, glob, merge};

/// The names of models, and the models.
type Names = HashMap<Box<str>, Vec<Arc<ModelSpec>>>;

/// All routable models and the state of the backends. Never changes.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    models: Vec<Arc<ModelSpec>>,
    names: Names,
    /// The same in lower case.
    folded: Names,
    backends: Vec<BackendState>,
    accepting: Vec<CatalogBackend>,
    generation: u64,
    synced_at: Option<SystemTime>,
}

impl CatalogSnapshot {
    pub(crate) fn new(
        models: Vec<ModelSpec>,
        backends: Vec<BackendState>,
        settings: &[CatalogBackend],
        generation: u64,
        synced_at: Option<SystemTime>,
    ) -> Self {
        let models: Vec<Arc<ModelSpec>> = models.into_iter().map(Arc::new).collect();
        let names = names(&models);
        let folded = folded(&models, &names);
        let accepting = settings.iter().filter(|b| !b.accept.is_empty()).cloned().collect();
        Self { models, names, folded, backends, accepting, generation, synced_at }
    }

    /// All models: in the order of the backends, those of the configuration before those discovered.
    pub fn models(&self) -> &[Arc<ModelSpec>] {
        &self.models
    }

    /// The models of this name, several where several backends serve it. An id comes before an alias, an
    /// upstream id or `backend/id`, and those before a name that differs only in case.
    pub fn find(&self, name: &str) -> &[Arc<ModelSpec>] {
        if let Some(found) = self.names.get(name) {
            return found;
        }
        self.folded.get(name.to_lowercase().as_str()).map_or(&[], Vec::as_slice)
    }

    /// The models that backends take by the shape of their name although nobody lists them.
    pub fn accepting(&self, name: &str) -> Vec<Arc<ModelSpec>> {
        let takes = |b: &&CatalogBackend| b.accept.iter().any(|pattern| glob::matches(pattern, name));
        self.accepting.iter().filter(takes).map(|b| Arc::new(merge::plain(b, name))).collect()
    }

    /// The backends, in the order of the configuration.
    pub fn backends(&self) -> &[BackendState] {
        &self.backends
    }

    /// Counts the snapshots; a larger one is newer.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the last backend answered; `None` where none has yet.
    pub const fn synced_at(&self) -> Option<SystemTime> {
        self.synced_at
    }
}

fn names(models: &[Arc<ModelSpec>]) -> Names {
    let mut ids = Names::new();
    for spec in models {
        ids.entry(spec.id.as_str().into()).or_default().push(Arc::clone(spec));
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
