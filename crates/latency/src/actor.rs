//! The actor of one backend.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dashmap::DashMap;
use pointsman_actors::{Cell, Envelope};
use pointsman_types::{LatencyView, ModelId, Observation};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::{LatencySettings, windows::Windows};

/// How long a published view may lag behind its observations.
const PUBLISH_AFTER: Duration = Duration::from_millis(50);
/// The most models of one backend that are followed at once; those beyond it stay unobserved.
const MAX_MODELS: usize = 4096;

/// The published views of one backend.
pub(crate) type Views = Arc<DashMap<ModelId, Cell<LatencyView>>>;

pub(crate) enum LatencyMsg {
    Record(Observation),
    /// Views are out of date since a while.
    Publish,
    /// A window is over.
    Rotate,
}

#[derive(Debug, Clone)]
pub(crate) struct LatencyActor {
    pub(crate) settings: LatencySettings,
    pub(crate) views: Views,
    /// What was observed, beside the actor so that it outlives it.
    pub(crate) models: Arc<Mutex<HashMap<ModelId, Model>>>,
}

#[derive(Default)]
pub(crate) struct Pending {
    /// A `Publish` is on its way.
    publishing: bool,
}

#[derive(Debug)]
pub(crate) struct Model {
    windows: Windows,
    news: bool,
}

impl Actor for LatencyActor {
    type Msg = Envelope<LatencyMsg>;
    type State = Pending;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<Pending, ActorProcessingErr> {
        myself.send_interval(self.settings.window, || Envelope::to_self(LatencyMsg::Rotate));
        Ok(Pending::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        state: &mut Pending,
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            LatencyMsg::Record(seen) => {
                self.record(&seen);
                if !std::mem::replace(&mut state.publishing, true) {
                    myself.send_after(PUBLISH_AFTER, || Envelope::to_self(LatencyMsg::Publish));
                }
            }
            LatencyMsg::Publish => {
                state.publishing = false;
                self.publish();
            }
            LatencyMsg::Rotate => {
                self.rotate();
                self.publish();
            }
        }
        Ok(())
    }
}

impl LatencyActor {
    /// Only this actor writes; a poisoned lock is of one that died while it did.
    fn models(&self) -> MutexGuard<'_, HashMap<ModelId, Model>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, seen: &Observation) {
        let mut models = self.models();
        if let Some(model) = models.get_mut(&seen.model) {
            model.windows.record(seen);
            model.news = true;
        } else if models.len() < MAX_MODELS {
            let mut windows = Windows::new(self.settings.windows);
            windows.record(seen);
            models.insert(seen.model.clone(), Model { windows, news: true });
        }
    }

    fn publish(&self) {
        for (id, model) in self.models().iter_mut() {
            if std::mem::take(&mut model.news) {
                self.views.entry(id.clone()).or_default().store(model.windows.view());
            }
        }
    }

    fn rotate(&self) {
        self.models().retain(|id, model| {
            model.news = model.windows.rotate();
            if !model.news {
                self.views.remove(id);
            }
            model.news
        });
    }
}
