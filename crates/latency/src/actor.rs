//! The actor of one backend.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
}

#[derive(Default)]
pub(crate) struct Models {
    models: HashMap<ModelId, Model>,
    /// A `Publish` is on its way.
    publishing: bool,
}

struct Model {
    windows: Windows,
    news: bool,
}

impl Actor for LatencyActor {
    type Msg = Envelope<LatencyMsg>;
    type State = Models;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<Models, ActorProcessingErr> {
        // what an actor before this one published is no longer backed by a histogram
        self.views.clear();
        myself.send_interval(self.settings.window, || Envelope::to_self(LatencyMsg::Rotate));
        Ok(Models::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        state: &mut Models,
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            LatencyMsg::Record(seen) => {
                self.record(&seen, state);
                if !std::mem::replace(&mut state.publishing, true) {
                    myself.send_after(PUBLISH_AFTER, || Envelope::to_self(LatencyMsg::Publish));
                }
            }
            LatencyMsg::Publish => {
                state.publishing = false;
                self.publish(state);
            }
            LatencyMsg::Rotate => {
                self.rotate(state);
                self.publish(state);
            }
        }
        Ok(())
    }
}

impl LatencyActor {
    fn record(&self, seen: &Observation, state: &mut Models) {
        if let Some(model) = state.models.get_mut(&seen.model) {
            model.windows.record(seen);
            model.news = true;
        } else if state.models.len() < MAX_MODELS {
            let mut windows = Windows::new(self.settings.windows);
            windows.record(seen);
            state.models.insert(seen.model.clone(), Model { windows, news: true });
        }
    }

    fn publish(&self, state: &mut Models) {
        for (id, model) in &mut state.models {
            if std::mem::take(&mut model.news) {
                self.views.entry(id.clone()).or_default().store(model.windows.view());
            }
        }
    }

    fn rotate(&self, state: &mut Models) {
        state.models.retain(|id, model| {
            model.news = model.windows.rotate();
            if !model.news {
                self.views.remove(id);
            }
            model.news
        });
    }
}
