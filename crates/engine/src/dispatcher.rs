//! The dispatcher actors: each gathers the snapshots of the moment, asks `decide`, and answers with the plan.

use std::{collections::BTreeMap, sync::Arc};

use pointsman_actors::{ActorHandle, Envelope, Reply};
use pointsman_catalog::{CatalogHandle, CatalogSnapshot};
use pointsman_decide::{Candidate, Policy, Signals, decide};
use pointsman_latency::LatencyRegistry;
use pointsman_types::{Decision, Health, ModelForm, ModelSpec, NoRoute, RouteRequest};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::resolve::unknown_model;

pub(crate) enum DispatcherMsg {
    Decide(Box<RouteRequest>, Signals, Reply<Result<Decision, NoRoute>>),
}

pub(crate) type DispatcherHandle = ActorHandle<DispatcherMsg>;

/// Holds no state of its own yet: session memory will live here, which is why requests of one session always
/// meet the same dispatcher.
#[derive(Debug, Clone)]
pub(crate) struct DispatcherActor {
    pub(crate) catalog: CatalogHandle,
    pub(crate) latency: LatencyRegistry,
    pub(crate) policy: Arc<Policy>,
    pub(crate) aliases: Arc<BTreeMap<String, ModelForm>>,
}

impl Actor for DispatcherActor {
    type Msg = Envelope<DispatcherMsg>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let (DispatcherMsg::Decide(request, signals, reply), _permit) = envelope.open();
        if !reply.is_stale(Instant::now()) {
            reply.send(self.decide(&request, &signals));
        }
        Ok(())
    }
}

impl DispatcherActor {
    fn decide(&self, request: &RouteRequest, signals: &Signals) -> Result<Decision, NoRoute> {
        let snapshot = self.catalog.snapshot();
        let candidates = match &request.form {
            ModelForm::Alias(name) => {
                let named = self.named(&snapshot, name);
                if named.is_empty() {
                    return Err(unknown_model(name, &snapshot, &self.aliases));
                }
                named
            }
            _ => snapshot.models().iter().map(|spec| self.candidate(&snapshot, spec)).collect(),
        };
        decide(request, signals, candidates, &self.policy)
    }

    /// Those that list the name, else those that take any name of its shape.
    fn named(&self, snapshot: &CatalogSnapshot, name: &str) -> Vec<Candidate> {
        let listed = snapshot.find(name);
        if listed.is_empty() {
            snapshot.accepting(name).iter().map(|spec| self.candidate(snapshot, spec)).collect()
        } else {
            listed.iter().map(|spec| self.candidate(snapshot, spec)).collect()
        }
    }

    fn candidate(&self, snapshot: &CatalogSnapshot, spec: &Arc<ModelSpec>) -> Candidate {
        let state = snapshot.backends().iter().find(|b| b.endpoint.id == spec.backend);
        let health = state.map_or(&Health::Unknown, |b| &b.health);
        Candidate::new(Arc::clone(spec), self.latency.view(&spec.backend, &spec.id), health)
    }
}
