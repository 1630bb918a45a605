//! The dispatcher actors: each gathers the pool of the moment, asks `decide`, and answers with the plan.

use std::{sync::Arc, time::SystemTime};

use pointsman_actors::{ActorHandle, Envelope, Reply};
use pointsman_decide::{Pool, Question, Session, Signals, WhyNot, decide, why_not};
use pointsman_types::{Decision, ModelForm, ModelSpec, NoRoute, RouteRequest};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::{
    Metrics,
    gather::{Gatherer, Roster},
    outcomes::Estimates,
    sessions::{SessionKey, Sessions},
};

/// A request to decide.
pub(crate) struct Ask {
    pub(crate) request: RouteRequest,
    pub(crate) signals: Signals,
    /// What recorded outcomes say of prompts like this one.
    pub(crate) estimates: Option<Estimates>,
    pub(crate) session: SessionKey,
    /// Where chance has a say.
    pub(crate) seed: u64,
    /// The model that a person asks about.
    pub(crate) why_not: Option<String>,
}

/// The plan, and why not another.
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    pub(crate) why_not: Option<WhyNot>,
}

pub(crate) struct DispatcherMsg(pub(crate) Arc<Ask>, pub(crate) Reply<Result<Answer, NoRoute>>);

pub(crate) type DispatcherHandle = ActorHandle<DispatcherMsg>;

/// Requests of one conversation always meet the same dispatcher, so that they are decided one after the other.
#[derive(Debug, Clone)]
pub(crate) struct DispatcherActor {
    pub(crate) gatherer: Gatherer,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Actor for DispatcherActor {
    type Msg = Envelope<DispatcherMsg>;
    type State = Roster;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Roster, ActorProcessingErr> {
        Ok(Roster::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        roster: &mut Roster,
    ) -> Result<(), ActorProcessingErr> {
        let (DispatcherMsg(ask, reply), _permit) = envelope.open();
        if reply.is_stale(Instant::now()) {
            return Ok(());
        }
        let pool = match self.gatherer.pool(&ask.request, ask.estimates.as_ref(), roster) {
            Ok(pool) => pool,
            Err(error) => {
                reply.send(Err(error));
                return Ok(());
            }
        };
        let session = self.session(&ask);
        let question = Question {
            request: &ask.request,
            signals: &ask.signals,
            pool: &pool,
            policy: &self.gatherer.policy,
            session: session.as_ref(),
            now: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            seed: ask.seed,
        };
        let decided = decide(&question);
        let asked = ask.why_not.as_ref().and_then(|name| {
            let members = self.members(name, &pool);
            why_not(&question, &decided, &|spec| members.iter().any(|m| std::ptr::eq(&raw const **m, spec)))
        });
        let shadow = self
            .gatherer
            .policy
            .shadow
            .as_deref()
            .zip(decided.as_ref().ok().map(|d| d.candidates[0].clone()));
        reply.send(match decided {
            Ok(decision) => Ok(Answer { decision, why_not: asked }),
            Err(NoRoute::UnknownModel { name, .. }) => {
                Err(self.gatherer.unknown(&name, &self.gatherer.catalog.snapshot()))
            }
            Err(error) => Err(error),
        });
        // nobody waits for the second opinion
        if let Some((policy, live)) = shadow.filter(|_| pointsman_decide::is_open(&ask.request)) {
            let other = decide(&Question { policy, ..question });
            self.metrics.shadow(&live, other.as_ref().ok().map(|d| &d.candidates[0]));
        }
        Ok(())
    }
}

impl DispatcherActor {
    fn session(&self, ask: &Ask) -> Option<Session> {
        let open = ask.request.forms.iter().any(|form| !matches!(form, ModelForm::Alias(_)));
        if open { self.sessions.recall(ask.session) } else { None }
    }

    /// The candidates that a person may mean.
    fn members(&self, name: &str, pool: &Pool) -> Vec<Arc<ModelSpec>> {
        let snapshot = self.gatherer.catalog.snapshot();
        let places = snapshot.places();
        let named = snapshot.all_of(name, &places);
        let named = named.iter().filter_map(|n| snapshot.models().get(*n as usize));
        named.filter(|spec| pool.candidates.iter().any(|c| Arc::ptr_eq(&c.spec, spec))).cloned().collect()
    }
}
