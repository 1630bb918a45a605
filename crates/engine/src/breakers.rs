//! The breakers of all models on all backends: a map beside the actors, so that it outlives them and a reload.

use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use pointsman_types::{BackendId, LatencyView, ModelId, ModelSpec, Outcome};
use pointsman_upstream::BreakerSettings;
use tokio::time::{Duration, Instant};

use crate::circuit::{Circuit, Passage, Standing, Wait};

/// Who is meant: a model on a backend.
type Key = (BackendId, ModelId);

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breakers {
    circuits: Arc<DashMap<Key, Arc<Mutex<Circuit>>>>,
}

/// One breaker.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    circuit: Arc<Mutex<Circuit>>,
    settings: BreakerSettings,
}

fn key(spec: &ModelSpec) -> Key {
    (spec.backend.clone(), spec.id.clone())
}

impl Breakers {
    /// The breaker of a model, for an attempt.
    pub(crate) fn of(&self, spec: &ModelSpec, settings: BreakerSettings) -> Breaker {
        let circuit = Arc::clone(&self.circuits.entry(key(spec)).or_default());
        Breaker { circuit, settings }
    }

    /// Whether a model may be asked now.
    pub(crate) fn standing(&self, spec: &ModelSpec, settings: &BreakerSettings) -> Standing {
        if self.circuits.is_empty() {
            return Standing::Free;
        }
        let circuit = self.circuits.get(&key(spec)).map(|entry| Arc::clone(&entry));
        circuit.map_or(Standing::Free, |circuit| lock(&circuit).standing(Instant::now(), settings))
    }

    /// Backend, model and level of each.
    pub(crate) fn levels(&self) -> Vec<(BackendId, ModelId, i64)> {
        let circuits = self.circuits.iter();
        circuits
            .map(|entry| {
                let (backend, model) = entry.key();
                (backend.clone(), model.clone(), lock(entry.value()).level())
            })
            .collect()
    }

    /// Forgets those that have nothing to remember and that nobody holds.
    pub(crate) fn prune(&self) {
        self.circuits.retain(|_, circuit| Arc::strong_count(circuit) > 1 || !lock(circuit).is_whole());
    }
}

impl Breaker {
    pub(crate) fn admit(&self) -> Result<Passage, Standing> {
        lock(&self.circuit).admit(Instant::now(), &self.settings)
    }

    pub(crate) fn force(&self) -> Result<Passage, Standing> {
        lock(&self.circuit).force(Instant::now(), &self.settings)
    }

    /// An attempt begins; it is overdue if it has no content after `patience`.
    pub(crate) fn begins(&self, patience: Option<Duration>) -> Wait {
        lock(&self.circuit).begins(patience.map(|patience| Instant::now() + patience))
    }

    pub(crate) fn answers(&self, passage: Passage, wait: Wait) {
        lock(&self.circuit).answers(Instant::now(), passage, wait);
    }

    /// True where it opened.
    pub(crate) fn ended(&self, outcome: Outcome, passage: Passage, wait: Wait, view: &LatencyView) -> bool {
        let mut circuit = lock(&self.circuit);
        circuit.no_longer(wait);
        circuit.ended(outcome, passage, view, Instant::now(), &self.settings)
    }

    pub(crate) fn limit(&self, stated: Option<Duration>) {
        lock(&self.circuit).limit(stated, Instant::now());
    }
}

fn lock(circuit: &Mutex<Circuit>) -> std::sync::MutexGuard<'_, Circuit> {
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}
