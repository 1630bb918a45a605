//! The catalog actor: one writer, syncs in rounds.

use std::{sync::Arc, time::SystemTime};

use pointsman_actors::{ActorError, ActorHandle, CallError, Cell, Envelope, QueueStats, Reply, Supervisor};
use pointsman_types::{BackendState, Health};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    CatalogBackend, CatalogSettings, CatalogSnapshot, merge,
    source::{self, ListError, Listed},
};

/// Messages that may wait: syncs on demand.
const MAILBOX: usize = 64;

pub(crate) enum CatalogMsg {
    /// Sync now; answered when a round that began after this is over.
    Sync(Option<Reply<()>>),
    /// A backend has answered, or not.
    Listed(usize, Result<Vec<Listed>, ListError>),
}

/// What is known of one backend. Outlives the actor.
#[derive(Debug, Clone)]
struct Known {
    listed: Vec<Listed>,
    health: Health,
}

/// Reads the catalog and asks for syncs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CatalogHandle {
    actor: ActorHandle<CatalogMsg>,
    snapshot: Cell<CatalogSnapshot>,
}

impl CatalogHandle {
    /// Starts the actor. The models of the configuration are there at once; a first sync is under way.
    pub async fn start(supervisor: &Supervisor, settings: CatalogSettings) -> Result<Self, ActorError> {
        let failed =
            |why: reqwest::Error| ActorError::Start { name: "catalog".to_owned(), why: why.to_string() };
        let client = || Client::builder().redirect(reqwest::redirect::Policy::none()).referer(false);
        let unknown = Known { listed: Vec::new(), health: Health::Unknown };
        let known = Cell::new(vec![unknown; settings.backends.len()]);
        let actor = CatalogActor {
            proxied: client().build().map_err(failed)?,
            direct: client().no_proxy().build().map_err(failed)?,
            settings: Arc::new(settings),
            known,
            snapshot: Cell::default(),
        };
        actor.publish(None);
        let snapshot = actor.snapshot.clone();
        let actor = supervisor.spawn("catalog", MAILBOX, move || actor.clone()).await?;
        Ok(Self { actor, snapshot })
    }

    /// The catalog of this moment.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        self.snapshot.load_full()
    }

    /// Asks all backends now and waits, until `deadline`, for the last of them.
    pub async fn sync_now(&self, deadline: Instant) -> Result<(), CallError> {
        self.actor.ask(deadline, |reply| CatalogMsg::Sync(Some(reply))).await
    }

    /// The counters of the mailbox.
    pub fn stats(&self) -> QueueStats {
        self.actor.stats()
    }
}

#[derive(Debug, Clone)]
struct CatalogActor {
    settings: Arc<CatalogSettings>,
    /// A proxy from the environment is for the world outside ...
    proxied: Client,
    /// ... not for own infrastructure.
    direct: Client,
    known: Cell<Vec<Known>>,
    snapshot: Cell<CatalogSnapshot>,
}

#[derive(Default)]
struct Round {
    /// Requests under way; dropped with the actor.
    asking: JoinSet<()>,
    outstanding: usize,
    /// Who waits for this round, and who for the next.
    waiting: Vec<Reply<()>>,
    waiting_next: Vec<Reply<()>>,
    timer: Option<JoinHandle<Result<(), ractor::MessagingErr<Envelope<CatalogMsg>>>>>,
}

impl Actor for CatalogActor {
    type Msg = Envelope<CatalogMsg>;
    type State = Round;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<Round, ActorProcessingErr> {
        let mut round = Round::default();
        self.begin(&myself, &mut round);
        Ok(round)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        round: &mut Round,
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            CatalogMsg::Sync(reply) if round.outstanding > 0 => round.waiting_next.extend(reply),
            CatalogMsg::Sync(reply) => {
                round.waiting.extend(reply);
                self.begin(&myself, round);
            }
            CatalogMsg::Listed(index, result) => {
                while round.asking.try_join_next().is_some() {}
                round.outstanding = round.outstanding.saturating_sub(1);
                self.learn(index, result);
                if round.outstanding == 0 {
                    self.end(&myself, round);
                }
            }
        }
        Ok(())
    }
}

impl CatalogActor {
    fn begin(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round) {
        for (index, backend) in self.settings.backends.iter().enumerate().filter(|(_, b)| b.discover) {
            let client = if backend.endpoint.local || backend.endpoint.simulated {
                &self.direct
            } else {
                &self.proxied
            };
            let (client, settings, myself) = (client.clone(), Arc::clone(&self.settings), myself.clone());
            round.outstanding += 1;
            round.asking.spawn(async move {
                let backend = &settings.backends[index];
                let listed = source::list(&client, backend, settings.timeout, settings.max_list_bytes).await;
                // an actor that is gone needs no list
                let _ = myself.send_message(Envelope::to_self(CatalogMsg::Listed(index, listed)));
            });
        }
        if round.outstanding == 0 {
            self.end(myself, round);
        }
    }

    fn end(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round) {
        for reply in round.waiting.drain(..) {
            reply.send(());
        }
        if let Some(timer) = round.timer.take() {
            timer.abort();
        }
        if round.waiting_next.is_empty() {
            let wait = self.settings.refresh.mul_f64(jitter());
            round.timer = Some(myself.send_after(wait, || Envelope::to_self(CatalogMsg::Sync(None))));
        } else {
            round.waiting = std::mem::take(&mut round.waiting_next);
            self.begin(myself, round);
        }
    }

    fn learn(&self, index: usize, result: Result<Vec<Listed>, ListError>) {
        let mut known = Vec::clone(&self.known.load());
        let (Some(entry), Some(backend)) = (known.get_mut(index), self.settings.backends.get(index)) else {
            return;
        };
        let before = entry.clone();
        let answered = result.is_ok().then(SystemTime::now);
        match result {
            Ok(listed) => *entry = Known { listed, health: Health::Up },
            // what it served before stays routable: it may be back before anybody asks
            Err(ListError::Unreachable(error)) => entry.health = Health::Unreachable { error },
            Err(ListError::Bad(error)) => entry.health = Health::Degraded { error },
        }
        if entry.health != before.health || entry.listed != before.listed {
            tell(backend, entry);
        } else if answered.is_none() {
            return;
        }
        self.known.store(known);
        self.publish(answered);
    }

    /// Publishes what is known; `answered` where a backend has just answered.
    fn publish(&self, answered: Option<SystemTime>) {
        let known = self.known.load();
        let (mut models, mut states) = (Vec::new(), Vec::new());
        for (backend, known) in self.settings.backends.iter().zip(known.iter()) {
            let merged = merge::merge(backend, &known.listed);
            states.push(BackendState {
                endpoint: backend.endpoint.clone(),
                health: known.health.clone(),
                models: merged.len(),
            });
            models.extend(merged);
        }
        let before = self.snapshot.load_full();
        let synced_at = answered.or(before.synced_at());
        let generation = before.generation() + 1;
        self.snapshot.store(CatalogSnapshot::new(
            models,
            states,
            &self.settings.backends,
            generation,
            synced_at,
        ));
    }
}

fn tell(backend: &CatalogBackend, now: &Known) {
    let (id, health, models) = (&backend.endpoint.id, now.health.as_str(), now.listed.len());
    match &now.health {
        Health::Unreachable { error } | Health::Degraded { error } => {
            tracing::warn!(backend = %id, health, %error, "catalog");
        }
        Health::Up | Health::Unknown => tracing::info!(backend = %id, health, models, "catalog"),
    }
}

/// Between 0.9 and 1.1: many routers in front of one backend should not ask it all at once.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    0.9 + 0.2 * (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}
