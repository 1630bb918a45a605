//! The latency actors of all backends, and how others reach them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use pointsman_actors::{ActorError, ActorHandle, QueueStats, Supervisor};
use pointsman_types::{BackendId, LatencyView, ModelId, Observation};

use crate::{
    LatencySettings,
    actor::{LatencyActor, LatencyMsg, Views},
};

/// Takes observations and shows views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LatencyRegistry {
    backends: Arc<HashMap<BackendId, Followed>>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Followed {
    actor: ActorHandle<LatencyMsg>,
    views: Views,
}

impl LatencyRegistry {
    /// Starts one actor for each backend.
    pub async fn start(
        supervisor: &Supervisor,
        backends: impl IntoIterator<Item = BackendId>,
        settings: LatencySettings,
    ) -> Result<Self, ActorError> {
        let none = Self { backends: Arc::default(), dropped: Arc::default() };
        none.also(supervisor, backends, settings).await
    }

    /// The same, and an actor for each backend that has none yet. Those that are followed go on being followed.
    pub async fn also(
        &self,
        supervisor: &Supervisor,
        backends: impl IntoIterator<Item = BackendId>,
        settings: LatencySettings,
    ) -> Result<Self, ActorError> {
        let mut followed = HashMap::clone(&self.backends);
        for backend in backends {
            if followed.contains_key(&backend) {
                continue;
            }
            let views = Views::default();
            let actor = LatencyActor { settings, views: Arc::clone(&views), models: Arc::default() };
            let name = format!("latency:{backend}");
            let actor = supervisor.spawn(&name, settings.mailbox, move || actor.clone()).await?;
            followed.insert(backend, Followed { actor, views });
        }
        Ok(Self { backends: Arc::new(followed), dropped: Arc::clone(&self.dropped) })
    }

    /// Hands an observation to its backend's actor, without waiting. Dropped and counted where the mailbox is
    /// full, the actor restarts, or the backend is unknown.
    pub fn record(&self, seen: Observation) {
        let taken = self.backends.get(&seen.backend).map(|b| b.actor.cast(LatencyMsg::Record(seen)));
        if !matches!(taken, Some(Ok(()))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was observed of a model lately; empty where nothing was. At most 50 ms behind.
    pub fn view(&self, backend: &BackendId, model: &ModelId) -> LatencyView {
        let views = self.backends.get(backend).map(|b| &b.views);
        views.and_then(|views| views.get(model).map(|cell| **cell.load())).unwrap_or_default()
    }

    /// The counters of each actor's mailbox.
    pub fn stats(&self) -> Vec<QueueStats> {
        self.backends.values().map(|b| b.actor.stats()).collect()
    }

    /// Observations that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
