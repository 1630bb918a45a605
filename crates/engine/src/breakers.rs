//! The breakers of all models on all backends: a map beside the actors, so that it outlives them and a reload.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::DashMap;
use pointsman_types::{BackendId, LatencyView, ModelId, ModelSpec, Outcome};
use pointsman_upstream::BreakerSettings;
use tokio::time::{Duration, Instant};

use crate::circuit::{Circuit, Passage, Standing, Wait};

/// Who is meant: a model on a backend.
type Key = (BackendId, ModelId);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Breakers {
    circuits: Arc<DashMap<Key, Arc<Mutex<Circuit>>>>,
    /// With so many it is time to forget some.
    full: Arc<AtomicUsize>,
}

impl Default for Breakers {
    fn default() -> Self {
        Self { circuits: Arc::default(), full: Arc::new(AtomicUsize::new(FULL)) }
    }
}

/// More models than most catalogs have.
const FULL: usize = 4096;

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
        let key = key(spec);
        let known = self.circuits.get(&key).map(|entry| Arc::clone(&entry));
        let circuit = known.unwrap_or_else(|| {
            // a backend may take any name: what clients make up must not stay for ever
            if self.circuits.len() >= self.full.load(Ordering::Relaxed) {
                self.prune();
                self.full.store((self.circuits.len() * 2).max(FULL), Ordering::Relaxed);
            }
            Arc::clone(&self.circuits.entry(key).or_default())
        });
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
        let now = Instant::now();
        self.circuits.retain(|_, circuit| Arc::strong_count(circuit) > 1 || !lock(circuit).is_whole(now));
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
        let now = Instant::now();
        lock(&self.circuit).begins(now, patience.map(|patience| now + patience))
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
